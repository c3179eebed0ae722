//! `nic: "host-device"`: one end of a veth pair stands for a physical device. What leads to the other is `lan`.

use std::path::Path;

use harness::{Namespace, ip, sh, soak};
use serde_json::{Value, json};
use tests::codes::{DIFFERENT, EXISTS};
use tests::{LATEST, Plugin, Scene, cites, with};

const MAC: &str = "02:00:00:00:00:01";

struct Place {
    scene: Scene,
    lan: Namespace,
}

impl Place {
    fn new() -> Self {
        let scene = Scene::new();
        let lan = scene.host.namespace("lan");
        sh(&format!("ip link add ens3 address {MAC} mtu 1400 type veth peer name far mtu 1400 netns lan")).ok();
        sh("ip link set ens3 up alias \"the roof's\"").ok();
        lan.sh("ip link set far up && ip address add 10.1.0.1/24 dev far && ip address add fd00:1::1/64 dev far nodad")
            .ok();
        Self { scene, lan }
    }

    fn call(&self, command: &str, config: &Value) -> harness::Invocation {
        self.scene.call_for(&self.scene.c1, "eth1", Plugin::Secondary, command, config.clone())
    }

    /// ADD, and the configuration with its result.
    fn added(&self, config: &Value) -> (Value, Value) {
        let result = self.call("ADD", config).run().ok();
        let attached = with(config, json!({"prevResult": result}));
        (result, attached)
    }
}

fn config(keys: Value) -> Value {
    let config = json!({"cniVersion": LATEST, "name": "net", "type": "veth-secondary", "nic": "host-device"});
    with(&config, keys)
}

fn plain() -> Value {
    config(json!({"device": "ens3"}))
}

#[test]
fn a_device_serves_its_container_and_comes_back() {
    cites!("ADD-1");
    let place = Place::new();
    let before = place.scene.state();
    let config = config(json!({"device": "ens3", "ipam": {"type": "host-local", "routes": [{"dst": "10.9.0.0/16"}],
        "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}}));
    let status = |config: &Value| place.call("STATUS", config).run();
    status(&config).ok();
    status(&with(&config, json!({"isDefaultGateway": true}))).ok();
    let (result, attached) = place.added(&config);
    let expected = json!([{"name": "eth1", "mac": MAC, "mtu": 1400, "sandbox": place.scene.c1.path}]);
    assert_eq!(result["interfaces"], expected);
    assert_eq!(result["ips"][0]["interface"], 0);
    for address in ["10.1.0.1", "fd00:1::1"] {
        assert!(place.scene.c1.ping(address, 2).all_answered(), "{address}");
    }
    assert!(place.scene.c1.sh("ip route").ok().contains("10.9.0.0/16 via 10.1.0.1 dev eth1"));
    place.call("CHECK", &attached).run().ok();
    let (code, msg, _) = status(&config).error();
    assert!(code == 50 && msg.contains("is another attachment's (eth1 on net of c1)"), "{code}: {msg}");
    let (code, msg, _) = place.call("ADD", &config).run().error();
    assert!(code == EXISTS && msg.contains("interface eth1 in "), "{code}: {msg}");
    place.scene.c1.sh("ip link set eth1 mtu 1300").ok();
    let (code, msg, _) = place.call("CHECK", &attached).run().error();
    assert!(code == DIFFERENT && msg.contains("mtu") && msg.contains("1300"), "{code}: {msg}");
    place.call("DEL", &attached).run().ok();
    assert_eq!(before, place.scene.state());
    place.call("DEL", &attached).run().ok();
    assert_eq!(before, place.scene.state());
    drop(place.lan);
}

#[test]
fn address_mtu_and_name_are_those_that_are_asked_for() {
    let place = Place::new();
    let before = place.scene.state();
    let asked = config(json!({"hwaddr": MAC, "mac": "02:00:00:00:77:77", "mtu": 1300}));
    let (result, attached) = place.added(&asked);
    let interface = &result["interfaces"][0];
    assert_eq!((&interface["mac"], &interface["mtu"]), (&json!("02:00:00:00:77:77"), &json!(1300)));
    let link = place.scene.c1.ip("link show eth1")[0].clone();
    assert_eq!((&link["address"], &link["mtu"]), (&interface["mac"], &interface["mtu"]), "{link}");
    place.call("CHECK", &attached).run().ok();
    place.call("DEL", &attached).run().ok();
    assert_eq!(before, place.scene.state());
}

#[test]
fn an_mtu_is_what_the_device_can_have() {
    let place = Place::new();
    let before = place.scene.state();
    for (bytes, bound) in [(67, "68"), (65_536, "65535")] {
        let (code, msg, _) = place.call("ADD", &with(&plain(), json!({"mtu": bytes}))).run().error();
        assert!(code == 7 && msg.contains("device ens3") && msg.contains(bound), "{code} {msg}");
        assert_eq!(before, place.scene.state());
    }
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}]});
    for bytes in [68, 1279, 65_535] {
        let (result, attached) = place.added(&with(&plain(), json!({"mtu": bytes, "ipam": ipam})));
        assert_eq!(result["interfaces"][0]["mtu"], bytes);
        place.call("CHECK", &attached).run().ok();
        place.call("DEL", &attached).run().ok();
        assert_eq!(before, place.scene.state());
    }
}

