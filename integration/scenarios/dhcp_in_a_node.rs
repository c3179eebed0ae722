//! WALT's nodes that number each other: one of them runs a DHCP server on a network that nobody else manages.

use std::time::{Duration, Instant};

use harness::chance::PROMPT;
use harness::{Background, Namespace, assert_by_chance, row, wait_until};
use integration::{World, number};

/// `dnsmasq` as the DHCP server of `eth1`. It does not ask first whether an address is taken, for which it would wait.
fn serve(node: &Namespace) -> Background {
    let server = node.spawn(
        "exec dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --port=0 --no-ping \
         --interface=eth1 --bind-interfaces --dhcp-range=10.9.0.100,10.9.0.150,255.255.255.0 --dhcp-leasefile=/run/leases",
    );
    wait_until("dnsmasq serves", || !node.sh("ss -H -u -l -n 'sport = 67'").ok().is_empty());
    server
}

/// busybox's client; it gives the interface the address that it gets.
fn ask(node: &Namespace, interface: &str, patience: &str) -> (i32, String) {
    let script = "#!/bin/sh\n[ \"$1\" != bound ] || exec ip address add \"$ip/$mask\" dev \"$interface\"\n";
    std::fs::write("/run/lease.sh", script).expect("a script");
    let asked = node.sh(&format!(
        "chmod 755 /run/lease.sh; busybox udhcpc -i {interface} -q -n -f {patience} -s /run/lease.sh 2>&1"
    ));
    println!("{}", asked.stdout);
    (asked.status, asked.stdout)
}

#[test]
fn a_node_numbers_the_others_of_its_network_and_nobody_else() {
    let _row = row("M06");
    PROMPT.repeated(|| {
        let world = World::new();
        let (vn1, vn2) = world.nodes("walt-net,home-net", "walt-net,home-net");
        number(&vn1, "eth1", "10.9.0.1/24");
        let _server = serve(&vn1);

        let started = Instant::now();
        let (status, said) = ask(&vn2, "eth1", "");
        let taken = started.elapsed();
        assert_eq!(status, 0, "{said}");
        let lease = said.lines().find(|line| line.contains("lease of 10.9.0.") && line.contains("obtained"));
        assert!(lease.is_some(), "{said}");
        assert_by_chance!(taken < Duration::from_secs(3), "{taken:?} until the lease");

        let own = vn2.ip("-4 address show dev eth1")[0]["addr_info"][0].clone();
        let address = own["local"].as_str().unwrap_or_default();
        assert!(address.starts_with("10.9.0.1") && own["prefixlen"] == 24, "{own:#}");
        assert!(lease.is_some_and(|line| line.contains(&format!("lease of {address} obtained"))), "{lease:?} {own:#}");
        assert_eq!(vn2.ping("10.9.0.1", 3).received, 3);
        for node in ["vn1", "vn2"] {
            world.plugboard(&format!("check {node}")).ok();
        }

        let (status, said) = ask(&vn2, "eth0", "-t 2 -T 1");
        assert!(status != 0 && !said.contains("obtained"), "on the primary network: {said}");
        world.plugboard("detach vn1").ok();
        world.plugboard("detach vn2").ok();
        assert_eq!(harness::ip("link show").as_array().map(Vec::len), Some(1), "nothing is left");
    });
}
