//! Members of a network where the firewall drops what it forwards.
//!
//! `br_netfilter` hands bridged packets to the hook forward of IP. A base chain there that lets nothing else pass, by its policy, such
//! as Docker's `ip filter FORWARD`, or by a last rule, as on Red Hat's systems, then keeps the members of a bridge apart. An accept in a
//! table of our own cannot help: every base chain must let a packet pass. So one rule for each bridge is put at the end of such chains,
//! where it only takes precedence over the policy or that last rule, not over any other of an operator. Nothing else in them is
//! touched. What is sent from one routed NIC to another passes there anyway, and each such NIC has a rule. So does what is led to the
//! published ports behind a link, and what comes back: there is a rule for either.

use std::borrow::Cow;
use std::path::Path;

use netlink::{Request, Socket};
use nftables::chain::Found;
use nftables::conntrack::{Connection, status};
use nftables::rule::{self, Place};
use nftables::{
    Chain, Comparison, Expression, Family, Hook, Meta, Policy, Rule, Verdict, chain, get_generation, read_generation,
    xtables,
};

use super::ATTEMPTS;
use super::refusal::of_netfilter;
use crate::{Difference, Error, Note, Session};

/// There while `br_netfilter` is loaded.
const BRIDGED_PACKETS: &str = "/proc/sys/net/bridge";
/// The tables of the older iptables, which nf_tables does not show.
const LEGACY_TABLES: &str = "/proc/net/ip_tables_names";

/// The table of firewalld, which makes it anew at each reload, keeps it for itself (2.2 and later), and refuses in other chains than
/// the base chain: no rule there would help. See [`super::refused_ways`].
pub(super) const FIREWALLD: &str = "firewalld";

const OF_BRIDGE: &str = "plugboard: members of ";
const OF_ROUTED: &str = "plugboard: routed NIC ";
const TO_PUBLISHED: &str = "plugboard: to published ports behind ";
const FROM_PUBLISHED: &str = "plugboard: from published ports behind ";
const ALL: [&str; 4] = [OF_BRIDGE, OF_ROUTED, TO_PUBLISHED, FROM_PUBLISHED];

/// How the names of all host interfaces of attachments begin.
const HOST_INTERFACES: &[u8] = b"pb";

