//! Hosts on a local area network, and what is attached to Local Area Clouds there.

use std::net::IpAddr;

use harness::{Host, Invocation, Lan, Namespace, Snapshot, Uplink};
use integration::{call, number, with};
use serde_json::{Value, json};
use tests::Packet;

/// The group of the tutorial.
pub(super) const GROUP: &str = "234.0.0.1";

/// Hosts with the NIC `eth0` on one segment, with default routes.
pub(super) struct Site<const N: usize> {
    pub(super) lan: Lan,
    pub(super) hosts: [Namespace; N],
    pub(super) owner: Host,
}

impl<const N: usize> Site<N> {
    pub(super) fn new() -> Self {
        let owner = Host::enter();
        let (lan, hosts) = Lan::with_hosts(&owner, std::array::from_fn(|place| NAMES[place]));
        Self { lan, hosts, owner }
    }

    /// `eth0` of the host at that place, from 0.
    pub(super) fn uplink(&self, place: usize) -> Uplink {
        self.lan.uplink("eth0", u8::try_from(place + 1).expect("a small number"))
    }

    /// A container, of no host yet.
    pub(super) fn container(&self, name: &str) -> Namespace {
        self.owner.namespace(name)
    }

    /// What a call that fails, or one that takes back another, must leave of the hosts as it was.
    pub(super) fn state(&self, containers: &[&Namespace]) -> Snapshot {
        let all: Vec<&Namespace> = self.hosts.iter().chain(containers.iter().copied()).collect();
        Snapshot::take::<&str>(&all, &[])
    }
}

const NAMES: [&str; 5] = ["host-a", "host-b", "host-c", "host-d", "host-e"];

/// A network of the group, with further keys.
pub(super) fn network(keys: &Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": "lac", "type": "vxlan-overlay", "group": GROUP});
    with(&config, keys)
}

/// The key for an address such as `10.0.0.1/24`.
pub(super) fn at(address: &str) -> Value {
    json!({"ipam": {"type": "static", "addresses": [{"address": address}]}})
}

/// A container's interface in a LAC, with an address.
pub(super) struct Member {
    pub(super) host: Namespace,
    pub(super) ns: Namespace,
    pub(super) interface: String,
    pub(super) config: Value,
    pub(super) result: Value,
    /// Without its prefix.
    pub(super) address: String,
}

impl Member {
    /// ADD on a host, and CHECK. An address such as `10.0.0.1/24` that the configuration does not give is the container's own.
    pub(super) fn new(host: &Namespace, ns: &Namespace, interface: &str, config: &Value, address: &str) -> Self {
        let result = call("ADD", ns, interface, config).on(host).run().ok();
        let (plain, _) = address.split_once('/').expect("a prefix");
        let member = Self {
            host: host.clone(),
            ns: ns.clone(),
            interface: interface.to_owned(),
            config: config.clone(),
            result,
            address: plain.to_owned(),
        };
        member.call("CHECK").run().ok();
        if config["ipam"].is_null() && config["nic"] != "tap" {
            number(ns, interface, address);
        }
        member
    }

    /// A call about it with its result.
    pub(super) fn call(&self, command: &str) -> Invocation {
        let config = with(&self.config, &json!({"prevResult": self.result}));
        call(command, &self.ns, &self.interface, &config).on(&self.host)
    }

    pub(super) fn delete(&self) {
        self.call("DEL").run().ok();
    }

    /// The name of its device at that place of the result: 1 on the host, 2 in the container.
    pub(super) fn device(&self, place: usize) -> &str {
        self.result["interfaces"][place]["name"].as_str().expect("a name")
    }

    pub(super) fn mac(&self) -> &str {
        self.result["interfaces"][2]["mac"].as_str().expect("an address")
    }

    /// How many of three pings another one answers.
    pub(super) fn answered_by(&self, other: &Self) -> u32 {
        self.ns.ping(&other.address, 3).received
    }

    /// The same within half a second each, where none is expected.
    pub(super) fn soon_answered_by(&self, other: &Self) -> u32 {
        self.ns.ping_with(&other.address, "-c3 -i.05 -W.5").received
    }
}

/// Each pings each other one three times; all at the same time.
#[track_caller]
pub(super) fn all_reach_each_other(members: &[&Member]) {
    std::thread::scope(|scope| {
        for from in members {
            scope.spawn(|| {
                for to in members.iter().filter(|to| to.address != from.address) {
                    assert_eq!(from.answered_by(to), 3, "{} to {}", from.address, to.address);
                }
            });
        }
    });
}

/// The settings of a VXLAN device of a host.
pub(super) fn vxlan(host: &Namespace, device: &str) -> Value {
    host.ip(&format!("link show dev {device}"))[0].clone()
}

/// The names of a host's links of a kind.
pub(super) fn of_kind(host: &Namespace, kind: &str) -> Vec<String> {
    let links = host.ip(&format!("link show type {kind}"));
    links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
}

/// What VXLAN carries of it that is from that host.
pub(super) fn tunnelled_from(packets: &[Packet], host: IpAddr) -> Vec<&Packet> {
    packets.iter().filter(|packet| packet.from == host && packet.vxlan().is_some()).collect()
}

/// Whether an echo request or an answer to one travels in it.
pub(super) fn carries_echo(packet: &Packet) -> bool {
    packet.vxlan().and_then(|vxlan| vxlan.packet()).is_some_and(|inside| inside.is_echo())
}
