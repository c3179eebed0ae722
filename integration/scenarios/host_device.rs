//! A NIC of the machine in containers, by `veth-secondary`. It runs in the lab's first namespace: only there does the kernel give
//! a device back when a namespace dies.

use std::path::Path;

use harness::{Background, Invocation, Namespace, Output, Snapshot, bin, bin_dir, row, sh, wait_until};
use integration::with;
use lab::{NICS, on_virtual_clock};
use serde_json::{Value, json};

/// What leads to the other NIC.
const LAN: &str = "10.9.0.1";

/// A container of a runtime: a namespace, and a process that keeps it.
struct Container {
    namespace: Namespace,
    process: Background,
}

fn namespace(name: &str) -> Namespace {
    sh(&format!("ip netns add {name} && ip -n {name} link set lo up")).ok();
    Namespace { name: name.to_owned(), path: Path::new("/run/netns").join(name) }
}

impl Container {
    fn start() -> Self {
        let namespace = namespace("vn1");
        let process = namespace.spawn("sleep 1000");
        Self { namespace, process }
    }

    fn call(&self, command: &str, config: &Value) -> Invocation {
        let plugin = config["type"].as_str().expect("a plugin");
        let call = Invocation::new(plugin, command).container("vn1").ifname("eth1").config(config);
        call.netns(&self.namespace.path)
    }

    /// It dies with its namespace, and nobody is told.
    fn die(self) {
        self.namespace.delete();
        drop(self.process);
    }
}

fn network(keys: &Value) -> Value {
    let network = json!({"cniVersion": "1.1.0", "name": "home-net", "type": "veth-secondary", "nic": "host-device",
        "ipam": {"type": "static", "addresses": [{"address": "10.9.0.2/24"}]}});
    with(&network, keys)
}

fn look() -> Snapshot {
    Snapshot::take::<&Path>(&[], &[])
}

fn plugboard(args: &str) -> Output {
    sh(&format!("CNI_PATH={} {} {args}", bin_dir().display(), bin("plugboard").display()))
}

/// The device with our alias on the host: its name, and whether it is up.
fn given_back() -> Option<(String, bool)> {
    let links = harness::ip("link show");
    let links = links.as_array().cloned().unwrap_or_default();
    let is_it = |link: &&Value| link["ifalias"].as_str().is_some_and(|alias| alias.contains(", was ens5 "));
    let link = links.iter().find(is_it)?;
    let is_up = link["flags"].as_array().is_some_and(|flags| flags.contains(&json!("UP")));
    Some((link["ifname"].as_str()?.to_owned(), is_up))
}

/// ADD, with a MAC and an MTU that are not the NIC's, and then the container dies.
fn add_and_die(keys: &Value) {
    let container = Container::start();
    let config = with(&network(keys), &json!({"mac": "02:00:00:00:77:77", "mtu": 1300}));
    let result = container.call("ADD", &config).run().ok();
    container.call("CHECK", &with(&config, &json!({"prevResult": result}))).run().ok();
    assert!(container.namespace.ping(LAN, 2).all_answered(), "{keys}");
    container.die();
    wait_until("the kernel gives the NIC back", || given_back().is_some());
}

