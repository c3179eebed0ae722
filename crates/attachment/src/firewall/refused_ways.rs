//! Ways that a firewall of others refuses although our rules are in place.
//!
//! firewalld rejects what is forwarded between links that it has in no zone, or in its default one, in chains of its zones. Such a chain
//! is not ours to change; what opens it is said.

use std::collections::HashMap;
use std::fs;

use netlink::Socket;
use netlink::layer3;
use nftables::chain::Found;
use nftables::passage::{Fate, Way, fate};
use nftables::{Chain, Element, Family, Table, element, read_dormant, rule};

use super::forward::{FIREWALLD, forwarding, unless_unsupported};
use super::refusal::of_netfilter;
use crate::{Error, Identity, Note, Session, Side};

/// What IPv4 and what IPv6 sees of bridged packets (`br_netfilter`), for this namespace.
const BRIDGED: [(Family, &str); 2] = [
    (Family::Ip, "/proc/sys/net/bridge/bridge-nf-call-iptables"),
    (Family::Ip6, "/proc/sys/net/bridge/bridge-nf-call-ip6tables"),
];

/// What is sent, and by whom.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic<'a> {
    /// The bridge whose members send to each other.
    pub(crate) bridge: Option<&'a str>,
    /// The link of the host that routes what containers send to other networks.
    pub(crate) gateway: Option<&'a str>,
}

/// Notes the ways that are refused. Those that nobody decides for all packets, and those that depend on addresses, are not.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn tell(session: &mut Session, traffic: Traffic<'_>) -> Result<(), Error> {
    let seen = seen_by();
    if traffic.gateway.is_none() && seen.is_empty() {
        return Ok(());
    }
    let chains = filled(session)?;
    if chains.is_empty() {
        return Ok(());
    }
    let out = match traffic.gateway {
        Some(gateway) => way_out(session)?.map(|out| (gateway.to_owned(), out)),
        None => None,
    };
    for Found { chain: base, policy, .. } in chains {
        // Nothing depends on what is told.
        let Ok(socket) = session.netfilter() else { continue };
        let Ok(rules) = rules_of(socket, &base) else { continue };
        let mut sets = Sets { socket, table: &base.table, known: HashMap::new() };
        let mut fate = |way| fate(&rules, &mut |name| sets.elements(name), &base.name, policy, way);
        let sees = |family| base.table.family == Family::Inet || base.table.family == family;
        let among = traffic.bridge.and_then(|bridge| {
            let families = seen.iter().copied().filter(|family| sees(*family));
            let fates = families.map(|family| (family, fate(Way { from: bridge, to: bridge, family }))).collect();
            let (chain, by) = refused(fates)?;
            Some((bridge, by, chain))
        });
        // Of addresses of IPv6 nothing is known yet.
        let beyond = out.as_ref().filter(|_| sees(Family::Ip)).and_then(|(from, to)| {
            match fate(Way { from, to, family: Family::Ip }) {
                Fate::Refused(chain) => Some((from, to, chain)),
                Fate::Pass | Fate::Unknown => None,
            }
        });
        if (among.is_none() && beyond.is_none()) || is_dormant(sets.socket, &base.table) {
            continue;
        }
        let (link, chain, what) = match (among, beyond) {
            (None, None) => continue,
            (Some((link, by, chain)), None) => {
                (link.to_owned(), chain, format!("what members of {link} send to each other{by}"))
            }
            (None, Some((from, to, chain))) => (from.clone(), chain, format!("what {from} forwards to {to}")),
            (Some((link, by, chain)), Some((from, to, _))) => {
                let what = format!("what members of {link} send to each other{by}, and what {from} forwards to {to}");
                (from.clone(), chain, what)
            }
        };
        let chain = Chain { name: chain, table: base.table.clone() };
        let remedy = remedy(&base, &link, out.as_ref().is_some_and(|(from, _)| *from == link));
        session.note(Note::RefusedWay { what, chain: chain.to_string(), remedy });
    }
    Ok(())
}

/// The sets of a table, each asked for once.
struct Sets<'a> {
    socket: &'a mut Socket,
    table: &'a Table,
    known: HashMap<String, Option<Vec<Element>>>,
}

