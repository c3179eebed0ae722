//! Limits of NICs that are ports of Open vSwitch: at the container's end, because `ovs-vswitchd` does as it likes with queues on
//! its ports. They hold in both directions, with both datapaths, and when `ovs-vswitchd` is restarted.

use std::net::IpAddr;
use std::time::Duration;

use harness::chance::{RATE, TIME};
use harness::{Datapath, Host, Namespace, OpenVswitch, Reply, assert_by_chance, sh, wait_until};
use integration::queues::{inside, on_host};
use integration::{call, number, settled_bit_s, with};
use lab::{Feature, with_features};
use meter::{Place, Udp};
use serde_json::{Value, json};
use tests::{Guest, relay};

const INTERFACE: &str = "eth1";
const MBIT: f64 = 1e6;

/// A host with a bridge of Open vSwitch, a NIC to be limited, 10.9.0.1, and another one, 10.9.0.2.
struct Site {
    host: Host,
    ovs: OpenVswitch,
    nic: Namespace,
    peer: Namespace,
}

impl Site {
    fn new(datapath: Datapath) -> Self {
        let host = Host::enter();
        if datapath == Datapath::System {
            // One that is started earlier forwards nothing.
            wait_until("the machine has run for 10 s", || {
                let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
                uptime
                    .split('.')
                    .next()
                    .and_then(|seconds| seconds.parse().ok())
                    .is_some_and(|seconds: u64| seconds > 10)
            });
        }
        let ovs = OpenVswitch::start();
        ovs.add_bridge_of(datapath, "br0");
        let (nic, peer) = (host.namespace("vn1"), host.namespace("vn2"));
        call("ADD", &peer, INTERFACE, &port(&json!({}))).run().ok();
        number(&peer, INTERFACE, "10.9.0.2/24");
        Self { host, ovs, nic, peer }
    }

    /// Attaches the NIC.
    fn attach(&self, keys: &Value) -> Attached<'_> {
        let config = port(keys);
        let made = call("ADD", &self.nic, INTERFACE, &config).run().ok();
        Attached { site: self, config, made, guest: None }
    }

    /// The same, with an address.
    fn numbered(&self, keys: &Value) -> Attached<'_> {
        let attached = self.attach(keys);
        number(&self.nic, INTERFACE, "10.9.0.1/24");
        attached
    }

    /// A machine behind a TAP device, in the container or on the host.
    fn machine(&self, place: &str) -> Attached<'_> {
        let mut attached = self.attach(&json!({"nic": "tap", "tapNamespace": place}));
        let guest = self.host.namespace(&format!("guest-{place}"));
        let name = |index: usize, key: &str| attached.made["interfaces"][index][key].as_str().expect("in the result");
        let opened = match place {
            "host" => Guest::open(name(1, "name")),
            _ => Guest::open_in(&self.nic, INTERFACE),
        };
        relay(opened.expect("the device can be opened"), &guest, name(2, "mac"));
        number(&guest, "eth0", "10.9.0.1/24");
        attached.guest = Some(guest);
        attached
    }
}

fn port(keys: &Value) -> Value {
    with(&json!({"cniVersion": "1.1.0", "name": "net", "type": "ovs-port", "bridge": "br0"}), keys)
}

/// The NIC.
struct Attached<'a> {
    site: &'a Site,
    config: Value,
    made: Value,
    guest: Option<Namespace>,
}

impl Attached<'_> {
    fn limit(&self, command: &str, keys: &Value) -> Reply {
        let shaper = json!({"cniVersion": "1.1.0", "name": "net", "type": "netem-shaper", "prevResult": self.made});
        call(command, &self.site.nic, INTERFACE, &with(&shaper, keys)).run()
    }

    fn port(&self, command: &str) -> Reply {
        let config = with(&self.config, &json!({"prevResult": self.made}));
        call(command, &self.site.nic, INTERFACE, &config).run()
    }

    /// What the NIC gets from its peer, or sends to it, of half as much again as is asked, in Mbit/s at layer 2.
    fn carried(&self, is_download: bool, asked: u32) -> f64 {
        let place = |node: &Namespace, last: u8, interface: &str| {
            let opened = Place::open(&node.path, IpAddr::from([10, 9, 0, last]));
            opened.unwrap_or_else(|error| panic!("{}: {error}", node.name)).on(interface)
        };
        let nic = match &self.guest {
            Some(guest) => place(guest, 1, "eth0"),
            None => place(&self.site.nic, 1, INTERFACE),
        };
        let peer = place(&self.site.peer, 2, INTERFACE);
        let (from, to) = if is_download { (peer, nic) } else { (nic, peer) };
        let layer2_bit_s = u64::from(asked) * 1_500_000;
        let (duration, patience) = (Duration::from_millis(1200), Duration::from_millis(300));
        let request = Udp { layer2_bit_s, duration, patience, ..Udp::default() };
        let udp = meter::udp(&from, &to, request).unwrap_or_else(|error| panic!("{error}"));
        let [usual, _] = settled_bit_s(&udp);
        usual / MBIT
    }

    /// Both directions carry so many Mbit/s.
    #[track_caller]
    fn assert_rates(&self, what: &str, download: u32, upload: u32) {
        for (is_download, asked) in [(true, download), (false, upload)] {
            let what = format!("{what}: share of {asked} Mbit/s {}", if is_download { "down" } else { "up" });
            RATE.assert_within(&what, 0.97, 1.03, || self.carried(is_download, asked) / f64::from(asked));
        }
    }
}

