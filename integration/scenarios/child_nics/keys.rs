//! Keys that other kinds of NICs have, too, and links of unusual kinds.

use harness::{Invocation, sh};
use integration::{all_at_once, call, with};
use lab::{on_virtual_clock, with_features};
use serde_json::{Value, json};

use super::cable::{Cable, config};
use super::{FEATURES, usual_features, usually};

/// ADD, CHECK, whatever else, and DEL, which leaves all as it was.
fn attached(cable: &Cable, config: &Value, look: impl FnOnce(&Value)) {
    let before = cable.state();
    let result = call("ADD", &cable.c1, "eth1", config).run().ok();
    let with_result = with(config, &json!({"prevResult": result}));
    call("CHECK", &cable.c1, "eth1", &with_result).run().ok();
    look(&result);
    call("DEL", &cable.c1, "eth1", &with_result).run().ok();
    assert_eq!(before, cable.state(), "{config}");
}

fn kinds() -> [Value; 4] {
    [
        json!({"nic": "macvlan"}),
        json!({"nic": "ipvlan"}),
        json!({"nic": "ipvlan", "mode": "l3"}),
        json!({"nic": "vlan", "vlan": 10}),
    ]
}

#[test]
fn without_ipam_there_is_the_link_local_address_alone() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        for keys in kinds() {
            attached(&cable, &with(&config(&keys), &json!({"ipam": null})), |result| {
                assert_eq!(result["ips"], json!(null), "{result:#}");
                let addresses = cable.c1.ip("address show dev eth1")[0]["addr_info"].clone();
                assert_eq!(addresses.as_array().map(Vec::len), Some(1), "{keys}: {addresses}");
                assert!(addresses.to_string().contains("fe80::") && !addresses.to_string().contains("tentative"));
            });
        }
    });
}

/// As with the reference's `ipvlan` behind a plugin that makes its link.
#[test]
fn an_ipvlan_takes_over_the_link_and_the_addresses_before_it() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        sh("ip link add other up type dummy && ip route add default dev other").ok();
        for (version, link) in [("1.1.0", json!(null)), ("0.4.0", json!(null)), ("1.1.0", json!("up0"))] {
            let before = cable.state();
            let previous = json!({"cniVersion": version, "interfaces": [{"name": "up0"}],
                "ips": [{"version": "4", "address": "10.9.0.7/24", "interface": 0}],
                "routes": [{"dst": "10.7.0.0/16", "gw": "10.9.0.254", "priority": 7}]});
            let network = with(
                &config(&json!({"nic": "ipvlan", "cniVersion": version})),
                &json!({"ipam": null, "link": link, "prevResult": previous}),
            );
            let result = call("ADD", &cable.c1, "eth1", &network).run().ok();
            assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(2), "{result:#}");
            assert_eq!((&result["ips"][0]["interface"], result["ips"].as_array().map(Vec::len)), (&json!(1), Some(1)));
            assert!(cable.c1.ping("10.9.0.254", 1).all_answered());
            let routes = cable.c1.sh("ip route show 10.7.0.0/16").ok();
            assert!(routes.contains("via 10.9.0.254 dev eth1 proto static metric 7"), "{routes}");
            let attached = with(&network, &json!({"prevResult": result}));
            call("CHECK", &cable.c1, "eth1", &attached).run().ok();
            call("DEL", &cable.c1, "eth1", &attached).run().ok();
            assert_eq!(before, cable.state());
        }
        sh("ip route del default").ok();
        let chained = with(&config(&json!({"nic": "ipvlan"})), &json!({"ipam": null, "link": null}));
        Invocation::new("veth-secondary", "STATUS").config(&chained).run().ok();
    });
}

#[test]
fn it_may_stay_down() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        for keys in usually(kinds()) {
            let config = with(&config(&keys), &json!({"ipam": null, "disableContainerInterface": true}));
            attached(&cable, &config, |_| {
                let flags = cable.c1.ip("link show dev eth1")[0]["flags"].to_string();
                assert!(!flags.contains("\"UP\""), "{keys}: {flags}");
            });
        }
    });
}

