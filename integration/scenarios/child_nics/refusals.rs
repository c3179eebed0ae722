//! What cannot be made, says why, and changes nothing.

use harness::{sh, soak};
use integration::call;
use lab::with_features;
use serde_json::json;

use super::FEATURES;
use super::cable::{Cable, config};

#[test]
fn each_refusal_says_what_to_do_and_changes_nothing() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        sh("ip link add lazy type veth peer name lazy2").ok();
        sh("ip link add br0 up type bridge && ip link add port up type veth peer name port2 && ip link set port master br0").ok();
        sh("ip link add up1 up type veth peer name far1 && ip link set far1 up").ok();
        sh("ip link add link up1 name taken netns c2 up address 02:00:00:00:00:22 type macvlan mode bridge").ok();
        sh("ip link add up2 up type veth peer name far2 && ip link set far2 up").ok();
        sh("ip link add link up2 name taken2 netns c2 up type ipvlan mode l3").ok();
        sh("ip link add link up2 name vlan10 netns c2 up type vlan id 10").ok();
        sh("ip link add up3 up type veth peer name far3 && ip link set far3 up").ok();
        sh("ip link add link up3 name taken3 netns c2 up type macvlan mode passthru").ok();
        sh("ip tuntap add layer3 mode tun && ip link set layer3 up").ok();
        let own = harness::ip("link show dev up0")[0]["address"].clone();
        let (before, links) = (cable.state(), cable.links());
        let refused = [
            (json!({"nic": "macvlan", "link": "nowhere"}), 7, "no link nowhere"),
            (json!({"nic": "ipvlan", "link": "lo"}), 7, "loopback"),
            (json!({"nic": "macvlan", "link": "layer3"}), 7, "no Ethernet"),
            (json!({"nic": "vlan", "vlan": 5, "link": "a-name-beyond-15-bytes"}), 7, "15 bytes"),
            (json!({"nic": "macvlan", "master": "up1"}), 7, "link is up0 and master is up1"),
            (json!({"nic": "macvlan", "link": "lazy"}), 102, "ip link set lazy up"),
            (json!({"nic": "vlan", "vlan": 5, "link": "lazy"}), 102, "ip link set lazy up"),
            (json!({"nic": "ipvlan", "link": "lazy"}), 102, "ip link set lazy up"),
            (json!({"nic": "macvlan", "mtu": 1501}), 102, "MTU 1500"),
            (json!({"nic": "ipvlan", "mtu": 1501}), 102, "MTU 1500"),
            (json!({"nic": "vlan", "vlan": 5, "mtu": 1501}), 102, "MTU 1500"),
            (json!({"nic": "macvlan", "mtu": 7}), 7, "no less than"),
            (json!({"nic": "macvlan", "link": "port"}), 102, "port of bridge br0"),
            (json!({"nic": "ipvlan", "link": "port"}), 102, "port of bridge br0"),
            (json!({"nic": "macvlan", "link": "up2"}), 102, "another sort"),
            (json!({"nic": "ipvlan", "link": "up1"}), 102, "another sort"),
            (json!({"nic": "ipvlan", "link": "up2", "mode": "l2"}), 102, "mode l3, taken2 in /run/netns/c2"),
            (json!({"nic": "macvlan", "link": "up3"}), 102, "passthru"),
            (json!({"nic": "macvlan", "link": "up1", "mode": "passthru"}), 102, "passthru"),
            (json!({"nic": "vlan", "vlan": 10, "link": "up2"}), 102, "VLAN 10 already"),
            (json!({"nic": "macvlan", "mac": own}), 102, "has the address itself"),
            (
                json!({"nic": "macvlan", "link": "up1", "mac": "02:00:00:00:00:22"}),
                102,
                "another device on the same link",
            ),
            (json!({"nic": "ipvlan", "mac": "02:00:00:00:00:01"}), 7, "hardware address"),
            (json!({"nic": "macvlan", "mode": "passthru", "mac": "02:00:00:00:00:01"}), 7, "hardware address"),
            (json!({"nic": "macvlan", "mode": "l2"}), 7, "mode"),
            (json!({"nic": "ipvlan", "bcqueuelen": 7}), 7, "bcqueuelen"),
            (json!({"nic": "macvlan", "vlan": 7}), 7, "vlan"),
            (json!({"nic": "vlan"}), 7, "vlan is missing"),
            (json!({"nic": "vlan", "vlan": 4095}), 7, "4094"),
            (json!({"nic": "vlan", "vlanId": 4095}), 7, "4094"),
            (json!({"nic": "vlan", "vlan": 5, "vlanId": 6}), 7, "vlan is 5 and vlanId is 6"),
            (
                json!({"nic": "macvlan", "link": "up0", "isDefaultGateway": true, "ipam": {"type": "static",
                "addresses": [{"address": "10.9.0.7/24"}]}}),
                7,
                "gateway",
            ),
            (
                json!({"nic": "macvlan", "ipam": {"type": "static", "addresses": [{"address": "10.9.0.254/24"}]}}),
                102,
                "in use",
            ),
        ];
        for (keys, code, told) in refused {
            let (have, msg, details) = call("ADD", &cable.c1, "eth1", &config(&keys)).run().error();
            println!("{keys}: {have} {msg} {details}");
            assert!(have == code && msg.contains(told) && details.is_empty(), "{keys}: {have} {msg} {details}");
            assert_eq!(links, cable.links(), "{keys}");
            // What the others leave is seen at the end.
            if soak::is_on() {
                assert_eq!(before, cable.state(), "{keys}");
            }
        }
        for dangling in ["/run/netns/nobody", "/etc/passwd"] {
            let (code, ..) =
                call("ADD", &cable.c1, "eth1", &config(&json!({"nic": "macvlan"}))).netns(dangling).run().error();
            assert_eq!(code, 8);
        }
        assert_eq!(before, cable.state());
    });
}