/// The ifbs of the host and a container.
fn ifbs(ns: &Namespace) -> Vec<String> {
    let names = [sh("ls /sys/class/net").ok(), ns.sh("ip -o link show type ifb").ok()].concat();
    names.split(['\n', ' ', ':']).filter(|name| name.starts_with("pi")).map(str::to_owned).collect()
}

fn rates(download: u32, upload: u32) -> Value {
    json!({"download": {"rate": format!("{download}Mbit")}, "upload": {"rate": format!("{upload}Mbit")}})
}

#[test]
fn each_kind_of_port_keeps_them_with_the_datapath_in_user_space() {
    let site = Site::new(Datapath::Netdev);
    for kind in ["veth", "internal", "container", "host"] {
        let attached = match kind {
            place @ ("container" | "host") => site.machine(place),
            nic => site.numbered(&json!({"nic": nic})),
        };
        let before = (inside(&site.nic), ifbs(&site.nic), on_host());
        attached.limit("ADD", &rates(20, 10)).ok();
        attached.limit("CHECK", &rates(20, 10)).ok();
        if kind != "host" {
            assert_eq!(on_host(), Vec::<String>::new(), "{kind}");
        }
        println!("{kind}: {:?}", inside(&site.nic));
        attached.assert_rates(kind, 20, 10);
        attached.limit("UPDATE", &rates(10, 15)).ok();
        attached.limit("CHECK", &rates(10, 15)).ok();
        if ["veth", "host"].contains(&kind) {
            site.ovs.restart_switch();
            attached.limit("CHECK", &rates(10, 15)).ok();
        }
        attached.assert_rates(kind, 10, 15);
        attached
            .limit("DEL", &json!({"prevResult": if kind == "veth" { Value::Null } else { attached.made.clone() }}))
            .ok();
        assert_eq!((inside(&site.nic), ifbs(&site.nic), on_host()), before, "{kind}");
        attached.port("DEL").ok();
    }
}

/// A result without the bridge is all that an earlier release knew.
#[test]
fn limits_at_the_hosts_end_are_moved_by_an_update_and_removed_by_del() {
    let site = Site::new(Datapath::Netdev);
    let mut attached = site.numbered(&json!({}));
    let whole = attached.made.clone();
    let mut without_bridge = whole.clone();
    without_bridge["interfaces"].as_array_mut().expect("interfaces").remove(0);
    for next in ["UPDATE", "DEL"] {
        attached.made = without_bridge.clone();
        attached.limit("ADD", &rates(20, 10)).ok();
        assert_eq!((on_host().len(), inside(&site.nic).len()), (3, 0));
        attached.made = whole.clone();
        assert_eq!(attached.limit("CHECK", &rates(20, 10)).error().0, 104);
        attached.limit(next, &rates(20, 10)).ok();
        let moved = if next == "UPDATE" { 3 } else { 0 };
        assert_eq!((on_host().len(), inside(&site.nic).len()), (0, moved), "{next}");
        attached.limit("DEL", &json!({})).ok();
        assert_eq!((on_host(), inside(&site.nic), ifbs(&site.nic)), (vec![], vec![], vec![]));
    }
}

#[test]
fn limits_of_the_switch_and_ours_hold_together() {
    let site = Site::new(Datapath::Netdev);
    let veth = site.numbered(&json!({"max_rate": 15_000_000}));
    for (ours, expected) in [(20, 15), (8, 8)] {
        veth.limit("ADD", &rates(ours, 10)).ok();
        veth.limit("CHECK", &rates(ours, 10)).ok();
        veth.port("CHECK").ok();
        // The switch's own counts otherwise: without the headers of layer 2.
        RATE.assert_within(&format!("share of 15 and {ours} Mbit/s"), 0.95, 1.05, || {
            veth.carried(true, expected) / f64::from(expected)
        });
        veth.limit("DEL", &rates(ours, 10)).ok();
    }
    let host = veth.made["interfaces"][1]["name"].as_str().expect("the host interface");
    sh(&format!("tc class change dev {host} classid 1:fffe htb rate 1mbit ceil 2mbit")).ok();
    let (code, msg, details) = veth.port("CHECK").error();
    assert_eq!(code, 104, "{msg} {details}");
    assert!(format!("{msg} {details}").contains("have 2000000 bit/s"), "{msg} {details}");
    sh(&format!("tc qdisc delete dev {host} root")).ok();
    assert_eq!(veth.port("CHECK").error().0, 104);
    site.ovs.restart_switch();
    veth.port("CHECK").ok();
    veth.port("DEL").ok();
}

