//! VLANs on one bridge: access ports, trunks, gateways, the default VLAN, and bridges that cannot.

use std::collections::BTreeMap;

use harness::chance::KILLED;
use harness::{Namespace, assert_by_chance, not_observed, sh, soak, wait_until};
use lab::{Feature, on_full_kernel, with_features};
use serde_json::{Value, json};
use tests::{Frames, LATEST, MARKER, Plugin, Scene, cites, codes, marker, with};

const NEEDED: [Feature; 2] = [Feature::Vlan, Feature::BridgeVlanFiltering];

/// A network on `br0` with one static address, and further keys.
fn network(name: &str, address: &str, keys: Value) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": address}]});
    with(&with(&Plugin::Bridge.config(LATEST), json!({"name": name, "ipam": ipam})), keys)
}

/// The VLANs of a port or of a bridge itself, as `bridge vlan` shows them.
fn vlans(device: &str) -> BTreeMap<u64, Vec<String>> {
    let all: Value = serde_json::from_str(&sh(&format!("bridge -j vlan show dev {device}")).ok()).expect("JSON");
    let entries = all[0]["vlans"].as_array().cloned().unwrap_or_default();
    let flags = |entry: &Value| {
        entry["flags"].as_array().into_iter().flatten().filter_map(|flag| flag.as_str().map(str::to_owned)).collect()
    };
    let each = |entry: &Value| {
        let first = entry["vlan"].as_u64().expect("a VLAN");
        (first..=entry["vlanEnd"].as_u64().unwrap_or(first)).map(|id| (id, flags(entry))).collect::<Vec<_>>()
    };
    entries.iter().flat_map(each).collect()
}

