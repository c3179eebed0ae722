//! The Local Area Cloud of the VDE tutorial with nothing but VDE's own clients, each on a host of its own: what scenarios with
//! members of other kinds are compared with.

use harness::{Host, Lan, VdeClient, row};
use lab::{Nic, Vm};
use tests::{Capture, Packet};

const CLOUD: &str = "vxvde://234.0.0.1";

/// Three pings at once. When some are answered, `ping` waits for the others as long as the interval, and a machine that is emulated on a
/// busy processor may take longer than a short one.
const PINGS: &str = "-c3 -l3 -i1 -W2";

#[test]
fn a_machine_a_namespace_and_a_tap_device_are_in_a_cloud_of_vde() {
    let _row = row("M26");
    let owner = Host::enter();
    let (_lan, [first, second, third]) = Lan::with_hosts(&owner, ["host-a", "host-b", "host-c"]);
    let tap = VdeClient::tap(&first, "tap0", CLOUD, "10.0.0.254/24");
    let namespace = VdeClient::namespace(&owner, &second, "vdens", CLOUD, "10.0.0.20/24");
    let machine = Vm::boot_in(&third, &[Nic::on_vde(CLOUD, "02:00:00:00:00:21", "10.0.0.21/24")]);

    for other in ["10.0.0.20", "10.0.0.254"] {
        assert_eq!(machine.ping_with(other, PINGS).received, 3, "the machine pings {other}");
    }
    for (member, others) in [(&namespace, ["10.0.0.21", "10.0.0.254"]), (&tap, ["10.0.0.20", "10.0.0.21"])] {
        for other in others {
            let answers = member.namespace.ping_with(other, PINGS);
            assert_eq!(answers.received, 3, "{} of {} pings {other}", member.interface, member.namespace.name);
        }
    }
}

/// A kernel's device answers to the port that a frame is from, and VDE's clients listen on that of the group only: it must send
/// from the group's port, and everything to the group.
#[test]
fn a_device_of_the_kernel_is_in_it_only_with_settings_for_it() {
    let _row = row("M26");
    let owner = Host::enter();
    let (lan, [first, second]) = Lan::with_hosts(&owner, ["host-a", "host-b"]);
    let client = VdeClient::tap(&first, "tap0", CLOUD, "10.0.0.254/24");
    let group = "234.0.0.1".parse().expect("an address");
    let address = lan.uplink("eth0", 2).address_for(group);
    for (settings, answered) in [("", 0), ("srcport 14789 14790", 0), ("srcport 14789 14790 nolearning", 3)] {
        second
            .sh(&format!(
                "ip link add cloud up type vxlan id 1 group {group} dev eth0 dstport 14789 {settings} && \
                 ip address add 10.0.0.1/24 dev cloud"
            ))
            .ok();
        let wire = Capture::start(&second, "eth0");
        let from_kernel = second.ping_with("10.0.0.254", "-c3 -i.05 -W.5");
        let to_kernel = client.namespace.ping_with("10.0.0.1", "-c3 -i.05 -W.5");
        assert_eq!([from_kernel.received, to_kernel.received], [answered; 2], "with {settings}");

        let mut sent = wire.take();
        sent.retain(|packet| packet.from == address && packet.vxlan().is_some());
        assert!(!sent.is_empty());
        let vni_1 = |packet: &Packet| packet.vxlan().is_some_and(|vxlan| vxlan.vni == 1 && vxlan.to_port == 14789);
        if answered > 0 {
            assert!(sent.iter().all(|packet| packet.to == group && packet.ttl == 1 && vni_1(packet)), "{sent:?}");
        }
        second.sh("ip link del cloud").ok();
    }
}
