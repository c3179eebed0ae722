//! What plugins are told, and in which order, seen by plugins that write it down.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Lab, assert_refused};
use serde_json::{Value, json};

#[test]
fn each_plugin_gets_the_result_before_it_and_the_limits_it_asks_for() {
    let lab = Lab::new();
    lab.recorders(&["wire", "keeper"]);
    lab.network(
        "walt-net",
        &json!([{"type": "wire", "mtu": 9000, "capabilities": {"mac": true}},
            {"type": "keeper", "capabilities": {"shaping": true}}]),
    );
    let c1 = lab.host.namespace("c1");
    let result = json!({"cniVersion": "1.1.0", "custom": "kept", "ips": [{"address": "10.0.0.5/24", "interface": 1}],
        "interfaces": [{"name": "h-eth0"}, {"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"}]});
    let limits = json!({"shaping": {"bw": "50Mbps"}});

    let printed = lab.plugboard("attach c1 'walt-net[bw=50Mbps]'").ok();
    assert_eq!(
        printed.split_whitespace().collect::<Vec<_>>(),
        ["eth0", "walt-net", "10.0.0.5/24", "02:00:00:00:00:01", "bw=50Mbps"]
    );
    let calls = lab.calls();
    let common = |verb: &str, kind: &str, stdin: Value| {
        json!({"verb": verb, "type": kind, "container": "c1", "netns": c1.path, "ifname": "eth0", "args": "",
            "path": lab.plugin_dir, "stdin": stdin})
    };
    let wire = json!({"cniVersion": "1.1.0", "name": "walt-net", "type": "wire", "mtu": 9000});
    let keeper = json!({"cniVersion": "1.1.0", "name": "walt-net", "type": "keeper", "runtimeConfig": limits,
        "prevResult": result});
    assert_eq!(calls, [common("ADD", "wire", wire.clone()), common("ADD", "keeper", keeper.clone())]);

    let remembered = lab.remembered("walt-net", "c1", "eth0").expect("an entry");
    assert_eq!(remembered["kind"], "cniCacheV1");
    assert_eq!(remembered["result"], result);
    assert_eq!(remembered["capabilityArgs"], limits);
    assert_eq!(remembered["netns"], "/run/netns/c1");

    let mut wire_after = wire;
    wire_after["prevResult"] = result;
    lab.plugboard("check c1").ok();
    assert_eq!(lab.calls(), [common("CHECK", "wire", wire_after.clone()), common("CHECK", "keeper", keeper.clone())]);
    lab.plugboard("detach c1").ok();
    assert_eq!(lab.calls(), [common("DEL", "keeper", keeper), common("DEL", "wire", wire_after)]);
    lab.assert_nothing_remembered();
    lab.plugboard("detach c1").ok();
    assert_eq!(lab.calls(), Vec::<Value>::new());
}

