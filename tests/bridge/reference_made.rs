//! Attachments that the reference plugin has made, and that our DEL and GC remove once our executable has taken its place.

use std::path::Path;

use harness::{Invocation, Namespace, Reply};
use serde_json::{Value, json};
use tests::{Plugin, Scene, State, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// It runs `iptables` and `nft`.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

const VERSION: &str = "1.0.0";

fn config() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let keys = json!({"isGateway": true, "ipMasq": true, "macspoofchk": true, "ipam": ipam});
    with(&Plugin::Bridge.config(VERSION), keys)
}

fn reference(plugin: &str, command: &str, ns: &Namespace, ifname: &str, config: &Value) -> Invocation {
    assert!(Path::new(REFERENCE).join(plugin).is_file(), "Debian's containernetworking-plugins are not installed");
    let call = Invocation::new(&format!("{REFERENCE}/{plugin}"), command).path(REFERENCE).env("PATH", PATH);
    call.config(config.clone()).container(&ns.name).netns(&ns.path).ifname(ifname)
}

/// An attachment by the reference, and the configuration with its result.
fn made(ns: &Namespace, ifname: &str, config: &Value) -> Value {
    let result = reference("bridge", "ADD", ns, ifname, config).run().ok();
    with(config, json!({"prevResult": result}))
}

fn del(scene: &Scene, ns: &Namespace, config: &Value) -> Invocation {
    scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", config.clone())
}

fn without_result(config: &Value) -> Value {
    with(config, json!({"prevResult": null}))
}

fn host_veth(config: &Value) -> String {
    config["prevResult"]["interfaces"][1]["name"].as_str().expect("a host interface").to_owned()
}

fn rules() -> String {
    harness::sh("nft list ruleset").ok()
}

fn has_link(name: &str) -> bool {
    harness::sh("ip -o link").ok().contains(&format!(" {name}@"))
}

/// The first hexadecimal digits of a SHA-512, as the reference makes its names.
fn hash(text: &str, digits: usize) -> String {
    harness::sh(&format!("printf %s '{text}' | sha512sum")).ok()[..digits].to_owned()
}

/// The rules that a later release of the reference makes for an address, by nftables.
fn masquerade_by_nftables(network: &str, container: &str, ifname: &str, address: &str) -> String {
    let family = if address.contains(':') { "ip6" } else { "ip" };
    let (of_network, of_instance) = (hash(network, 16), hash(&format!("{ifname}:{container}"), 16));
    let comment = format!("{of_network}-{of_instance}, net: {network}, if: {ifname}, id: {container}");
    harness::sh(&format!(
        "nft -f - <<'X'
        add table inet cni_plugins_masquerade
        add chain inet cni_plugins_masquerade masq_checks
        add chain inet cni_plugins_masquerade postrouting {{ type nat hook postrouting priority srcnat; }}
        flush chain inet cni_plugins_masquerade postrouting
        add rule inet cni_plugins_masquerade postrouting ip daddr == 224.0.0.0/4 return
        add rule inet cni_plugins_masquerade postrouting goto masq_checks
        add rule inet cni_plugins_masquerade masq_checks {family} saddr == {address} masquerade comment \"{comment}\"
X"
    ))
    .ok();
    comment
}

/// The guard that the latest release makes, in a table of its own.
fn guard_in_a_table_of_its_own(port: &str, id: &str) {
    harness::sh(&format!(
        "nft -f - <<'X'
        add table bridge cni_spoofcheck
        add chain bridge cni_spoofcheck prerouting {{ type filter hook prerouting priority -300; }}
        add chain bridge cni_spoofcheck cni-br-iface-{id}
        add chain bridge cni_spoofcheck cni-br-iface-{id}-mac
        add rule bridge cni_spoofcheck prerouting iifname == \"{port}\" jump cni-br-iface-{id} comment \"macspoofchk-{id}\"
        add rule bridge cni_spoofcheck cni-br-iface-{id} jump cni-br-iface-{id}-mac comment \"macspoofchk-{id}\"
        add rule bridge cni_spoofcheck cni-br-iface-{id}-mac drop comment \"macspoofchk-{id}\"
X"
    ))
    .ok();
}