#[test]
fn with_force_its_addresses_come_back() {
    let place = Place::new();
    sh("ip address add 192.0.2.7/24 brd + dev ens3 && ip address add 2001:db8::7/64 dev ens3 nodad").ok();
    let before = place.scene.state();
    let (code, msg, _) = place.call("ADD", &plain()).run().error();
    assert_eq!(code, 7);
    assert_eq!(
        msg,
        "device ens3 has addresses of the host (192.0.2.7/24, 2001:db8::7/64); remove them, or set force: then they come \
         back when the device does"
    );
    assert_eq!(before, place.scene.state());
    let (_, attached) = place.added(&with(&plain(), json!({"force": true})));
    assert!(!sh("ip address").ok().contains("192.0.2.7"));
    place.call("DEL", &attached).run().ok();
    assert_eq!(before, place.scene.state());
}

#[test]
fn what_cannot_serve_is_refused_and_nothing_changed() {
    cites!("ADD-6");
    let place = Place::new();
    sh("ip link add br0 type bridge && ip link add p0 type veth peer name p1 && ip link set p0 master br0").ok();
    sh("ip link add t0 address 02:00:00:00:00:0a type veth peer name t1 address 02:00:00:00:00:0a").ok();
    let before = place.scene.state();
    for (keys, expected) in [
        (json!({}), "the device is missing: name it by device, hwaddr, kernelpath or pciBusID"),
        (json!({"device": "ens9"}), "there is no device ens9 on the host"),
        (json!({"device": "p0"}), "device p0 is a port of bridge br0"),
        (json!({"device": "lo"}), "device lo is the loopback device"),
        (json!({"device": "br0"}), "device br0 cannot leave its network namespace"),
        (json!({"hwaddr": "02:00"}), "hwaddr: '02:00' is not a hardware address"),
        (json!({"hwaddr": "02:00:00:00:00:99"}), "hwaddr: no device of the host has the address 02:00:00:00:00:99"),
        (json!({"hwaddr": "02:00:00:00:00:0a"}), "hwaddr: 2 devices of the host have the address 02:00:00:00:00:0a"),
        (
            json!({"device": "p1", "hwaddr": MAC}),
            "device means device p1, and hwaddr means ens3; remove one of the two",
        ),
        (json!({"kernelpath": "/etc"}), "kernelpath: '/etc' is no directory below /sys/devices/"),
        (json!({"kernelpath": "/sys/devices/../../etc"}), "kernelpath: '/sys/devices/../../etc' is no directory below"),
        (json!({"kernelpath": "/sys/devices/none"}), "kernelpath: /sys/devices/none has no network device on the host"),
        (json!({"kernelpath": "/sys/devices/virtual"}), "kernelpath: /sys/devices/virtual has several network devices"),
        (json!({"pciBusID": "0000:ff:1f.7"}), "pciBusID: there is no device 0000:ff:1f.7 on the host"),
        (json!({"pciBusID": "../x"}), "pciBusID: '../x' is no address such as 0000:00:1f.6"),
        (
            json!({"pciBusID": "0000:ff:1f.7", "runtimeConfig": {"deviceID": "mlx5_core.sf.2"}}),
            "runtimeConfig.deviceID: there is no device mlx5_core.sf.2 on the host",
        ),
    ] {
        let (code, msg, _) = place.call("ADD", &config(keys.clone())).run().error();
        assert!(code == 7 && msg.starts_with(expected), "{keys}: {code}: {msg}");
        assert_eq!(before, place.scene.state(), "{keys}");
    }
    place.scene.c1.sh("ip link add eth1 type bridge").ok();
    let taken = place.scene.state();
    let (code, msg, _) = place.call("ADD", &plain()).run().error();
    assert!(code == EXISTS && msg.contains("interface eth1 in "), "{code}: {msg}");
    assert_eq!(taken, place.scene.state());
    place.scene.c1.sh("ip link delete eth1").ok();
    for (keys, expected) in [
        (json!({"device": "ens9"}), "there is no device ens9 on the host"),
        (json!({"device": "p0"}), "device p0 is a port of bridge br0"),
    ] {
        let (code, msg, _) = place.call("STATUS", &config(keys.clone())).run().error();
        assert!(code == 50 && msg.starts_with(expected), "{keys}: {code}: {msg}");
    }
    place.call("STATUS", &config(json!({}))).run().ok();
    assert_eq!(before, place.scene.state());
}