#[test]
fn the_shaper_that_was_appended_is_part_of_the_chain_until_the_end() {
    let lab = Lab::new();
    lab.recorders(&["wire", "netem-shaper"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 'walt-net[lat=10ms]'").ok();
    // Whatever happens to the configuration meanwhile.
    lab.configuration("walt-net.conflist", "{}");
    lab.plugboard("check c1").ok();
    lab.plugboard("detach c1").ok();
    assert_eq!(
        lab.calls_in_short(),
        [
            "ADD wire eth0",
            "ADD netem-shaper eth0",
            "CHECK wire eth0",
            "CHECK netem-shaper eth0",
            "DEL netem-shaper eth0",
            "DEL wire eth0"
        ]
    );
}

#[test]
fn when_a_later_network_fails_the_earlier_ones_are_taken_down() {
    let lab = Lab::new();
    lab.recorders(&["wire", "first", "second"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network("b", &json!([{"type": "first"}, {"type": "second"}]));
    lab.network("c", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.break_plugin("second", "ADD");
    assert_refused(
        &lab.plugboard("attach c1 walt-net,b,c"),
        "network 'b', plugin 'second', ADD: out of luck (code 123): the second is tired",
    );
    assert_eq!(
        lab.calls_in_short(),
        ["ADD wire eth0", "ADD first eth1", "ADD second eth1", "DEL second eth1", "DEL first eth1", "DEL wire eth0"]
    );
    lab.assert_nothing_remembered();
}

#[test]
fn what_could_not_be_taken_down_is_told_and_can_be_tried_again() {
    let lab = Lab::new();
    lab.recorders(&["wire", "other"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network("b", &json!([{"type": "other"}, {"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,b").ok();
    lab.break_plugin("wire", "DEL");
    lab.calls();
    let output = lab.plugboard("detach c1");
    assert_refused(&output, "network 'b', plugin 'wire', DEL: out of luck (code 123)");
    assert_refused(&output, "network 'walt-net', plugin 'wire', DEL: out of luck (code 123)");
    assert_eq!(lab.calls_in_short(), ["DEL wire eth1", "DEL other eth1", "DEL wire eth0"]);
    assert_refused(&lab.plugboard("attach c1 walt-net"), "c1 is on network 'walt-net' already, by eth0");
    lab.mend_plugin("wire", "DEL");
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
}

#[test]
fn what_is_no_result_is_not_taken_for_one() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    let printing = |text: &str| {
        format!(
            "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${{0%odd}}version\n[ $CNI_COMMAND = ADD ] && echo '{text}'; exit 0"
        )
    };
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "odd"}]));
    lab.host.namespace("c1");
    for (text, message) in [
        ("", "the result is null: it must be an object"),
        ("[]", "the result is []: it must be an object"),
        (r#"{"ips":[{"address":"10.0.0.5"}]}"#, "ips[0].address: \"10.0.0.5\" has no prefix length"),
        (r#"{"cniVersion":"9.9.9"}"#, "cniVersion is \"9.9.9\", whose format differs"),
    ] {
        lab.file("odd", &printing(text));
        let refused = lab.plugboard("attach c1 walt-net");
        assert_refused(&refused, "network 'walt-net', plugin 'odd', ADD: it printed no result: ");
        assert_refused(&refused, message);
        assert_eq!(lab.calls_in_short(), ["ADD wire eth0", "DEL wire eth0"]);
        lab.assert_nothing_remembered();
    }
}

#[test]
fn two_attachments_that_would_share_a_file_do_not_overwrite_each_other() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    for network in ["lan", "lan-a"] {
        lab.network(network, &json!([{"type": "wire"}]));
    }
    lab.host.namespace("a-b");
    lab.host.namespace("b");
    lab.plugboard("attach a-b lan --primary lan").ok();
    let refused = lab.plugboard("attach b lan-a --primary lan-a");
    assert_refused(&refused, "/results/lan-a-b-eth0: that file is about container a-b on network 'lan'");
    lab.plugboard("detach b").ok();
    lab.plugboard("detach a-b").ok();
    assert_eq!(lab.calls_in_short(), ["ADD wire eth0", "DEL wire eth0"]);
    lab.assert_nothing_remembered();
}

#[test]
fn a_damaged_file_is_told_and_does_not_stand_in_the_way() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    // A power failure keeps names and loses contents.
    std::fs::write("/var/lib/cni/results/walt-net-c1-eth0", "").expect("written");
    let told = lab.plugboard("detach c1").stderr;
    assert!(told.contains("/results/walt-net-c1-eth0: EOF"), "{told}");
    assert_eq!(lab.calls_in_short(), ["ADD wire eth0", "DEL wire eth0"], "what its name tells");
    lab.assert_nothing_remembered();
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
}

#[test]
fn detach_goes_on_when_nobody_reads_its_problems() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network("b", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,b").ok();
    lab.break_plugin("wire", "DEL");
    lab.calls();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut shell = Command::new("sh");
    let detach = shell.args(["-c", &lab.command("-v detach c1")]).stderr(writer).status();
    assert_eq!(detach.expect("a shell").code(), Some(1));
    assert_eq!(lab.calls_in_short(), ["DEL wire eth1", "DEL wire eth0"]);
}

#[test]
fn an_attach_that_was_killed_in_the_middle_can_be_detached() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.file("slow", "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${0%slow}version\n[ $CNI_COMMAND = ADD ] && kill -9 $PPID\nexit 0");
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "slow"}]));
    lab.host.namespace("c1");
    assert_eq!(lab.plugboard("attach c1 walt-net").status, 137);
    let checked = lab.plugboard("check c1");
    assert_eq!(checked.status, 1, "{checked:?}");
    assert!(checked.stdout.contains("never set up completely"), "{checked:?}");
    lab.calls();
    lab.plugboard("detach c1").ok();
    assert_eq!(lab.calls_in_short(), ["DEL wire eth0"]);
    lab.assert_nothing_remembered();
}