/// Such a link has no IPv6.
#[test]
fn an_mtu_may_be_too_small_for_ipv6() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        let ipam = json!({"mtu": 1000, "ipam": {"type": "static", "addresses": [{"address": "10.9.0.7/24"}]}});
        for keys in usually(kinds()) {
            attached(&cable, &with(&config(&keys), &ipam), |result| {
                assert_eq!(result["interfaces"][0]["mtu"], 1000);
                assert_eq!(cable.c1.ip("-6 address show dev eth1"), json!([]), "{keys}");
            });
        }
    });
}

#[test]
fn the_link_below_may_have_too_small_an_mtu_for_ipv6() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        sh("ip link set up0 mtu 1000").ok();
        for keys in usually(kinds()) {
            let ipam = json!({"ipam": {"type": "static", "addresses": [{"address": "10.9.0.7/24"}]}});
            attached(&cable, &with(&config(&keys), &ipam), |result| {
                assert_eq!(result["interfaces"][0]["mtu"], 1000, "{keys}");
            });
            let before = cable.state();
            for (bytes, told) in [(67, "68"), (1001, "1000")] {
                let config = with(&config(&keys), &with(&ipam, &json!({"mtu": bytes})));
                let (_, msg, _) = call("ADD", &cable.c1, "eth1", &config).run().error();
                assert!(msg.contains(told), "{keys}: {msg}");
                assert_eq!(before, cable.state(), "{keys}");
            }
        }
    });
}

#[test]
fn a_duplicate_is_found_if_that_is_asked_for() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        cable.world.sh("ip address add fd00:9::fe/64 dev far nodad").ok();
        let of = |keys: &Value, address: &str| {
            let ipam = json!({"enabledad": true, "ipam": {"type": "static", "addresses": [{"address": address}]}});
            with(&config(keys), &ipam)
        };
        for keys in [json!({"nic": "macvlan"}), json!({"nic": "ipvlan"})] {
            attached(&cable, &of(&keys, "fd00:9::7/64"), |_| {
                let addresses = cable.c1.ip("-6 address show dev eth1").to_string();
                assert!(!addresses.contains("tentative"), "{keys}: {addresses}");
            });
            let before = cable.state();
            let (code, msg, _) = call("ADD", &cable.c1, "eth1", &of(&keys, "fd00:9::fe/64")).run().error();
            assert!(code == 102 && msg.contains("fd00:9::fe"), "{keys}: {code} {msg}");
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

#[test]
fn routes_are_as_for_other_nics() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        let ipam = json!({"type": "static", "addresses": [{"address": "10.9.0.7/24", "gateway": "10.9.0.254"}],
            "routes": [{"dst": "192.0.2.0/24"}]});
        let keys_of_routes = json!({"ipam": ipam, "isDefaultGateway": true, "metric": 50, "sourceRouting": true});
        for keys in usually(kinds()) {
            attached(&cable, &with(&config(&keys), &keys_of_routes), |_| {
                let routes = cable.c1.sh("ip route show").ok();
                for route in ["default via 10.9.0.254 dev eth1", "192.0.2.0/24 via 10.9.0.254 dev eth1"] {
                    assert!(routes.contains(route) && routes.contains("metric 50"), "{keys}: {routes}");
                }
                assert!(cable.c1.sh("ip rule show").ok().contains("from 10.9.0.7 lookup"), "{keys}");
            });
            // The rules do not go with the NIC, whoever removes it.
            let config = with(&config(&keys), &keys_of_routes);
            let before = cable.state();
            call("ADD", &cable.c1, "eth1", &config).run().ok();
            Invocation::new("veth-secondary", "GC")
                .config(with(&config, &json!({"cni.dev/valid-attachments": []})))
                .run()
                .ok();
            assert_eq!(before, cable.state(), "{keys}: GC");
            for table in [json!(null), json!(77)] {
                let config = with(&config, &json!({"table": table}));
                call("ADD", &cable.c1, "eth1", &config).run().ok();
                call("DEL", &cable.c1, "eth1", &config).unset("CNI_NETNS").run().ok();
                assert_eq!(before, cable.state(), "{keys}: DEL without the namespace");
            }
        }
    });
}