#[test]
fn a_name_that_is_taken_is_told_once() {
    cites!("DEL-5", "ERR-1");
    let place = Place::new();
    let (_, attached) = place.added(&plain());
    sh("ip link add ens3 type veth peer name p0").ok();
    let (code, msg, details) = place.call("DEL", &attached).run().error();
    assert!(code == 7 && msg.contains("ens3") && details.is_empty(), "{code}: {msg}: {details}");
    sh("ip link delete ens3").ok();
    place.call("DEL", &attached).run().ok();
    assert_eq!(ip("link show dev ens3")[0]["address"], MAC);
}

/// What the container and the runtime do to a container that dies with its namespace is observed where there is a device that the
/// kernel gives back.
#[test]
fn a_call_that_knows_no_namespace_finds_it() {
    cites!("DEL-4");
    let place = Place::new();
    let before = place.scene.state();
    let (_, attached) = place.added(&plain());
    place.call("DEL", &attached).unset("CNI_NETNS").run().ok();
    assert_eq!(before, place.scene.state());
    place.added(&plain());
    let gc = |valid: Value| place.call("GC", &with(&plain(), json!({"cni.dev/valid-attachments": valid}))).run().ok();
    gc(json!([{"containerID": "c1", "ifname": "eth1"}]));
    assert!(place.scene.c1.sh("ip -o link show eth1").ok().contains(", was ens3 "));
    gc(json!([{"containerID": "c1", "ifname": "eth0"}]));
    assert_eq!(before, place.scene.state());
}

/// The rules of its table are the namespace's, and do not leave with it.
#[test]
fn the_rules_of_its_table_go_when_it_leaves() {
    let place = Place::new();
    let before = place.scene.state();
    let config = config(json!({"device": "ens3", "sourceRouting": true, "cni.dev/valid-attachments": [],
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]}}));
    for last in ["DEL", "DEL without the namespace", "GC"] {
        let (_, attached) = place.added(&config);
        assert!(place.scene.c1.sh("ip rule").ok().contains("from 10.1.0.5"));
        place.call("CHECK", &attached).run().ok();
        match last {
            "GC" => _ = place.call("GC", &config).run().ok(),
            "DEL" => _ = place.call("DEL", &attached).run().ok(),
            _ => _ = place.call("DEL", &attached).unset("CNI_NETNS").run().ok(),
        }
        assert_eq!(before, place.scene.state(), "{last}");
    }
}