/// Makes the attachment; its port on the host.
fn attach(scene: &Scene, ns: &Namespace, config: &Value) -> String {
    let result = scene.call_for(ns, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
    let port = result["interfaces"][1]["name"].as_str().expect("a host interface").to_owned();
    let config = with(config, json!({"prevResult": result}));
    scene.call_for(ns, "eth0", Plugin::Bridge, "CHECK", config).run().ok();
    port
}

fn detach(scene: &Scene, ns: &Namespace, config: &Value) {
    scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", config.clone()).run().ok();
}

/// Frames that pass a device while `work` runs, one line each, with tags (`tcpdump -e`).
fn seen(device: &str, work: impl FnOnce()) -> String {
    sh(&format!("rm -f /run/scene/{device}.txt")).ok();
    let listening = harness::spawn(&format!(
        "tcpdump -e -n -l -U --immediate-mode -i {device} > /run/scene/{device}.txt 2> /run/scene/{device}.err"
    ));
    let read = |kind| std::fs::read_to_string(format!("/run/scene/{device}.{kind}")).unwrap_or_default();
    wait_until("tcpdump listens", || read("err").contains("listening"));
    work();
    assert!(Frames::open_here(device).expect("the device is there").send(&marker()), "the marker is sent on {device}");
    wait_until("tcpdump has seen all up to the marker", || read("txt").contains(MARKER));
    drop(listening);
    read("txt").lines().filter(|line| !line.contains(MARKER)).map(|line| line.to_owned() + "\n").collect()
}

/// M56: two clusters with the same addresses on one bridge.
#[test]
fn clusters_in_their_vlans_do_not_meet() {
    on_full_kernel("M56", &NEEDED, || {
        let scene = Scene::new();
        let before = scene.state();
        let nodes = ["a1", "a2", "b1", "b2"].map(|name| scene.host.namespace(name));
        let [a1, a2, b1, b2] = &nodes;
        let member =
            |cluster: &str, vlan: u16, host: u8| network(cluster, &format!("10.1.0.{host}/24"), json!({"vlan": vlan}));
        let ports = [
            attach(&scene, a1, &member("a", 2, 1)),
            attach(&scene, a2, &member("a", 2, 2)),
            attach(&scene, b1, &member("b", 3, 1)),
            attach(&scene, b2, &member("b", 3, 2)),
        ];
        for (port, id) in ports.iter().zip([2, 2, 3, 3]) {
            assert_eq!(vlans(port), BTreeMap::from([(id, vec!["PVID".to_owned(), "Egress Untagged".to_owned()])]));
        }
        let only_a = network("a", "10.1.0.7/24", json!({"vlan": 2}));
        let a3 = scene.host.namespace("a3");
        attach(&scene, &a3, &only_a);
        let mut heard = String::new();
        let heard_in_a = seen(&ports[1], || {
            heard = seen(&ports[2], || {
                assert_eq!(a1.ping("10.1.0.2", 3).received, 3, "within A");
                assert_eq!(a1.ping("10.1.0.7", 3).received, 3, "within A");
                let across = b1.ping_with("10.1.0.7", "-c3 -i.05 -W1");
                assert_eq!((across.sent, across.received), (3, 0), "from B to A: {across:?}");
                a1.ping_with("10.1.0.255", "-b -c2 -i.2 -W1");
            });
        });
        let mac = |ns: &Namespace| ns.ip("link show dev eth0")[0]["address"].as_str().unwrap_or_default().to_owned();
        for node in [a1, a2, &a3] {
            assert!(!heard.contains(&mac(node)), "a frame of {} in cluster B:\n{heard}", node.name);
        }
        assert!(heard.contains(&mac(b1)), "the port was listened to:\n{heard}");
        let broadcast = format!("{} > ff:ff:ff:ff:ff:ff", mac(a1));
        let broadcasts = heard_in_a.lines().filter(|line| line.contains(&broadcast) && line.contains("10.1.0.255"));
        assert_eq!(broadcasts.count(), 2, "A's broadcasts reach A:\n{heard_in_a}");
        assert_eq!(b1.ping("10.1.0.2", 3).received, 3, "within B");
        for (ns, config) in nodes.iter().chain([&a3]).zip([
            member("a", 2, 1),
            member("a", 2, 2),
            member("b", 3, 1),
            member("b", 3, 2),
            only_a.clone(),
        ]) {
            detach(&scene, ns, &config);
        }
        assert_eq!(before, scene.state());
    });
}

#[test]
fn a_trunk_carries_its_vlans_tagged_and_an_access_port_one_untagged() {
    cites!("ADD-1");
    with_features(&NEEDED, || {
        let scene = Scene::new();
        let [access, other, trunk] = ["access", "other", "trunk"].map(|name| scene.host.namespace(name));
        let port_of_access = attach(&scene, &access, &network("n", "10.1.0.1/24", json!({"vlan": 20})));
        let port_of_other = attach(&scene, &other, &network("n", "10.1.0.2/24", json!({"vlan": 30})));
        // VLAN 10 without tags, 20 to 22 and 40 with them.
        let keys = json!({"vlan": 10,
            "vlanTrunk": [{"minID": 20, "maxID": 22}, {"id": 40}, {"minID": 9, "maxID": 11}]});
        let config = with(&network("n", "10.9.0.3/24", keys), json!({"ipam": null}));
        let port = attach(&scene, &trunk, &config);
        let untagged = vec!["PVID".to_owned(), "Egress Untagged".to_owned()];
        let tagged = |id| (id, Vec::new());
        let expected = [tagged(9), (10, untagged), tagged(11), tagged(20), tagged(21), tagged(22), tagged(40)];
        assert_eq!(vlans(&port), BTreeMap::from(expected));

        for id in [20, 30] {
            trunk.sh(&format!("ip link add link eth0 name v{id} up type vlan id {id}")).ok();
        }
        trunk.sh("ip address add 10.1.0.3/24 dev v20").ok();
        let on_trunk = seen(&port, || assert_eq!(access.ping("10.1.0.3", 3).received, 3, "VLAN 20 on the trunk"));
        assert!(on_trunk.contains("vlan 20"), "{on_trunk}");
        let on_access = seen(&port_of_access, || assert_eq!(access.ping("10.1.0.3", 3).received, 3));
        assert!(on_access.contains("ICMP") && !on_access.contains("vlan"), "{on_access}");
        trunk.sh("ip address flush dev v20 && ip address add 10.1.0.3/24 dev v30").ok();
        let on_other = seen(&port_of_other, || {
            assert_eq!(other.ping_with("10.1.0.3", "-c3 -i.05 -W1").received, 0, "VLAN 30 is not on the trunk");
            assert_eq!(access.ping_with("10.1.0.2", "-c3 -i.05 -W1").received, 0, "VLAN 20 and 30 do not meet");
        });
        assert!(!on_other.contains("10.1.0.1"), "{on_other}");
    });
}

#[test]
fn the_default_vlan_leaks_only_where_it_is_kept() {
    cites!("ADD-1");
    with_features(&NEEDED, || {
        for (keys, leaks) in [
            (json!({}), false),
            (json!({"preserveDefaultVlan": true}), true),
            (json!({"preserveDefaultVlan": false}), false),
        ] {
            let scene = Scene::new();
            let other = scene.host.namespace("other");
            let keys = with(&json!({"vlan": 10}), keys);
            let port = attach(&scene, &scene.c1, &network("n", "10.1.0.1/24", keys.clone()));
            let in_default = attach(&scene, &other, &network("n", "10.1.0.2/24", json!({})));
            assert_eq!(vlans(&in_default).keys().collect::<Vec<_>>(), [&1]);
            assert_eq!(vlans(&port).contains_key(&1), leaks, "{keys}");
            let heard = seen(&port, || _ = other.ping_with("10.1.0.9", "-c1 -W1"));
            assert_eq!(heard.contains("10.1.0.9"), leaks, "{keys}: {heard}");
        }
        // A port that an earlier release left in the default VLAN, and one that somebody put back there.
        for (keys, is_accepted) in [
            (json!({"vlan": 10}), true),
            (json!({"vlan": 10, "preserveDefaultVlan": null}), true),
            (json!({"vlan": 10, "preserveDefaultVlan": false}), false),
            (json!({"vlanTrunk": [{"id": 10}]}), true),
        ] {
            let scene = Scene::new();
            let config = network("n", "10.1.0.1/24", with(&keys, json!({"preserveDefaultVlan": true})));
            let (result, _) = scene.added(Plugin::Bridge, &config);
            let now = with(&network("n", "10.1.0.1/24", keys.clone()), json!({"prevResult": result}));
            let check = || scene.call(Plugin::Bridge, "CHECK", now.clone()).run();
            let port = result["interfaces"][1]["name"].as_str().expect("a host interface");
            if is_accepted {
                check().ok();
                sh(&format!("bridge vlan del dev {port} vid 1")).ok();
                check().ok();
            } else {
                let (code, msg, _) = check().error();
                assert!(code == codes::DIFFERENT && msg.contains("VLAN 1 of port"), "{keys}: {msg}");
            }
        }
        // Without VLANs of its own the port is left as it is.
        let scene = Scene::new();
        let kept = attach(&scene, &scene.c1, &network("n", "10.1.0.1/24", json!({"preserveDefaultVlan": false})));
        sh("ip link set br0 type bridge vlan_filtering 1").ok();
        assert_eq!(vlans(&kept).keys().collect::<Vec<_>>(), [&1]);
        // The default VLAN is the bridge's own.
        sh("ip link add opbr up type bridge vlan_filtering 1 vlan_default_pvid 77").ok();
        for (keeps, expected) in [(true, vec![10, 77]), (false, vec![10])] {
            let ns = scene.host.namespace(&format!("n{keeps}"));
            let keys = json!({"vlan": 10, "bridge": "opbr", "preserveDefaultVlan": keeps});
            assert_eq!(
                vlans(&attach(&scene, &ns, &network("n", &format!("10.1.0.{}/24", expected.len()), keys)))
                    .into_keys()
                    .collect::<Vec<_>>(),
                expected
            );
        }
    });
}

/// Networks `blue` in VLAN 10 and `red` in VLAN 20 with the bridge as their gateway.
fn with_gateway(name: &str, keys: Value) -> Value {
    let (vlan, subnet, subnet6) =
        if name == "blue" { (10, "10.10.0.0/24", "fd00:10::/64") } else { (20, "10.20.0.0/24", "fd00:20::/64") };
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": subnet}], [{"subnet": subnet6}]]});
    let own = json!({"name": name, "vlan": vlan, "isDefaultGateway": true, "ipam": ipam});
    with(&with(&Plugin::Bridge.config(LATEST), own), keys)
}

#[test]
fn each_vlan_has_its_gateway() {
    cites!("ADD-1", "RES-20");
    with_features(&NEEDED, || {
        let scene = Scene::new();
        let before = scene.state();
        let [blue, blue2, red] = ["blue", "blue2", "red"].map(|name| scene.host.namespace(name));
        let result = scene.call_for(&blue, "eth0", Plugin::Bridge, "ADD", with_gateway("blue", json!({}))).run().ok();
        let gateway = &harness::ip("link show dev br0.10")[0];
        let expected = json!({"name": "br0.10", "mac": gateway["address"], "mtu": 1500, "sandbox": ""});
        assert_eq!(result["interfaces"][3], expected, "{result:#}");
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(4));
        assert_eq!(result["ips"][0]["interface"], 2);
        assert_eq!(gateway["linkinfo"]["info_data"]["id"], 10);
        attach(&scene, &blue2, &with_gateway("blue", json!({})));
        attach(&scene, &red, &with_gateway("red", json!({})));
        assert_eq!(sh("cat /proc/sys/net/ipv6/conf/br0.10/accept_ra").ok(), "0", "no default route from a container");
        assert!(sh("ip -o -4 address show dev br0").ok().is_empty(), "the bridge itself has no address");
        for (ns, gateways) in [(&blue, ["10.10.0.1", "fd00:10::1"]), (&red, ["10.20.0.1", "fd00:20::1"])] {
            for gateway in gateways {
                assert_eq!(ns.ping(gateway, 3).received, 3, "{} to {gateway}", ns.name);
            }
        }
        let routed = blue.ping("10.20.0.2", 3).received;
        assert_eq!(routed, 3, "from VLAN to VLAN by way of the host");

        let config = with(&with_gateway("blue", json!({})), json!({"prevResult": result}));
        let check = || scene.call_for(&blue, "eth0", Plugin::Bridge, "CHECK", config.clone()).run();
        check().ok();
        for (break_it, culprit, mend_it) in [
            (
                "ip link set br0.10 down",
                "br0.10",
                "ip link set br0.10 up && ip address add fd00:10::1/64 dev br0.10 nodad",
            ),
            (
                "bridge vlan del dev br0 vid 10 self",
                "VLAN 10 of bridge br0 itself",
                "bridge vlan add dev br0 vid 10 self",
            ),
            ("ip address del 10.10.0.1/24 dev br0.10", "10.10.0.1/24", "ip address add 10.10.0.1/24 dev br0.10"),
            (
                "ip link set br0 type bridge vlan_filtering 0",
                "vlan_filtering",
                "ip link set br0 type bridge vlan_filtering 1",
            ),
        ] {
            sh(break_it).ok();
            let (code, msg, _) = check().error();
            assert!(code == codes::DIFFERENT && msg.contains(culprit), "{break_it}: {msg}");
            sh(mend_it).ok();
            check().ok();
        }
        for (ns, network) in [(&blue, "blue"), (&blue2, "blue"), (&red, "red")] {
            assert!(std::path::Path::new("/sys/class/net/br0.10").exists(), "before {}", ns.name);
            detach(&scene, ns, &with_gateway(network, json!({})));
        }
        assert_eq!(before, scene.state());
    });
}