/// What is left of c1's eth0.
fn left(of_c1: &Value) -> Vec<&'static str> {
    let (rules, allocations) = (rules(), format!("{:?}", State::allocations()));
    let chain = format!("CNI-{}", hash("netc1", 24));
    let found = [
        (has_link(&host_veth(of_c1)), "the veth"),
        (rules.contains(&chain), "the rules of iptables"),
        (rules.contains("cni-br-iface-c1-eth0"), "the guard"),
        (rules.contains("net: net, if: eth0, id: c1"), "the rules of nftables"),
        (allocations.contains("c1\\r\\neth0"), "the addresses"),
    ];
    found.into_iter().filter_map(|(is_there, what)| is_there.then_some(what)).collect()
}

const ALL: [&str; 5] = ["the veth", "the rules of iptables", "the guard", "the rules of nftables", "the addresses"];

/// A host where the reference has attached c1 and c2, by all the ways that it has of translating and guarding.
fn two() -> (Scene, Namespace, Value, Value) {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let (of_c1, of_c2) = (made(&scene.c1, "eth0", &config()), made(&c2, "eth0", &config()));
    for (id, config) in [("c1", &of_c1), ("c2", &of_c2)] {
        for ip in config["prevResult"]["ips"].as_array().into_iter().flatten() {
            let address = ip["address"].as_str().and_then(|text| text.split('/').next()).expect("an address");
            masquerade_by_nftables("net", id, "eth0", address);
        }
        guard_in_a_table_of_its_own(&host_veth(config), &format!("{id}-eth0"));
    }
    assert_eq!(left(&of_c1), ALL);
    (scene, c2, of_c1, of_c2)
}

#[test]
fn del_removes_all_of_it_and_nothing_else() {
    for has_result in [true, false] {
        for has_netns in [true, false] {
            let (scene, c2, of_c1, of_c2) = two();
            let config = if has_result { of_c1.clone() } else { without_result(&of_c1) };
            if !has_netns {
                scene.c1.delete();
                // Its devices go a moment later.
                harness::wait_until("the veth goes", || !has_link(&host_veth(&of_c1)));
            }
            let call = del(&scene, &scene.c1, &config);
            let reply = if has_netns { call.run() } else { call.unset("CNI_NETNS").run() };
            assert_eq!((reply.status, reply.stderr.as_str()), (0, ""), "{reply}");
            assert_eq!(left(&of_c1), [""; 0], "{has_result} {has_netns}");
            // What is c2's, and what is of no attachment.
            let (rules, chain) = (rules(), format!("CNI-{}", hash("netc2", 24)));
            assert!(has_link(&host_veth(&of_c2)) && rules.contains("cni-br-iface-c2-eth0-mac"), "{rules}");
            assert_eq!(rules.matches(&chain).count(), 4, "two chains and two jumps: {rules}");
            assert_eq!(rules.matches("net: net, if: eth0, id: c2").count(), 2, "{rules}");
            assert!(rules.contains("chain POSTROUTING") && rules.contains("chain PREROUTING"), "{rules}");
            if has_netns {
                del(&scene, &scene.c1, &config).run().ok();
            }
            // The reference still removes its own.
            reference("bridge", "DEL", &c2, "eth0", &of_c2).run().ok();
            assert!(harness::ip("link show dev br0")[0].is_object(), "the bridge counts as an operator's");
        }
    }
}

/// It is not there under the name that the result tells, and what has that name is not it.
#[test]
fn strangers_interfaces_stay() {
    // A veth of somebody else, with the name and on the bridge.
    let scene = Scene::new();
    let of_c1 = made(&scene.c1, "eth0", &config());
    let port = host_veth(&of_c1);
    scene.c1.sh("ip link del eth0").ok();
    for host in [&port, "stranger"] {
        harness::sh(&format!(
            "ip link add {host} type veth peer name eth0 netns c1 && ip link set {host} master br0 up"
        ))
        .ok();
        scene.c1.sh("ip address add 192.0.2.7/24 dev eth0").ok();
        for config in [of_c1.clone(), without_result(&of_c1)] {
            del(&scene, &scene.c1, &config).run().ok();
            assert!(has_link(host), "{host}");
        }
        harness::sh(&format!("ip link del {host}")).ok();
    }
    assert_eq!(left(&of_c1), [""; 0]);

    // One that is not a port of this network's bridge.
    let scene = Scene::new();
    let of_c1 = made(&scene.c1, "eth0", &config());
    let port = host_veth(&of_c1);
    harness::sh(&format!("ip link set {port} nomaster")).ok();
    for config in [of_c1.clone(), without_result(&of_c1)] {
        del(&scene, &scene.c1, &config).run().ok();
        assert!(has_link(&port));
    }
    assert!(left(&of_c1).contains(&"the guard"), "that of a port that is there stays too");
}