/// Whichever comes first, the other leaves it alone.
#[test]
fn of_two_calls_for_one_device_one_gets_it() {
    cites!("ADD-8");
    let place = Place::new();
    let c2 = place.scene.host.namespace("c2");
    let before = place.scene.state();
    for _ in 0..soak::size(8, 100) {
        let start = std::sync::Barrier::new(2);
        let containers = [&place.scene.c1, &c2];
        let calls = containers.map(|ns| place.scene.call_for(ns, "eth1", Plugin::Secondary, "ADD", plain()));
        let replies: Vec<_> = std::thread::scope(|scope| {
            let start = &start;
            let running = calls.map(|call| {
                scope.spawn(move || {
                    start.wait();
                    call.run()
                })
            });
            running.into_iter().map(|call| call.join().unwrap()).collect()
        });
        let winners: Vec<_> = replies.iter().zip(containers).filter(|(reply, _)| reply.status == 0).collect();
        let [(_, winner)] = winners.as_slice() else { panic!("{replies:?}") };
        let link = winner.sh("ip -o link show eth1").ok();
        assert!(link.contains(&format!("eth1 on net of {} as ", winner.name)), "{link}");
        let loser = containers.into_iter().find(|ns| ns != winner).unwrap();
        for ns in [loser, winner] {
            assert!(outside().is_none(), "the winner has it");
            place.scene.call_for(ns, "eth1", Plugin::Secondary, "DEL", plain()).run().ok();
        }
        assert_eq!(before, place.scene.state());
    }
}

#[test]
fn it_is_shaped_inside() {
    let place = Place::new();
    let before = place.scene.state();
    let (_, attached) = place.added(&plain());
    let shaper = with(&attached, json!({"type": "netem-shaper", "bw": "10Mbps"}));
    let call = |command: &str| {
        place.scene.call_for(&place.scene.c1, "eth1", Plugin::Shaper, command, shaper.clone()).run().ok()
    };
    call("ADD");
    let queues = place.scene.c1.sh("tc qdisc show").ok();
    assert!(queues.contains("qdisc tbf "), "{queues}");
    assert!(!sh("tc qdisc show").ok().contains("tbf"));
    call("CHECK");
    call("DEL");
    place.call("DEL", &attached).run().ok();
    assert_eq!(before, place.scene.state());
    place.added(&plain());
    call("ADD");
    place.call("GC", &with(&plain(), json!({"cni.dev/valid-attachments": []}))).run().ok();
    assert_eq!(before, place.scene.state());
}

/// The name and the alias of the device on the host; `None` while the container has it.
fn outside() -> Option<(String, String)> {
    let links = ip("link show type veth");
    let links = links.as_array().cloned().unwrap_or_default();
    let link = links.iter().find(|link| link["ifname"] != "lo")?;
    let text = |key: &str| link[key].as_str().unwrap_or_default().to_owned();
    Some((text("ifname"), text("ifalias")))
}

fn is_as_before() -> bool {
    outside() == Some(("ens3".to_owned(), "the roof's".to_owned()))
}

#[test]
fn a_kill_of_add_at_any_system_call_leaves_what_del_or_gc_gives_back() {
    cites!("DEL-8", "GC-1");
    for last in ["DEL", "GC"] {
        let place = Place::new();
        let before = place.scene.state();
        let config = with(&plain(), json!({"cni.dev/valid-attachments": []}));
        let mut half_done = 0;
        for count in 0.. {
            let was_killed = place.call("ADD", &config).kill_after_system_calls(count);
            half_done += u32::from(was_killed && !is_as_before());
            place.call(last, &config).run().ok();
            assert!(
                is_as_before(),
                "killed after {count} system calls, {last}: {:?}, {}",
                outside(),
                place.scene.c1.sh("ip -d link").ok() + &place.lan.sh("ip -d link").ok()
            );
            if !was_killed {
                break;
            }
        }
        assert!(half_done > 3, "there was something to give back {half_done} times");
        assert_eq!(before, place.scene.state());
        drop(place);
    }
}