/// The database tells nothing of it: only the kernel does.
#[test]
fn a_limit_of_the_switch_that_the_kernel_cannot_keep_is_an_error() {
    let site = Site::new(Datapath::Netdev);
    let before = site.ovs.rows();
    let can_police = {
        let probe = "ip link add pa type veth peer name pb; tc qdisc add dev pa ingress; tc filter add dev pa parent ffff: basic \
                     police rate 1mbit burst 10k conform-exceed drop";
        sh(&format!("unshare --net sh -ec '{probe}'")).status == 0
    };
    let reply = call("ADD", &site.nic, INTERFACE, &port(&json!({"ingress_policing_rate": 10_000}))).run();
    if can_police {
        reply.ok();
        return;
    }
    let (code, msg, details) = reply.error();
    assert_eq!(code, 100, "{msg} {details}");
    assert!(format!("{msg} {details}").contains("act_police"), "{msg} {details}");
    assert_eq!(before, site.ovs.rows());
}

#[test]
fn delays_and_rates_hold_with_the_datapath_of_the_kernel() {
    with_features(&[Feature::OvsDatapath, Feature::Netem, Feature::Htb], || {
        let site = Site::new(Datapath::System);
        let keys = |download: u32, upload: u32| {
            let line = |rate: u32| json!({"rate": format!("{rate}Mbit"), "delay": "10ms"});
            json!({"download": line(download), "upload": line(upload)})
        };
        for nic in ["veth", "internal"] {
            let limits = if nic == "veth" { json!({"ingress_policing_rate": 30_000}) } else { json!({}) };
            let attached = site.numbered(&with(&json!({"nic": nic}), &limits));
            let round_trip = || site.nic.ping("10.9.0.2", 10).rtt_avg_ms;
            round_trip();
            let base = round_trip();
            attached.limit("ADD", &keys(20, 10)).ok();
            site.ovs.restart_switch();
            attached.limit("CHECK", &keys(20, 10)).ok();
            attached.port("CHECK").ok();
            assert!(on_host().iter().all(|queue| nic == "veth" && queue.ends_with(" ingress")), "{:?}", on_host());
            TIME.repeated(|| {
                let added = round_trip() - base;
                println!("{nic}: {added:.3} ms beside {base:.3}");
                assert_by_chance!((added - 20.0).abs() < 0.5, "{nic}: {added:.3} ms of 20");
            });
            attached.assert_rates(nic, 20, 10);
            attached.limit("DEL", &json!({})).ok();
            assert_eq!((inside(&site.nic), ifbs(&site.nic)), (vec![], vec![]), "{nic}");
            if nic == "veth" {
                let host = attached.made["interfaces"][1]["name"].as_str().expect("the host interface");
                sh(&format!("tc qdisc delete dev {host} ingress")).ok();
                let (code, msg, details) = attached.port("CHECK").error();
                assert_eq!(code, 104);
                assert!(format!("{msg} {details}").contains("policing"), "{msg} {details}");
                site.ovs.restart_switch();
                attached.port("CHECK").ok();
            }
            attached.port("DEL").ok();
        }
        a_tap_device_that_is_a_port_has_those_of_the_download(&site);
    });
}

/// It is a port itself, which another plugin has made: the switch removes its queues when it starts, and CHECK tells. What redirects its
/// upload would be gone as soon as the machine opens it.
fn a_tap_device_that_is_a_port_has_those_of_the_download(site: &Site) {
    sh("ip tuntap add dev tap7 mode tap vnet_hdr && ip link set tap7 up").ok();
    site.ovs.vsctl("add-port br0 tap7").ok();
    let limit = |command: &str, keys: &Value| {
        let result = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "tap7"}]});
        let shaper = json!({"cniVersion": "1.1.0", "name": "net", "type": "netem-shaper", "prevResult": result});
        call(command, &site.nic, INTERFACE, &with(&shaper, keys)).run()
    };
    let (code, msg, details) = limit("ADD", &rates(20, 10)).error();
    assert_eq!(code, 102, "{msg} {details}");
    assert!(format!("{msg} {details}").contains("tapNamespace"), "{msg} {details}");
    assert_eq!((on_host(), ifbs(&site.nic)), (vec![], vec![]));
    let download = json!({"download": {"rate": "20Mbit"}});
    limit("ADD", &download).ok();
    let opened = Guest::open("tap7").expect("the device can be opened");
    site.ovs.settle();
    limit("CHECK", &download).ok();
    site.ovs.restart_switch();
    assert_eq!(limit("CHECK", &download).error().0, 104);
    limit("UPDATE", &download).ok();
    limit("CHECK", &download).ok();
    drop(opened);
    limit("DEL", &json!({})).ok();
    assert_eq!((on_host(), ifbs(&site.nic)), (vec![], vec![]));
}