#[test]
fn a_nic_of_the_machine_comes_back_from_a_container_that_died() {
    on_virtual_clock(|| {
        let _row = row("M63");
        sh("modprobe virtio_net && ip link set eth0 name ens5 mtu 1400 && ip link set ens5 up").ok();
        let lan = namespace("lan");
        sh("ip link set eth1 netns lan").ok();
        lan.sh(&format!("ip link set eth1 up && ip address add {LAN}/24 dev eth1")).ok();
        assert!(sh("ip -o link show ens5").ok().contains(NICS[0]));
        let virtio = sh("realpath /sys/class/net/ens5/device").ok().trim().to_owned();
        let pci =
            Path::new(&virtio).parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a place");
        let before = look();
        let named = [
            json!({"device": "ens5"}),
            json!({"hwaddr": NICS[0]}),
            json!({"pciBusID": pci}),
            json!({"kernelpath": virtio}),
            json!({"runtimeConfig": {"deviceID": pci}}),
        ];
        for keys in &named {
            let container = Container::start();
            let result = container.call("ADD", &network(keys)).run().ok();
            let interface = &result["interfaces"][0];
            assert_eq!((&interface["mac"], &interface["mtu"]), (&json!(NICS[0]), &json!(1400)), "{keys}");
            assert!(container.namespace.ping(LAN, 2).all_answered(), "{keys}");
            container.call("DEL", &with(&network(keys), &json!({"prevResult": result}))).run().ok();
            container.die();
            assert_eq!(before, look(), "{keys}: DEL");
            add_and_die(keys);
            assert_eq!(given_back(), Some(("eth1".to_owned(), false)));
            let gc = with(&network(keys), &json!({"cni.dev/valid-attachments": []}));
            Invocation::new("veth-secondary", "GC").config(gc).run().ok();
            assert_eq!(before, look(), "{keys}: GC");
        }
        // The name that it had in the container is another device's by then.
        sh("ip link add eth1 type bridge").ok();
        add_and_die(&named[0]);
        let (name, is_up) = given_back().expect("it is there");
        assert!(name.starts_with("dev") && !is_up, "{name}");
        let del = Invocation::new("veth-secondary", "DEL").container("vn1").ifname("eth1");
        del.config(network(&named[0])).run().ok();
        sh("ip link delete eth1").ok();
        assert_eq!(before, look(), "DEL without the namespace");
        by_plugboard(&before);
        shaped(&before);
    });
}

/// The container's record is stale.
fn by_plugboard(before: &Snapshot) {
    let list = json!({"cniVersion": "1.1.0", "name": "home-net", "plugins": [network(&json!({"device": "ens5"}))]});
    std::fs::create_dir_all("/etc/cni/net.d").expect("a directory");
    std::fs::write("/etc/cni/net.d/home-net.conflist", list.to_string()).expect("a network");
    let container = Container::start();
    plugboard("attach --primary home-net vn1 home-net").ok();
    assert!(container.namespace.ping(LAN, 2).all_answered());
    assert!(plugboard("gc").ok().is_empty(), "it lives");
    container.die();
    wait_until("the kernel gives the NIC back", || given_back().is_some());
    let printed = plugboard("gc --dry-run").ok();
    assert!(printed.contains(" name ens5") && printed.contains("ip link set ens5 up"), "{printed}");
    plugboard("gc").ok();
    assert_eq!(*before, look(), "plugboard gc");
    std::fs::remove_file("/etc/cni/net.d/home-net.conflist").expect("it was there");
}

/// Its limits are its queues in the container.
fn shaped(before: &Snapshot) {
    let config = network(&json!({"device": "ens5"}));
    let container = Container::start();
    let result = container.call("ADD", &config).run().ok();
    let shaper =
        json!({"cniVersion": "1.1.0", "name": "home-net", "type": "netem-shaper", "lat": "10ms", "prevResult": result});
    container.call("ADD", &shaper).run().ok();
    container.call("CHECK", &shaper).run().ok();
    let queues = container.namespace.sh("tc qdisc show").ok();
    assert!(queues.contains("netem"), "{queues}");
    let ping = container.namespace.sh(&format!("ping -c 2 -i 0.2 {LAN} >/dev/null; ping -c 5 -i 0.2 -q {LAN}")).ok();
    let mean: f64 = ping
        .rsplit(" = ")
        .next()
        .and_then(|times| times.split('/').nth(1))
        .and_then(|time| time.parse().ok())
        .expect("a mean");
    assert!((9.5..25.0).contains(&mean), "10 ms are {mean} ms");
    container.call("DEL", &shaper).run().ok();
    container.call("DEL", &with(&config, &json!({"prevResult": result}))).run().ok();
    container.die();
    assert_eq!(*before, look(), "shaped");
}
