//! Members of a bridge where the firewall drops what it forwards.
//!
//! `br_netfilter` hands bridged packets to the hook forward of IP. A base chain there whose policy is drop, such as Docker's
//! `ip filter FORWARD`, then keeps the members of a bridge apart. An accept in a table of our own cannot help: every base chain
//! must let a packet pass. So one rule for each bridge goes to the end of such chains, where it takes the place of the policy and of
//! nothing that an operator's rule has decided, and nothing else of them is touched.

use std::io::Write;
use std::path::Path;

use netlink::{Request, Socket};
use nftables::chain::Found;
use nftables::rule::{self, Place};
use nftables::{
    Chain, Comparison, Expression, Family, Hook, Meta, Policy, Rule, Verdict, chain, get_generation, read_generation,
};

use super::ATTEMPTS;
use super::refusal::of_netfilter;
use crate::{Difference, Error, Kernel};

/// There while `br_netfilter` is loaded.
const BRIDGED_PACKETS: &str = "/proc/sys/net/bridge";
/// The tables of the older iptables, which nf_tables does not show.
const LEGACY_TABLES: &str = "/proc/net/ip_tables_names";

const COMMENT: &str = "plugboard: members of ";

/// The rule as iptables writes it: `-i BRIDGE -o BRIDGE -j ACCEPT`, so that iptables shows it too.
fn accept(bridge: &str) -> Rule {
    let is_bridge = || {
        let name = bridge.bytes().chain([0]).collect();
        Expression::Compare(Comparison::Equal, name)
    };
    Rule {
        expressions: vec![
            Expression::Meta(Meta::Iifname),
            is_bridge(),
            Expression::Meta(Meta::Oifname),
            is_bridge(),
            Expression::Counter,
            Expression::Verdict(Verdict::Accept),
        ],
        comment: comment(bridge),
    }
}

fn comment(bridge: &str) -> String {
    format!("{COMMENT}{bridge}")
}

/// Lets the members of a bridge reach each other. True when a rule was made for that.
///
/// # Errors
/// What the kernel refuses; a chain that belongs to another program is only reported on stderr.
pub(crate) fn ensure(kernel: &mut Kernel, bridge: &str) -> Result<bool, Error> {
    if !Path::new(BRIDGED_PACKETS).exists() {
        return Ok(false);
    }
    let mut was_stale = false;
    for _ in 0..ATTEMPTS {
        let socket = match kernel.netfilter() {
            Ok(socket) => socket,
            Err(error) => return unless_unsupported(of_netfilter(error), false),
        };
        // The generation is needed only where something is inserted, which is seldom: not asked for at first.
        let generation = if was_stale { self::generation(socket) } else { None };
        let closed = match lacking(socket, bridge) {
            Ok(closed) => closed,
            Err(error) => return unless_unsupported(error, false),
        };
        if closed.is_empty() {
            return Ok(false);
        }
        if generation.is_none() {
            was_stale = true;
            continue;
        }
        let requests: Vec<Request> = closed.iter().map(|chain| accept(bridge).create(chain, Place::Last)).collect();
        match nftables::transaction(socket, generation, requests) {
            Ok(()) => return Ok(true),
            Err(refusal) if matches!(refusal.error.errno(), Some(libc::ERESTART | libc::ENOENT)) => {}
            Err(refusal) => {
                let chain = refusal.place.and_then(|place| closed.get(place)).or(closed.first());
                note_closed(bridge, chain, &refusal.error);
                return Ok(false);
            }
        }
    }
    Err(Error::restless_firewall())
}

fn generation(socket: &mut Socket) -> Option<u32> {
    let answers = socket.batch(vec![get_generation()]).ok()?;
    read_generation(answers.first()?)
}

/// Foreign base chains that drop what nobody accepts, without the rule for this bridge.
fn lacking(socket: &mut Socket, bridge: &str) -> Result<Vec<Chain>, Error> {
    let comment = comment(bridge);
    let mut chains = Vec::new();
    for found in forwarding(socket)? {
        if found.policy == Some(Policy::Drop)
            && !rules(socket, &found.chain)?.iter().any(|rule| rule.comment == comment)
        {
            chains.push(found.chain);
        }
    }
    Ok(chains)
}

