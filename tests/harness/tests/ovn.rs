//! OVN on a switch of the test's own claims ports and lets them speak.

use harness::{Datapath, Host, OpenVswitch, Ovn, sh};

#[test]
fn two_ports_are_claimed_and_ping() {
    let host = Host::enter();
    let ovs = OpenVswitch::start();
    let datapath = Datapath::of_this_kernel();
    let ovn = Ovn::start(&ovs, datapath);
    ovn.add_switch("sw0", &[["lp1", "02:00:00:00:01:01", "10.7.0.1"], ["lp2", "02:00:00:00:01:02", "10.7.0.2"]]);
    let containers = ["1", "2"].map(|n| {
        let container = host.namespace(&format!("c{n}"));
        sh(&format!("ip link add h{n} up type veth peer name eth0 address 02:00:00:00:01:0{n} netns c{n}")).ok();
        container.sh(&format!("ip link set eth0 up && ip address add 10.7.0.{n}/24 dev eth0")).ok();
        assert!(!ovn.is_up(&format!("lp{n}")));
        ovs.vsctl(&format!("add-port br-int h{n} -- set interface h{n} external_ids:iface-id=lp{n}")).ok();
        container
    });
    harness::wait_until("both ports are claimed", || ovn.is_up("lp1") && ovn.is_up("lp2"));
    ovn.settle();
    assert!(containers[0].ping("10.7.0.2", 3).all_answered());
    ovs.vsctl("del-port h1").ok();
    harness::wait_until("a port that is gone is not claimed", || !ovn.is_up("lp1"));
    assert!(ovn.sbctl("--bare --columns=chassis find port_binding logical_port=lp1").ok().is_empty());
}
