//! Kinds of NICs, and what they have in common with other NICs.

use std::net::Ipv4Addr;
use std::time::Duration;

use harness::{Namespace, ip, sh, wait_until};
use serde_json::{Value, json};
use tests::{Guest, Station, cites, with};

use crate::site::{Site, address, address_at, bare, host_interface, network, network_of_its_own};

/// A stream of 4 MB by TCP arrives.
fn is_streamed(from: &Namespace, to: &Namespace, address: &str) -> bool {
    let mut listener = to.spawn("exec timeout 20 iperf3 --server --one-off --forceflush");
    let mut read = std::io::BufReader::new(listener.child().stdout.take().expect("its output is ours"));
    let mut line = String::new();
    while !line.contains("Server listening") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut read, &mut line).is_ok_and(|length| length > 0), "it listens");
    }
    let command = format!("timeout 10 iperf3 --client {address} --bytes 4M --connect-timeout 700");
    from.sh(&command).status == 0
}

fn is_up(link: &Value) -> bool {
    let flags = link[0]["flags"].as_array().expect("a link has flags");
    ["UP", "LOWER_UP"].iter().all(|flag| flags.contains(&json!(flag)))
}

#[test]
fn two_containers_reach_each_other() {
    cites!("ADD-1", "RES-20");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind}));
        let (first, first_attached) = site.added(site.c1(), "eth1", &config);
        let (second, second_attached) = site.added(&site.c2, "eth2", &config);
        let names: Vec<&str> =
            first["interfaces"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(names.first(), Some(&"br0"), "{first:#}");
        assert_eq!(names.last(), Some(&"eth1"), "{first:#}");
        assert_eq!(names.len(), if kind == "veth" { 3 } else { 2 }, "{first:#}");
        let last = names.len() - 1;
        assert_eq!(first["interfaces"][last]["sandbox"], json!(site.c1().path));
        assert_eq!(first["ips"][0]["interface"], last, "{first:#}");
        let inside = site.c1().ip("link show dev eth1");
        assert_eq!(first["interfaces"][last]["mac"], inside[0]["address"], "{kind}");
        assert_eq!(first["interfaces"][last]["mtu"], 1500, "{kind}: {first:#}");
        assert_eq!(first["interfaces"][0]["mac"], ip("link show dev br0")[0]["address"], "{kind}");
        assert!(is_up(&inside), "{kind}: {inside:#}");
        if kind == "veth" {
            let outside = ip(&format!("link show dev {}", host_interface(&first)));
            assert!(is_up(&outside), "{outside:#}");
            assert_eq!(first["interfaces"][1]["mac"], outside[0]["address"]);
        }
        assert_eq!(
            inside[0]["ifalias"],
            if kind == "veth" { Value::Null } else { json!("plugboard: eth1 on net of c1") }
        );
        assert!(site.c1().ping(&address(&second), 3).all_answered(), "{kind}");
        assert!(is_streamed(site.c1(), &site.c2, &address(&second)), "{kind}");
        site.checked(site.c1(), "eth1", &first_attached);
        site.checked(&site.c2, "eth2", &second_attached);
        site.deleted(site.c1(), "eth1", &first_attached);
        site.deleted(&site.c2, "eth2", &config);
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn without_filled_in_checksums_no_connection_is_made() {
    let site = Site::new();
    site.added(site.c1(), "eth1", &network(json!({})));
    let (second, _) = site.added(&site.c2, "eth1", &network(json!({})));
    assert!(is_streamed(site.c1(), &site.c2, &address(&second)));
    site.c1().sh("ethtool -K eth1 tx on").ok();
    assert!(site.c1().ping(&address(&second), 2).all_answered());
    assert!(!is_streamed(site.c1(), &site.c2, &address(&second)), "this datapath passes frames on as they are");
}

#[test]
fn a_guest_opens_its_tap() {
    cites!("RES-21");
    let site = Site::new();
    let before = site.state();
    let (answering, neighbour) = site.added(&site.c2, "eth1", &network(json!({})));
    let config = network(json!({"nic": "tap"}));
    let (result, attached) = site.added(site.c1(), "eth1", &config);
    let device = host_interface(&result);
    let found = ip(&format!("link show dev {device}"));
    assert_eq!(found[0]["linkinfo"]["info_data"]["vnet_hdr"], true, "{found:#}");
    let mut guest = Guest::open(&device).expect("the device can be opened");
    let mac = result["interfaces"][2]["mac"].as_str().expect("the guest's NIC has an address");
    let mac: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
    let own: Ipv4Addr = address(&result).parse().expect("of IPv4");
    let own = Station { mac: mac.try_into().expect("six bytes"), ip: own };
    let wanted = address(&answering).parse().expect("of IPv4");
    let answer = guest.who_has(own, wanted, Duration::from_secs(20)).expect("the neighbour answers");
    let answer = answer.map(|byte| format!("{byte:02x}")).join(":");
    assert_eq!(answering["interfaces"][2]["mac"], answer);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    site.deleted(&site.c2, "eth1", &neighbour);
    assert_eq!(before, site.state());
}

#[test]
fn the_address_can_be_asked_for_in_all_ways() {
    cites!("CAP-7");
    let site = Site::new();
    let before = site.state();
    let mac = "02:00:00:00:00:01";
    for kind in ["veth", "internal"] {
        let config = bare(json!({"nic": kind}));
        let by_configuration = with(&config, json!({"mac": mac}));
        let by_runtime = with(&config, json!({"capabilities": {"mac": true}, "runtimeConfig": {"mac": mac}}));
        let by_args = with(&config, json!({"args": {"cni": {"mac": mac}}}));
        for (config, arguments) in [
            (&by_configuration, ""),
            (&by_runtime, ""),
            (&by_args, ""),
            (&config, "MAC=02:00:00:00:00:01"),
            (&config, "IgnoreUnknown=1;mAc=02:00:00:00:00:01"),
        ] {
            let result = site.call(site.c1(), "eth1", "ADD", config).args(arguments).run().ok();
            assert_eq!(site.c1().ip("link show dev eth1")[0]["address"], mac, "{kind} {config} {arguments}");
            let attached = with(config, json!({"prevResult": result}));
            site.call(site.c1(), "eth1", "CHECK", &attached).args(arguments).run().ok();
            site.call(site.c1(), "eth1", "DEL", &attached).args(arguments).run().ok();
            assert_eq!(before, site.state(), "{kind} {config} {arguments}");
        }
    }
}

#[test]
fn the_mtu_is_what_is_asked() {
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal", "tap"] {
        let config = bare(json!({"nic": kind, "mtu": 1400}));
        let (result, attached) = site.added(site.c1(), "eth1", &config);
        let outside = (kind != "internal").then(|| ip(&format!("link show dev {}", host_interface(&result))));
        let inside = (kind != "tap").then(|| site.c1().ip("link show dev eth1"));
        for link in [outside, inside].into_iter().flatten() {
            assert_eq!(link[0]["mtu"], 1400, "{kind}: {link:#}");
        }
        assert_eq!(
            result["interfaces"].as_array().and_then(|all| all.last()).map(|one| &one["mtu"]),
            Some(&json!(1400))
        );
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{kind}");
    }
    // The switch gives an internal port its bridge's least MTU.
    sh("ip link add small mtu 1300 type dummy || ip link add small mtu 1300 type veth peer name far").ok();
    site.ovs.vsctl("add-port br0 small").ok();
    site.ovs.settle();
    let (result, attached) = site.added(site.c1(), "eth1", &bare(json!({"nic": "internal"})));
    assert_eq!(site.c1().ip("link show dev eth1")[0]["mtu"], result["interfaces"][1]["mtu"]);
    assert_eq!(result["interfaces"][1]["mtu"], 1300, "{result:#}");
    site.checked(site.c1(), "eth1", &attached);
}

