//! Containers with further NICs of every kind at once, beside the first that the runtime gave them.

use std::time::Duration;

use harness::{Host, Namespace, OpenVswitch, Snapshot, sh};
use integration::{call, with};
use lab::{Feature, on_full_kernel};
use serde_json::{Value, json};
use tests::{Guest, Station};

/// A kind of further NIC.
struct Kind {
    name: &'static str,
    keys: Value,
    needs: &'static [Feature],
}

/// All that there are. What a child of a link or a device of the host is connected to is made by [`lan`].
fn kinds() -> Vec<Kind> {
    let kind = |name, needs, keys| Kind { name, keys, needs };
    vec![
        kind("bridged", &[], json!({"isGateway": true})),
        kind("routed", &[], json!({"mode": "routed"})),
        kind("tap", &[Feature::Tap], json!({"nic": "tap", "tapNamespace": "container", "isGateway": true})),
        kind("macvlan", &[Feature::Macvlan], json!({"nic": "macvlan", "link": "lan0"})),
        kind("ipvlan", &[Feature::Ipvlan], json!({"nic": "ipvlan", "link": "lan1"})),
        kind("vlan", &[Feature::Vlan], json!({"nic": "vlan", "link": "lan0", "vlan": VLAN})),
        kind("device", &[], json!({"nic": "host-device", "device": "lan2"})),
        kind("ovs-veth", &[Feature::Tap], on_ovs(json!({}))),
        kind("ovs-internal", &[Feature::Tap], on_ovs(json!({"nic": "internal", "vlan": VLAN}))),
        kind("ovs-tap", &[Feature::Tap], on_ovs(json!({"nic": "tap", "tapNamespace": "container"}))),
    ]
}

/// By the plugin for Open vSwitch, on its bridge. Its own datapath needs TAP devices.
fn on_ovs(keys: Value) -> Value {
    with(&json!({"type": "ovs-port", "bridge": "ovs0"}), &keys)
}

/// The VLAN of `lan0` that a NIC is in, and that of a port of Open vSwitch.
const VLAN: u16 = 30;

/// Devices of the host, and behind them the machines that are the gateways of the networks there: a link has either children with
/// addresses of their own or such with its address.
fn lan(host: &Host) -> Namespace {
    let far = host.namespace("far");
    for place in 0..3 {
        sh(&format!("ip link add lan{place} type veth peer name far{place} netns far && ip link set lan{place} up"))
            .ok();
        far.sh(&format!("ip link set far{place} up")).ok();
    }
    far
}

/// Gives a gateway its address. Those on Open vSwitch are internal ports of the host.
fn gateway_of(far: &Namespace, ovs: &OpenVswitch, number: usize, kind: &Kind) {
    if kind.keys["type"] == "ovs-port" {
        let tag = kind.keys["vlan"].as_u64().map(|vlan| format!("tag={vlan}")).unwrap_or_default();
        let name = format!("gateway{number}");
        ovs.vsctl(&format!("add-port ovs0 {name} {tag} -- set interface {name} type=internal")).ok();
        sh(&format!("ip link set {name} up && ip address add 10.{number}.0.1/24 dev {name}")).ok();
        return;
    }
    let device = match kind.name {
        "macvlan" => "far0",
        "ipvlan" => "far1",
        "vlan" => {
            far.sh(&format!("ip link add link far0 name tagged up type vlan id {VLAN}")).ok();
            "tagged"
        }
        "device" => "far2",
        _ => return,
    };
    far.sh(&format!("ip address add 10.{number}.0.1/24 dev {device}")).ok();
}

/// A network of a kind. Its addresses are 10.NUMBER.0.0/24, and 172.16.NUMBER.0/24 is behind its gateway.
fn network(number: usize, kind: &Kind) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": format!("{}-net", kind.name), "type": "veth-secondary",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24"), "rangeStart": format!("10.{number}.0.9")}]],
            "routes": [{"dst": format!("172.16.{number}.0/24")}]}});
    with(&config, &kind.keys)
}

fn first() -> Value {
    json!({"cniVersion": "1.1.0", "name": "first-net", "type": "bridge", "bridge": "first-br", "isDefaultGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.250.0.0/24"}], [{"subnet": "fd00:250::/64"}]]}})
}

fn add(ns: &Namespace, interface: &str, config: &Value) -> Value {
    call("ADD", ns, interface, config).run().ok()
}

fn default_routes(ns: &Namespace) -> String {
    ns.sh("ip -4 route show default; ip -6 route show default").ok()
}

/// An attached NIC.
struct Attached {
    interface: String,
    number: usize,
    config: Value,
    result: Value,
}

impl Attached {
    fn new(ns: &Namespace, number: usize, kind: &Kind) -> Self {
        let (interface, config) = (format!("eth{number}"), network(number, kind));
        println!("{interface}: {}", kind.name);
        let result = add(ns, &interface, &config);
        Self { interface, number, config, result }
    }

    fn is_a_guests(&self) -> bool {
        self.config["nic"] == "tap"
    }