/// Who is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members<'a> {
    /// The members of this bridge, by each other.
    OfBridge(&'a str),
    /// The routed NIC with this host interface, by others.
    Routed(&'a str),
    /// The published ports behind this link, by those who were led there.
    Published(&'a str),
    /// Those, by the answers from there.
    Publishers(&'a str),
}

impl Members<'_> {
    fn comment(self) -> String {
        match self {
            Self::OfBridge(bridge) => format!("{OF_BRIDGE}{bridge}"),
            Self::Routed(host) => format!("{OF_ROUTED}{host}"),
            Self::Published(link) => format!("{TO_PUBLISHED}{link}"),
            Self::Publishers(link) => format!("{FROM_PUBLISHED}{link}"),
        }
    }

    /// The rule as iptables writes it, so that iptables shows it too: `-i BRIDGE -o BRIDGE -j ACCEPT`, `-i pb+ -o HOST …`, or
    /// `-o LINK -m conntrack --ctstate DNAT …`.
    fn accept(self, chain: &Chain) -> Rule {
        let whole = |name: &str| name.bytes().chain([0]).collect::<Vec<u8>>();
        let is = |link: Meta, name: Vec<u8>| vec![Expression::Meta(link), Expression::Compare(Comparison::Equal, name)];
        let led = || match is_of_iptables(chain) {
            true => vec![xtables::led_elsewhere()],
            false => Connection::Status.has_any(status::DNAT).to_vec(),
        };
        let conditions = match self {
            Self::OfBridge(bridge) => [is(Meta::Iifname, whole(bridge)), is(Meta::Oifname, whole(bridge))],
            Self::Routed(host) => [is(Meta::Iifname, HOST_INTERFACES.to_vec()), is(Meta::Oifname, whole(host))],
            Self::Published(link) => [is(Meta::Oifname, whole(link)), led()],
            Self::Publishers(link) => [is(Meta::Iifname, whole(link)), led()],
        };
        let accepted = vec![Expression::Counter, Expression::Verdict(Verdict::Accept)];
        Rule { expressions: [conditions.concat(), accepted].concat(), comment: self.comment() }
    }

    /// What they send to each other is seen by the packet filter.
    fn are_filtered(self) -> bool {
        !matches!(self, Self::OfBridge(_)) || Path::new(BRIDGED_PACKETS).exists()
    }

    /// The commands that would make the rule where it is needed, for people.
    pub(crate) fn commands(self) -> Vec<String> {
        let options = self.options();
        let command = |tool: &str| {
            format!("! {tool} -S FORWARD | grep -qx -e '-P FORWARD DROP' || {tool} -A FORWARD {options} -j ACCEPT")
        };
        vec![command("iptables"), command("ip6tables")]
    }

    /// The command for a chain that ends in a rule that lets nothing pass.
    fn command_before(self, Lacking { chain, place }: &Lacking) -> Option<String> {
        let Place::Before(handle) = place else { return None };
        let conditions = match self {
            Self::OfBridge(bridge) => format!("iifname {bridge:?} oifname {bridge:?}"),
            Self::Routed(host) => format!("iifname \"pb*\" oifname {host:?}"),
            Self::Published(link) => format!("oifname {link:?} ct status dnat"),
            Self::Publishers(link) => format!("iifname {link:?} ct status dnat"),
        };
        let comment = self.comment();
        Some(format!("nft 'insert rule {chain} handle {handle} {conditions} counter accept comment \"{comment}\"'"))
    }

    /// The options of iptables that say what is meant.
    fn options(self) -> String {
        let comment = self.comment();
        match self {
            Self::OfBridge(bridge) => format!("-i {bridge} -o {bridge} -m comment --comment '{comment}'"),
            Self::Routed(host) => format!("-i pb+ -o {host} -m comment --comment '{comment}'"),
            Self::Published(link) => format!("-o {link} -m conntrack --ctstate DNAT -m comment --comment '{comment}'"),
            Self::Publishers(link) => format!("-i {link} -m conntrack --ctstate DNAT -m comment --comment '{comment}'"),
        }
    }

    /// What chain `chain`, which accepts no rule, keeps apart.
    fn note(self, chain: String, reason: String) -> Note {
        match self {
            Self::OfBridge(name) | Self::Routed(name) => Note::ClosedChain { bridge: name.to_owned(), chain, reason },
            Self::Published(link) | Self::Publishers(link) => {
                Note::ClosedToPorts { link: link.to_owned(), chain, reason }
            }
        }
    }
}

/// iptables has made the chain, and keeps it if it can list it.
fn is_of_iptables(chain: &Chain) -> bool {
    matches!(chain.table.family, Family::Ip | Family::Ip6) && chain.table.name == "filter" && chain.name == "FORWARD"
}

/// Whether a rule is missing that the members of a bridge need to reach each other.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn is_lacking(session: &mut Session, members: Members<'_>) -> Result<bool, Error> {
    Ok(!closed_to(session, members)?.is_empty())
}

/// Lets the members of a bridge reach each other.
///
/// # Errors
/// What the kernel refuses; a chain that belongs to another program is only noted.
pub(crate) fn ensure(session: &mut Session, members: Members<'_>) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let generation = match session.netfilter() {
            Ok(socket) => self::generation(socket),
            Err(error) => return unless_unsupported(of_netfilter(error), ()),
        };
        let closed = closed_to(session, members)?;
        if closed.is_empty() {
            return Ok(());
        }
        let requests: Vec<Request> =
            closed.iter().map(|lacking| members.accept(&lacking.chain).create(&lacking.chain, lacking.place)).collect();
        match nftables::transaction(session.netfilter().map_err(of_netfilter)?, generation, requests) {
            Ok(()) => return Ok(()),
            Err(refusal) if matches!(refusal.error.errno(), Some(libc::ERESTART | libc::ENOENT)) => {}
            Err(refusal) if refusal.error.is_unanswered() => {
                return Err(Error::Refused {
                    action: format!("add the rule {:?}", members.comment()),
                    source: refusal.error,
                });
            }
            Err(refusal) => {
                let lacking = refusal.place.and_then(|place| closed.get(place)).or(closed.first());
                let chain = lacking.map(|lacking| lacking.chain.to_string()).unwrap_or_default();
                session.note(members.note(chain, refusal.error.to_string()));
                return Ok(());
            }
        }
    }
    Err(Error::restless_firewall())
}

