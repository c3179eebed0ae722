//! The Local Area Cloud of the VDE tutorial: a machine, a namespace and a TAP device on three hosts, by this project's plugins alone, and
//! with VDE's own clients in the place of some of them. `vde_control` has it with nothing else than those.

use harness::{Namespace, Ping, VdeClient, row};
use integration::with;
use lab::{Nic, Vm};
use serde_json::{Value, json};
use tests::{Guest, relay};

use super::site::{Member, Site, at, network, vxlan};

/// The user whose device one is.
const OWNER: u32 = 4711;

/// Of VDE's clients, beside the cloud of the kernel: on one host they cannot share a port.
const VDE: &str = "vxvde://234.0.0.1/port=15000";

/// Three pings at once. When some are answered, `ping` waits for the others as long as the interval, and a machine that is emulated on a
/// busy processor may take longer than a short one.
const PINGS: &str = "-c3 -l3 -i1 -W2";

/// Of a TCP connection: many segments of any size.
const BYTES: usize = 2_000_000;

/// What pings, by name and address.
type Station<'a> = (&'a str, &'a str, &'a dyn Fn(&str) -> Ping);

/// Each pings each other one, and all is answered.
#[track_caller]
fn all_answer(stations: &[Station]) {
    for (name, own, ping) in stations {
        for (_, other, _) in stations.iter().filter(|(_, other, _)| other != own) {
            let answers = ping(other);
            assert!(answers.all_answered(), "{name} pings {other}: {answers:?}");
        }
    }
}

/// A TAP device of a host for a user.
fn tap(host: &Namespace, pod: &Namespace, interface: &str, keys: &Value, address: &str) -> Member {
    let config = with(&with(&network(keys), &json!({"nic": "tap"})), &at(address));
    Member::new(host, pod, interface, &config, address)
}

/// The user's process with its device: a stack of its own behind it, as a machine has.
fn opened(site: &Site<3>, tap: &Member, name: &str) -> Namespace {
    let stack = site.container(name);
    let device = Guest::open_in_as(&tap.host, OWNER, OWNER, tap.device(1)).expect("its owner opens it");
    relay(device, &stack, tap.mac());
    stack.sh(&format!("ip link set eth0 mtu 1450 && ip address add {}/24 dev eth0", tap.address)).ok();
    stack
}

/// The machine's NIC on a TAP device of its host.
fn nic(tap: &Member) -> Nic {
    Nic::new(tap.device(1), tap.mac(), &format!("{}/24", tap.address))
}

#[test]
fn a_machine_a_namespace_and_a_tap_device_are_in_a_cloud_without_vde_and_with_it() {
    let _rows = ["M23", "M24", "M25"].map(row);
    let _vde = row("M26");
    let site = Site::<3>::new();
    let [first, second, third] = &site.hosts;
    let [one, two, three] = ["pod1", "pod2", "pod3"].map(|name| site.container(name));
    let before = site.state(&[&one, &two, &three]);
    let owned = json!({"owner": OWNER});
    let tap_of_user = tap(first, &one, "tap0", &owned, "10.0.0.254/24");
    let namespace = Member::new(second, &two, "vde0", &network(&at("10.0.0.20/24")), "10.0.0.20/24");
    let of_machine = tap(third, &three, "eth0", &json!({}), "10.0.0.21/24");
    // The machine has another NIC, among VDE's clients.
    let with_vde = tap(third, &three, "eth1", &json!({"group": null, "url": VDE}), "10.1.0.21/24");

    let refused = Guest::open_in_as(first, OWNER + 1, OWNER + 1, tap_of_user.device(1)).expect_err("nobody else does");
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM), "{refused}");
    let stack = opened(&site, &tap_of_user, "stack");
    let machine = Vm::boot_in(third, &[nic(&of_machine), nic(&with_vde)]);
    machine.sh("ip link set eth0 mtu 1450 && ip link set eth1 mtu 1450").ok();

    let from_stack = |address: &str| stack.ping_with(address, PINGS);
    let from_namespace = |address: &str| two.ping_with(address, PINGS);
    let from_machine = |address: &str| machine.ping_with(address, "-c4 -l4 -i1 -W2");
    all_answer(&[
        ("the TAP device", "10.0.0.254", &from_stack),
        ("the namespace", "10.0.0.20", &from_namespace),
        ("the machine", "10.0.0.21", &from_machine),
    ]);

    let plugged = VdeClient::tap(first, "vde0", VDE, "10.1.0.254/24");
    let inside = VdeClient::namespace(&site.owner, second, "vdens", VDE, "10.1.0.20/24");
    let from_plugged = |address: &str| plugged.namespace.ping_with(address, PINGS);
    let from_inside = |address: &str| inside.namespace.ping_with(address, PINGS);
    all_answer(&[
        ("vde_plug", "10.1.0.254", &from_plugged),
        ("vdens", "10.1.0.20", &from_inside),
        ("the machine", "10.1.0.21", &from_machine),
    ]);
    drop((plugged, inside, machine));
    for member in [tap_of_user, namespace, of_machine, with_vde] {
        member.delete();
    }
    first.sh("ip tuntap del vde0 mode tap").ok();
    assert_eq!(before, site.state(&[&one, &two, &three]));
}