/// All base chains that see what is forwarded.
fn forwarding(socket: &mut Socket) -> Result<Vec<Found>, Error> {
    let mut chains = chain::list(socket, None).map_err(of_netfilter)?;
    chains.retain(|found| {
        found.is_at(Hook::Forward) && matches!(found.chain.table.family, Family::Inet | Family::Ip | Family::Ip6)
    });
    Ok(chains)
}

fn rules(socket: &mut Socket, chain: &Chain) -> Result<Vec<rule::Found>, Error> {
    rule::list(socket, &chain.table, Some(&chain.name)).map_err(Error::refused(format!("list chain {chain}")))
}

/// The chains in which the rule is missing, for CHECK.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn differences(kernel: &mut Kernel, bridge: &str) -> Result<Vec<Difference>, Error> {
    if !Path::new(BRIDGED_PACKETS).exists() {
        return Ok(Vec::new());
    }
    let found = kernel.netfilter().map_err(of_netfilter).and_then(|socket| lacking(socket, bridge));
    let missing = |chain: &Chain| {
        Difference::missing(format!("rule {:?} in chain {chain}, whose policy is drop", comment(bridge)))
    };
    match found {
        Ok(chains) => Ok(chains.iter().map(missing).collect()),
        Err(error) => unless_unsupported(error, Vec::new()),
    }
}

/// Removes the rule from all chains.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn remove(kernel: &mut Kernel, bridge: &str) -> Result<(), Error> {
    let comment = comment(bridge);
    let action = || format!("remove the rule {comment:?}");
    for _ in 0..ATTEMPTS {
        let rules = ours(kernel)?;
        let requests: Vec<Request> =
            rules.iter().filter(|rule| rule.comment == comment).map(rule::Found::delete).collect();
        match nftables::transaction(kernel.netfilter().map_err(of_netfilter)?, None, requests) {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.error.errno() == Some(libc::ENOENT) => {}
            Err(refusal) => return Err(Error::Refused { action: action(), source: refusal.error }),
        }
    }
    Err(Error::restless_firewall())
}

/// The bridges that have a rule.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn bridges(kernel: &mut Kernel) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> =
        ours(kernel)?.iter().filter_map(|rule| Some(rule.comment.strip_prefix(COMMENT)?.to_owned())).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// All such rules, in whatever chain.
fn ours(kernel: &mut Kernel) -> Result<Vec<rule::Found>, Error> {
    let list = |socket: &mut Socket| -> Result<Vec<rule::Found>, Error> {
        let mut all = Vec::new();
        for found in forwarding(socket)? {
            all.extend(rules(socket, &found.chain)?);
        }
        all.retain(|rule| rule.comment.starts_with(COMMENT));
        Ok(all)
    };
    match kernel.netfilter().map_err(of_netfilter).and_then(list) {
        Ok(rules) => Ok(rules),
        Err(error) => unless_unsupported(error, Vec::new()),
    }
}

/// A kernel without nf_tables has no chains.
fn unless_unsupported<T>(error: Error, nothing: T) -> Result<T, Error> {
    if matches!(error, Error::Unsupported { .. }) { Ok(nothing) } else { Err(error) }
}

fn note_closed(bridge: &str, chain: Option<&Chain>, error: &netlink::Error) {
    let chain = chain.map(ToString::to_string).unwrap_or_default();
    note(&format!(
        "members of {bridge} cannot reach each other: chain {chain} drops what it forwards, and takes no rule ({error}); \
         accept what comes from {bridge} and goes there"
    ));
}

/// Tells how to let the members of a bridge reach each other where the older iptables is in use: what that drops cannot be seen
/// here, let alone changed.
pub(crate) fn note_legacy(bridge: &str) {
    if !Path::new(BRIDGED_PACKETS).exists() {
        return;
    }
    let names = std::fs::read_to_string(LEGACY_TABLES).unwrap_or_default();
    if names.lines().any(|name| name == "filter") {
        note(&format!(
            "if iptables-legacy drops what is forwarded, members of {bridge} cannot reach each other: \
             iptables-legacy -I FORWARD -i {bridge} -o {bridge} -j ACCEPT"
        ));
    }
}

/// A line on stderr, if anybody reads there.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