    fn check(&self, ns: &Namespace) {
        let config = with(&self.config, &json!({"prevResult": self.result}));
        call("CHECK", ns, &self.interface, &config).run().ok();
    }

    /// The address and the route of the configuration are on this NIC, and its gateway answers there.
    fn is_as_configured(&self, ns: &Namespace) {
        let Self { interface, number, .. } = self;
        let (gateway, own) = (format!("10.{number}.0.1"), format!("10.{number}.0.9"));
        assert_eq!(self.result["ips"][0]["address"], format!("{own}/24"), "{:#}", self.result);
        if self.is_a_guests() {
            let number = u8::try_from(*number).expect("a byte");
            let station = Station { mac: [2, 0, 0, 0, 0, number], ip: [10, number, 0, 9].into() };
            let mut guest = Guest::open_in(ns, interface).expect("the machine's process opens it by its name");
            let answer = guest.who_has(station, [10, number, 0, 1].into(), Duration::from_secs(5));
            assert!(answer.is_some(), "{interface}: nobody has {gateway}");
            return;
        }
        let address = &ns.ip(&format!("-4 address show dev {interface}"))[0]["addr_info"][0];
        assert_eq!((&address["local"], &address["prefixlen"]), (&own.into(), &24.into()), "{interface}");
        let route = ns.sh(&format!("ip route show 172.16.{number}.0/24")).ok();
        assert!(route.contains(&format!("via {gateway} dev {interface}")), "{interface}: {route}");
        assert_eq!(ns.ping(&gateway, 3).received, 3, "{interface}");
        let neighbours = ns.sh(&format!("ip neigh show dev {interface}")).ok();
        assert!(neighbours.contains(&format!("{gateway} lladdr")), "{interface}: {neighbours}");
    }
}

/// The first NIC is as it was, whatever came beside it.
fn first_is_as_it_was(ns: &Namespace, default: &str) {
    assert_eq!(default_routes(ns), default);
    let way = ns.ip("route get 203.0.113.9");
    assert_eq!(way[0]["dev"], "eth0", "{way:#}");
    for gateway in ["10.250.0.1", "fd00:250::1"] {
        assert_eq!(ns.ping(gateway, 2).received, 2, "{gateway}");
    }
}

/// What a namespace knows of the further networks: routes and neighbours.
fn known(look: impl Fn(&str) -> String) -> Vec<String> {
    let all = look("ip route show table all; ip neigh show");
    let is_of_further = |line: &&str| line.contains("172.16.") || (line.contains("10.") && !line.contains("10.250."));
    all.lines().filter(is_of_further).map(str::to_owned).collect()
}

fn all_at_once(kinds: &[Kind]) {
    let host = Host::enter();
    let (ctn, other, far) = (host.namespace("ctn"), host.namespace("other"), lan(&host));
    for ns in [&ctn, &other] {
        add(ns, "eth0", &first());
        ns.ping("10.250.0.1", 1);
    }
    let ovs = OpenVswitch::start();
    ovs.add_bridge("ovs0");
    for (number, kind) in (1..).zip(kinds) {
        gateway_of(&far, &ovs, number, kind);
    }
    let look = || Snapshot::take::<&str>(&[&ctn, &other, &far], &[]);
    let (alone, default, rows) = (look(), default_routes(&ctn), ovs.rows());
    assert!(default.contains("via 10.250.0.1 dev eth0") && default.contains("via fd00:250::1 dev eth0"), "{default}");

    let further: Vec<_> = (1..).zip(kinds).map(|(number, kind)| Attached::new(&ctn, number, kind)).collect();
    first_is_as_it_was(&ctn, &default);
    further.iter().for_each(|nic| nic.is_as_configured(&ctn));
    assert_eq!(known(|script| other.sh(script).ok()), [""; 0], "routes and neighbours are each namespace's own");
    let on_host = sh("ip route show").ok();
    assert!(!on_host.contains("172.16."), "the container's routes are not the host's: {on_host}");

    // In the order in which they came: none needs another.
    let mut left = further.as_slice();
    while let [first, rest @ ..] = left {
        left.iter().for_each(|nic| nic.check(&ctn));
        call("DEL", &ctn, &first.interface, &first.config).run().ok();
        left = rest;
    }
    ovs.settle();
    assert_eq!((alone, rows), (look(), ovs.rows()));
    first_is_as_it_was(&ctn, &default);
}

#[test]
fn the_first_nic_stays_the_way_out_beside_those_that_this_kernel_has() {
    let mut kinds = kinds();
    kinds.retain(|kind| kind.needs.iter().all(|feature| feature.is_present()));
    assert!(kinds.len() >= 3, "any kernel has as many");
    all_at_once(&kinds);
}

#[test]
fn the_first_nic_stays_the_way_out_beside_all_kinds() {
    let needs: Vec<_> = kinds().iter().flat_map(|kind| kind.needs).copied().collect();
    on_full_kernel("M67", &needs, || all_at_once(&kinds()));
}