#[test]
fn a_bridge_that_has_another_name_by_now_hides_no_nic() {
    let (scene, _, of_c1, of_c2) = two();
    harness::sh("ip link set br0 down && ip link set br0 name ren0 && ip link set ren0 up").ok();
    del(&scene, &scene.c1, &of_c1).run().ok();
    assert_eq!(left(&of_c1), [""; 0]);
    assert!(has_link(&host_veth(&of_c2)));
}

/// The container's own address and the name of its interface are the container's affair.
#[test]
fn a_nic_that_the_container_has_changed_is_found_by_the_result() {
    let scene = Scene::new();
    let of_c1 = made(&scene.c1, "eth0", &config());
    scene.c1.sh("ip link set eth0 down && ip link set eth0 name lan0 address 02:00:00:00:00:01 && ip address flush dev lan0").ok();
    del(&scene, &scene.c1, &of_c1).run().ok();
    assert_eq!(left(&of_c1), [""; 0]);
}

/// The path of c1's namespace leads to c2 by now.
#[test]
fn the_container_that_is_at_its_path_by_now_keeps_everything() {
    for is_made_before in [true, false] {
        let (scene, c2, of_c1, of_c2) = two();
        let chain = hash("netc2", 24);
        if is_made_before {
            del(&scene, &scene.c1, &of_c1).run().ok();
        }
        let kept = |text: &str| {
            text.lines()
                .filter(|line| line.contains("c2-eth0") || line.contains("id: c2") || line.contains(&chain))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let before = (kept(&rules()), c2.ip("address show"));
        for config in [of_c1.clone(), without_result(&of_c1)] {
            scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", config).container("c1").run().ok();
            assert_eq!(before, (kept(&rules()), c2.ip("address show")));
            assert!(has_link(&host_veth(&of_c2)));
        }
        assert_eq!(left(&of_c1), [""; 0], "{is_made_before}");
    }
}

/// Nor what it has given to others of its interfaces.
#[test]
fn the_container_cannot_keep_the_rules_of_its_addresses() {
    for has_result in [true, false] {
        let scene = Scene::new();
        let of_c1 = made(&scene.c1, "eth0", &config());
        let addresses = of_c1["prevResult"]["ips"].as_array().expect("a list").iter();
        for address in addresses.filter_map(|ip| ip["address"].as_str()) {
            scene.c1.sh(&format!("ip address add {address} dev lo")).ok();
        }
        del(&scene, &scene.c1, &if has_result { of_c1.clone() } else { without_result(&of_c1) }).run().ok();
        assert_eq!(left(&of_c1), [""; 0], "{has_result}");
    }
}

/// iptables has one chain for all interfaces of a container in a network.
#[test]
fn another_interface_of_the_container_keeps_its_rules() {
    for has_result in [true, false] {
        let scene = Scene::new();
        let of_eth0 = made(&scene.c1, "eth0", &config());
        let of_eth1 = made(&scene.c1, "eth1", &config());
        let eth1 =
            of_eth1["prevResult"]["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("one");
        let eth0 =
            of_eth0["prevResult"]["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("one");
        del(&scene, &scene.c1, &if has_result { of_eth0.clone() } else { without_result(&of_eth0) }).run().ok();
        let jump = |address: &str| format!("ip saddr {address}  counter");
        let rules = rules();
        assert!(!rules.contains(&jump(eth0)) && rules.contains(&jump(eth1)), "{rules}");
        assert!(rules.contains("cni-br-iface-c1-eth1") && !rules.contains("cni-br-iface-c1-eth0"), "{rules}");
        assert!(has_link(&host_veth(&of_eth1)));
        let config = if has_result { of_eth1.clone() } else { without_result(&of_eth1) };
        del(&scene, &scene.c1, &config).ifname("eth1").run().ok();
        assert!(!self::rules().contains("CNI-"), "{}", self::rules());
    }
}

/// The veth of the reference's `ptp` is lent to our bridge. It is not a NIC that a bridge has made.
#[test]
fn a_device_that_was_lent_is_left_to_its_maker() {
    let scene = Scene::new();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]});
    let ptp = json!({"cniVersion": VERSION, "name": "net", "type": "ptp", "ipam": ipam});
    let lent = reference("ptp", "ADD", &scene.c1, "eth0", &ptp).run().ok();
    let port = lent["interfaces"][0]["name"].as_str().expect("a host interface").to_owned();
    let config = with(&Plugin::Bridge.config(VERSION), json!({"ipam": null, "prevResult": lent}));
    let (_, attached) = scene.added(Plugin::Bridge, &config);
    for config in [attached.clone(), without_result(&attached)] {
        del(&scene, &scene.c1, &config).run().ok();
        assert!(has_link(&port));
    }
    let reply: Reply = reference("ptp", "DEL", &scene.c1, "eth0", &ptp).run();
    assert_eq!(reply.status, 0, "{reply}");
}

