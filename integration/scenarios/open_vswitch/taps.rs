//! Virtual machines on TAP devices that are ports of Open vSwitch: what a guest sends over TCP arrives with right checksums, which a ping
//! does not tell.

use harness::{Datapath, row, soak};
use integration::with;
use lab::{Nic, Vm, with_guests_on_virtual_clock};
use serde_json::{Value, json};
use tests::Guest;

use super::site::{Attached, Site, network};

/// A user without privileges, whose device one is.
const OWNER: u32 = 4711;

#[test]
fn guests_reach_containers_and_each_other_with_the_datapath_of_the_switch() {
    let (_tap, _several) = (row("M62"), row("M17"));
    guests_on_taps(Datapath::Netdev, 2, "-n 20M");
}

#[test]
#[ignore = "soaks: machines in an emulated machine take a minute"]
fn guests_reach_containers_and_each_other_with_the_kernels_datapath() {
    with_guests_on_virtual_clock(|| {
        let _row = row("M62");
        // Each takes ten seconds to boot.
        guests_on_taps(Datapath::System, soak::size(1, 2), "-n 1M");
    });
}

/// Attaches two guests, of which so many boot, and a container.
fn guests_on_taps(datapath: Datapath, booted: usize, amount: &str) {
    let site = Site::new(datapath);
    let [pod1, pod2, c1] = site.containers(["pod1", "pod2", "c1"]);
    let before = site.state(&[&pod1, &pod2, &c1]);
    let on_host = network(json!({"nic": "tap", "owner": OWNER}));
    let inside = network(json!({"nic": "tap", "tapNamespace": "container", "mac": "02:00:00:00:00:07"}));
    // User-mode Linux opens one queue.
    let queues = if datapath == Datapath::Netdev { 2 } else { 1 };
    let inside = with(&inside, &json!({"multiQueue": queues > 1}));
    let (guest1, guest2) = (Attached::new(&pod1, "eth1", &on_host), Attached::new(&pod2, "eth1", &inside));
    let peer = Attached::new(&c1, "eth1", &network(json!({})));
    assert_eq!(guest2.result["interfaces"][2]["mac"], "02:00:00:00:00:07");

    let tap = guest1.on_host();
    drop(Guest::open_as(OWNER, OWNER, tap).expect("its owner opens it"));
    let refused = Guest::open_as(OWNER + 1, OWNER + 1, tap).expect_err("nobody else does");
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM), "{refused}");

    let boots: [&dyn Fn() -> Vm; 2] =
        [&|| Vm::boot(&[nic(&guest1, 1)]), &|| Vm::boot_in(&pod2, &[Nic { queues, ..nic(&guest2, 2) }])];
    let guests: Vec<(Vm, &Attached)> =
        boots.iter().zip([&guest1, &guest2]).take(booted).map(|(boot, own)| (boot(), own)).collect();
    for (guest, own) in &guests {
        assert_eq!(guest.sh("cat /sys/class/net/eth0/address").ok(), own.result["interfaces"][2]["mac"]);
        let of_guest = guest.sh("ls -d /sys/class/net/eth0/queues/tx-*").ok().lines().count();
        assert_eq!(of_guest, if own.ns == pod2 { queues as usize } else { 1 }, "queues");
        assert_eq!(guest.ping(peer.address(), 3).received, 3, "{own:?}");
        assert_eq!(c1.ping(own.address(), 3).received, 3, "{own:?}");
        for options in [amount.to_owned(), format!("-R {amount}")] {
            let sent = guest.iperf3_from(&c1, peer.address(), &options);
            println!("{} {options}: {:.0} Mbit/s", own.ns.name, sent.received_bit_s / 1e6);
            assert!(sent.received_bit_s > 0.0, "{:#}", sent.report["end"]);
        }
    }
    if let [(one, _), (other, of_other)] = guests.as_slice() {
        assert_eq!(one.ping(of_other.address(), 3).received, 3, "from guest to guest");
        for options in ["", "-R"] {
            // The server of the other end takes one test, and is in the background when it listens.
            other.sh("iperf3 --server --one-off --daemon").ok();
            let report = one.sh(&format!("iperf3 --client {} {options} {amount} --json", of_other.address())).ok();
            let report: Value = serde_json::from_str(&report).expect("a report");
            let received = report["end"]["sum_received"]["bits_per_second"].as_f64();
            println!("from guest to guest {options}: {:.0} Mbit/s", received.unwrap_or_default() / 1e6);
            assert!(received > Some(0.0), "{report:#}");
        }
    }
    for attached in [&guest1, &guest2, &peer] {
        attached.check();
        attached.delete();
    }
    drop(guests);
    assert_eq!(before, site.state(&[&pod1, &pod2, &c1]));
}

/// The guest's NIC on the device at that place of its result.
fn nic(guest: &Attached, place: usize) -> Nic {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let interfaces = &guest.result["interfaces"];
    Nic::new(&text(&interfaces[place]["name"]), &text(&interfaces[2]["mac"]), &text(&guest.result["ips"][0]["address"]))
}

#[test]
fn a_guest_has_nics_on_two_networks() {
    let _row = row("M17");
    let site = Site::new(Datapath::Netdev);
    site.ovs.add_bridge_of(Datapath::Netdev, "br-two");
    let [vm, c1, c2] = site.containers(["vm", "c1", "c2"]);
    let before = site.state(&[&vm, &c1, &c2]);
    let second = with(
        &network(json!({"bridge": "br-two", "name": "net2"})),
        &json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "192.168.2.0/24"}]]}}),
    );
    let tap = json!({"nic": "tap"});
    let peers = [Attached::new(&c1, "eth1", &network(json!({}))), Attached::new(&c2, "eth1", &second)];
    let nics = [
        Attached::new(&vm, "eth0", &with(&network(json!({"mac": "02:00:00:00:00:08"})), &tap)),
        Attached::new(&vm, "eth1", &with(&second, &tap)),
    ];
    let guest = Vm::boot(&[nic(&nics[0], 1), nic(&nics[1], 1)]);
    for (place, nic) in nics.iter().enumerate() {
        let mac = &nic.result["interfaces"][2]["mac"];
        assert_eq!(guest.sh(&format!("cat /sys/class/net/eth{place}/address")).ok(), *mac);
    }
    assert_eq!(nics[0].result["interfaces"][2]["mac"], "02:00:00:00:00:08");
    for peer in &peers {
        assert_eq!(guest.ping(peer.address(), 4).received, 4, "{peer:?}");
    }
    let across = guest.ping_with(peers[1].address(), "-c2 -i.2 -W1 -I eth0");
    assert_eq!(across.received, 0, "the networks are separate: {across:?}");
    drop(guest);
    nics.iter().chain(&peers).for_each(Attached::delete);
    assert_eq!(before, site.state(&[&vm, &c1, &c2]));
}
