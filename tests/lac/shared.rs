//! What members share: one VXLAN device and one bridge for each port and VNI.

use std::thread;

use harness::sh;
use serde_json::json;
use tests::{State, UNDERLAY, cites, codes, with};

use crate::site::{Site, listed, network, of_kind, vxlan};

#[test]
fn a_group_is_all_that_must_be_said() {
    let site = Site::new();
    sh(&format!("ip route add 224.0.0.0/4 dev {UNDERLAY}")).ok();
    let before = site.state();
    let config = network(json!({"if": null}));
    let (result, attached) = site.added(site.c1(), "eth1", &config);
    let device = vxlan("vx14789-1");
    let data = &device["linkinfo"]["info_data"];
    for (key, value) in [
        ("id", json!(1)),
        ("group", json!("234.0.0.1")),
        ("port", json!(14789)),
        ("ttl", json!(1)),
        ("link", json!(UNDERLAY)),
        ("learning", json!(true)),
    ] {
        assert_eq!(data[key], value, "{key}: {device:#}");
    }
    assert_eq!((&device["mtu"], &device["master"]), (&json!(1450), &json!("lac14789-1")), "{device:#}");
    let names: Vec<&str> =
        result["interfaces"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!((names.len(), names[0], names[2]), (3, "lac14789-1", "eth1"), "{result:#}");
    assert_eq!(result["interfaces"][2]["mtu"], 1450, "{result:#}");
    assert_eq!(result["interfaces"][0]["mtu"], 1450, "{result:#}");
    assert!(sh("ip maddr show").ok().contains("234.0.0.1"), "the host has joined");
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state());
}

#[test]
fn members_of_any_network_and_kind_share_a_device_and_a_bridge() {
    let site = Site::new();
    let before = site.state();
    let veth = network(json!({}));
    let tap = network(json!({"name": "machines", "nic": "tap", "owner": 64055}));
    let inside = network(
        json!({"nic": "tap", "tapNamespace": "container", "url": "vxvde://234.0.0.1", "mode": "multicast", "group": null}),
    );
    let (_, first) = site.added(site.c1(), "eth1", &veth);
    let (_, second) = site.added(&site.c2, "eth1", &tap);
    let (_, third) = site.added(&site.c3, "eth1", &inside);
    let (_, fourth) = site.added(&site.c3, "eth2", &veth);
    assert_eq!((of_kind("vxlan"), of_kind("bridge")), (vec!["vx14789-1".to_owned()], vec!["lac14789-1".to_owned()]));
    let members = [(site.c1(), "eth1", &first), (&site.c2, "eth1", &second), (&site.c3, "eth1", &third)];
    for (ns, ifname, attached) in members {
        site.checked(ns, ifname, attached);
        site.deleted(ns, ifname, attached);
        assert_eq!(of_kind("vxlan").len(), 1, "it is used yet");
    }
    // The last goes without a namespace, a result, or a valid configuration.
    let invalid = with(&fourth, json!({"prevResult": null, "group": "10.0.0.1", "mtu": "x"}));
    site.deleted(&site.c3, "eth2", &invalid);
    assert_eq!(before, site.state());
}

#[test]
fn clouds_of_other_ports_and_vnis_are_beside_each_other() {
    let site = Site::new();
    let before = site.state();
    let clouds = [
        json!({}),
        json!({"vni": 2}),
        json!({"port": 4789}),
        json!({"vni": 16_777_215, "port": 65535, "ttl": 4}),
        json!({"vni": 0, "group": "ff05:56de::1"}),
    ];
    let mut attached = Vec::new();
    for (place, keys) in clouds.iter().enumerate() {
        let ifname = format!("eth{place}");
        let (result, config) = site.added(site.c1(), &ifname, &network(keys.clone()));
        site.checked(site.c1(), &ifname, &config);
        attached.push((ifname, config));
        assert_eq!(of_kind("vxlan").len(), place + 1, "{result:#}");
    }
    assert_eq!(of_kind("bridge").len(), clouds.len());
    for (ifname, config) in attached {
        site.deleted(site.c1(), &ifname, &config);
    }
    assert_eq!(before, site.state());
}

#[test]
fn another_group_with_the_same_port_and_vni_is_refused() {
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({})));
    for (keys, said) in [
        (json!({"group": "234.0.0.2"}), "has group 234.0.0.1, but the configuration asks for group 234.0.0.2"),
        (json!({"group": "ff05:56de::1"}), "has group 234.0.0.1, but the configuration asks for group ff05:56de::1"),
        (json!({"ttl": 2}), "has ttl 1, but the configuration asks for ttl 2"),
        (json!({"mode": "vxvde"}), "has mode multicast, but the configuration asks for mode vxvde"),
        (
            json!({"group": null, "remotes": ["192.0.2.2"]}),
            "has mode multicast, but the configuration asks for mode remotes",
        ),
    ] {
        let words = site.refused(&site.c2, "ADD", &network(keys), codes::CONFLICT);
        assert!(words.contains(said) && words.contains("another port or VNI"), "{words}");
    }
    let (_, of_list) = site.added(&site.c3, "eth1", &with(&listed(&["192.0.2.2"]), json!({"vni": 5})));
    let words = site.refused(&site.c2, "ADD", &with(&listed(&["2001:db8::2"]), json!({"vni": 5})), codes::CONFLICT);
    assert!(
        words.contains("VXLAN device vx14789-5 is for remotes of IPv4") && words.contains("2001:db8::2"),
        "{words}"
    );
    site.checked(&site.c3, "eth1", &of_list);
    sh("ip link add lan1 type veth peer name far1 && ip link set lan1 up && ip link set far1 up && \
         ip address add 198.51.100.1/24 dev lan1")
    .ok();
    let words = site.refused(&site.c2, "ADD", &network(json!({"if": "lan1"})), codes::CONFLICT);
    assert!(
        words.contains(&format!("has underlay {UNDERLAY}, but the configuration asks for underlay lan1")),
        "{words}"
    );
    site.checked(site.c1(), "eth1", &attached);
}

