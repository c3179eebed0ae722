//! VLANs: what the rows say, and what becomes of frames.

use harness::Namespace;
use serde_json::{Value, json};

use crate::site::{Site, address, bare, host_interface, network};
use crate::tagged::{Arrival, CUSTOMER, PROVIDER, arrivals, frame};

/// A frame without a tag, and one for each VLAN, numbered in this order.
fn probes(vlans: &[u16]) -> Vec<Vec<u8>> {
    let tagged = vlans.iter().zip(1..).map(|(vlan, number)| frame(number, &[(CUSTOMER, *vlan)]));
    [frame(0, &[])].into_iter().chain(tagged).collect()
}

/// Sends the probes from one to the other, those that shall arrive last.
fn passing(from: &Namespace, to: &Namespace, vlans: &[u16], last: u8) -> Vec<Arrival> {
    let mut frames = probes(vlans);
    let place = frames.iter().position(|frame| frame[11] == last).expect("it is one of them");
    let moved = frames.remove(place);
    frames.push(moved);
    let mut arrived = arrivals((from, "eth1"), (to, "eth1"), &frames);
    arrived.sort();
    arrived
}

#[test]
fn a_vlan_separates_and_a_common_one_joins() {
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        for (other, answers) in [(json!(null), 0), (json!(3), 0), (json!(2), 2)] {
            let (_, first) = site.added(site.c1(), "eth1", &network(json!({"nic": kind, "vlan": 2})));
            let (result, second) = site.added(&site.c2, "eth2", &network(json!({"nic": kind, "vlan": other})));
            // What passes has time on a busy machine.
            let patience = if answers > 0 { "2" } else { ".3" };
            let ping = site.c1().ping_with(&address(&result), &format!("-c2 -i.05 -W{patience}"));
            assert_eq!((ping.sent, ping.received), (2, answers), "{kind} {other}: {ping:?}");
            site.deleted(site.c1(), "eth1", &first);
            site.deleted(&site.c2, "eth2", &second);
        }
        assert_eq!(before, site.state(), "{kind}");
    }
}

/// A port of c1; what its frames are on a trunk of all VLANs, and what it gets from there.
struct Case {
    keys: Value,
    row: Value,
    /// The last frame that arrives, and all of them.
    leaving: (u8, Vec<Arrival>),
    /// The same the other way.
    coming: (u8, Vec<Arrival>),
}

#[test]
fn frames_have_the_tags_of_each_mode() {
    let site = Site::new();
    let before = site.state();
    let vlans = [10, 20, 30];
    let cases = [
        Case {
            keys: json!({}),
            row: json!(["trunk", null, []]),
            leaving: (3, vec![(0, vec![]), (1, vec![10]), (2, vec![20]), (3, vec![30])]),
            coming: (3, vec![(0, vec![]), (1, vec![10]), (2, vec![20]), (3, vec![30])]),
        },
        Case {
            keys: json!({"vlan": 0}), // as with ovs-cni, none
            row: json!(["trunk", null, []]),
            leaving: (3, vec![(0, vec![]), (1, vec![10]), (2, vec![20]), (3, vec![30])]),
            coming: (3, vec![(0, vec![]), (1, vec![10]), (2, vec![20]), (3, vec![30])]),
        },
        Case {
            keys: json!({"vlan": 10}),
            row: json!(["access", 10, []]),
            leaving: (0, vec![(0, vec![10])]),
            coming: (1, vec![(1, vec![])]),
        },
        Case {
            keys: json!({"trunk": [{"id": 20}, {"minID": 30, "maxID": 31}, {"id": 20}]}),
            row: json!(["trunk", null, [20, 30, 31]]),
            leaving: (3, vec![(2, vec![20]), (3, vec![30])]),
            coming: (3, vec![(2, vec![20]), (3, vec![30])]),
        },
        Case {
            keys: json!({"vlan": 10, "trunk": [{"id": 20}], "vlan_mode": "native-tagged"}),
            row: json!(["native-tagged", 10, [20]]),
            leaving: (2, vec![(0, vec![10]), (1, vec![10]), (2, vec![20])]),
            coming: (2, vec![(1, vec![10]), (2, vec![20])]),
        },
        Case {
            keys: json!({"vlan": 10, "trunk": [{"id": 20}]}),
            row: json!(["native-untagged", 10, [20]]),
            leaving: (2, vec![(0, vec![10]), (1, vec![10]), (2, vec![20])]),
            coming: (2, vec![(1, vec![]), (2, vec![20])]),
        },
    ];
    for kind in ["veth", "internal"] {
        let (_, observer) = site.added(&site.c2, "eth1", &bare(json!({})));
        for case in &cases {
            let config = bare(json!({"nic": kind}));
            let config = tests::with(&config, case.keys.clone());
            let (result, attached) = site.added(site.c1(), "eth1", &config);
            let port = if kind == "veth" { host_interface(&result) } else { "eth1".to_owned() };
            let rows = site.ovs.rows();
            let row = rows["Port"].as_array().into_iter().flatten().find(|row| row["name"] == json!(port));
            let row = row.expect("the port is there");
            let tag = if row["tag"].is_array() { Value::Null } else { row["tag"].clone() };
            let trunks = match &row["trunks"] {
                Value::Number(one) => json!([one]),
                several => several.clone(),
            };
            assert_eq!(json!([row["vlan_mode"], tag, trunks]), case.row, "{row:#}");
            let (last, wanted) = &case.leaving;
            assert_eq!(passing(site.c1(), &site.c2, &vlans, *last), *wanted, "{kind} {} leaving", case.keys);
            let (last, wanted) = &case.coming;
            assert_eq!(passing(&site.c2, site.c1(), &vlans, *last), *wanted, "{kind} {} coming", case.keys);
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(site.c1(), "eth1", &attached);
        }
        site.deleted(&site.c2, "eth1", &observer);
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn a_tunnel_puts_an_outer_tag_around_those_of_the_container() {
    let site = Site::new();
    site.ovs.vsctl("set Open_vSwitch . other_config:vlan-limit=2").ok();
    site.ovs.restart_switch();
    let before = site.state();
    let (_, observer) = site.added(&site.c2, "eth1", &bare(json!({})));
    for (keys, ethertype, last, wanted) in [
        (json!({}), PROVIDER, 2, vec![(0, vec![10]), (1, vec![10, 20]), (2, vec![10, 30])]),
        (json!({"qinq_ethtype": "802.1q"}), CUSTOMER, 2, vec![(0, vec![10]), (1, vec![10, 20]), (2, vec![10, 30])]),
        (json!({"cvlans": [{"id": 30}]}), PROVIDER, 2, vec![(2, vec![10, 30])]),
    ] {
        let config = tests::with(&bare(json!({"vlan": 10, "vlan_mode": "dot1q-tunnel"})), keys.clone());
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        assert_eq!(passing(site.c1(), &site.c2, &[20, 30], last), wanted, "{keys} leaving");
        let frames = [frame(1, &[(ethertype, 11), (CUSTOMER, 30)]), frame(2, &[(ethertype, 10), (CUSTOMER, 30)])];
        assert_eq!(arrivals((&site.c2, "eth1"), (site.c1(), "eth1"), &frames), [(2, vec![30])], "{keys} coming");
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
    }
    site.deleted(&site.c2, "eth1", &observer);
    assert_eq!(before, site.state());
}
