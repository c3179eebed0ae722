//! Rules that the reference plugins have made, for attachments that were theirs when our executables took the place of theirs.
//!
//! | for | where | whose |
//! |---|---|---|
//! | `ipMasq` by iptables | `table ip nat` and `ip6 nat`: a chain `CNI-…`, and a jump to it for each address | the chain's name is a hash of network and container |
//! | `ipMasq` by nftables | `table inet cni_plugins_masquerade`: a rule for each address | its comment begins with hashes of all three |
//! | `portmap` by iptables | `table ip nat` and `ip6 nat`: a chain `CNI-DN-…`, of early releases also `CNI-SN-…`, and jumps to it from `CNI-HOSTPORT-DNAT` and `…-SNAT` | the chain's name is a hash of network and container |
//! | `portmap` by nftables | `table ip cni_hostport` and `ip6 cni_hostport`: rules in three chains | their comment is the container |
//! | `macspoofchk` | `table bridge nat`, in later releases `bridge cni_spoofcheck`: two chains `cni-br-iface-…`, and a jump to the first | the chains' names have container and interface |
//!
//! Facts of `pkg/ip/ipmasq_iptables_linux.go`, `pkg/ip/ipmasq_nftables_linux.go`, `pkg/link/spoofcheck.go`, `plugins/meta/portmap` and
//! `pkg/utils/utils.go`. Tables and base chains stay: they are not of one attachment.

use std::net::IpAddr;

use netlink::{Request, Socket};
use nftables::{Chain, Family, Table, rule};

use super::ATTEMPTS;
use super::refusal::of_netfilter;
use crate::sha512::digits;
use crate::{Device, Error, Found, Identity, Owner, Session, Side, Stage};

/// Where iptables has its jumps.
const TRANSLATION: &str = "POSTROUTING";

/// The tables of `macspoofchk`, with the chains that all frames come by.
const SPOOFCHECK: [(&str, &str); 2] = [("nat", "PREROUTING"), ("cni_spoofcheck", "prerouting")];

/// Of `portmap`: what the names of a container's chains begin with, and where iptables has the jumps to them.
const PORTS: [(&str, &str); 2] = [("CNI-DN-", "CNI-HOSTPORT-DNAT"), ("CNI-SN-", "CNI-HOSTPORT-SNAT")];
/// The chains of `cni_hostport` that have rules of containers.
const HOSTPORTS: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];

/// The tables of the older iptables that have rules, for each family.
const LEGACY_TABLES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

fn masquerade() -> Chain {
    Chain { table: Table::new(Family::Inet, "cni_plugins_masquerade"), name: "masq_checks".to_owned() }
}

/// Those of iptables, in the tables of both families.
fn translation(name: &str) -> [Chain; 2] {
    [Family::Ip, Family::Ip6].map(|family| Chain { table: Table::new(family, "nat"), name: name.to_owned() })
}

/// The chain of iptables of a container in a network, whichever its interface.
pub(crate) fn iptables_chain(network: &str, container: &str) -> String {
    format!("CNI-{}", digits(&format!("{network}{container}"), 24))
}

/// The chain of iptables of a container's published ports in a network.
pub(crate) fn ports_chain(network: &str, container: &str) -> String {
    let [(prefix, _), _] = PORTS;
    ports_chain_of(prefix, network, container)
}

fn ports_chain_of(prefix: &str, network: &str, container: &str) -> String {
    format!("{prefix}{}", digits(&format!("{network}{container}"), 21))
}

fn network_mark(network: &str) -> String {
    digits(network, 16) + "-"
}

/// What the comments of an attachment's rules begin with.
fn mark(identity: &Identity) -> String {
    let instance = format!("{}:{}", identity.if_name(), identity.container_id());
    network_mark(identity.network()) + &digits(&instance, 16)
}

/// What is to go.
#[derive(Debug, Default)]
pub(crate) struct Left {
    rules: Vec<rule::Found>,
    /// In the order in which they lead to each other.
    chains: Vec<Chain>,
}

impl Left {
    fn requests(&self) -> Vec<Request> {
        let chains = self.chains.iter().map(Chain::delete);
        self.rules.iter().map(rule::Found::delete).chain(chains).collect()
    }

