//! The networks= grammar as the command line takes it.

use crate::support::Lab;
use harness::{Snapshot, row};
use serde_json::{Value, json};

fn lab() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["wire", "netem-shaper"]);
    for network in ["walt-net", "home-net", "net1", "a", "b", "c", "lo"] {
        lab.network(network, &json!([{"type": "wire"}]));
    }
    lab
}

/// The limits that each interface's plugins were told, in the order of interfaces.
fn limits_told(lab: &Lab) -> Vec<(String, String, Value)> {
    let text = |call: &Value, key: &str| call[key].as_str().unwrap_or_default().to_owned();
    let calls = lab.calls();
    let wires = calls.iter().filter(|call| call["verb"] == "ADD" && call["type"] == "wire");
    wires
        .map(|wire| {
            let shaper = calls.iter().find(|call| call["type"] == "netem-shaper" && call["ifname"] == wire["ifname"]);
            let told = shaper.map_or(Value::Null, |call| call["stdin"]["runtimeConfig"]["shaping"].clone());
            (text(wire, "ifname"), text(&wire["stdin"], "name"), told)
        })
        .collect()
}

#[test]
fn values_have_their_verdicts() {
    let _row = row("M04");
    let lab = lab();
    accepted_values_name_interfaces_in_order_and_hand_their_limits_over(&lab);
    refused_values_say_why_and_do_nothing(&lab);
}

fn accepted_values_name_interfaces_in_order_and_hand_their_limits_over(lab: &Lab) {
    let nic = |if_name: &str, network: &str, told: Value| (if_name.to_owned(), network.to_owned(), told);
    let none = Value::Null;
    for (value, expected) in [
        (
            "walt-net,home-net[bw=100Mbps,lat=10ms]",
            vec![
                nic("eth0", "walt-net", none.clone()),
                nic("eth1", "home-net", json!({"bw": "100Mbps", "lat": "10ms"})),
            ],
        ),
        (
            "walt-net,home-net[LAT=10MS,BW=2GBPS]",
            vec![nic("eth0", "walt-net", none.clone()), nic("eth1", "home-net", json!({"bw": "2Gbps", "lat": "10ms"}))],
        ),
        (
            "walt-net[lat=8ms],a,b[bw=1Gbps],c",
            vec![
                nic("eth0", "walt-net", json!({"lat": "8ms"})),
                nic("eth1", "a", none.clone()),
                nic("eth2", "b", json!({"bw": "1Gbps"})),
                nic("eth3", "c", none.clone()),
            ],
        ),
        // A name may have digits behind its first letter.
        ("walt-net,net1", vec![nic("eth0", "walt-net", none.clone()), nic("eth1", "net1", none)]),
    ] {
        lab.host.namespace("c1");
        lab.plugboard(&format!("attach c1 '{value}'")).ok();
        assert_eq!(limits_told(lab), expected, "{value}");
        lab.plugboard("detach c1").ok();
        lab.calls();
        harness::sh("ip netns delete c1").ok();
    }
}

fn refused_values_say_why_and_do_nothing(lab: &Lab) {
    let c1 = lab.host.namespace("c1");
    let before = Snapshot::take(&[&c1], &["/var/lib/cni"]);
    let unparsable = [
        "walt-net,Home",
        "walt-net,home_net",
        "walt-net,-a",
        "walt-net,1net",
        "walt-net,",
        "",
        "walt-net, home-net",
        "walt-net,a[bw=1Mbps][lat=1ms]",
        "walt-net,a[bw=1Mbps",
    ];
    let unparsable = unparsable.map(|value| (value.to_owned(), format!("Could not parse networks value '{value}'.")));
    let wrong = ["", "bw=1.5Gbps", "bw=100kbps", "lat=1s", "lat=-1ms", "loss=1%"].map(|restriction| {
        let message = format!("'{restriction}' is not a valid network resource restriction.");
        (format!("walt-net,a[{restriction}]"), message)
    });
    let others = [
        ("home-net", "Mandatory network 'walt-net' is missing from specified networks."),
        ("walt-net,walt-net", "Specifying twice the same network name is not allowed."),
        ("walt-net,a[bw=1Mbps, lat=1ms]", "' lat=1ms' is not a valid network resource restriction."),
        ("walt-net,exactly-sixteen-", "16 bytes long: at most 15"),
        ("walt-net,lo", "that of the loopback interface"),
        ("walt-net,a[bw=0Mbps]", "'bw=0Mbps' would let nothing through"),
        ("walt-net,a[bw=1Mbps,bw=2Mbps]", "'bw' is given twice for network 'a'"),
        ("walt-net,a[lat=99999999999999999999ms]", "is too large: at most"),
    ]
    .map(|(value, message)| (value.to_owned(), message.to_owned()));
    for (value, message) in unparsable.into_iter().chain(wrong).chain(others) {
        let refused = lab.plugboard(&format!("attach c1 '{value}'"));
        assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{value}: {refused:?}");
        assert!(refused.stderr.contains(&message), "{value}: {refused:?}");
        assert_eq!(lab.calls(), Vec::<Value>::new(), "{value}");
    }
    assert_eq!(before, Snapshot::take(&[&c1], &["/var/lib/cni"]));
}

#[test]
fn a_network_is_mandatory_where_somebody_says_so() {
    let lab = lab();
    lab.host.namespace("c1");
    for (arguments, missing, who) in [
        ("c1 home-net", "walt-net", "/etc/cni/net.d configures it"),
        ("c1 walt-net --primary home-net", "home-net", "--primary or PLUGBOARD_PRIMARY names it"),
    ] {
        let refused = lab.plugboard(&format!("attach {arguments}"));
        assert_eq!(refused.status, 2, "{refused:?}");
        let message = format!("Mandatory network '{missing}' is missing from specified networks.");
        for part in [message.as_str(), who, "--primary or PLUGBOARD_PRIMARY, or none with --primary ''"] {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
    }
    let variable = lab
        .command("attach c1 walt-net")
        .replace("unset", "export PLUGBOARD_PRIMARY=home-net; unset")
        .replace(" PLUGBOARD_PRIMARY;", ";");
    assert_eq!(harness::sh(&variable).status, 2);
    lab.plugboard("attach c1 home-net --primary home-net").ok();
    assert_eq!(limits_told(&lab), [("eth0".to_owned(), "home-net".to_owned(), Value::Null)]);
    // It may be there already.
    lab.plugboard("attach c1 a --primary home-net").ok();
    lab.plugboard("attach c1 b --primary ''").ok();
    lab.plugboard("detach c1").ok();
    harness::sh("rm /etc/cni/net.d/walt-net.conflist").ok();
    lab.plugboard("attach c1 home-net").ok();
}

#[test]
fn a_network_may_have_any_name_of_cnis() {
    let lab = lab();
    let names = ["my_net", "Lab", "a.b", "1net", "project_default", "a-network-with-a-long-name"];
    for name in names {
        lab.network(name, &json!([{"type": "wire"}]));
    }
    lab.host.namespace("c1");
    lab.plugboard(&format!("attach c1 'walt-net,{}[bw=1Mbps]'", names.join(","))).ok();
    let told = limits_told(&lab);
    assert_eq!(told.iter().map(|(_, network, _)| network.as_str()).skip(1).collect::<Vec<_>>(), names);
    assert_eq!(told[6].2, json!({"bw": "1Mbps"}));
}