/// A chain that lacks a rule, and where it goes there.
struct Lacking {
    chain: Chain,
    place: Place,
}

/// The chains that keep the members of a bridge apart; none without `br_netfilter`, or without nf_tables.
fn closed_to(session: &mut Session, members: Members<'_>) -> Result<Vec<Lacking>, Error> {
    if !members.are_filtered() {
        return Ok(Vec::new());
    }
    match session.netfilter().map_err(of_netfilter).and_then(|socket| lacking(socket, members)) {
        Ok(closed) => Ok(closed),
        Err(error) => unless_unsupported(error, Vec::new()),
    }
}

fn generation(socket: &mut Socket) -> Option<u32> {
    let answers = socket.batch(vec![get_generation()]).ok()?;
    read_generation(answers.first()?)
}

/// Foreign base chains that let nothing pass that nobody accepts, without the rule for this bridge.
fn lacking(socket: &mut Socket, members: Members<'_>) -> Result<Vec<Lacking>, Error> {
    let comment = members.comment();
    let mut chains = Vec::new();
    for found in forwarding(socket)? {
        let drops = found.policy == Some(Policy::Drop);
        if !drops && (found.uses == 0 || found.chain.table.name == FIREWALLD) {
            continue;
        }
        let rules = rules(socket, &found.chain)?;
        let last = rules.iter().position(rule::Found::refuses_all);
        let mut before = rules.iter().take(last.unwrap_or(rules.len()));
        if !(drops || last.is_some()) || before.any(|rule| comment_of(rule) == comment) {
            continue;
        }
        let place = last.and_then(|place| rules.get(place)).map_or(Place::Last, |rule| Place::Before(rule.handle));
        chains.push(Lacking { chain: found.chain, place });
    }
    Ok(chains)
}

/// All base chains that see what is forwarded.
pub(super) fn forwarding(socket: &mut Socket) -> Result<Vec<Found>, Error> {
    let mut chains = chain::list(socket, None).map_err(of_netfilter)?;
    chains.retain(|found| {
        found.is_at(Hook::Forward) && matches!(found.chain.table.family, Family::Inet | Family::Ip | Family::Ip6)
    });
    Ok(chains)
}

fn rules(socket: &mut Socket, chain: &Chain) -> Result<Vec<rule::Found>, Error> {
    rule::list(socket, &chain.table, Some(&chain.name)).map_err(Error::refused(format!("list chain {chain}")))
}

/// Its comment; where `iptables-restore` has made the rule anew, that is a match.
fn comment_of(rule: &rule::Found) -> Cow<'_, str> {
    match rule.comment.is_empty() {
        true => rule.iptables_comment().unwrap_or_default().into(),
        false => rule.comment.as_str().into(),
    }
}

/// The chains in which the rule is missing, for CHECK.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn differences(session: &mut Session, members: Members<'_>) -> Result<Vec<Difference>, Error> {
    let missing = |lacking: &Lacking| {
        let chain = &lacking.chain;
        let why = match lacking.place {
            Place::Last => "whose policy is drop",
            _ => "whose last rule lets nothing pass",
        };
        Difference::missing(format!("rule {:?} in chain {chain}, {why}", members.comment()))
    };
    Ok(closed_to(session, members)?.iter().map(missing).collect())
}