#[test]
fn what_an_operator_made_is_used_or_refused_and_stays() {
    let site = Site::new();
    sh("ip link add lac14789-1 up type bridge").ok();
    sh(&format!(
        "ip link add vx14789-1 master lac14789-1 up type vxlan id 1 group 234.0.0.1 dev {UNDERLAY} dstport 14789 ttl 1"
    ))
    .ok();
    sh("ip link set vx14789-1 up").ok();
    let before = site.state();
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({})));
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state());
    for (change, said, back) in [
        ("ip link set vx14789-1 mtu 1300", "mtu is 1300, as an operator has made it", "ip link set vx14789-1 mtu 1450"),
        (
            "ip link set vx14789-1 nomaster",
            "is a port of no bridge, as an operator has made it",
            "ip link set vx14789-1 master lac14789-1",
        ),
    ] {
        sh(change).ok();
        for (command, code) in [("ADD", codes::CONFLICT), ("STATUS", 50)] {
            let words = site.refused(site.c1(), command, &network(json!({})), code);
            assert!(words.contains(said), "{words}");
        }
        sh(back).ok();
    }
    sh("ip link delete vx14789-1 && ip link delete lac14789-1").ok();
    // Under another name it is in the way.
    sh(&format!("ip link add own0 up type vxlan id 1 group 234.0.0.9 dev {UNDERLAY} dstport 14789")).ok();
    let words = site.refused(site.c1(), "ADD", &network(json!({})), codes::CONFLICT);
    assert!(words.contains("VNI 1 on UDP port 14789 belongs to another VXLAN device of this host"), "{words}");
    sh("ip link delete own0 && ip link add vx14789-1 type bridge").ok();
    let words = site.refused(site.c1(), "ADD", &network(json!({})), codes::CONFLICT);
    assert!(words.contains("VXLAN device vx14789-1 is a device of kind bridge"), "{words}");
    sh("ip link delete vx14789-1 && ip link add lac14789-1 type veth peer name other").ok();
    let words = site.refused(site.c1(), "ADD", &network(json!({})), codes::CONFLICT);
    assert!(words.contains("link lac14789-1 is of kind veth") && words.contains("another port or VNI"), "{words}");
}

/// M70: as with one bridge for many.
#[test]
fn fifty_at_once_share_one_device() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.state();
    let containers: Vec<_> = (0..50).map(|number| site.scene.host.namespace(&format!("m{number}"))).collect();
    let config = listed(&["192.0.2.2", "192.0.2.3"]);
    let run = |command: &str| {
        let calls: Vec<_> = containers.iter().map(|ns| site.call(ns, "eth1", command, &config)).collect();
        thread::scope(|scope| {
            let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(|| call.run())).collect();
            for reply in running {
                let reply = reply.join().expect("a call");
                assert_eq!(reply.status, 0, "{command}: {reply}");
            }
        });
    };
    run("ADD");
    assert_eq!((of_kind("vxlan").len(), of_kind("bridge").len()), (1, 1));
    run("DEL");
    assert_eq!(before, State::take(&[site.c1(), &site.c2, &site.c3]));
}

/// Strangers may be on the wire, and what protects the host on its underlay does not see what they send to its bridge.
#[test]
fn members_do_not_reach_the_host() {
    let site = Site::new();
    let (result, attached) = site.added(site.c1(), "eth1", &network(json!({})));
    let bridge = result["interfaces"][0]["mac"].as_str().expect("an address");
    site.c1().sh("ip address add 192.0.2.50/24 dev eth1").ok();
    assert_eq!(site.c1().ping_with("192.0.2.1", "-c2 -i.05 -W.3").received, 0, "by a question");
    site.c1().sh(&format!("ip neigh replace 192.0.2.1 lladdr {bridge} dev eth1 nud permanent")).ok();
    let listens = "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 7777)); s.settimeout(1); \
                   print('ready', flush=True); print(s.recv(9))";
    let mut listener = harness::spawn(&format!("exec python3 -c \"{listens}\""));
    harness::wait_until("the host listens", || sh("ss -Hlun sport = :7777").ok().contains("7777"));
    site.c1().sh("bash -c 'for i in 1 2 3; do echo hi > /dev/udp/192.0.2.1/7777; done'").ok();
    let status = listener.child().wait().expect("it ends");
    assert!(!status.success(), "the host has taken a packet");
    site.deleted(site.c1(), "eth1", &attached);
}
