//! CHECK, DEL, GC, STATUS and the dry run.

use harness::{Invocation, Namespace, sh, soak};
use integration::{call, with};
use lab::with_features;
use serde_json::{Value, json};

use super::cable::{Cable, config};
use super::{FEATURES, usual_features, usually};

fn kinds() -> [Value; 3] {
    [json!({"nic": "macvlan"}), json!({"nic": "ipvlan"}), json!({"nic": "vlan", "vlan": 10})]
}

fn gc(valid: Value) -> Invocation {
    let valid = json!({"cni.dev/valid-attachments": valid});
    Invocation::new("veth-secondary", "GC").config(with(&config(&json!({})), &valid))
}

fn has_eth1(container: &Namespace) -> bool {
    integration::links(container).contains(&"eth1".to_owned())
}

#[test]
fn check_tells_each_change() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        sh("ip link add up1 up type veth peer name far1 && ip link set far1 up").ok();
        let anew = |kind: &str| {
            format!(
                "ip -n c1 link delete eth1; ip link add link up0 name tmp netns c1 {kind}; ip -n c1 link set tmp name eth1 up"
            )
        };
        let mac = "$(ip -n c1 -j link show dev eth1 | jq -r .[0].address)";
        let changes = [
            (json!({"nic": "macvlan"}), "ip -n c1 link set eth1 mtu 1400".to_owned(), "mtu"),
            (json!({"nic": "macvlan"}), "ip -n c1 link set eth1 address 02:00:00:00:00:99".to_owned(), "address"),
            (json!({"nic": "macvlan"}), "ip -n c1 link set eth1 down".to_owned(), "up"),
            (json!({"nic": "macvlan"}), "ip -n c1 link set eth1 type macvlan mode private".to_owned(), "mode"),
            (
                json!({"nic": "macvlan"}),
                "ip -n c1 link set eth1 down; ip -n c1 link set eth1 name eth2".to_owned(),
                "missing",
            ),
            (json!({"nic": "macvlan"}), "ip -n c1 address flush dev eth1".to_owned(), "10.9.0."),
            (
                json!({"nic": "macvlan"}),
                "ip -n c1 link set eth1 down; ip link set up0 down; ip link set up0 name up9; ip link set up9 up"
                    .to_owned(),
                "up0",
            ),
            (
                json!({"nic": "macvlan"}),
                format!(
                    "mac={mac}; ip -n c1 link delete eth1; ip link add link up1 name tmp netns c1 address $mac type macvlan \
                     mode bridge; ip -n c1 link set tmp name eth1 up"
                ),
                "on another link",
            ),
            (json!({"nic": "macvlan"}), anew("type ipvlan").replace("up0", "up1"), "a macvlan"),
            (json!({"nic": "ipvlan"}), anew("type ipvlan mode l3"), "mode"),
            (json!({"nic": "vlan", "vlan": 10}), anew("type vlan id 11"), "VLAN"),
            (json!({"nic": "vlan", "vlan": 10}), anew("type vlan proto 802.1ad id 10"), "VLAN"),
        ];
        let before = cable.state();
        for (keys, change, told) in changes {
            let config = config(&keys);
            let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
            let config = with(&config, &json!({"prevResult": result}));
            call("CHECK", &cable.c1, "eth1", &config).run().ok();
            sh(&change).ok();
            let (code, msg, _) = call("CHECK", &cable.c1, "eth1", &config).run().error();
            assert!(code == 104 && msg.contains(told), "{change}: {code} {msg}");
            call("DEL", &cable.c1, "eth1", &config).run().ok();
            sh("ip link set up9 down 2>/dev/null && ip link set up9 name up0 && ip link set up0 up; ip -n c1 link delete eth1 2>/dev/null; true").ok();
            assert_eq!(before, cable.state(), "{change}");
        }
    });
}