#[test]
fn nothing_is_called_unless_every_network_can_be() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.file("old", "#!/bin/sh\necho '{\"cniVersion\":\"0.2.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\"]}'");
    lab.file("noise", "#!/bin/sh\necho no plugin at all");
    for (network, kind) in [("walt-net", "wire"), ("a", "absent"), ("b", "old"), ("c", "noise"), ("d", "../wire")] {
        lab.network(network, &json!([{"type": kind}]));
    }
    lab.network("home-net", &json!([{"type": "wire"}]));
    lab.configuration("00-broken.conflist", "{");
    lab.configuration("walt-net.json", r#"{"cniVersion": "1.0.0", "name": "walt-net", "type": "wire"}"#);
    lab.host.namespace("c1");
    let output = lab.plugboard("attach c1 walt-net,a,b,c,d,somewhere,hom-net");
    for message in [
        "network 'a': plugin 'absent' was not found in /run/plugins",
        "network 'b': plugin 'old' speaks CNI 0.1.0, 0.2.0, and the configuration asks for 1.1.0: give it a cniVersion",
        "network 'c': plugin 'noise', VERSION: what it printed is not JSON",
        "network 'd': plugin type '../wire': it must not contain '/'",
        "network 'somewhere' is not configured in /etc/cni/net.d; there are a, b, c, d, home-net, walt-net",
        "network 'hom-net' is not configured in /etc/cni/net.d; the nearest is 'home-net'",
        "00-broken.conflist: ignored: it is not a JSON object",
        "walt-net.json: ignored: network 'walt-net' is configured in /etc/cni/net.d/walt-net.conflist, which comes first",
    ] {
        assert_eq!(output.stderr.matches(message).count(), 1, "{}", output.stderr);
    }
    assert_eq!((output.status, output.stdout.as_str()), (1, ""));
    // The network that is wanted is found in spite of the broken file.
    lab.plugboard("attach c1 walt-net").ok();
    assert_eq!(lab.calls_in_short(), ["ADD wire eth0"]);
}

#[test]
fn of_several_versions_the_newest_that_all_plugins_speak_is_used() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.file("version", r#"{"cniVersion":"1.0.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}"#);
    lab.network_with(
        "walt-net",
        &json!({"cniVersion": "0.3.1", "cniVersions": ["0.4.0", "1.0.0", "1.1.0", "2.0.0"], "plugins": [{"type": "wire"}]}),
    );
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    assert_eq!(lab.calls()[0]["stdin"]["cniVersion"], "1.0.0");
}