    fn commands(&self) -> Vec<String> {
        let chains = self.chains.iter().map(|chain| format!("nft 'flush chain {chain}; delete chain {chain}'"));
        let rules = self.rules.iter();
        rules.map(|rule| format!("nft delete rule {} handle {}", rule.chain, rule.handle)).chain(chains).collect()
    }
}

/// Removes what there is of an attachment with these addresses, as far as they are known. It tells whether there were rules of iptables.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has nothing to remove.
pub(crate) fn remove(session: &mut Session, identity: &Identity, addresses: &[IpAddr]) -> Result<bool, Error> {
    remove_all(session, |session| look(session, identity, addresses))
}

/// Removes an attachment's published ports. It tells whether there were rules of iptables.
///
/// # Errors
/// As [`remove`].
pub(crate) fn remove_ports(session: &mut Session, identity: &Identity) -> Result<bool, Error> {
    remove_all(session, |session| look_for_ports(session, identity))
}

fn remove_all(session: &mut Session, look: impl Fn(&mut Session) -> Result<Left, Error>) -> Result<bool, Error> {
    for _ in 0..ATTEMPTS {
        let left = look(session)?;
        let had_iptables = left.chains.iter().any(|chain| chain.table.family != Family::Bridge);
        match send(session, &left) {
            Ok(()) => return Ok(had_iptables),
            Err(Error::Refused { source, .. }) if source.errno() == Some(libc::ENOENT) => {}
            // Somebody has made a rule of their own that leads to a chain: it does nothing without the others.
            Err(Error::Refused { source, .. }) if source.errno() == Some(libc::EBUSY) => {
                return send(session, &Left { chains: Vec::new(), ..left }).map(|()| had_iptables);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::restless_firewall())
}

fn send(session: &mut Session, left: &Left) -> Result<(), Error> {
    let requests = left.requests();
    if requests.is_empty() {
        return Ok(());
    }
    nftables::transaction(session.netfilter().map_err(of_netfilter)?, None, requests).map_err(|refusal| {
        Error::Refused { action: "remove the rules that the reference plugin made".to_owned(), source: refusal.error }
    })
}

/// The commands of [`remove`], for people.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has nothing to remove.
pub(crate) fn removal_commands(
    session: &mut Session,
    identity: &Identity,
    addresses: &[IpAddr],
) -> Result<Vec<String>, Error> {
    Ok(look(session, identity, addresses)?.commands())
}

/// The commands of [`remove_ports`], for people.
///
/// # Errors
/// As [`removal_commands`].
pub(crate) fn port_removal_commands(session: &mut Session, identity: &Identity) -> Result<Vec<String>, Error> {
    Ok(look_for_ports(session, identity)?.commands())
}

/// One send, as a rule, which finds nothing. The rules of nftables are those of all interfaces of the container: they tell no network.
fn look_for_ports(session: &mut Session, identity: &Identity) -> Result<Left, Error> {
    let mut left = Left::default();
    let mut of_iptables = Vec::new();
    for (prefix, base) in PORTS {
        let name = ports_chain_of(prefix, identity.network(), identity.container_id());
        of_iptables.extend(translation(&name).map(|chain| (chain, base)));
    }
    let of_nftables = [Family::Ip, Family::Ip6].into_iter().flat_map(|family| {
        HOSTPORTS.map(|name| Chain { table: Table::new(family, "cni_hostport"), name: name.to_owned() })
    });
    let of_nftables: Vec<Chain> = of_nftables.collect();
    let all: Vec<Chain> = of_iptables.iter().map(|(chain, _)| chain).chain(&of_nftables).cloned().collect();
    let Some(are_there) = which(session, &all)? else { return Ok(left) };
    let mut are_there = are_there.into_iter();
    for ((chain, base), _) in of_iptables.into_iter().zip(are_there.by_ref()).filter(|(_, is_there)| *is_there) {
        iptables(session, chain, base, |_| false, &mut left)?;
    }
    for (chain, _) in of_nftables.into_iter().zip(are_there).filter(|(_, is_there)| *is_there) {
        left.rules.extend(list(session, &chain)?.into_iter().filter(|rule| rule.comment == identity.container_id()));
    }
    Ok(left)
}

/// Whether the older iptables has rules that translate addresses: they cannot be seen here, let alone changed.
pub(crate) fn has_legacy_translation() -> bool {
    let has_nat = |file: &str| std::fs::read_to_string(file).is_ok_and(|names| names.lines().any(|name| name == "nat"));
    LEGACY_TABLES.iter().any(|file| has_nat(file))
}

/// One send, as a rule, which finds nothing.
fn look(session: &mut Session, identity: &Identity, addresses: &[IpAddr]) -> Result<Left, Error> {
    let mut left = Left::default();
    let translation = translation(&iptables_chain(identity.network(), identity.container_id()));
    let of_nic = format!("{}-{}", identity.container_id(), identity.if_name());
    let guard = |table: &str| {
        let name = format!("cni-br-iface-{of_nic}");
        Chain { table: Table::new(Family::Bridge, table), name }
    };
    let guards = SPOOFCHECK.map(|(table, base)| (guard(table), base));
    let chains = translation.iter().chain(guards.iter().map(|(chain, _)| chain));
    let Some(are_there) = which(session, &chains.cloned().chain([masquerade()]).collect::<Vec<_>>())? else {
        return Ok(left);
    };
    let mut are_there = are_there.into_iter();
    for chain in
        translation.into_iter().zip(are_there.by_ref()).filter_map(|(chain, is_there)| is_there.then_some(chain))
    {
        let others = addresses_beside(session, identity)?;
        let is_anothers = |source: &IpAddr| others.contains(source) && !addresses.contains(source);
        iptables(session, chain, TRANSLATION, is_anothers, &mut left)?;
    }
    for ((chain, base), _) in guards.into_iter().zip(are_there.by_ref()).filter(|(_, is_there)| *is_there) {
        spoofcheck(session, chain, base, &format!("macspoofchk-{of_nic}"), &mut left)?;
    }
    if are_there.next() == Some(true) {
        let mark = mark(identity);
        let rules = list(session, &masquerade())?;
        left.rules.extend(rules.into_iter().filter(|rule| rule.comment.starts_with(&mark)));
    }
    Ok(left)
}

/// Which of the chains are there; `None` from a kernel without nf_tables.
fn which(session: &mut Session, chains: &[Chain]) -> Result<Option<Vec<bool>>, Error> {
    let ask = |socket: &mut Socket| socket.batch(chains.iter().map(Chain::get).collect());
    let answers = match session.netfilter().and_then(ask).map_err(of_netfilter) {
        Err(Error::Unsupported { .. }) => return Ok(None),
        answers => answers?,
    };
    let is_there = |answer: netlink::Answer| match answer {
        Ok(_) => Ok(true),
        // A family that the kernel does not have, too.
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EAFNOSUPPORT | libc::EOPNOTSUPP)) => Ok(false),
        Err(error) => Err(of_netfilter(error)),
    };
    answers.into_iter().map(is_there).collect::<Result<_, _>>().map(Some)
}

