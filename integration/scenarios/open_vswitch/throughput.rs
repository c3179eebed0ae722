//! How fast NICs are beside such that people make by hand.

use harness::chance::COMPARED;
use harness::{Datapath, Namespace, assert_by_chance, not_observed, row, sh, soak, wait_until};
use serde_json::json;

use super::site::{Attached, Site, network};

#[test]
fn a_nic_is_as_fast_as_one_made_by_hand_with_the_datapath_of_the_switch() {
    let _row = row("M64");
    as_fast_as_by_hand(Datapath::Netdev);
    not_observed("M64 on hardware: 40 Gbit/s through a NIC on Open vSwitch");
}

/// Two containers on the bridge, as one connects them by `ip` and `ovs-vsctl`.
fn pair_by_hand(site: &Site) -> [Namespace; 2] {
    let pair = site.containers(["hand1", "hand2"]);
    for (ns, last) in pair.iter().zip(1..) {
        let name = &ns.name;
        sh(&format!("ip link add {name} up type veth peer name eth1 netns {name}")).ok();
        ns.sh(&format!("ip link set eth1 up && ip address add 10.51.0.{last}/24 dev eth1")).ok();
        if site.datapath == Datapath::Netdev {
            ns.sh("ethtool -K eth1 tx off").ok();
        }
        site.ovs.vsctl(&format!("add-port br-int {name}")).ok();
    }
    pair
}

pub(super) fn as_fast_as_by_hand(datapath: Datapath) {
    let amount = match datapath {
        Datapath::System => "-n 20M".to_owned(),
        Datapath::Netdev => format!("-t {}", soak::size(1, 10)),
    };
    let site = Site::new(datapath);
    let [c1, c2] = site.containers(["c1", "c2"]);
    let [hand1, hand2] = pair_by_hand(&site);
    let [one, two] = [&c1, &c2].map(|ns| Attached::new(ns, "eth1", &network(json!({}))));
    COMPARED.repeated(|| {
        let gbit = |from: &Namespace, to: &Namespace, address: &str| {
            from.iperf3_from(to, address, &amount).received_bit_s / 1e9
        };
        let (ours, theirs) = (gbit(&c1, &c2, two.address()), gbit(&hand1, &hand2, "10.51.0.2"));
        println!("{}: {ours:.3} Gbit/s, by hand {theirs:.3}", datapath.name());
        assert_by_chance!(ours >= 0.9 * theirs, "{ours:.3} Gbit/s, by hand {theirs:.3}");
    });
    a_hundred_streams(&one, &two);
    one.delete();
    two.delete();
}

/// `iperf3 -p 80 -b 100M -P 100 -u` comes to its end.
fn a_hundred_streams(one: &Attached, two: &Attached) {
    let _server = two.ns.spawn("exec iperf3 --server --one-off --port 80 >/dev/null");
    wait_until("iperf3 listens", || two.ns.sh("ss -Hltn 'sport = 80'").ok().contains(":80"));
    let seconds = soak::size(1, 10);
    let client = format!("iperf3 -c {} -p 80 -b 100M -P 100 -u -t {seconds} --json", two.address());
    let report: serde_json::Value = serde_json::from_str(&one.ns.sh(&client).ok()).expect("a report");
    let streams = report["end"]["streams"].as_array().map(Vec::len);
    let (packets, lost) = (&report["end"]["sum"]["packets"], &report["end"]["sum"]["lost_packets"]);
    println!("100 streams of UDP: {packets} packets, {lost} lost");
    assert_eq!(streams, Some(100), "{:#}", report["end"]);
    assert!(packets.as_u64() > lost.as_u64(), "{:#}", report["end"]["sum"]);
}
