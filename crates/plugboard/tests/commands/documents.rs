//! The JSON of the commands that may find several problems.

use harness::{Output, sh};
use serde_json::{Value, json};

use crate::support::Lab;

/// A container on two networks, whose plugins are `wire` and `cable`.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["wire", "cable", "netem-shaper"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network("home-net", &json!([{"type": "cable"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 'walt-net,home-net[bw=1Mbps]'").ok();
    lab
}

/// The document, which is all that was printed, and the exit status.
#[track_caller]
fn document(output: &Output) -> (i32, Value) {
    let document = serde_json::from_str(&output.stdout);
    (output.status, document.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

/// What a plugin that is broken says.
fn out_of_luck(network: &str, container: &str, if_name: &str, plugin: &str, advice: &str) -> Value {
    json!({"network": network, "containerId": container, "ifName": if_name, "plugin": plugin, "code": 123, "msg": "out of luck",
        "details": format!("the {plugin} is tired"), "advice": advice})
}

#[test]
fn check_and_status_tell_what_they_found_and_what_is_wrong() {
    let lab = lab();
    let checked = |state: &str, reason: &str| {
        json!([
            {"containerId": "c1", "ifName": "eth0", "network": "walt-net", "state": "ok", "reason": ""},
            {"containerId": "c1", "ifName": "eth1", "network": "home-net", "state": state, "reason": reason},
        ])
    };
    let all = (0, json!({"attachments": checked("ok", ""), "problems": []}));
    assert_eq!(document(&lab.plugboard("check --json c1")), all);
    lab.break_plugin("cable", "CHECK");
    let reason = "network 'home-net', plugin 'cable', CHECK: out of luck (code 123): the cable is tired";
    let problems = [out_of_luck("home-net", "c1", "eth1", "cable", "")];
    let different = (1, json!({"attachments": checked("differs", reason), "problems": problems}));
    assert_eq!(document(&lab.plugboard("check --json c1")), different);

    lab.break_plugin("cable", "STATUS");
    let network = |name: &str, state: &str| json!({"network": name, "state": state, "unasked": []});
    let problems = [out_of_luck("home-net", "", "", "cable", "")];
    let networks = [network("home-net", "notReady"), network("walt-net", "ready")];
    let told = (1, json!({"networks": networks, "problems": problems}));
    assert_eq!(document(&lab.plugboard("status --json")), told);
    lab.file("version", r#"{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}"#);
    let old = json!({"cniVersion": "1.0.0", "plugins": [{"type": "wire"}]});
    lab.network_with("walt-net", &old);
    let unknown = json!([{"network": "walt-net", "state": "unknown", "unasked": ["wire"]}]);
    let told = (0, json!({"networks": unknown, "problems": []}));
    assert_eq!(document(&lab.plugboard("status --json walt-net")), told);
}

#[test]
fn shape_detach_and_gc_tell_what_they_did_and_what_is_left() {
    let lab = lab();
    let (status, shaped) = document(&lab.plugboard("shape --json c1 eth1 lat=5ms"));
    assert_eq!((status, &shaped["problems"]), (0, &json!([])));
    assert_eq!(shaped["attachments"][0]["limits"], "bw=1Mbps,lat=5ms");
    assert_eq!(shaped, document(&lab.plugboard("shape --json c1 eth1")).1, "without a change it is printed");

    lab.break_plugin("cable", "DEL");
    let done = |action: &str, if_name: &str, network: &str| json!({"action": action, "containerId": "c1", "ifName": if_name, "network": network});
    let advice = "the record stays: correct this and detach again, or give it up with --force";
    let left = out_of_luck("home-net", "c1", "eth1", "cable", advice);
    let attachments = [done("kept", "eth1", "home-net"), done("removed", "eth0", "walt-net")];
    let told = (1, json!({"attachments": attachments, "problems": [left]}));
    assert_eq!(document(&lab.plugboard("detach --json c1")), told);
    lab.mend_plugin("cable", "DEL");
    let told = (0, json!({"attachments": [done("removed", "eth1", "home-net")], "problems": []}));
    assert_eq!(document(&lab.plugboard("detach --json c1")), told);

    lab.plugboard("attach c1 walt-net").ok();
    sh("ip netns delete c1").ok();
    lab.break_plugin("wire", "GC");
    let removed =
        json!([{"action": "removed", "containerId": "c1", "ifName": "eth0", "network": "walt-net", "reason": ""}]);
    let problems = [out_of_luck("walt-net", "", "", "wire", "")];
    let told = (1, json!({"attachments": removed, "problems": problems}));
    assert_eq!(document(&lab.plugboard("gc --json walt-net")), told);
}

#[test]
fn an_error_that_ends_the_command_is_a_document_too() {
    let lab = lab();
    for (command, about) in [
        ("check --json nobody", "attachments"),
        ("shape --json c1 eth7", "attachments"),
        ("gc --json no-net", "attachments"),
        ("status --json no-net", "networks"),
    ] {
        let output = lab.plugboard(command);
        let (status, told) = document(&output);
        assert_eq!((status, &told[about]), (1, &json!([])), "{command}");
        let message = told["problems"][0]["msg"].as_str().unwrap_or_default();
        assert!(!message.is_empty() && output.stderr.contains(message), "{command}: {output:?}");
    }
    let output = lab.plugboard("shape --json c1 eth1 speed=1");
    assert_eq!(document(&output).0, 2, "a wrong command line stays one");
}
