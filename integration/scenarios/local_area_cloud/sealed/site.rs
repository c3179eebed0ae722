//! Hosts with the key of a LAC, and its members.

use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::{Namespace, soak};
use integration::with;
use serde_json::{Value, json};
use tests::{Frames, Packet};

use super::super::site::{GROUP, Member, Site, network};

/// How the hosts find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Group,
    GroupOfIpv6,
    Remotes,
}

const GROUP_OF_IPV6: &str = "ff05:56de::1";

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Group, Self::Remotes, Self::GroupOfIpv6];

    /// The first of them: what takes long is tried in every way only at length.
    pub(super) fn first(number: usize) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().take(soak::size(number, Self::ALL.len()))
    }

    /// The address of the host at that place, from 0.
    pub(super) fn host<const N: usize>(self, site: &Site<N>, place: usize) -> IpAddr {
        let uplink = site.uplink(place);
        if self == Self::GroupOfIpv6 { uplink.ipv6.into() } else { uplink.ipv4.into() }
    }

    pub(super) fn group(self) -> Option<IpAddr> {
        let text = match self {
            Self::Group => GROUP,
            Self::GroupOfIpv6 => GROUP_OF_IPV6,
            Self::Remotes => return None,
        };
        text.parse().ok()
    }

    /// What an underlay of 1500 bytes leaves.
    pub(super) fn mtu(self) -> u64 {
        if self == Self::GroupOfIpv6 { 1376 } else { 1408 }
    }

    /// A network without a key, of the first so many hosts.
    pub(super) fn open<const N: usize>(self, site: &Site<N>, hosts: usize) -> Value {
        let all: Vec<IpAddr> = (0..hosts).map(|place| self.host(site, place)).collect();
        let list = (self == Self::Remotes).then(|| json!(all));
        network(&json!({"group": self.group(), "remotes": list}))
    }

    /// The same with a key, each host a peer.
    pub(super) fn sealed<const N: usize>(self, site: &Site<N>, hosts: usize, file: &str) -> Value {
        let all: Vec<IpAddr> = (0..hosts).map(|place| self.host(site, place)).collect();
        with(&self.open(site, hosts), &json!({"peers": all, "keyFile": file}))
    }
}

/// Writes a key of its own to a file: its text.
pub(super) fn new_key(file: &str) -> String {
    let key = harness::sh("head -c 32 /dev/urandom | base64").ok();
    write_keys(file, &[&key]);
    key
}

/// Has a file hold keys.
pub(super) fn write_keys(file: &str, keys: &[&str]) {
    let text = format!("# keys of the LAC\n{}\n", keys.join("\n"));
    std::fs::write(file, text).unwrap_or_else(|error| panic!("{file}: {error}"));
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// A member on each of the first hosts that are peers: the container `c1` on the first has 10.0.0.1, and so on.
pub(super) fn members<const N: usize>(site: &Site<N>, config: &Value) -> Vec<Member> {
    let hosts = config["peers"].as_array().map_or(0, Vec::len);
    (1..=hosts).map(|number| member(site, number, config)).collect()
}

/// The member of that number, on the host of that number.
pub(super) fn member<const N: usize>(site: &Site<N>, number: usize, config: &Value) -> Member {
    let container = site.container(&format!("c{number}"));
    Member::new(&site.hosts[number - 1], &container, "lac0", config, &format!("10.0.0.{number}/24"))
}

/// How often datagrams that end so pass a member's interface.
pub(super) struct Heard {
    frames: Frames,
    tail: Vec<u8>,
}

impl Heard {
    pub(super) fn at(member: &Member, tail: &[u8]) -> Self {
        let frames = Frames::open(&member.ns, &member.interface).expect("the interface is there");
        frames.keep(16 << 20);
        Self { frames, tail: tail.to_vec() }
    }

    /// Since it was asked last, and within a moment.
    pub(super) fn times(&self) -> usize {
        std::thread::sleep(Duration::from_millis(50));
        let packets = std::iter::from_fn(|| self.frames.next()).filter_map(|frame| Packet::parse(&frame));
        packets.filter(|packet| packet.udp_ports().is_some() && packet.payload.ends_with(&self.tail)).count()
    }
}

/// Sends a datagram from a member to an address on its LAC.
pub(super) fn say(member: &Member, to: &str, payload: &[u8]) {
    member.ns.within(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.set_broadcast(true).expect("broadcasts are allowed");
        socket.send_to(payload, (to, 9)).unwrap_or_else(|error| panic!("{to}: {error}"));
    });
}

/// A counter of the kernel's IPsec on a host, such as `XfrmInNoStates` (`Documentation/networking/xfrm_proc.rst`).
pub(super) fn counted(host: &Namespace, counter: &str) -> u64 {
    let all = host.sh("cat /proc/net/xfrm_stat").ok();
    let line = all.lines().find_map(|line| line.strip_prefix(counter)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("no {counter} in {all}"))
}

/// How many packets a host's firewall has dropped because of a LAC.
pub(super) fn dropped(host: &Namespace) -> u64 {
    let rules = host.sh("nft -j list table inet plugboard-lacs").ok();
    let rules: Value = serde_json::from_str(&rules).expect("JSON");
    let mut sum = 0;
    count_packets(&rules, &mut sum);
    sum
}

fn count_packets(value: &Value, sum: &mut u64) {
    match value {
        Value::Object(object) => {
            *sum += object.get("counter").and_then(|counter| counter["packets"].as_u64()).unwrap_or_default();
            object.values().for_each(|value| count_packets(value, sum));
        }
        Value::Array(values) => values.iter().for_each(|value| count_packets(value, sum)),
        _ => {}
    }
}

/// All states and policies of a host's IPsec; empty without any.
pub(super) fn xfrm(host: &Namespace) -> String {
    host.sh("ip xfrm state && ip xfrm policy").ok()
}