#[test]
fn an_mtu_may_be_too_small_for_ipv6() {
    let site = Site::new();
    let before = site.state();
    let kinds = [
        json!({"nic": "veth"}),
        json!({"nic": "internal"}),
        json!({"nic": "tap"}),
        json!({"nic": "tap", "tapNamespace": "container"}),
    ];
    for kind in kinds {
        let largest = if kind["nic"] == "tap" { 65_521 } else { 65_535 };
        for bytes in [68, 1279] {
            let config = bare(with(&kind, json!({"mtu": bytes})));
            let (result, attached) = site.added(site.c1(), "eth1", &config);
            let last = result["interfaces"].as_array().and_then(|all| all.last()).expect("an interface");
            assert_eq!(last["mtu"], bytes, "{kind}");
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(site.c1(), "eth1", &attached);
            assert_eq!(before, site.state(), "{kind}");
        }
        for (bytes, bound) in [(67, 68), (largest + 1, largest)] {
            let reply = site.call(site.c1(), "eth1", "ADD", &bare(with(&kind, json!({"mtu": bytes})))).run();
            assert!(reply.error().0 == 7 && reply.error().1.contains(&bound.to_string()), "{reply}");
            assert_eq!(before, site.state(), "{kind}");
        }
    }
}

#[test]
fn both_families_have_addresses() {
    let site = Site::new();
    let before = site.state();
    let ranges = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]);
    let routes = json!([{"dst": "198.51.100.0/24", "gw": "10.1.0.1"}, {"dst": "fd00:9::/64", "gw": "fd00:1::1"}]);
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind, "ipam": {"type": "host-local", "ranges": ranges, "routes": routes}}));
        let (_, first) = site.added(site.c1(), "eth1", &config);
        let (second, other) = site.added(&site.c2, "eth2", &config);
        assert!(site.c1().ping(&address_at(&second, 1), 2).all_answered(), "{kind}: {second:#}");
        let routes = site.c1().sh("ip route; ip -6 route").ok();
        assert!(routes.contains("198.51.100.0/24 via 10.1.0.1 dev eth1"), "{kind}: {routes}");
        assert!(routes.contains("fd00:9::/64 via fd00:1::1 dev eth1"), "{kind}: {routes}");
        site.checked(site.c1(), "eth1", &first);
        site.deleted(site.c1(), "eth1", &first);
        site.deleted(&site.c2, "eth2", &other);
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn addresses_can_be_static_and_names_can_be_resolved() {
    let site = Site::new();
    let before = site.state();
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.77/24"}]});
    let config = network(json!({"ipam": ipam, "dns": {"nameservers": ["10.1.0.1"], "search": ["example.org"]}}));
    let (result, attached) = site.added(site.c1(), "eth1", &config);
    assert_eq!(address(&result), "10.1.0.77");
    assert_eq!(result["dns"], json!({"nameservers": ["10.1.0.1"], "search": ["example.org"]}));
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state());
}