#[test]
fn the_gateway_in_a_vlan_leaves_an_operators_bridge_with_the_last_attachment() {
    cites!("DEL-1", "GC-1", "GC-7", "ADD-6");
    with_features(&NEEDED, || {
        let scene = Scene::new();
        sh("ip link add opbr up type bridge vlan_filtering 1 && sysctl -wq net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1").ok();
        let before = scene.state();
        let on_it = |name| with_gateway(name, json!({"bridge": "opbr"}));
        let c2 = scene.host.namespace("c2");
        attach(&scene, &scene.c1, &on_it("blue"));
        attach(&scene, &c2, &on_it("red"));
        assert_eq!(vlans("opbr").into_keys().collect::<Vec<_>>(), [1, 10, 20]);
        detach(&scene, &c2, &on_it("red"));
        assert!(scene.c1.ping("10.10.0.1", 3).all_answered(), "the other one's gateway stays");
        detach(&scene, &scene.c1, &on_it("blue"));
        assert_eq!(before, scene.state(), "after DEL");

        attach(&scene, &scene.c1, &on_it("blue"));
        let collect = with(&on_it("blue"), json!({"cni.dev/valid-attachments": []}));
        scene.call(Plugin::Bridge, "GC", collect.clone()).run().ok();
        assert_eq!(before, scene.state(), "after GC");

        // A call that was killed before it had a port.
        sh("ip link add link opbr name opbr.10 type vlan id 10").ok();
        sh("ip link set opbr.10 alias 'plugboard: shared by blue'").ok();
        scene.call(Plugin::Bridge, "GC", collect).run().ok();
        assert_eq!(before, scene.state(), "after GC of what a kill left");

        // An ADD that fails in the end takes back what it made.
        let failing = with(
            &on_it("blue"),
            json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.10.0.0/24"}]],
            "routes": [{"dst": "10.99.0.0/16", "gw": "10.77.0.1"}]}}),
        );
        scene.call(Plugin::Bridge, "ADD", failing).run().error();
        assert_eq!(before, scene.state(), "after an ADD that failed");

        // The operator's own device is used, and stays.
        sh("ip link set opbr address 02:00:00:00:00:10 && bridge vlan add dev opbr vid 10 self").ok();
        sh("ip link add link opbr name opbr.10 up type vlan id 10").ok();
        let before = scene.state();
        attach(&scene, &scene.c1, &on_it("blue"));
        assert!(scene.c1.ping("10.10.0.1", 3).all_answered());
        detach(&scene, &scene.c1, &on_it("blue"));
        sh("ip address flush dev opbr.10 scope global").ok();
        assert_eq!(before, scene.state(), "the operator's device stays");
        sh("ip link del opbr.10 && ip link add opbr.10 type veth peer name far").ok();
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", on_it("blue")).run().error();
        assert!(code == codes::CONFLICT && msg.contains("opbr.10"), "{code}: {msg}");
    });
}