fn list(session: &mut Session, chain: &Chain) -> Result<Vec<rule::Found>, Error> {
    let socket = session.netfilter().map_err(of_netfilter)?;
    rule::list(socket, &chain.table, Some(&chain.name)).map_err(Error::refused(format!("list chain {chain}")))
}

/// The chain is that of all interfaces that the container has in the network: the jumps for addresses stay that another one has.
fn iptables(
    session: &mut Session,
    chain: Chain,
    base: &str,
    is_anothers: impl Fn(&IpAddr) -> bool,
    left: &mut Left,
) -> Result<(), Error> {
    let base = Chain { table: chain.table.clone(), name: base.to_owned() };
    let mut jumps = list(session, &base)?;
    jumps.retain(|rule| rule.jump().as_deref() == Some(&chain.name));
    let stays = |rule: &rule::Found| rule.compared().filter_map(address).any(|source| is_anothers(&source));
    let (staying, going): (Vec<_>, Vec<_>) = jumps.into_iter().partition(stays);
    left.rules.extend(going);
    if staying.is_empty() {
        left.chains.push(chain);
    }
    Ok(())
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
}

/// The addresses of the container's other interfaces. Those of one with the attachment's own name do not count: at the container's
/// path there may be another container by now.
fn addresses_beside(session: &mut Session, identity: &Identity) -> Result<Vec<IpAddr>, Error> {
    if !session.has_container() {
        return Ok(Vec::new());
    }
    let own = session.find(&Device::container(identity.if_name()))?.map(|link| link.index);
    let all = session.all_addresses(Side::Container)?;
    Ok(all.into_iter().filter(|(index, _)| Some(*index) != own).map(|(_, address)| address.ip()).collect())
}