impl Sets<'_> {
    fn elements(&mut self, name: &str) -> Option<Vec<Element>> {
        if !self.known.contains_key(name) {
            let elements = element::list_foreign(self.socket, self.table, name).ok().flatten();
            self.known.insert(name.to_owned(), elements);
        }
        self.known.get(name).cloned().flatten()
    }
}

/// The chains of such a table are not in force.
fn is_dormant(socket: &mut Socket, table: &Table) -> bool {
    let answer = socket.batch(vec![table.get()]).ok().and_then(|answers| answers.into_iter().next());
    answer.and_then(|answer| answer.ok().flatten()).as_ref().and_then(read_dormant).unwrap_or(false)
}

/// The chain that refuses what is sent, and over what, if the other family passes. Who lets IPv4 pass by something that is not known,
/// such as addresses, may need no IPv6.
fn refused(fates: Vec<(Family, Fate)>) -> Option<(String, String)> {
    let is_unsettled = fates.iter().any(|(family, fate)| *family == Family::Ip && *fate == Fate::Unknown);
    let is_one_of_two = fates.iter().any(|(_, fate)| !matches!(fate, Fate::Refused(_)));
    let (family, chain) = fates.into_iter().find_map(|(family, fate)| match fate {
        Fate::Refused(chain) => Some((family, chain)),
        Fate::Pass | Fate::Unknown => None,
    })?;
    let by = if is_one_of_two { format!(" over {}", protocol(family)) } else { String::new() };
    (!is_unsettled).then_some((chain, by))
}

fn protocol(family: Family) -> &'static str {
    if family == Family::Ip6 { "IPv6" } else { "IPv4" }
}

/// The families whose rules see what is bridged.
fn seen_by() -> Vec<Family> {
    let is_on = |path: &str| fs::read_to_string(path).is_ok_and(|value| value.trim() != "0");
    BRIDGED.into_iter().filter(|(_, path)| is_on(path)).map(|(family, _)| family).collect()
}

/// Base chains with rules, or with a policy that drops.
fn filled(session: &mut Session) -> Result<Vec<Found>, Error> {
    match session.netfilter().map_err(of_netfilter).and_then(forwarding) {
        Ok(mut chains) => {
            chains.retain(|found| found.uses > 0 || found.policy == Some(nftables::Policy::Drop));
            Ok(chains)
        }
        Err(error) => unless_unsupported(error, Vec::new()),
    }
}

fn rules_of(socket: &mut Socket, base: &Chain) -> Result<Vec<rule::Found>, Error> {
    rule::list(socket, &base.table, None).map_err(Error::refused(format!("list the rules of table {}", base.table)))
}

/// The device of the host's default route.
fn way_out(session: &mut Session) -> Result<Option<String>, Error> {
    let found = layer3::default_link(session.socket(Side::Host)?);
    let Some(index) = found.map_err(Error::refused("find the device of the default route"))? else { return Ok(None) };
    Ok(session.known_index(Side::Host, index)?.map(|link| link.name))
}

/// What opens a chain to what comes from a link, in the words of whoever made it. For a routed NIC, to what comes from any.
fn remedy(base: &Chain, link: &str, is_routed: bool) -> String {
    let is_iptables = base.name == "FORWARD" && base.table.name == "filter";
    let tool = if base.table.family == Family::Ip6 { "ip6tables" } else { "iptables" };
    let (of_iptables, of_nft) = match Identity::is_device_name(link) {
        true => ("pb+", "\"pb*\""),
        false => (link, link),
    };
    match (base.table.name.as_str(), is_iptables, is_routed) {
        (FIREWALLD, ..) => format!(
            "`firewall-cmd --permanent --zone=trusted --add-interface={of_iptables}` and `firewall-cmd --reload`"
        ),
        (_, true, false) => format!("`{tool} -I FORWARD -i {of_iptables} -o {of_iptables} -j ACCEPT`"),
        (_, true, true) => format!(
            "`{tool} -I FORWARD -i {of_iptables} -j ACCEPT` and `{tool} -I FORWARD -o {of_iptables} -m conntrack --ctstate \
             RELATED,ESTABLISHED -j ACCEPT`"
        ),
        (_, false, false) => format!("`nft 'insert rule {base} iifname {of_nft} oifname {of_nft} accept'`"),
        (_, false, true) => format!(
            "`nft 'insert rule {base} iifname {of_nft} accept'` and `nft 'insert rule {base} oifname {of_nft} ct state \
             established,related accept'`"
        ),
    }
}
