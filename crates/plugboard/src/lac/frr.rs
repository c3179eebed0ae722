//! `plugboard lac frr`: what FRR needs to tell other hosts what the LACs of this one have.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use attachment::{LacId, LacMode, Session, Side, Vtep, is_wide};
use netlink::{address, route};

use super::cloud::Cloud;
use super::member::overlay;
use super::wanted::Wanted;
use crate::cli::Frr;
use crate::network::{Network, Plugin};
use crate::runtime::Runtime;
use crate::table;

pub(crate) fn run(args: &Frr, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let mut session = Session::looking(None, Vec::new());
    let mut found = match &args.network {
        Some(name) => {
            let networks = runtime.conf_dir.networks()?;
            let network = runtime.conf_dir.find(&networks, name)?;
            let id = evpn(&network).ok_or_else(|| anyhow!("network '{name}' has no LAC of mode evpn"))?;
            BTreeMap::from([(id, local_of(&network, id, &mut session)?)])
        }
        None => {
            let mut found = BTreeMap::new();
            // Where another runtime keeps configurations elsewhere, what is there counts alone.
            for network in runtime.conf_dir.networks().unwrap_or_default() {
                if let Some(id) = evpn(&network) {
                    found.insert(id, local_of(&network, id, &mut session)?);
                }
            }
            found
        }
    };
    let is_asked = |id: &LacId| args.network.is_none() || found.contains_key(id);
    let there: Vec<_> = Cloud::all()?
        .into_iter()
        .filter(|(id, cloud)| cloud.mode() == Some(LacMode::Evpn) && is_asked(id))
        .filter_map(|(id, cloud)| Some((id, cloud.local()?)))
        .collect();
    found.extend(there);
    if found.is_empty() {
        bail!("this host has no LAC of mode evpn, and no network in {} is of one", runtime.conf_dir);
    }
    let mut neighbors = Vec::new();
    for neighbor in &args.neighbors {
        let is_own = route::is_local(session.socket(Side::Host)?, *neighbor)
            .with_context(|| format!("cannot look up whether {neighbor} is this host"))?;
        if !is_own && !neighbors.contains(neighbor) {
            neighbors.push(*neighbor);
        }
    }
    if neighbors.is_empty() {
        bail!("--neighbor names this host alone: name the other hosts, or route reflectors");
    }
    for (id, local) in found.iter().filter(|(_, local)| local.is_ipv6()) {
        tracing::warn!(
            "{}: FRR before 10.6 tells the other hosts bgp router-id in place of the IPv6 address {local}, and no frame passes; name an IPv4 \
             address (local)",
            id.shared_by()
        );
    }
    let router_id = router_id(&found, &mut session)?;
    table::print_text(&configuration(&found, args.autonomous_system, &neighbors, router_id))?;
    Ok(ExitCode::SUCCESS)
}

/// The LAC of a network, if BGP tells of its hosts.
fn evpn(network: &Network) -> Option<LacId> {
    match Wanted::of(overlay(network)?) {
        Ok(Wanted::Evpn(id)) => Some(id),
        _ => None,
    }
}

/// The address that this host is going to have in the LAC of a network.
fn local_of(network: &Network, id: LacId, session: &mut Session) -> anyhow::Result<IpAddr> {
    let context = || format!("network '{}'", network.name);
    let plugin = overlay(network).ok_or_else(|| anyhow!("it has no LAC")).with_context(context)?;
    let key = |name| text(plugin, name).map_err(|why| anyhow!(why)).with_context(context);
    let local = key("local")?.map(|local| local.parse().with_context(|| format!("local is '{local}'")));
    let device = key("if")?.or(key("dev")?);
    let found = Vtep::find(id, device.as_deref(), local.transpose().with_context(context)?, session);
    Ok(found.with_context(context)?.local)
}

fn text(plugin: &Plugin, key: &str) -> Result<Option<String>, String> {
    Ok(plugin.read_key::<String>(key)?.filter(|text| !text.is_empty()))
}