/// The guard of a port that is there stays: the container's interface of that name may be in another network by now.
fn spoofcheck(session: &mut Session, first: Chain, base: &str, comment: &str, left: &mut Left) -> Result<(), Error> {
    let second = Chain { name: format!("{}-mac", first.name), ..first.clone() };
    let mut jumps = list(session, &Chain { table: first.table.clone(), name: base.to_owned() })?;
    jumps.retain(|rule| rule.comment == comment);
    for port in jumps.iter().flat_map(rule::Found::compared) {
        if session.find(&Device::host(netlink::attributes::read_text(port)))?.is_some() {
            return Ok(());
        }
    }
    left.rules.extend(jumps);
    left.chains.push(first);
    if which(session, std::slice::from_ref(&second))?.is_some_and(|found| found == [true]) {
        left.chains.push(second);
    }
    Ok(())
}

/// For GC: what a network has whose owner it tells. The chains of `macspoofchk` do not tell their network.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let bases = translation(TRANSLATION);
    let chains: Vec<Chain> = bases.into_iter().chain([masquerade()]).collect();
    let Some(are_there) = which(session, &chains)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (chain, _) in chains.into_iter().zip(are_there).filter(|(_, is_there)| *is_there) {
        let rules = list(session, &chain)?;
        if chain.table.family == Family::Inet {
            let network = network_mark(network);
            found.extend(rules.into_iter().filter(|rule| rule.comment.starts_with(&network)).map(of_rule));
        } else {
            found.extend(of_jumps(&chain.table, rules, network, "", iptables_chain));
        }
    }
    Ok(found)
}

/// The same for published ports. Those of nftables do not tell their network.
///
/// # Errors
/// As [`of_network`].
pub(crate) fn ports_of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let [(_, base), _] = PORTS;
    let bases = translation(base);
    let Some(are_there) = which(session, &bases)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (chain, _) in bases.into_iter().zip(are_there).filter(|(_, is_there)| *is_there) {
        let rules = list(session, &chain)?;
        found.extend(of_jumps(&chain.table, rules, network, "dnat ", ports_chain));
    }
    Ok(found)
}

fn of_rule(rule: rule::Found) -> Found {
    let comment = rule.comment.clone();
    let owner = Owner::Whoever(Box::new(move |identity| comment.starts_with(&mark(identity))));
    collectable(owner, format!("# {}", rule.comment), Left { rules: vec![rule], chains: Vec::new() })
}

/// By container: the network's other containers have chains of their own.
fn of_jumps(
    table: &Table,
    rules: Vec<rule::Found>,
    network: &str,
    word: &str,
    chain_of: fn(&str, &str) -> String,
) -> Vec<Found> {
    let container = |rule: &rule::Found| {
        let comment = rule.iptables_comment().unwrap_or_else(|| rule.comment.clone());
        let container = comment.strip_prefix(&format!("{word}name: {network:?} id: \""))?.strip_suffix('"')?.to_owned();
        let chain = rule.jump().filter(|chain| *chain == chain_of(network, &container))?;
        Some((container, chain))
    };
    let mut all: Vec<(String, Left)> = Vec::new();
    for rule in rules {
        let Some((container, name)) = container(&rule) else { continue };
        match all.iter_mut().find(|(other, _)| *other == container) {
            Some((_, left)) => left.rules.push(rule),
            None => {
                all.push((container, Left { rules: vec![rule], chains: vec![Chain { table: table.clone(), name }] }));
            }
        }
    }
    let found = |(container, left): (String, Left)| {
        let comment = format!("# rules of iptables of {container}");
        collectable(Owner::Whoever(Box::new(move |identity| identity.container_id() == container)), comment, left)
    };
    all.into_iter().map(found).collect()
}

fn collectable(owner: Owner, whose: String, left: Left) -> Found {
    let printed = [vec![whose], left.commands()].concat();
    let found = Found::own(owner, Stage::Translation, move |session| match send(session, &left) {
        // Somebody else was faster.
        Err(Error::Refused { source, .. }) if source.errno() == Some(libc::ENOENT) => Ok(()),
        sent => sent,
    });
    found.printed_by(move |_| Ok(printed.clone()))
}
