//! Veth pairs as further NICs.

use harness::{Datapath, ip, row};
use serde_json::json;

use super::site::{Attached, Site, carries_tcp, is_connected, network};

#[test]
fn both_ends_of_a_veth_pair_are_up_and_carry_tcp_with_the_datapath_of_the_switch() {
    let _row = row("M61");
    both_ends_are_up(Datapath::Netdev);
}

pub(super) fn both_ends_are_up(datapath: Datapath) {
    let site = Site::new(datapath);
    let [ctn1, ctn2] = site.containers(["ctn-1", "ctn-2"]);
    let before = site.state(&[&ctn1, &ctn2]);
    // On two containers the interfaces may be called the same.
    let nics = [&ctn1, &ctn2].map(|ns| Attached::new(ns, "vnic-1", &network(json!({}))));
    for nic in &nics {
        let outside = &ip(&format!("link show dev {}", nic.on_host()))[0];
        assert!(is_connected(&nic.link()), "{:#}", nic.link());
        assert!(is_connected(outside), "{outside:#}");
        let master = if datapath == Datapath::System { json!("ovs-system") } else { json!(null) };
        assert_eq!(outside["master"], master, "{outside:#}");
        assert!(site.ports().iter().any(|port| port == nic.on_host()), "{:?}", site.ports());
    }
    let [one, two] = &nics;
    assert_eq!(one.answers(two, 3), 3);
    carries_tcp(one, two);
    carries_tcp(two, one);
    nics.iter().for_each(Attached::delete);
    assert_eq!(before, site.state(&[&ctn1, &ctn2]));
}