#[test]
fn check_compares_every_vlan_and_a_bridge_that_does_not_filter_is_a_conflict() {
    cites!("CHK-1", "ADD-6");
    with_features(&NEEDED, || {
        let scene = Scene::new();
        let keys = json!({"vlan": 10, "vlanTrunk": [{"minID": 20, "maxID": 29}]});
        let config = network("n", "10.1.0.1/24", keys);
        let (result, attached) = scene.added(Plugin::Bridge, &config);
        let port = result["interfaces"][1]["name"].as_str().expect("a name");
        let check = || scene.call(Plugin::Bridge, "CHECK", attached.clone()).run();
        for (change, back, told) in [
            ("del dev PORT vid 25", "add dev PORT vid 25", "VLAN 25 of port PORT: want tagged, have none"),
            ("add dev PORT vid 40-41", "del dev PORT vid 40-41", "VLAN 40-41 of port PORT: want none, have tagged"),
            (
                "add dev PORT vid 10",
                "add dev PORT vid 10 pvid untagged",
                "VLAN 10 of port PORT: want untagged (pvid), have tagged",
            ),
        ] {
            let in_place = |text: &str| text.replace("PORT", port);
            sh(&format!("bridge vlan {}", in_place(change))).ok();
            let (code, msg, _) = check().error();
            assert!(code == codes::DIFFERENT && msg.contains(&in_place(told)), "{msg}");
            sh(&format!("bridge vlan {}", in_place(back))).ok();
            check().ok();
        }
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();

        // Made by an operator, or by a network of ours without VLANs.
        for make in ["ip link add br0 up type bridge", ""] {
            let scene = Scene::new();
            let c2 = scene.host.namespace("c2");
            if make.is_empty() {
                attach(&scene, &c2, &network("plain", "10.1.0.2/24", json!({})));
            } else {
                sh(make).ok();
            }
            let before = scene.state();
            for verb in ["ADD", "STATUS"] {
                let (code, msg, _) = scene.call(Plugin::Bridge, verb, config.clone()).run().error();
                assert_eq!(code, if verb == "ADD" { codes::CONFLICT } else { 50 }, "{verb}: {msg}");
                assert!(msg.contains("ip link set br0 type bridge vlan_filtering 1"), "{verb}: {msg}");
                assert_eq!(before, scene.state(), "{verb}");
            }
            sh("ip link set br0 type bridge vlan_filtering 1").ok();
            scene.call(Plugin::Bridge, "STATUS", config.clone()).run().ok();
            attach(&scene, &scene.c1, &config);
        }
    });
}