/// The number by which BGP tells hosts: an IPv4 address of this host's, first of all one that the others send to.
fn router_id(found: &BTreeMap<LacId, IpAddr>, session: &mut Session) -> anyhow::Result<Option<Ipv4Addr>> {
    let ipv4 = |address: &IpAddr| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    };
    if let Some(local) = found.values().find_map(ipv4) {
        return Ok(Some(local));
    }
    let all = address::list_all(session.socket(Side::Host)?).context("cannot list the addresses of this host")?;
    Ok(all.iter().map(|(_, address)| address.ip()).filter(|ip| is_wide(*ip)).find_map(|ip| ipv4(&ip)))
}

fn configuration(
    found: &BTreeMap<LacId, IpAddr>,
    autonomous_system: u32,
    neighbors: &[IpAddr],
    router_id: Option<Ipv4Addr>,
) -> String {
    let mut lines = vec![
        "! For /etc/frr/frr.conf. In /etc/frr/daemons set bgpd=yes; zebra runs always. Then: systemctl restart frr"
            .to_owned(),
    ];
    lines.extend(found.iter().map(|(id, local)| format!("! {}: {local}", id.shared_by())));
    // Else zebra takes what only the default route leads to for unreachable, and bgpd tries no neighbor and uses no host there.
    for (command, is_ipv6) in [("ip", false), ("ipv6", true)] {
        if neighbors.iter().chain(found.values()).any(|address| address.is_ipv6() == is_ipv6) {
            lines.push(format!("{command} nht resolve-via-default"));
        }
    }
    lines.push(format!("router bgp {autonomous_system}"));
    match router_id {
        Some(id) => lines.push(format!(" bgp router-id {id}")),
        None => lines.push(" ! bgp router-id, in the form of an IPv4 address, that no other host has".to_owned()),
    }
    lines.push(" no bgp default ipv4-unicast".to_owned());
    for neighbor in neighbors {
        lines.push(format!(" neighbor {neighbor} remote-as {autonomous_system}"));
        if let Some(local) = found.values().find(|local| local.is_ipv4() == neighbor.is_ipv4()) {
            lines.push(format!(" neighbor {neighbor} update-source {local}"));
        }
    }
    lines.push(" address-family l2vpn evpn".to_owned());
    lines.extend(neighbors.iter().map(|neighbor| format!("  neighbor {neighbor} activate")));
    lines.extend(["  advertise-all-vni", " exit-address-family", "exit"].map(str::to_owned));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_neighbor_is_told_from_the_address_that_others_send_to() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let found = BTreeMap::from([
            (LacId { port: 4789, vni: 100 }, address("192.0.2.1")),
            (LacId { port: 4789, vni: 200 }, address("192.0.2.1")),
        ]);
        let neighbors = [address("192.0.2.2"), address("2001:db8::3")];
        let text = configuration(&found, 65000, &neighbors, Some([192, 0, 2, 1].into()));
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            [
                "! lac 4789/100: 192.0.2.1",
                "! lac 4789/200: 192.0.2.1",
                "ip nht resolve-via-default",
                "ipv6 nht resolve-via-default",
                "router bgp 65000",
                " bgp router-id 192.0.2.1",
                " no bgp default ipv4-unicast",
                " neighbor 192.0.2.2 remote-as 65000",
                " neighbor 192.0.2.2 update-source 192.0.2.1",
                " neighbor 2001:db8::3 remote-as 65000",
                " address-family l2vpn evpn",
                "  neighbor 192.0.2.2 activate",
                "  neighbor 2001:db8::3 activate",
                "  advertise-all-vni",
                " exit-address-family",
                "exit",
            ]
        );
        let text = configuration(&found, 65000, &[address("192.0.2.2")], None);
        assert!(text.contains("\nip nht resolve-via-default\nrouter bgp 65000\n"), "{text}");
    }
}