/// The plugins would pass it on to their IPAM plugin as it is.
#[test]
fn an_ipam_plugin_has_its_say_in_the_version() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.host.namespace("c1");
    let version = |newest: &str| {
        let spoken = json!({"cniVersion": newest, "supportedVersions": ["0.4.0", newest]});
        format!("#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && echo '{spoken}'")
    };
    let choice = json!({"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"],
        "plugins": [{"type": "wire", "ipam": {"type": "pool"}}]});
    lab.network_with("walt-net", &choice);
    // One that speaks none of them is for the plugin to report.
    for (pool, expected) in [("1.0.0", "1.0.0"), ("1.1.0", "1.1.0"), ("0.4.0", "1.1.0")] {
        lab.file("pool", &version(pool));
        lab.calls();
        lab.plugboard("attach c1 walt-net").ok();
        assert_eq!(lab.calls()[0]["stdin"]["cniVersion"], expected, "{pool}");
        lab.plugboard("detach c1").ok();
    }
}

#[test]
fn single_configurations_and_plugins_in_files_of_their_own_work() {
    let lab = Lab::new();
    lab.recorders(&["wire", "inline", "extra"]);
    lab.configuration("10-single.conf", r#"{"cniVersion":"1.0.0","name":"walt-net","type":"wire"}"#);
    lab.network("b", &json!([{"type": "inline"}]));
    lab.configuration("b/10-extra.conf", r#"{"type":"extra"}"#);
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,b").ok();
    lab.plugboard("detach c1").ok();
    assert_eq!(
        lab.calls_in_short(),
        ["ADD wire eth0", "ADD inline eth1", "ADD extra eth1", "DEL extra eth1", "DEL inline eth1", "DEL wire eth0"]
    );
}

#[test]
fn gc_takes_down_what_lost_its_namespace_and_tells_what_is_left() {
    let lab = Lab::new();
    lab.recorders(&["wire", "old"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network_with("b", &json!({"cniVersion": "1.1.0", "disableGC": true, "plugins": [{"type": "old"}]}));
    lab.network_with("c", &json!({"cniVersion": "1.0.0", "plugins": [{"type": "old"}]}));
    let (c1, _c2) = (lab.host.namespace("c1"), lab.host.namespace("c2"));
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("attach c2 walt-net").ok();
    // Another namespace at the same path is not that of the attachment, not even with its number, which it gets as a rule.
    let number = || harness::sh("stat --dereference --format=%i /run/netns/c1").ok();
    let gone = number();
    c1.delete();
    // The kernel gives the lowest number that is free; others on this machine may take it first, and hold it for a while.
    let start = Instant::now();
    lab.host.namespace("c1");
    while number() != gone && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
        harness::sh("ip netns delete c1 && ip netns add c1").ok();
    }
    if number() != gone {
        harness::not_observed(
            "that a namespace with the number of one that is gone is told from it: the number did not come again",
        );
    }
    lab.calls();
    lab.plugboard("gc").ok();
    let calls = lab.calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(
        (&calls[0]["verb"], &calls[0]["container"], &calls[0]["netns"]),
        (&json!("DEL"), &json!("c1"), &json!(""))
    );
    let left = json!([{"containerID": "c2", "ifname": "eth0"}]);
    // In the newest version that the plugin speaks, whatever the network's is.
    for (call, network, left) in [(&calls[1], "c", json!([])), (&calls[2], "walt-net", left)] {
        assert_eq!((&call["verb"], &call["stdin"]["cniVersion"]), (&json!("GC"), &json!("1.1.0")));
        assert_eq!(call["stdin"]["cni.dev/valid-attachments"], left);
        assert_eq!(call["stdin"]["cni.dev/attachments"], left);
        assert_eq!(call["stdin"]["name"], network);
    }
    assert!(lab.remembered("walt-net", "c1", "eth0").is_none());
    assert!(lab.remembered("walt-net", "c2", "eth0").is_some());
}

/// It would tell the plugins a list that lacks the new attachment, and they would remove it.
#[test]
fn an_attach_waits_for_a_gc_under_way() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    let begun = lab.plugin_dir.join("begun");
    lab.file(
        "slow",
        "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${0%slow}version\ntouch ${0%slow}begun; sleep .5",
    );
    lab.network("a", &json!([{"type": "slow"}]));
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    let mut gc = harness::spawn(&lab.command("gc"));
    harness::wait_until("the plugin is called", || begun.exists());
    lab.plugboard("attach c1 walt-net").ok();
    assert!(gc.child().wait().is_ok_and(|status| status.success()));
    assert_eq!(lab.calls_in_short(), ["GC wire", "ADD wire eth0"]);
}

#[test]
fn status_asks_every_network_or_one() {
    let lab = Lab::new();
    lab.recorders(&["wire", "tired"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network("b", &json!([{"type": "tired"}, {"type": "wire"}]));
    lab.network_with("c", &json!({"cniVersion": "1.0.0", "plugins": [{"type": "old"}]}));
    lab.file("old", "#!/bin/sh\necho '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'");
    assert!(lab.plugboard("status").ok().contains("ready"));
    lab.break_plugin("tired", "STATUS");
    lab.calls();
    let output = lab.plugboard("status");
    assert_eq!(output.status, 1);
    let lines: Vec<_> = output.stdout.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "b         not ready: network 'b', plugin 'tired', STATUS: out of luck (code 123): the tired is tired",
            "c         not known: old has no STATUS; all plugins are installed",
            "walt-net  ready"
        ]
    );
    assert_eq!(lab.calls_in_short(), ["STATUS tired", "STATUS wire"]);
    lab.plugboard("status walt-net").ok();
}

#[test]
fn of_two_that_attach_one_container_at_once_one_does() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.file(
        "slow",
        "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${0%slow}version\nsleep .3; exec ${0%slow}wire",
    );
    lab.network("walt-net", &json!([{"type": "slow"}]));
    lab.host.namespace("c1");
    let [first, second] = ["c1", "/run/netns/c1"].map(|target| lab.command(&format!("attach {target} walt-net")));
    let both = format!("({first}) & ({second}); first=$?; wait $!; echo $first $?");
    let output = harness::sh(&both);
    let verdict = output.stdout.lines().last().unwrap_or_default();
    assert!(["0 1", "1 0"].contains(&verdict), "{output:?}");
    assert!(output.stderr.contains("detach it first"), "{output:?}");
    assert_eq!(lab.calls_in_short(), ["ADD wire eth0"]);
}

#[test]
fn other_limits_go_to_the_shaper_alone_and_are_remembered_once_they_hold() {
    let lab = Lab::new();
    lab.recorders(&["wire", "keeper"]);
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "keeper", "capabilities": {"shaping": true}}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 'walt-net[bw=50Mbps]'").ok();
    let before = lab.remembered("walt-net", "c1", "eth0").expect("an entry");
    lab.calls();

    lab.break_plugin("keeper", "UPDATE");
    assert_refused(&lab.plugboard("shape c1 eth0 bw=70Mbps"), "plugin 'keeper', UPDATE: out of luck");
    assert_eq!(
        lab.remembered("walt-net", "c1", "eth0").as_ref(),
        Some(&before),
        "nothing is remembered that does not hold"
    );
    lab.mend_plugin("keeper", "UPDATE");
    lab.calls();

    // An entry of libcni has no key of ours.
    let path = "/var/lib/cni/results/walt-net-c1-eth0";
    let mut of_libcni = before.clone();
    of_libcni.as_object_mut().expect("an object").remove("plugboard");
    std::fs::write(path, of_libcni.to_string()).expect("the entry");
    lab.plugboard("shape --container-id c1 /run/netns/c1 eth0 lat=5ms upload.rate=10Mbit").ok();
    let limits = json!({"shaping": {"bw": "50Mbps", "lat": "5ms", "upload": {"rate": "10Mbit"}}});
    let calls = lab.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!((&calls[0]["verb"], &calls[0]["type"]), (&json!("UPDATE"), &json!("keeper")));
    assert_eq!(calls[0]["stdin"]["runtimeConfig"], limits);
    assert_eq!(calls[0]["stdin"]["prevResult"], before["result"]);
    let after = lab.remembered("walt-net", "c1", "eth0").expect("an entry");
    of_libcni["capabilityArgs"] = limits;
    assert_eq!(after, of_libcni, "the limits and nothing else");

    let printed = lab.plugboard("shape c1 eth0").ok();
    assert!(printed.ends_with("bw=50Mbps,lat=5ms,upload.rate=10Mbit"), "{printed}");
    assert_eq!(lab.calls_in_short(), Vec::<String>::new());
    lab.plugboard("shape c1 eth0 bw=none,lat=none,upload=none").ok();
    assert_eq!(lab.remembered("walt-net", "c1", "eth0").expect("an entry").get("capabilityArgs"), None);
}