/// The kernel puts children of such links beside them, not onto them.
#[test]
fn a_link_may_be_a_child_itself() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        sh("ip link add up1 up type veth peer name far1 && ip link set far1 up").ok();
        sh("ip link add link up0 name mac0 up type macvlan mode bridge").ok();
        sh("ip link add link up1 name ip0 up type ipvlan mode l2").ok();
        sh("ip link add link up0 name vlan0 up type vlan id 20").ok();
        sh("ip link add link up0 name inner0 netns c1 up type macvlan mode bridge").ok();
        for (keys, link) in [
            (json!({"nic": "macvlan"}), "mac0"),
            (json!({"nic": "vlan", "vlan": 10}), "mac0"),
            (json!({"nic": "ipvlan"}), "ip0"),
            (json!({"nic": "macvlan"}), "vlan0"),
            (json!({"nic": "vlan", "vlan": 10}), "vlan0"),
        ] {
            attached(&cable, &with(&config(&keys), &json!({"link": link})), |_| {});
        }
        for keys in [json!({"nic": "macvlan"}), json!({"nic": "vlan", "vlan": 10})] {
            attached(&cable, &with(&config(&keys), &json!({"link": "inner0", "linkInContainer": true})), |_| {});
        }
        let other = with(&config(&json!({"nic": "ipvlan", "mode": "l3"})), &json!({"link": "ip0"}));
        let (code, msg, _) = call("ADD", &cable.c1, "eth1", &other).run().error();
        assert!(code == 102 && msg.contains("mode l2, ip0 on the host"), "{code} {msg}");
    });
}

#[test]
fn many_are_made_on_a_link_at_the_same_time() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        let before = cable.state();
        for keys in [json!({"nic": "macvlan"}), json!({"nic": "ipvlan"})] {
            let names: Vec<String> = (1..9).map(|number| format!("eth{number}")).collect();
            let containers = [&cable.c1, &cable.c2];
            let calls = |command: &str| {
                let of = |name: &String| containers.map(|container| call(command, container, name, &config(&keys)));
                names.iter().flat_map(of).collect::<Vec<_>>()
            };
            all_at_once(calls("ADD")).iter().for_each(|reply| _ = reply.ok());
            assert_eq!(integration::links(&cable.c1).len(), 9, "{keys}");
            all_at_once(calls("DEL")).iter().for_each(|reply| _ = reply.ok());
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

/// Only the lab's kernel can be told to load nothing more.
#[test]
fn a_kernel_without_the_kind_is_told_apart() {
    on_virtual_clock(|| {
        sh("echo /bin/false > /proc/sys/kernel/modprobe; modprobe -r macvlan ipvlan 8021q 2>/dev/null; true").ok();
        let cable = Cable::new();
        let before = cable.state();
        for (keys, told) in [
            (json!({"nic": "macvlan"}), "modprobe macvlan"),
            (json!({"nic": "ipvlan"}), "modprobe ipvlan"),
            (json!({"nic": "vlan", "vlan": 10}), "modprobe 8021q"),
        ] {
            let (code, msg, _) = call("ADD", &cable.c1, "eth1", &config(&keys)).run().error();
            assert!(code == 100 && msg.contains(told), "{keys}: {code} {msg}");
            let (code, msg, _) = call("STATUS", &cable.c1, "eth1", &config(&keys)).run().error();
            assert!(code == 50 && msg.contains(told), "{keys}: {code} {msg}");
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}