/// The other way round: the machine is VDE's.
#[test]
fn clients_of_vde_are_in_a_cloud_with_a_container() {
    let _row = row("M26");
    let site = Site::<5>::new();
    let [plug_host, ns_host, machine_host, own_host, other_host] = &site.hosts;
    let url = "vxvde://234.0.0.1";
    let plugged = VdeClient::tap(plug_host, "tap0", url, "10.0.0.254/24");
    let inside = VdeClient::namespace(&site.owner, ns_host, "vdens", url, "10.0.0.20/24");
    let machine = Vm::boot_in(machine_host, &[Nic::on_vde(url, "02:00:00:00:00:21", "10.0.0.21/24")]);
    let [c1, c2] = ["c1", "c2"].map(|name| site.container(name));
    let config = network(&with(&json!({"compat": "vxvde"}), &at("10.0.0.1/24")));
    let member = Member::new(own_host, &c1, "vde0", &config, "10.0.0.1/24");
    // The control: the same without the mode.
    let without = Member::new(other_host, &c2, "vde0", &network(&json!({})), "10.0.0.2/24");

    let from_container = |address: &str| c1.ping_with(address, PINGS);
    let from_plugged = |address: &str| plugged.namespace.ping_with(address, PINGS);
    let from_inside = |address: &str| inside.namespace.ping_with(address, PINGS);
    let from_machine = |address: &str| machine.ping_with(address, PINGS);
    all_answer(&[
        ("the container", "10.0.0.1", &from_container),
        ("vde_plug", "10.0.0.254", &from_plugged),
        ("vdens", "10.0.0.20", &from_inside),
        ("the machine", "10.0.0.21", &from_machine),
    ]);
    for address in ["10.0.0.254", "10.0.0.20", "10.0.0.21"] {
        assert_eq!(c2.ping_with(address, "-c3 -i.05 -W.3").received, 0, "without the mode: {address}");
    }
    assert_eq!(plugged.namespace.ping_with("10.0.0.2", "-c3 -i.05 -W.3").received, 0, "without the mode");

    // A switch in user space delivers checksums that nobody filled in, which a ping does not tell.
    let shown = vxlan(own_host, "vx14789-1");
    assert_eq!(shown["linkinfo"]["info_data"]["learning"], false, "{shown:#}");
    assert_eq!(c1.streams_to(&plugged.namespace, "10.0.0.254", BYTES), BYTES, "to vde_plug");
    assert_eq!(plugged.namespace.streams_to(&c1, "10.0.0.1", BYTES), BYTES, "from vde_plug");
    member.delete();
    without.delete();
}

#[test]
fn clients_of_vde_are_in_a_cloud_of_ipv6() {
    let _row = row("M26");
    let site = Site::<2>::new();
    let [plug_host, own_host] = &site.hosts;
    let url = "vxvde://ff05:56de::1";
    let plugged = VdeClient::tap(plug_host, "tap0", url, "10.0.0.254/24");
    let c1 = site.container("c1");
    let config = network(&json!({"group": null, "url": url}));
    let member = Member::new(own_host, &c1, "vde0", &config, "10.0.0.1/24");
    assert_eq!(c1.ping_with("10.0.0.254", PINGS).received, 3);
    assert_eq!(plugged.namespace.ping_with("10.0.0.1", PINGS).received, 3);
    member.delete();
}
