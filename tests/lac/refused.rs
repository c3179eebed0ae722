//! What is refused leaves no device and no entry. The keys themselves have tests of their own beside their reader.

use std::fs;

use harness::sh;
use serde_json::{Value, json};
use tests::{UNDERLAY, cites, codes};

use crate::site::{Site, listed, network, of_kind, vxlan};

const INVALID: u64 = 7;

#[test]
fn keys_that_are_wrong_or_contradict_each_other() {
    cites!("ERR-2", "ADD-6");
    let site = Site::new();
    let file = site.scene.directory("lists").join("hosts");
    fs::write(&file, "192.0.2.2\n# a comment\n192.0.2.300\n").unwrap();
    let file = file.to_str().unwrap();
    for (keys, said) in [
        (json!({"group": "10.0.0.1"}), "group"),
        (json!({"group": "cloud"}), "group"),
        (json!({"group": "255.255.255.255"}), "group"),
        (json!({"group": 7}), "group"),
        (json!({"port": 0}), "port"),
        (json!({"port": 65536}), "port"),
        (json!({"vni": 16_777_216}), "vni"),
        (json!({"vni": -1}), "vni"),
        (json!({"ttl": 256}), "ttl"),
        (json!({"if": "a name that is too long"}), "if"),
        (json!({"mtu": 1451}), "mtu: 1451 bytes do not fit into packets of the underlay lan0"),
        (json!({"group": "ff05:56de::1", "mtu": 1431}), "mtu: 1431 bytes do not fit"),
        (json!({"remotes": ["192.0.2.2"]}), "group"),
        (json!({"url": "vxvde://234.0.0.1"}), "group"),
        (json!({"group": null}), "group is missing"),
        (json!({"group": null, "remotes": ["192.0.2.2"], "mode": "vxvde"}), "vxvde"),
        (json!({"group": null, "url": "vxvde://234.0.0.1/hashsize=0"}), "hashsize"),
        (json!({"group": null, "remotesFile": "/etc/nobody"}), "/etc/nobody"),
        (json!({"group": null, "remotesFile": file}), "line 3: \"192.0.2.300\""),
        (json!({"bridge": "br0"}), "bridge"),
        (json!({"vlan": 10}), "vlan"),
    ] {
        let words = site.refused(site.c1(), "ADD", &network(keys.clone()), INVALID);
        assert!(words.contains(said), "{keys}: {words}");
    }
}

/// With code 7 of ADD, and 50 of STATUS.
#[test]
fn an_underlay_that_cannot_serve() {
    cites!("ERR-2", "STA-2");
    let site = Site::new();
    let both = |config: &Value, said: &str| {
        for (command, code) in [("ADD", INVALID), ("STATUS", 50)] {
            let words = site.refused(site.c1(), command, config, code);
            assert!(words.contains(said), "{command} {config}: {words}");
        }
    };
    both(&network(json!({"if": "eth9"})), "the host has no device eth9");
    both(&network(json!({"if": "lo"})), "loopback");
    both(&network(json!({"if": "far0"})), "the underlay far0 has no IPv4 address to send from");
    both(&network(json!({"if": null})), "there is no route to the group 234.0.0.1");
    both(
        &network(json!({"group": null, "if": null, "remotes": ["198.51.100.1"]})),
        "there is no route to 198.51.100.1",
    );
    sh("ip link add br0 up type bridge && ip link set far0 master br0").ok();
    both(&network(json!({"if": "far0"})), "has no IPv4 address, because it is a port of br0");
    sh("ip link delete br0").ok();
    sh("ip link add lan1 type veth peer name far1 && ip link set far1 up && ip link set lan1 up && \
         ip address add 198.51.100.1/24 dev lan1 && ip address add 2001:db8:1::1/64 dev lan1 nodad")
    .ok();
    sh(&format!("ip route add 224.0.0.0/4 nexthop dev {UNDERLAY} nexthop dev lan1")).ok();
    both(&network(json!({"if": null})), "the routes to the group 234.0.0.1 lead through several devices: lan0, lan1");
    both(
        &network(json!({"group": null, "if": null, "remotes": ["192.0.2.2", "198.51.100.2"]})),
        "the routes to the other hosts lead through several devices: lan0, lan1",
    );
    let by_ipv6 = network(json!({"if": null, "group": "ff05:56de::1"}));
    both(&by_ipv6, "the routes to the group ff05:56de::1 lead through several devices");
    both(&network(json!({"group": null, "if": null, "remotes": ["192.0.2.1"]})), "the remotes are this host alone");
    sh("ip link set lan1 mtu 117").ok();
    both(&network(json!({"if": "lan1"})), "the underlay lan1 has an MTU of 117 bytes, into which no frame fits");
    sh("ip link set lan1 mtu 1500 && ip link set lan1 down").ok();
    both(&network(json!({"if": "lan1"})), "the underlay lan1 is down");
    sh(&format!("ip -6 address flush dev {UNDERLAY}")).ok();
    both(&network(json!({"group": "ff05:56de::1"})), "has no IPv6 address to send from");
}