#[test]
fn a_nic_that_was_renamed_goes_too() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        let before = cable.state();
        for keys in usually(kinds()) {
            call("ADD", &cable.c1, "eth1", &config(&keys)).run().ok();
            cable.c1.sh("ip link set eth1 down && ip link set eth1 name other").ok();
            call("DEL", &cable.c1, "eth1", &config(&keys)).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

/// A runtime that has lost the path of a namespace, or whose container is gone.
#[test]
fn del_needs_no_namespace() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        let before = cable.state();
        for keys in usually(kinds()) {
            call("ADD", &cable.c1, "eth1", &config(&keys)).run().ok();
            call(
                "ADD",
                &cable.c2,
                "eth1",
                &with(&config(&keys), &json!({"vlan": if keys["nic"] == "vlan" { json!(11) } else { json!(null) }})),
            )
            .run()
            .ok();
            call("DEL", &cable.c1, "eth1", &config(&keys)).unset("CNI_NETNS").run().ok();
            assert!(!has_eth1(&cable.c1) && has_eth1(&cable.c2), "{keys}");
            call("DEL", &cable.c1, "eth1", &config(&keys)).netns("/run/netns/nobody").run().ok();
            call("DEL", &cable.c2, "eth1", &config(&keys)).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

#[test]
fn gc_removes_what_no_valid_attachment_has() {
    with_features(usual_features(), || {
        let cable = Cable::new();
        let before = cable.state();
        for keys in usually(kinds()) {
            let vlan = if keys["nic"] == "vlan" { json!(11) } else { json!(null) };
            call("ADD", &cable.c1, "eth1", &config(&keys)).run().ok();
            call("ADD", &cable.c2, "eth1", &with(&config(&keys), &json!({"vlan": vlan}))).run().ok();
            let of_other = json!({"cni.dev/valid-attachments": [], "name": "another"});
            Invocation::new("veth-secondary", "GC").config(with(&config(&json!({})), &of_other)).run().ok();
            gc(json!([{"containerID": "c1", "ifname": "eth1"}, {"containerID": "c2", "ifname": "eth1"}])).run().ok();
            assert!(has_eth1(&cable.c1) && has_eth1(&cable.c2), "{keys}");
            let printed = gc(json!([{"containerID": "c2", "ifname": "eth1"}]))
                .env("CNI_COMMAND", "PRINT")
                .env("CNI_PRINT", "GC")
                .run()
                .ok();
            assert!(printed.to_string().contains("ip -n c1 link delete eth1"), "{printed:#}");
            assert!(has_eth1(&cable.c1));
            gc(json!([{"containerID": "c2", "ifname": "eth1"}])).run().ok();
            assert!(!has_eth1(&cable.c1) && has_eth1(&cable.c2), "{keys}");
            gc(json!([])).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

/// Runtimes call DEL after an ADD that was refused, too.
#[test]
fn a_link_of_the_same_name_that_somebody_else_made_stays() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        for made in [
            "ip -n c1 link add eth1 type dummy",
            "ip link add link up0 name eth1 netns c1 type macvlan mode bridge",
            "ip link add link up0 name eth1 netns c1 type vlan id 99",
        ] {
            sh(made).ok();
            let before = cable.state();
            for keys in usually(kinds()) {
                let (code, msg, _) = call("ADD", &cable.c1, "eth1", &config(&keys)).run().error();
                assert!(code == 101 && msg.contains("eth1"), "{code} {msg}");
                call("DEL", &cable.c1, "eth1", &config(&keys)).run().ok();
                call("DEL", &cable.c1, "eth1", &config(&keys)).unset("CNI_NETNS").run().ok();
                gc(json!([])).run().ok();
                assert_eq!(before, cable.state(), "{made}: {keys}");
            }
            cable.c1.sh("ip link delete eth1").ok();
        }
    });
}

/// The commands that a call would do, for a shell, and the result that it would have.
pub(super) fn print(cable: &Cable, command: &str, config: &Value) -> (String, Value) {
    let printed = call("PRINT", &cable.c1, "eth1", config).env("CNI_PRINT", command).run().ok();
    let lines =
        printed["commands"].as_array().unwrap_or_else(|| panic!("{printed:#}")).iter().filter_map(Value::as_str);
    // Nothing is announced here: that is no state.
    let lines: Vec<_> = lines.filter(|line| !line.contains("arping")).collect();
    let script = ["-n", "netns", "netns exec"]
        .into_iter()
        .fold(lines.join("\n"), |script, word| script.replace(&format!("{word} CONTAINER"), &format!("{word} c1")));
    (script, printed["result"].clone())
}

/// The commands of the dry run, executed by a shell, make the same as ADD, and remove the same as DEL.
#[test]
fn what_is_printed_is_what_is_done() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        cable.c1.sh("ip link add up1 up type veth peer name far1 && ip link set far1 up").ok();
        let before = cable.state();
        let mut all = vec![
            json!({"nic": "macvlan", "mac": "02:00:00:00:00:07", "mtu": 1400}),
            json!({"nic": "vlan", "vlan": 10, "mac": "02:00:00:00:00:07"}),
            json!({"nic": "ipvlan", "link": "up1", "linkInContainer": true}),
        ];
        if soak::is_on() {
            all.extend(super::kinds().into_iter().map(|(keys, ..)| keys));
            all.push(json!({"nic": "macvlan", "mode": "passthru"}));
            all.push(json!({"nic": "vlan", "vlan": 10, "mtu": 1280}));
        }
        for keys in all {
            let config =
                with(&config(&keys), &json!({"ipam": {"type": "static", "addresses": [{"address": "10.9.0.7/24"}]}}));
            let ipam = json!({"plugboard/ipam-result": {"cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24"}]}});
            let (script, result) = print(&cable, "ADD", &with(&config, &ipam));
            assert_eq!(before, cable.state(), "printing changes nothing");
            let added = call("ADD", &cable.c1, "eth1", &config).run().ok();
            for key in ["mtu", "sandbox", "name"] {
                assert_eq!(result["interfaces"][0][key], added["interfaces"][0][key], "{result:#}");
            }
            let made = cable.state();
            let (removal, _) = print(&cable, "DEL", &config);
            sh(&removal).ok();
            assert_eq!(before, cable.state(), "{keys}: {removal}");
            sh(&format!("set -e\n{script}")).ok();
            assert_eq!(made, cable.state(), "{keys}: {script}");
            call("DEL", &cable.c1, "eth1", &config).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

/// A chain whose shaper finds the NIC that is to be made in the result before it.
#[test]
fn limits_are_printed_before_there_is_a_nic() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        let before = cable.state();
        for keys in usually(kinds()) {
            let config = with(&config(&keys), &json!({"ipam": null}));
            let shaper =
                json!({"cniVersion": "1.1.0", "name": "lan", "type": "netem-shaper", "bw": "10Mbps", "lat": "10ms"});
            let (nic, promised) = print(&cable, "ADD", &config);
            let (limits, _) = print(&cable, "ADD", &with(&shaper, &json!({"prevResult": promised})));
            let result = call("ADD", &cable.c1, "eth1", &config).run().ok();
            let shaper = with(&shaper, &json!({"prevResult": result}));
            let config = with(&config, &json!({"prevResult": result}));
            call("ADD", &cable.c1, "eth1", &shaper).run().ok();
            // GC finds the ifb that serves it, too, wherever it is; and so does a DEL without the namespace.
            gc(json!([])).run().ok();
            assert_eq!(before, cable.state(), "{keys}");
            sh(&format!("set -e\n{nic}\n{limits}")).ok();
            call("CHECK", &cable.c1, "eth1", &config).run().ok();
            call("CHECK", &cable.c1, "eth1", &shaper).run().ok();
            call("DEL", &cable.c1, "eth1", &config).unset("CNI_NETNS").run().ok();
            assert_eq!(before, cable.state(), "{keys}");
        }
    });
}

#[test]
fn status_tries_it_on_a_stand_in() {
    with_features(FEATURES, || {
        let cable = Cable::new();
        let before = cable.state();
        for (keys, ..) in super::kinds() {
            call("STATUS", &cable.c1, "eth1", &config(&keys)).run().ok();
        }
        let missing = [("link", "nowhere"), ("link", "lo")].map(|(key, value)| json!({"nic": "macvlan", key: value}));
        for keys in missing {
            let (code, msg, _) = call("STATUS", &cable.c1, "eth1", &config(&keys)).run().error();
            assert!(code == 50 && !msg.is_empty(), "{keys}: {code} {msg}");
        }
        assert_eq!(before, cable.state());
    });
}