/// What only the older iptables can reach is told.
#[test]
fn rules_of_the_older_iptables_are_told() {
    let scene = Scene::new();
    let of_c1 = made(&scene.c1, "eth0", &with(&config(), json!({"ipMasq": false})));
    harness::sh("iptables-legacy -t nat -L -n").ok();
    let reply = del(&scene, &scene.c1, &of_c1).run();
    assert_eq!(reply.status, 0, "{reply}");
    let chain = format!("CNI-{}", hash("netc1", 24));
    assert!(reply.stderr.contains("iptables-legacy") && reply.stderr.contains(&chain), "{reply}");
    // Not for ours, and not where the rules were found.
    let (_, ours) = scene.added(Plugin::Bridge, &config());
    let reply = del(&scene, &scene.c1, &ours).run();
    assert_eq!((reply.status, reply.stderr.as_str()), (0, ""), "{reply}");
}

#[test]
fn del_after_a_kill_does_the_rest() {
    let scene = Scene::new();
    for has_result in [true, false] {
        let mut count = 0;
        loop {
            let of_c1 = made(&scene.c1, "eth0", &config());
            let config = if has_result { of_c1.clone() } else { without_result(&of_c1) };
            let was_killed = del(&scene, &scene.c1, &config).kill_after_system_calls(count);
            del(&scene, &scene.c1, &config).run().ok();
            assert_eq!(left(&of_c1), [""; 0], "{has_result}: after {count} system calls");
            if !was_killed {
                break;
            }
            count += 9;
        }
        assert!(count > 100, "{count}");
    }
}

/// By their comments. The guards do not say which network they are of, and the devices nothing.
#[test]
fn gc_removes_the_rules_that_tell_their_network() {
    let (scene, _c2, of_c1, _) = two();
    let c3 = scene.host.namespace("c3");
    made(&c3, "eth0", &with(&config(), json!({"name": "other"})));
    masquerade_by_nftables("other", "c3", "eth0", "10.9.0.1");
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "c2", "ifname": "eth0"}]});
    let gc = with(&with(&config(), valid), json!({"cniVersion": "1.1.0"}));
    let other = || {
        let rules = rules();
        let names = [hash("netc2", 24), hash("otherc3", 24), "id: c2".to_owned(), "id: c3".to_owned()];
        names.map(|name| rules.matches(&name).count())
    };
    let before = other();
    assert_eq!(before, [4, 4, 2, 1]);
    let call = |command: &str| scene.call(Plugin::Bridge, command, gc.clone());
    let printed = call("PRINT").env("CNI_PRINT", "GC").run().ok();
    let commands = printed["commands"].as_array().expect("commands").iter().filter_map(Value::as_str);
    let commands = commands.filter(|command| command.starts_with("nft ")).collect::<Vec<_>>().join("\n");
    assert_eq!(commands.matches("masq_checks handle").count(), 2, "{commands}");
    assert!(commands.contains(&format!("delete chain ip nat CNI-{}", hash("netc1", 24))), "{commands}");
    assert_eq!(left(&of_c1), ALL, "nothing is done yet");
    call("GC").run().ok();
    assert_eq!(left(&of_c1), ["the veth", "the guard"]);
    assert_eq!(before, other());
}

#[test]
fn what_del_would_do_is_printed() {
    let (scene, _c2, of_c1, _) = two();
    let before = scene.state();
    let printed = del(&scene, &scene.c1, &of_c1).env("CNI_COMMAND", "PRINT").env("CNI_PRINT", "DEL").run().ok();
    assert_eq!(before, scene.state());
    let commands = printed["commands"].as_array().expect("commands").iter().filter_map(Value::as_str);
    harness::sh(&format!("set -e\n{}", commands.collect::<Vec<_>>().join("\n"))).ok();
    assert_eq!(left(&of_c1), ["the addresses"]);
}
