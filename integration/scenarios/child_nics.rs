//! NICs that are children of a link: macvlan, ipvlan and VLAN devices.

mod cable;
mod ends;
mod keys;
mod kills;
mod refusals;

use harness::{sh, soak, tc};
use integration::{call, with};
use lab::Feature;
use serde_json::{Value, json};

use cable::{Cable, config};

/// What the kernel must have.
const FEATURES: &[Feature] = &[Feature::Macvlan, Feature::Ipvlan, Feature::Vlan, Feature::Dummy, Feature::Netem];

/// Of these the kind that most kernels have, and all in a run that takes its time: what is looked at does not depend on the kind, and
/// on an emulated processor each takes a while.
fn usually<const N: usize>(kinds: [Value; N]) -> Vec<Value> {
    kinds.into_iter().filter(|keys| soak::is_on() || keys["nic"] == "macvlan").collect()
}

/// What the kernel must have for those.
fn usual_features() -> &'static [Feature] {
    soak::size(&[Feature::Macvlan], FEATURES)
}

/// The keys of each kind and mode, and whether two containers on one link reach each other and what is behind the link.
fn kinds() -> Vec<(Value, bool, bool)> {
    vec![
        (json!({"nic": "macvlan"}), true, true),
        (json!({"nic": "macvlan", "mode": "private"}), false, true),
        (json!({"nic": "macvlan", "mode": "vepa", "bcqueuelen": 2000}), false, true),
        (json!({"nic": "ipvlan"}), true, true),
        (json!({"nic": "ipvlan", "mode": "l3"}), true, false),
        (json!({"nic": "ipvlan", "mode": "l3s"}), true, false),
    ]
}