#[test]
fn many_at_once_share_one_gateway_and_a_kill_leaves_nothing() {
    cites!("ADD-8", "DEL-8");
    with_features(&NEEDED, || {
        let scene = Scene::new();
        let before = scene.state();
        let config = with_gateway("blue", json!({}));
        let members: Vec<Namespace> = (0..20).map(|number| scene.host.namespace(&format!("m{number}"))).collect();
        for verb in ["ADD", "DEL"] {
            let calls: Vec<_> = members
                .iter()
                .map(|ns| tests::Process::new(Plugin::Bridge, verb).attachment(ns, "eth0").start(&config))
                .collect();
            for call in calls {
                let output = call.wait_with_output().expect("it ends");
                assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stdout));
            }
        }
        assert_eq!(before, scene.state());
        sh("ip link add opbr up type bridge vlan_filtering 1").ok();
        let before = scene.state();
        for config in [config, with_gateway("blue", json!({"bridge": "opbr"}))] {
            KILLED.repeated(|| {
                let moments: usize = soak::size(13, 100);
                let mut killed = 0;
                for moment in (0..100).step_by(100 / moments) {
                    let add = tests::Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
                    killed +=
                        usize::from(add.kill_after(&config, std::time::Duration::from_micros(60 * moment as u64)));
                    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
                    assert!(!sh("ip -br link").ok().contains(".10@"), "killed after {} us", 60 * moment);
                }
                assert_eq!(before, scene.state());
                assert_by_chance!(killed > moments / 10, "the kill came in the middle of ADD {killed} times");
            });
        }
    });
}