/// Removes the rule from all chains.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn remove(session: &mut Session, members: Members<'_>) -> Result<(), Error> {
    let comment = members.comment();
    let action = || format!("remove the rule {comment:?}");
    for _ in 0..ATTEMPTS {
        let rules = ours(session)?;
        let requests: Vec<Request> =
            rules.iter().filter(|rule| comment_of(rule) == comment).map(rule::Found::delete).collect();
        if requests.is_empty() {
            return Ok(()); // also where there is no nf_tables
        }
        match nftables::transaction(session.netfilter().map_err(of_netfilter)?, None, requests) {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.error.errno() == Some(libc::ENOENT) => {}
            Err(refusal) => return Err(Error::Refused { action: action(), source: refusal.error }),
        }
    }
    Err(Error::restless_firewall())
}

/// Of [`Members::commands`] those that are needed, which they find out for themselves.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn missing_commands(session: &mut Session, members: Members<'_>) -> Result<Vec<String>, Error> {
    match closed_to(session, members) {
        Ok(closed) => {
            let drops = closed.iter().any(|lacking| lacking.place == Place::Last);
            let mut commands = if drops { members.commands() } else { Vec::new() };
            commands.extend(closed.iter().filter_map(|lacking| members.command_before(lacking)));
            Ok(commands)
        }
        Err(error) if error.is_forbidden() => {
            let mut commands = vec![error.as_unseen()];
            commands.extend(members.commands());
            Ok(commands)
        }
        Err(error) => Err(error),
    }
}

/// The commands of [`remove`], for people.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn removal_commands(session: &mut Session, members: Members<'_>) -> Result<Vec<String>, Error> {
    let comment = members.comment();
    let rules = ours(session)?;
    let found = rules.iter().filter(|rule| comment_of(rule) == comment);
    Ok(found.map(|rule| format!("nft delete rule {} handle {}", rule.chain, rule.handle)).collect())
}

/// The bridges that have a rule.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn bridges(session: &mut Session) -> Result<Vec<String>, Error> {
    names(session, OF_BRIDGE)
}

/// The links that have a rule for published ports behind them.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn publishing(session: &mut Session) -> Result<Vec<String>, Error> {
    let mut links = names(session, TO_PUBLISHED)?;
    for link in names(session, FROM_PUBLISHED)? {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    Ok(links)
}

/// The host interfaces of routed NICs that have a rule.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn routed(session: &mut Session) -> Result<Vec<String>, Error> {
    names(session, OF_ROUTED)
}

fn names(session: &mut Session, of: &str) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> =
        ours(session)?.iter().filter_map(|rule| Some(comment_of(rule).strip_prefix(of)?.to_owned())).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// All such rules, in whatever chain.
fn ours(session: &mut Session) -> Result<Vec<rule::Found>, Error> {
    let list = |socket: &mut Socket| -> Result<Vec<rule::Found>, Error> {
        let mut all = Vec::new();
        for found in forwarding(socket)? {
            all.extend(rules(socket, &found.chain)?);
        }
        all.retain(|rule| ALL.iter().any(|of| comment_of(rule).starts_with(of)));
        Ok(all)
    };
    match session.netfilter().map_err(of_netfilter).and_then(list) {
        Ok(rules) => Ok(rules),
        Err(error) => unless_unsupported(error, Vec::new()),
    }
}

/// A kernel without nf_tables has no chains.
pub(super) fn unless_unsupported<T>(error: Error, nothing: T) -> Result<T, Error> {
    if matches!(error, Error::Unsupported { .. }) { Ok(nothing) } else { Err(error) }
}

/// Whether the older iptables may drop what members of a bridge send to each other: what that drops cannot be seen here, let
/// alone changed.
pub(crate) fn has_legacy_filter() -> bool {
    let names = || std::fs::read_to_string(LEGACY_TABLES).unwrap_or_default();
    Path::new(BRIDGED_PACKETS).exists() && names().lines().any(|name| name == "filter")
}