#[test]
fn a_kill_of_del_at_any_system_call_leaves_what_the_next_gives_back() {
    cites!("DEL-3", "DEL-8");
    let place = Place::new();
    sh("ip address add 192.0.2.7/24 brd + dev ens3").ok();
    let before = place.scene.state();
    let config = with(&plain(), json!({"force": true, "mtu": 1300, "mac": "02:00:00:00:77:77"}));
    let mut seen = std::collections::BTreeSet::new();
    for count in 0.. {
        let (_, attached) = place.added(&config);
        let was_killed = place.call("DEL", &attached).kill_after_system_calls(count);
        if was_killed && !is_as_before() {
            seen.insert(outside().map(|(name, _)| name));
        }
        place.call("DEL", &attached).unset("CNI_NETNS").run().ok();
        assert!(is_as_before(), "killed after {count} system calls: {:?}", outside());
        if !was_killed {
            break;
        }
    }
    let names: Vec<_> = seen.into_iter().collect();
    assert!(names.contains(&None) && names.contains(&Some("ens3".to_owned())) && names.len() == 3, "{names:?}");
    assert_eq!(before, place.scene.state());
}

#[test]
fn a_device_that_disappears_leaves_nothing() {
    let place = Place::new();
    let (_, attached) = place.added(&plain());
    place.lan.sh("ip link delete far").ok();
    let gone = place.scene.state();
    place.call("DEL", &attached).run().ok();
    assert_eq!(gone, place.scene.state());
    let left = format!("{}/net", "/var/lib/cni/networks");
    assert!(!Path::new(&left).exists());
}

/// Devices on the host other than those that were there from the start, and its addresses.
fn host() -> String {
    sh("ip -br link show | grep -v -e '^lo ' -e '^ens3@' | sort; ip -br -4 address show up").ok()
}

#[test]
fn what_a_container_writes_into_an_alias_is_not_believed() {
    let place = Place::new();
    let (before, host_before) = (place.scene.state(), host());
    let config = plain();
    let collection = with(&config, json!({"cni.dev/valid-attachments": []}));
    let (_, attached) = place.added(&config);
    let alias = place.scene.c1.ip("link show dev eth1")[0]["ifalias"].as_str().expect("an alias").to_owned();
    let without = host();
    let forged = alias.replace("was ens3", "was eth9") + " 10.66.0.1/24";
    for (command, config) in [("GC", &collection), ("DEL", &attached)] {
        // A device of the container's own, with an alias of its choice.
        place.scene.c1.sh("ip link add own type veth peer name other").ok();
        place.scene.c1.sh(&format!("ip link set own alias \"{forged}\"")).ok();
        // While that has the name of the container interface, the true one has another.
        place.scene.c1.sh("ip link set eth1 down name true && ip link set own name eth1").ok();
        if command == "GC" {
            let valid = json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth1"}]});
            place.call("GC", &with(config, valid)).run().ok();
            assert_eq!(host(), without, "what is valid stays");
        }
        place.call(command, config).run().ok();
        assert!(place.scene.c1.sh("ip link show dev eth1").status == 0, "the container keeps its own");
        place.scene.c1.sh("ip link del eth1").ok();
        assert_eq!(host(), host_before, "{command}: the true one is back, and nothing else");
        assert_eq!(before, place.scene.state());
        if command == "GC" {
            place.call("ADD", &plain()).run().ok();
        }
    }
    // The alias of the true one was changed: of a kind that containers can make, it could be anybody's.
    let (_, attached) = place.added(&config);
    place.scene.c1.sh(&format!("ip link set eth1 alias \"{forged}\"")).ok();
    let (code, msg, _) = place.call("CHECK", &attached).run().error();
    assert!(code == DIFFERENT && msg.contains("alias"), "{code}: {msg}");
    place.call("DEL", &attached).run().ok();
    assert_eq!(host(), without);
}