#[test]
fn a_kernel_without_vlan_filtering_refuses_and_keeps_nothing() {
    cites!("STA-2", "ADD-6");
    let scene = Scene::new();
    let config = |keys| network("n", "10.1.0.1/24", keys);
    if NEEDED.iter().all(|feature| feature.is_present()) {
        not_observed("that vlan is refused where the kernel has no bridge VLAN filtering: this one has it");
        return;
    }
    for setup in ["true", "ip link add br0 up type bridge"] {
        sh(setup).ok();
        let before = scene.state();
        for keys in [
            json!({"vlan": 10}),
            json!({"vlanTrunk": [{"id": 7}]}),
            json!({"vlan": 10, "isGateway": true}),
            json!({"vlan": 10, "nic": "tap"}),
        ] {
            for (verb, expected) in [("ADD", codes::UNSUPPORTED_BY_KERNEL), ("STATUS", 50)] {
                let (code, msg, _) = scene.call(Plugin::Bridge, verb, config(keys.clone())).run().error();
                assert_eq!(code, expected, "{verb} {keys}: {msg}");
                assert!(msg.contains("no bridge VLAN filtering") && msg.contains("br0"), "{msg}");
                assert_eq!(before, scene.state(), "{verb} {keys}");
            }
        }
    }
}

#[test]
fn vlans_that_are_none_are_refused_by_name() {
    cites!("CFG-2");
    let scene = Scene::new();
    let before = scene.state();
    for (keys, culprit) in [
        (json!({"vlan": 4095}), "vlan is 4095"),
        (json!({"vlan": -1}), "vlan"),
        (json!({"vlan": "x"}), "vlan"),
        (json!({"vlan": 70_000}), "vlan"),
        (json!({"vlanTrunk": [{"id": 5}, {"id": 0}]}), "vlanTrunk[1].id is 0"),
        (json!({"vlanTrunk": [{"minID": 1, "maxID": 4095}]}), "vlanTrunk[0].maxID is 4095"),
        (json!({"vlanTrunk": [{"minID": 9, "maxID": 5}]}), "minID 9 is greater than maxID 5"),
        (json!({"vlanTrunk": [{"minID": 9}]}), "maxID is missing"),
        (json!({"vlanTrunk": [{"maxID": 9}]}), "minID is missing"),
        (
            json!({"vlanTrunk": [{"id": 0, "minID": 4, "maxID": 9}]}),
            "vlanTrunk[0].id is 0: it must be a number from 1 to 4094",
        ),
        (json!({"vlanTrunk": 7}), "vlanTrunk"),
        (json!({"vlan": 4000, "isGateway": true, "bridge": "a-long-bridge"}), "a-long-bridge.4000"),
    ] {
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", network("n", "10.1.0.1/24", keys.clone())).run().error();
        assert!(code == 7 && msg.contains(culprit), "{keys}: {code} {msg}");
        assert_eq!(before, scene.state(), "{keys}");
    }
}