#[test]
fn an_interface_can_be_left_down() {
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = bare(json!({"nic": kind, "disableContainerInterface": true}));
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        let inside = site.c1().ip("link show dev eth1");
        assert!(!inside[0]["flags"].as_array().expect("flags").contains(&json!("UP")), "{kind}: {inside:#}");
        site.checked(site.c1(), "eth1", &attached);
        site.c1().sh("ip link set eth1 up").ok();
        wait_until("it has a carrier", || is_up(&site.c1().ip("link show dev eth1")));
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn a_container_has_two_nics_on_one_bridge() {
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind}));
        let second_network = with(
            &config,
            json!({"name": "net2", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]}}),
        );
        let (first, first_attached) = site.added(site.c1(), "eth1", &config);
        let (_, further_attached) = site.added(site.c1(), "eth2", &config);
        let (third, third_attached) = site.added(site.c1(), "eth3", &second_network);
        let (_, other) = site.added(&site.c2, "eth4", &config);
        let (_, another) = site.added(&site.c2, "eth5", &second_network);
        assert!(site.c2.ping(&address(&first), 2).all_answered(), "{kind}");
        assert!(site.c2.ping(&address(&third), 2).all_answered(), "{kind}");
        for (ns, ifname, attached) in [
            (site.c1(), "eth1", &first_attached),
            (site.c1(), "eth3", &third_attached),
            (&site.c2, "eth4", &other),
            (&site.c2, "eth5", &another),
        ] {
            site.checked(ns, ifname, attached);
            site.deleted(ns, ifname, attached);
        }
        site.checked(site.c1(), "eth2", &further_attached);
        site.deleted(site.c1(), "eth2", &further_attached);
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn answers_leave_by_the_nic_of_the_question() {
    let site = Site::new();
    let before = site.state();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}]],
        "routes": [{"dst": "0.0.0.0/0"}]});
    for kind in ["veth", "internal"] {
        let config = network_of_its_own(json!({"nic": kind, "sourceRouting": true, "metric": 200, "ipam": ipam}));
        let (result, attached) = site.added(site.c1(), "eth1", &config);
        let rules = site.c1().sh("ip rule").ok();
        assert!(rules.contains(&format!("from {} lookup", address(&result))), "{kind}: {rules}");
        let routes = site.c1().sh("ip route show table all").ok();
        assert!(routes.contains("default via 10.1.0.1 dev eth1 table"), "{kind}: {routes}");
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{kind}");
    }
}