#[test]
fn each_kind_and_mode_carries_packets() {
    lab::with_features(FEATURES, || {
        let cable = Cable::new();
        let (c1, c2) = (&cable.c1, &cable.c2);
        let before = cable.state();
        for (keys, reach_each_other, reach_the_world) in kinds() {
            let config = config(&keys);
            let first = call("ADD", c1, "eth1", &config).run().ok();
            let second = call("ADD", c2, "eth1", &config).run().ok();
            // Usable from the first packet on, the link-local address included.
            let addresses = c1.ip("-6 address show dev eth1").to_string();
            assert!(addresses.contains("fe80::") && !addresses.contains("tentative"), "{keys}: {addresses}");
            for ip in second["ips"].as_array().into_iter().flatten() {
                let address = ip["address"].as_str().and_then(|address| address.split('/').next()).unwrap_or_default();
                let ping = c1.ping_with(address, "-c2 -i.05 -W1");
                assert_eq!(ping.received, if reach_each_other { 2 } else { 0 }, "{keys}: {address}");
            }
            if reach_the_world {
                assert_eq!(c1.ping_with("10.9.0.254", "-c2 -i.05 -W1").received, 2, "{keys}");
            }
            let interface = &first["interfaces"][0];
            let link = &c1.ip("link show dev eth1")[0];
            assert_eq!(first["interfaces"].as_array().map(Vec::len), Some(1), "{first:#}");
            assert_eq!((&interface["name"], &interface["sandbox"]), (&json!("eth1"), &json!("/run/netns/c1")));
            assert_eq!((&interface["mac"], &interface["mtu"]), (&link["address"], &json!(1500)));
            assert_eq!(first["ips"][0]["interface"], 0);
            let mode = keys["mode"].as_str().unwrap_or(if keys["nic"] == "ipvlan" { "l2" } else { "bridge" });
            assert_eq!(link["linkinfo"]["info_data"]["mode"], mode);
            for (container, result) in [(c1, &first), (c2, &second)] {
                let config = with(&config, &json!({"prevResult": result}));
                call("CHECK", container, "eth1", &config).run().ok();
                call("DEL", container, "eth1", &config).run().ok();
                call("DEL", container, "eth1", &config).run().ok();
            }
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

#[test]
fn a_macvlan_in_mode_passthru_has_the_link_for_itself() {
    lab::with_features(FEATURES, || {
        let cable = Cable::new();
        let before = cable.state();
        let config = config(&json!({"nic": "macvlan", "mode": "passthru"}));
        let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
        assert_eq!(result["interfaces"][0]["mac"], harness::ip("link show dev up0")[0]["address"]);
        assert_eq!(cable.c1.ping_with("10.9.0.254", "-c2 -i.05 -W1").received, 2);
        let with_one = cable.state();
        let (code, msg, _) = call("ADD", &cable.c2, "eth1", &config).run().error();
        assert!(code == 102 && msg.contains("passthru"), "{code} {msg}");
        assert_eq!(with_one, cable.state());
        let config = with(&config, &json!({"prevResult": result}));
        call("CHECK", &cable.c1, "eth1", &config).run().ok();
        call("DEL", &cable.c1, "eth1", &config).run().ok();
        assert_eq!(before, cable.state());
    });
}

#[test]
fn a_vlan_of_a_link_is_a_nic() {
    lab::with_features(FEATURES, || {
        let cable = Cable::new();
        cable.world.sh("ip address flush dev far scope global").ok();
        let before = cable.state();
        cable
            .world
            .sh("ip link add link far name far.10 up type vlan id 10 && ip address add 10.9.0.253/24 dev far.10")
            .ok();
        // By our key or the reference's, with the link's own address or one of its own.
        for keys in [json!({"vlan": 10}), json!({"vlanId": 10, "mac": "02:00:00:00:00:10", "mtu": 1400})] {
            let config = with(&config(&keys), &json!({"nic": "vlan"}));
            let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
            assert!(cable.c1.ping_with("10.9.0.253", "-c2 -i.05 -W1").all_answered(), "{keys}");
            let mac = keys.get("mac").unwrap_or(&harness::ip("link show dev up0")[0]["address"]).clone();
            assert_eq!(result["interfaces"][0]["mac"], mac);
            assert_eq!(result["interfaces"][0]["mtu"], keys.get("mtu").unwrap_or(&json!(1500)).clone());
            let (code, msg, _) = call("ADD", &cable.c2, "eth1", &config).run().error();
            assert!(code == 102 && msg.contains("VLAN 10 already"), "{code} {msg}");
            let config = with(&config, &json!({"prevResult": result}));
            call("CHECK", &cable.c1, "eth1", &config).run().ok();
            call("DEL", &cable.c1, "eth1", &config).run().ok();
        }
        cable.world.sh("ip link delete far.10").ok();
        assert_eq!(before, cable.state());
    });
}

#[test]
fn a_child_may_be_on_a_link_of_the_container() {
    lab::with_features(FEATURES, || {
        let cable = Cable::new();
        cable.c1.sh("ip link add up1 up type veth peer name far1 && ip link set far1 up").ok();
        cable
            .c1
            .sh("ip link add link far1 name far1.7 up type vlan id 7 && ip address add 10.9.0.253/24 dev far1.7")
            .ok();
        let before = cable.state();
        let keys = [json!({"nic": "macvlan"}), json!({"nic": "ipvlan"}), json!({"nic": "vlan", "vlanId": 7})];
        for keys in &keys {
            let config = with(&config(keys), &json!({"link": null, "master": "up1", "linkInContainer": true}));
            call("STATUS", &cable.c1, "eth1", &config).run().ok();
            let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
            let config = with(&config, &json!({"prevResult": result}));
            call("CHECK", &cable.c1, "eth1", &config).run().ok();
            call("DEL", &cable.c1, "eth1", &config).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
        let config = with(&config(&keys[0]), &json!({"link": "nowhere", "linkInContainer": true}));
        let (code, msg, _) = call("ADD", &cable.c1, "eth1", &config).run().error();
        assert!(code == 7 && msg.contains("nowhere in the container"), "{code} {msg}");
    });
}

#[test]
fn the_device_of_the_default_route_is_the_link_where_none_is_named() {
    lab::with_features(FEATURES, || {
        let cable = Cable::new();
        let config = with(&config(&json!({"nic": "macvlan"})), &json!({"link": null}));
        let (code, msg, _) = call("ADD", &cable.c1, "eth1", &config).run().error();
        assert!(code == 7 && msg.contains("name the link"), "{code} {msg}");
        sh("ip address add 10.9.0.250/24 dev up0 && ip route add default via 10.9.0.254").ok();
        call("STATUS", &cable.c1, "eth1", &config).run().ok();
        let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
        assert!(cable.c1.ping_with("10.9.0.254", "-c2 -i.05 -W1").all_answered());
        sh("ip route delete default").ok();
        let config = with(&config, &json!({"prevResult": result}));
        call("CHECK", &cable.c1, "eth1", &config).run().ok();
        call("DEL", &cable.c1, "eth1", &config).run().ok();
    });
}

#[test]
fn limits_are_in_the_container() {
    lab::with_features(FEATURES, || {
        let cable = Cable::new();
        let before = cable.state();
        for keys in [json!({"nic": "macvlan"}), json!({"nic": "ipvlan"}), json!({"nic": "vlan", "vlan": 10})] {
            let config = config(&keys);
            let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
            let shaper = json!({"cniVersion": "1.1.0", "name": "lan", "type": "netem-shaper", "bw": "10Mbps", "lat": "10ms",
                "prevResult": result});
            let result = call("ADD", &cable.c1, "eth1", &shaper).run().ok();
            let queues = cable.c1.tc("qdisc show").to_string();
            assert!(queues.contains("netem"), "{keys}: {queues}");
            assert!(!tc("qdisc show dev up0").to_string().contains("netem"));
            if keys["nic"] != "vlan" {
                let rtt = cable.c1.ping_with("10.9.0.254", "-c5 -i.05 -W1");
                assert!(rtt.all_answered() && rtt.rtt_min_ms > 9.9, "{keys}: {rtt:?}");
            }
            let shaper = with(&shaper, &json!({"prevResult": result}));
            call("CHECK", &cable.c1, "eth1", &shaper).run().ok();
            call("DEL", &cable.c1, "eth1", &shaper).run().ok();
            call("DEL", &cable.c1, "eth1", &with(&config, &json!({"prevResult": result}))).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}
