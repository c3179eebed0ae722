//! `plugboard lac ls`: the LACs of this host.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;

use attachment::{LacId, LacMode, OwnedDevice};
use serde::Serialize;

use super::cloud::{self, Cloud, Heard};
use crate::cli::Listing;
use crate::table;

const HEADING: [&str; 9] = ["GROUP", "PORT", "VNI", "MODE", "UNDERLAY", "MEMBERS", "VTEPS", "PEERS", "DROPPED"];

pub(crate) fn run(listing: &Listing) -> anyhow::Result<ExitCode> {
    let clouds = Cloud::all()?;
    if listing.json {
        table::print_json(&clouds.iter().map(|(id, cloud)| View::of(*id, cloud)).collect::<Vec<_>>())?;
    } else {
        let rows = clouds.iter().map(|(id, cloud)| row(*id, cloud));
        table::print_lines(std::iter::once(HEADING.map(str::to_owned)).chain(rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A row of the table. Members, VTEPs and peers have a line each.
fn row(id: LacId, cloud: &Cloud) -> [String; 9] {
    let members = cloud.members.iter().map(cloud::words);
    let foreign = cloud.foreign_ports.iter().map(|port| format!("{port} (of no attachment)"));
    [
        cloud.group().map_or_else(dash, |group| group.to_string()),
        id.port.to_string(),
        id.vni.to_string(),
        mode(cloud),
        underlay(cloud),
        lines(members.chain(foreign)),
        lines(vteps(cloud)),
        match &cloud.heard {
            Heard::All => dash(),
            Heard::Peers(lac) => lines(lac.peers.iter().cloned()),
            Heard::Unknown => unknown(),
        },
        match &cloud.heard {
            Heard::All => dash(),
            Heard::Peers(lac) => lac.dropped_packets.to_string(),
            Heard::Unknown => unknown(),
        },
    ]
}

fn mode(cloud: &Cloud) -> String {
    let mode = cloud.mode().map_or_else(dash, |mode| mode.word().to_owned());
    match cloud.is_encrypted() {
        Some(true) => format!("{mode}\nencrypted"),
        _ => mode,
    }
}

/// What only root may ask.
fn unknown() -> String {
    "?".to_owned()
}

fn underlay(cloud: &Cloud) -> String {
    match &cloud.device {
        None => "- (VXLAN device gone)".to_owned(),
        Some(_) if cloud.mode() == Some(LacMode::Evpn) => cloud.local().map_or_else(dash, |local| local.to_string()),
        Some(_) if cloud.underlay.is_empty() => "- (none)".to_owned(),
        Some(_) => cloud.underlay.clone(),
    }
}

/// The hosts that are known, those of a list among them.
fn vteps(cloud: &Cloud) -> impl Iterator<Item = String> {
    let (learned, remotes) = (cloud.learned(), cloud.remotes());
    let all: BTreeSet<IpAddr> = learned.keys().chain(&remotes).copied().collect();
    let nothing = if cloud.mode() == Some(LacMode::Evpn) { "no member" } else { "nothing learned" };
    all.into_iter().map(move |host| match learned.contains_key(&host) {
        true => host.to_string(),
        false => format!("{host} ({nothing})"),
    })
}

fn lines(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { dash() } else { words.join("\n") }
}

fn dash() -> String {
    "-".to_owned()
}

/// A LAC for scripts. Strings are empty if there is nothing to tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    group: String,
    port: u16,
    vni: u32,
    mode: &'static str,
    underlay: String,
    /// The address that the other hosts send to, where it is one of the device's own.
    local: String,
    bridge: String,
    /// The VXLAN device.
    device: String,
    /// In bytes; null without a VXLAN device, as `ttl`.
    mtu: Option<u32>,
    /// 0 for the host's own, which is 1 to a group.
    ttl: Option<u8>,
    members: Vec<Member>,
    /// The ports of the bridge that are no member's.
    foreign_ports: Vec<String>,
    /// The hosts that were learned, or told of.
    vteps: Vec<Vtep>,
    /// The hosts of a list, or those that are told of as having the LAC.
    remotes: Vec<IpAddr>,
    /// The only hosts that are heard, addresses and networks; empty if whoever sends is, null for those who may not ask.
    peers: Option<Vec<String>>,
    /// How many packets were dropped because they are of others; null if whoever sends is heard, or for those who may not ask.
    dropped_packets: Option<u64>,
    /// Packets to and from the other hosts are encrypted; null for those who may not ask.
    encrypted: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    container_id: String,
    if_name: String,
    network: String,
    /// The port of the bridge.
    device: String,
    alias: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Vtep {
    host: IpAddr,
    macs: Vec<String>,
}

impl View {
    fn of(id: LacId, cloud: &Cloud) -> Self {
        let device = cloud.device.as_ref();
        let learned = cloud.learned().into_iter();
        Self {
            group: cloud.group().map(|group| group.to_string()).unwrap_or_default(),
            port: id.port,
            vni: id.vni,
            mode: cloud.mode().map(LacMode::word).unwrap_or_default(),
            underlay: cloud.underlay.clone(),
            local: cloud.local().map(|local| local.to_string()).unwrap_or_default(),
            bridge: cloud.bridge.clone(),
            device: device.map(|device| device.link.name.clone()).unwrap_or_default(),
            mtu: device.map(|device| device.link.mtu),
            ttl: device.map(|device| device.settings.ttl),
            members: cloud.members.iter().map(Member::of).collect(),
            foreign_ports: cloud.foreign_ports.clone(),
            vteps: learned
                .map(|(host, macs)| Vtep { host, macs: macs.iter().map(ToString::to_string).collect() })
                .collect(),
            remotes: cloud.remotes().into_iter().collect(),
            peers: match &cloud.heard {
                Heard::All => Some(Vec::new()),
                Heard::Peers(lac) => Some(lac.peers.clone()),
                Heard::Unknown => None,
            },
            dropped_packets: match &cloud.heard {
                Heard::Peers(lac) => Some(lac.dropped_packets),
                Heard::All | Heard::Unknown => None,
            },
            encrypted: cloud.is_encrypted(),
        }
    }
}

impl Member {
    fn of(member: &OwnedDevice) -> Self {
        Self {
            container_id: cloud::container_id(member),
            if_name: member.owner.if_name().to_owned(),
            network: member.owner.network().to_owned(),
            device: member.name.clone(),
            alias: member.alias().to_owned(),
        }
    }
}