/// A route by a next hop that is an object of its own (`ip nexthop`), as routing daemons make them.
#[test]
fn the_underlay_of_a_route_by_a_next_hop_object() {
    let site = Site::new();
    sh("sysctl -qw net.ipv4.nexthop_compat_mode=0 && ip nexthop add id 5 via 192.0.2.254 dev lan0 && \
        ip route add 234.0.0.0/8 nhid 5")
    .ok();
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({"if": null})));
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
}

/// Where several devices have IPv6, the one with the default route is meant, or what the operator prefers.
#[test]
fn the_underlay_of_an_ipv6_group() {
    let site = Site::new();
    sh("ip link add lan1 type veth peer name far1 && ip link set far1 up && ip link set lan1 up && \
         ip address add 2001:db8:1::1/64 dev lan1 nodad && ip route add default via 2001:db8:1::fe dev lan1")
    .ok();
    let config = network(json!({"if": null, "group": "ff05:56de::1"}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    assert_eq!(vxlan("vx14789-1")["linkinfo"]["info_data"]["link"], "lan1");
    // Whatever the routes say now, it has its underlay.
    sh("ip -6 route delete default").ok();
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    sh("ip -6 route add ff05::/16 dev lan0 table local").ok();
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    assert_eq!(vxlan("vx14789-1")["linkinfo"]["info_data"]["link"], UNDERLAY);
    site.deleted(site.c1(), "eth1", &attached);
}

/// The kernel takes 20 groups for each port; the error names the setting, and no device is left.
#[test]
fn the_group_that_is_one_too_many() {
    cites!("ERR-2", "STA-2");
    let site = Site::new();
    let cloud = |number: u8| network(json!({"group": format!("234.0.0.{number}"), "vni": number}));
    let limit: u8 = sh("cat /proc/sys/net/ipv4/igmp_max_memberships").ok().trim().parse().unwrap();
    let interface = |number: u8| format!("eth{number}");
    let mut attached = Vec::new();
    for number in 1..=limit {
        let (_, config) = site.added(site.c1(), &interface(number), &cloud(number));
        attached.push((number, config));
    }
    let one_too_many = cloud(limit + 1);
    for (command, code) in [("STATUS", 50), ("ADD", codes::UNSUPPORTED_BY_KERNEL)] {
        let words = site.refused(&site.c2, command, &one_too_many, code);
        assert!(words.contains("net.ipv4.igmp_max_memberships = 20"), "{words}");
    }
    assert_eq!(of_kind("vxlan").len(), usize::from(limit));
    // Another port, another VNI of a group that is joined, a list, and IPv6 have room.
    for keys in [
        json!({"port": 4789, "group": "234.0.1.1"}),
        json!({"vni": 99, "group": "234.0.0.1"}),
        json!({"vni": 98, "group": "ff05:56de::1"}),
    ] {
        let config = network(keys);
        site.call(site.c1(), "eth1", "STATUS", &config).run().ok();
        let (_, config) = site.added(&site.c2, "eth1", &config);
        site.deleted(&site.c2, "eth1", &config);
    }
    let config = listed(&["192.0.2.2"]);
    site.call(site.c1(), "eth1", "STATUS", &with_vni(&config, 97)).run().ok();
    sh("sysctl -qw net.ipv4.igmp_max_memberships=21").ok();
    let (_, config) = site.added(&site.c2, "eth1", &one_too_many);
    site.deleted(&site.c2, "eth1", &config);
    for (number, config) in attached {
        site.deleted(site.c1(), &interface(number), &config);
    }
    assert!(of_kind("vxlan").is_empty());
}

fn with_vni(config: &Value, vni: u32) -> Value {
    tests::with(config, json!({"vni": vni}))
}

/// A client of VDE on the host itself has the port.
#[test]
fn a_port_that_a_program_has() {
    let site = Site::new();
    let python = "import socket,sys,time; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 14789)); \
                  print('bound', flush=True); time.sleep(60)";
    let holder = harness::spawn(&format!("exec python3 -c \"{python}\""));
    harness::wait_until("the port is taken", || sh("ss -Hlun sport = :14789").ok().contains("14789"));
    let words = site.refused(site.c1(), "ADD", &network(json!({})), codes::CONFLICT);
    assert!(words.contains("UDP port 14789 is in use by a program"), "{words}");
    drop(holder);
}
