//! Internal ports as further NICs.

use harness::{Datapath, row};
use serde_json::json;

use super::site::{Attached, Site, carries_tcp, is_connected, network};

#[test]
fn an_internal_port_is_a_nic_with_the_datapath_of_the_switch() {
    let _row = row("M60");
    a_nic_in_its_vlan(Datapath::Netdev);
}

pub(super) fn a_nic_in_its_vlan(datapath: Datapath) {
    let site = Site::new(datapath);
    let [ctn1, ctn2] = site.containers(["ctn-1", "ctn-2"]);
    let before = site.state(&[&ctn1, &ctn2]);
    let kind = json!({"nic": "internal"});
    let one = Attached::new(&ctn1, "vnic-1", &network(kind.clone()));
    let two = Attached::new(&ctn2, "vnic-2", &network(kind));

    let link = one.link();
    assert!(is_connected(&link), "{link:#}");
    let driver = if datapath == Datapath::System { "openvswitch" } else { "tun" };
    assert_eq!(link["linkinfo"]["info_kind"], driver, "{link:#}");
    assert_eq!(site.ovs.vsctl("get interface vnic-1 type").ok(), "internal");
    let ids = site.ovs.vsctl("get interface vnic-1 external_ids").ok();
    assert!(ids.contains("container_id=ctn-1") && ids.contains("container_iface=vnic-1"), "{ids}");
    assert_eq!(site.ports(), ["vnic-1", "vnic-2"]);
    assert_eq!((one.address(), two.address()), ("192.168.1.3", "192.168.1.4"));
    assert_eq!(one.answers(&two, 3), 3);
    carries_tcp(&one, &two);
    carries_tcp(&two, &one);
    two.delete();

    // The tags of one alone, of both, and of both and not the same.
    one.delete();
    for (vlan, of_other, answered) in [(2, json!(null), 0), (2, json!(2), 2), (2, json!(3), 0)] {
        let one = Attached::new(&ctn1, "vnic-1", &network(json!({"nic": "internal", "vlan": vlan})));
        let two = Attached::new(&ctn2, "vnic-2", &network(json!({"nic": "internal", "vlan": of_other})));
        assert_eq!(one.answers(&two, 2), answered, "VLANs {vlan} and {of_other}");
        one.delete();
        two.delete();
    }
    assert_eq!(before, site.state(&[&ctn1, &ctn2]));
}