/// libcni before 1.2 remembers no namespace: it is the one that the target names.
#[test]
fn what_libcni_remembers_without_a_namespace_is_checked_and_shaped() {
    let lab = Lab::new();
    lab.recorders(&["wire", "keeper"]);
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "keeper", "capabilities": {"shaping": true}}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 'walt-net[bw=50Mbps]'").ok();
    let mut remembered = lab.remembered("walt-net", "c1", "eth0").expect("an entry");
    for key in ["plugboard", "netns"] {
        remembered.as_object_mut().expect("an object").remove(key);
    }
    std::fs::write("/var/lib/cni/results/walt-net-c1-eth0", remembered.to_string()).expect("the entry");
    for command in ["check c1", "shape c1 eth0 bw=70Mbps"] {
        lab.calls();
        lab.plugboard(command).ok();
        let calls = lab.calls();
        assert!(!calls.is_empty() && calls.iter().all(|call| call["netns"] == "/run/netns/c1"), "{command}: {calls:?}");
    }
}

/// It would write a file that gc takes for one that was left behind, and gc would miss one that it has seen.
#[test]
fn other_limits_wait_for_a_gc_under_way() {
    let lab = Lab::new();
    lab.recorders(&["wire", "keeper"]);
    let begun = lab.plugin_dir.join("begun");
    lab.file(
        "slow",
        "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${0%slow}version\ntouch ${0%slow}begun; sleep .5; echo '{\"verb\":\"GC\",\"type\":\"slow\"}' >> ${0%slow}calls",
    );
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "keeper", "capabilities": {"shaping": true}}]));
    lab.network("z", &json!([{"type": "slow"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.calls();
    let mut gc = harness::spawn(&lab.command("gc"));
    harness::wait_until("the plugin is called", || begun.exists());
    lab.plugboard("shape c1 eth0 bw=1Mbps").ok();
    assert!(gc.child().wait().is_ok_and(|status| status.success()));
    assert_eq!(lab.calls_in_short().last().map(String::as_str), Some("UPDATE keeper eth0"));
}

/// The shaper has made what only it finds again.
#[test]
fn a_shaper_that_other_limits_have_brought_is_called_by_a_detach_although_they_were_killed() {
    let lab = Lab::new();
    lab.recorders(&["wire", "netem-shaper"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let before = lab.remembered("walt-net", "c1", "eth0");
    lab.break_plugin("netem-shaper", "UPDATE");
    assert_refused(&lab.plugboard("shape c1 eth0 bw=1Mbps"), "out of luck");
    assert_eq!(lab.remembered("walt-net", "c1", "eth0"), before, "the shaper holds nothing");

    lab.file(
        "netem-shaper",
        "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${0%netem-shaper}version\nkill -9 $PPID",
    );
    assert_eq!(lab.plugboard("shape c1 eth0 bw=1Mbps").status, 137);
    lab.recorders(&["netem-shaper"]);
    lab.calls();
    lab.plugboard("detach c1").ok();
    assert_eq!(lab.calls_in_short(), ["DEL netem-shaper eth0", "DEL wire eth0"]);
}
