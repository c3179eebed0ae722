//! Virtual machines on TAP devices of `bridge` and `veth-secondary`: what the guest sees of `"nic": "tap"`.

use harness::chance::RATE;
use harness::{Host, Namespace, assert_by_chance, ip, row};
use integration::{call, example, with};
use lab::{Nic, Vm};
use serde_json::{Value, json};

const MBIT: f64 = 1e6;

/// What TCP gets of 100 Mbit/s at layer 2, in Mbit/s.
const OF_100_MBIT: (f64, f64) = (93.0, 98.0);

/// The plugins that make TAP devices.
const PLUGINS: [&str; 2] = ["bridge", "veth-secondary"];

/// The configuration of a network on a bridge of its own, with the addresses 10.NUMBER.0.0/24.
fn network(plugin: &str, number: u8) -> Value {
    json!({"cniVersion": "1.1.0", "name": format!("net{number}"), "type": plugin, "bridge": format!("br{number}"),
        "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]}})
}

/// An example for `bridge`, with its NIC made by a plugin.
fn example_of(plugin: &str, name: &str) -> Vec<Value> {
    let mut plugins = example(name);
    plugins[0]["type"] = plugin.into();
    plugins
}

/// Attaches an interface of a container as an example says: the result of its last plugin, which CHECK confirms.
fn add_all(ns: &Namespace, interface: &str, plugins: &[Value]) -> Value {
    let mut result = Value::Null;
    for plugin in plugins {
        result = call("ADD", ns, interface, &with(plugin, &json!({"prevResult": result}))).run().ok();
    }
    for plugin in plugins {
        call("CHECK", ns, interface, &with(plugin, &json!({"prevResult": result}))).run().ok();
    }
    result
}

/// Detaches it.
fn del_all(ns: &Namespace, interface: &str, plugins: &[Value], result: &Value) {
    for plugin in plugins.iter().rev() {
        call("DEL", ns, interface, &with(plugin, &json!({"prevResult": result}))).run().ok();
    }
}

/// Attaches an interface of a container: the result of ADD.
fn add(ns: &Namespace, interface: &str, config: &Value) -> Value {
    call("ADD", ns, interface, config).run().ok()
}

/// The guest's NIC on the TAP device of a result.
fn nic(result: &Value, place: usize) -> Nic {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let interfaces = &result["interfaces"];
    Nic::new(&text(&interfaces[place]["name"]), &text(&interfaces[2]["mac"]), &text(&result["ips"][0]["address"]))
}

/// On the host.
fn host_nic(result: &Value) -> Nic {
    nic(result, 1)
}

/// In the container.
fn container_nic(result: &Value) -> Nic {
    nic(result, 2)
}

fn address(result: &Value) -> &str {
    result["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address")
}

/// What the guest receives from a server, in Mbit/s.
fn download(vm: &Vm, server: &Namespace, address: &str, seconds: u32) -> f64 {
    vm.iperf3_from(server, address, &format!("-R -t {seconds}")).received_bit_s / MBIT
}

/// What the guest sends to a server, in Mbit/s.
fn upload(vm: &Vm, server: &Namespace, address: &str, seconds: u32) -> f64 {
    vm.iperf3_from(server, address, &format!("-t {seconds}")).received_bit_s / MBIT
}

/// The links of a namespace, or of the host, by their names.
fn names(links: &Value) -> Vec<&str> {
    links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str()).collect()
}

#[test]
fn a_guest_has_nics_on_two_networks_and_a_limit_on_one() {
    let _row = row("M17");
    PLUGINS.into_iter().for_each(nics_on_two_networks_and_a_limit_on_one);
}

fn nics_on_two_networks_and_a_limit_on_one(plugin: &str) {
    println!("{plugin}");
    let host = Host::enter();
    let (c1, c2, vm) = (host.namespace("c1"), host.namespace("c2"), host.namespace("vm"));
    let (limited, other) = (example_of(plugin, "tap.conflist"), network(plugin, 2));
    let other = with(&other, &json!({"nic": "tap", "mac": "02:00:00:00:00:07"}));
    let neighbour = with(&limited[0], &json!({"nic": null, "owner": null}));
    let (peer1, peer2) = (add(&c1, "eth0", &neighbour), add(&c2, "eth0", &network(plugin, 2)));
    let (result1, result2) = (add_all(&vm, "eth0", &limited), add(&vm, "eth1", &other));

    let nics = [host_nic(&result1), host_nic(&result2)];
    let guest = Vm::boot(&nics);
    for (place, nic) in nics.iter().enumerate() {
        assert_eq!(guest.sh(&format!("cat /sys/class/net/eth{place}/address")).ok(), nic.mac);
    }
    assert_eq!(nics[1].mac, "02:00:00:00:00:07");
    for peer in [&peer1, &peer2] {
        assert_eq!(guest.ping(address(peer), 4).received, 4, "{peer}");
    }
    assert_eq!(c1.ping(address(&result1), 4).received, 4);
    let across = guest.ping_with(address(&peer2), "-c2 -i.2 -W1 -I eth0");
    assert_eq!(across.received, 0, "the networks are separate: {across:?}");

    let (low, high) = OF_100_MBIT;
    RATE.assert_within("download in Mbit/s", low, high, || download(&guest, &c1, address(&peer1), 3));
    RATE.assert_within("only the download is limited: up in Mbit/s", 200.0, f64::INFINITY, || {
        upload(&guest, &c1, address(&peer1), 1)
    });

    drop(guest);
    del_all(&vm, "eth0", &limited, &result1);
    for (ns, interface, config) in [(&vm, "eth1", other), (&c1, "eth0", neighbour), (&c2, "eth0", network(plugin, 2))] {
        call("DEL", ns, interface, &config).run().ok();
    }
    assert_eq!(names(&ip("link show")), ["lo"]);
}

/// The machine's process runs in the container, where it opens the device by the name of the container interface, once for
/// each of two queues.
#[test]
fn a_guest_in_its_containers_namespace_is_on_the_bridge() {
    let _row = row("M62");
    PLUGINS.into_iter().for_each(in_its_containers_namespace);
}

fn in_its_containers_namespace(plugin: &str) {
    println!("{plugin}");
    let host = Host::enter();
    let (c1, pod) = (host.namespace("c1"), host.namespace("pod"));
    let plugins = example_of(plugin, "tap-container.conflist");
    let neighbour = with(&plugins[0], &json!({"nic": null, "tapNamespace": null, "multiQueue": null, "group": null}));
    let peer = add(&c1, "eth0", &neighbour);
    let result = add_all(&pod, "eth0", &plugins);

    let nic = Nic { queues: 2, ..container_nic(&result) };
    let guest = Vm::boot_in(&pod, std::slice::from_ref(&nic));
    assert_eq!(guest.sh("cat /sys/class/net/eth0/address").ok(), nic.mac);
    assert_eq!(guest.sh("ls -d /sys/class/net/eth0/queues/tx-*").ok().lines().count(), 2, "queues of the guest");
    let tap = pod.ip("link show dev eth0");
    assert_eq!(tap[0]["linkinfo"]["info_data"]["numqueues"], 2, "{tap:#}");
    assert_eq!(tap[0]["address"], nic.mac, "the address that the guest is to have can be read there");
    assert_eq!(guest.ping(address(&peer), 4).received, 4);
    assert_eq!(c1.ping(address(&result), 4).received, 4);

    let bridges = pod.ip("link show type bridge");
    assert!(bridges.as_array().is_none_or(|all| all.iter().all(|one| one["ifname"].is_null())), "{bridges:#}");
    for link in pod.ip("address show").as_array().into_iter().flatten().filter(|link| link["ifname"] != "lo") {
        assert_eq!(link["addr_info"].as_array().map(Vec::len), Some(0), "the addresses are the guest's: {link:#}");
    }

    RATE.repeated(|| {
        for (way, rate) in
            [("down", download(&guest, &c1, address(&peer), 2)), ("up", upload(&guest, &c1, address(&peer), 2))]
        {
            println!("{way} in Mbit/s: {rate:.0}");
        }
        for device in names(&pod.ip("link show")).into_iter().filter(|name| *name != "lo") {
            let sent = &pod.ip(&format!("-s link show dev {device}"))[0]["stats64"]["tx"];
            let mean = sent["bytes"].as_f64().unwrap_or_default() / sent["packets"].as_f64().unwrap_or(1.0);
            println!("{device} sends packets of {mean:.0} bytes in the mean");
            assert_by_chance!(mean > 3.0 * 1500.0, "super-packets pass undivided: {mean:.0} bytes by {device}");
        }
    });

    call("CHECK", &pod, "eth0", &with(&plugins[0], &json!({"prevResult": result}))).run().ok();
    del_all(&pod, "eth0", &plugins, &result);
    assert_eq!(names(&pod.ip("link show")), ["lo"], "it goes although the machine runs");
    assert_eq!(guest.ping(address(&peer), 1).received, 0);
}

/// Wherever the device is, its queues are on the host: that of the download on the port, that of the upload on an ifb.
#[test]
fn a_guest_has_a_limit_in_each_direction() {
    for keys in [json!({"nic": "tap"}), json!({"nic": "tap", "tapNamespace": "container"})] {
        let host = Host::enter();
        let (c1, pod) = (host.namespace("c1"), host.namespace("pod"));
        let peer = add(&c1, "eth0", &network("bridge", 1));
        let shaper = json!({"cniVersion": "1.1.0", "name": "net1", "type": "netem-shaper", "bw": "50Mbps",
            "upload": {"rate": "20Mbit"}});
        let plugins = [with(&network("bridge", 1), &keys), shaper];
        let result = add_all(&pod, "eth0", &plugins);
        let guest = match keys["tapNamespace"].is_null() {
            true => Vm::boot(&[host_nic(&result)]),
            false => Vm::boot_in(&pod, &[container_nic(&result)]),
        };
        assert!(guest.ping(address(&peer), 2).received > 0);
        assert!(!pod.sh("tc qdisc show").ok().contains("tbf"), "out of the container's reach");
        RATE.assert_within(&format!("{keys}: Mbit/s down"), 46.0, 49.0, || download(&guest, &c1, address(&peer), 3));
        RATE.assert_within(&format!("{keys}: Mbit/s up"), 18.0, 20.0, || upload(&guest, &c1, address(&peer), 3));
        drop(guest);
        del_all(&pod, "eth0", &plugins, &result);
        call("DEL", &c1, "eth0", &network("bridge", 1)).run().ok();
        assert_eq!(names(&ip("link show")), ["lo"]);
    }
}
