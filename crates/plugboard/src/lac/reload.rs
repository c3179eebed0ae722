//! `plugboard lac reload` and `plugboard lac rekey`: what a LAC depends on takes effect while it is in use: lists of remotes and peers,
//! the MTU of the underlay, and keys.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use attachment::{EspSummary, LacId, LacMode, Session, closed_lac, esp_summary};
use netlink::link::Link;

use super::cloud::{self, Cloud, Device, Heard};
use super::member::Member;
use crate::attachment::Attachment;
use crate::chain::Chain;
use crate::cli::{Rekey, Reload};
use crate::interrupt;
use crate::machine;
use crate::namespace::TargetNamespace;
use crate::network::Network;
use crate::problems;
use crate::remains::refuse_own_namespace;
use crate::runtime::{Entered, Runtime};
use crate::table;

pub(crate) fn run(args: &Reload, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    apply(&args.networks, None, runtime)
}

/// `plugboard lac rekey`.
pub(crate) fn rekey(args: &Rekey, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    apply(&args.networks, Some(args.grace), runtime)
}

/// With keys replaced, if old ones are heard for so many seconds still.
fn apply(networks: &[String], rekeying: Option<u32>, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    // Who may not lock the records may not reload: to them it may look as if there were none.
    let _records = runtime.cache.lock_to_attach(runtime.lock_limit)?;
    let entries = runtime.cache.entries_everywhere()?;
    refuse_own_namespace(entries.iter().map(|(entry, _)| entry))?;
    let configured = configured(runtime)?;
    let members: Vec<Member> =
        entries.into_iter().filter_map(|(entry, is_own)| Member::new(entry, is_own, &configured)).collect();
    let reloading = Reloading { networks, rekeying, runtime, configured: &configured, members: &members };
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let clouds = Cloud::all()?;
    for (id, cloud) in &clouds {
        if interrupt::received().is_some() {
            break;
        }
        let name = id.shared_by();
        match reloading.reload(*id, cloud) {
            Ok(None) => {}
            Ok(Some(Reloaded { words, unremembered })) => {
                rows.push([name.clone(), words]);
                problems.extend(unremembered.iter().map(|error| format!("{name}: {error:#}")));
            }
            Err(error) => problems.push(format!("{name}: {error:#}")),
        }
    }
    problems.extend(reloading.unknown(&clouds));
    let again = if rekeying.is_some() { "rekey" } else { "reload" };
    problems.extend(interrupt::refuse().err().map(|error| format!("{error}: {again} again for the rest")));
    if rows.is_empty() && problems.is_empty() {
        let what = if rekeying.is_some() { "encrypted LAC" } else { "LAC" };
        table::print_text(&format!("nothing changed: no {what} of this host has a member with a record"))?;
    }
    table::print_lines(rows)?;
    Ok(problems::report(problems))
}

/// The networks that are configured; none without a directory of them, as where another runtime keeps them elsewhere.
fn configured(runtime: &Runtime) -> anyhow::Result<Vec<Network>> {
    let is_missing = |error: &anyhow::Error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    match runtime.conf_dir.networks() {
        Err(error) if is_missing(&error) => Ok(Vec::new()),
        networks => networks,
    }
}

/// What is wanted, and what is known beforehand.
struct Reloading<'a> {
    /// Those that were named; empty for all.
    networks: &'a [String],
    /// Keys are replaced, and the old ones are heard for so many seconds still.
    rekeying: Option<u32>,
    runtime: &'a Runtime,
    configured: &'a [Network],
    members: &'a [Member],
}

/// What has become of a LAC.
struct Reloaded {
    words: String,
    /// The records that do not have the new list, and why.
    unremembered: Vec<anyhow::Error>,
}

/// A member whose plugin cannot be asked.
struct Gone(anyhow::Error);

impl Reloading<'_> {
    fn is_chosen(&self, network: &str) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|chosen| chosen == network)
    }

    /// The chosen members of a LAC that have a record.
    fn members_of(&self, cloud: &Cloud) -> Vec<&Member> {
        let is_of = |member: &&Member| {
            let identity = member.identity();
            self.is_chosen(identity.network()) && cloud.members.iter().any(|port| port.is_of(&identity))
        };
        self.members.iter().filter(is_of).collect()
    }

    /// The networks that were named and have no member.
    fn unknown(&self, clouds: &BTreeMap<LacId, Cloud>) -> Vec<String> {
        let found: BTreeSet<&str> = clouds
            .values()
            .flat_map(|cloud| self.members_of(cloud))
            .map(|member| member.entry.network.as_str())
            .chain(clouds.values().flat_map(listing).map(|port| port.owner.network()))
            .collect();
        let unknown = self.networks.iter().filter(|name| !found.contains(name.as_str()));
        unknown.map(|name| format!("network '{name}': no LAC of this host has a member of it with a record")).collect()
    }

    /// `None` if there is nothing to reload.
    fn reload(&self, id: LacId, cloud: &Cloud) -> anyhow::Result<Option<Reloaded>> {
        let members = self.members_of(cloud);
        if self.rekeying.is_some() && !members.iter().any(|member| member.is_encrypted()) {
            return match &cloud.heard {
                Heard::Peers(lac) if lac.is_sealed && self.networks.is_empty() => {
                    bail!("it is encrypted, but no record tells which key file is its own")
                }
                _ => Ok(None),
            };
        }
        if members.is_empty() {
            let unrecorded: Vec<String> =
                listing(cloud).filter(|port| self.is_chosen(port.owner.network())).map(cloud::words).collect();
            return match unrecorded.is_empty() {
                true => Ok(None),
                false => {
                    bail!(
                        "it has a list of hosts, but no record tells which: there is none of {}",
                        unrecorded.join(", ")
                    )
                }
            };
        }
        self.warn_of_unused(id, &members);
        refuse_disagreement(&members)?;
        let device = cloud.device.as_ref().map_or_else(|| id.device(), |device| device.link.name.clone());
        let before = Adjustable::look(id, &device)?;
        self.update_one(cloud, &members)?;
        let words = before.changes(&Adjustable::look(id, &device)?);
        let outdated = members.iter().filter(|member| member.is_outdated && member.is_own);
        let unremembered = outdated.filter_map(|member| self.remember(member).err()).collect();
        Ok(Some(Reloaded { words, unremembered }))
    }

    /// Tells whoever has changed a configuration that it is not what counts.
    fn warn_of_unused(&self, id: LacId, members: &[&Member]) {
        let unused = members.iter().filter_map(|member| Some((&member.entry.network, member.unused.as_ref()?)));
        for (network, why) in unused.collect::<BTreeSet<_>>() {
            tracing::warn!("{}: {}", id.shared_by(), why.words(network, &self.runtime.conf_dir));
        }
    }

    /// Has the plugin change what the members share: once, with the first member that is there.
    fn update_one(&self, cloud: &Cloud, members: &[&Member]) -> anyhow::Result<()> {
        let mut first = None;
        for member in members {
            interrupt::refuse()?;
            match self.update(cloud, member)? {
                Ok(()) => return Ok(()),
                Err(Gone(why)) => first = first.or(Some(why)),
            }
        }
        let why = first.unwrap_or_else(|| anyhow!("it has no member"));
        Err(why.context("no member is left whose plugin could be asked"))
    }

    fn update(&self, cloud: &Cloud, member: &Member) -> anyhow::Result<Result<(), Gone>> {
        let attachment = member.entry.current();
        let name = format!("{} of {}", attachment.if_name, attachment.container_id);
        let (Some(result), Some(plugin)) = (&member.entry.result, member.plugin()) else {
            return Ok(Err(Gone(anyhow!("{name} was never set up completely: detach it"))));
        };
        let recorded = member.entry.attachment.netns.clone();
        let machine = recorded.filter(|path| machine::is_one(path) && !member.entry.is_stale());
        let Some(path) = attachment.netns.clone().or_else(|| machine.clone()) else {
            return Ok(Err(Gone(anyhow!("{} of {name} is gone: detach it", member.entry.place()))));
        };
        let id = &attachment.container_id;
        let _entered = match machine {
            Some(path) => self.runtime.enter_machine(id, &path)?,
            None => match TargetNamespace::open(&path) {
                Ok(namespace) => {
                    let locks = self.runtime.lock_container(id, Some(&namespace))?;
                    Entered { namespace, locks }
                }
                Err(error) => return Ok(Err(Gone(error.context(name)))),
            },
        };
        let attachment = Attachment { netns: Some(path), ..attachment };
        let rekeying = self.rekeying.map(|grace| member.rekeying(grace));
        let chain = Chain { network: rekeying.as_ref().unwrap_or(&member.network), plugins: &self.runtime.plugins };
        let Err(failure) = chain.update(plugin, &attachment, result) else { return Ok(Ok(())) };
        if failure.is_broken_off() {
            let again = if self.rekeying.is_some() { "rekey" } else { "reload" };
            bail!("{failure}; what it was to change may be as before, as wanted or both: {again} again");
        }
        // It may have been detached, or its namespace removed, in this moment.
        match cloud.has_still(&member.identity())? && !member.entry.is_stale() {
            true => Err(anyhow!("{failure}")),
            false => Ok(Err(Gone(anyhow!("{failure}")))),
        }
    }

    /// Has the record name the list that is in effect: CHECK compares with that.
    fn remember(&self, member: &Member) -> anyhow::Result<()> {
        let attachment = member.entry.current();
        let (id, if_name) = (&attachment.container_id, &attachment.if_name);
        let remember = || {
            let namespace = attachment.netns.as_deref().map(TargetNamespace::open).transpose()?;
            let _locks = self.runtime.lock_container(id, namespace.as_ref())?;
            let _attaching = self.runtime.cache.lock_to_attach(self.runtime.lock_limit)?;
            let entries = self.runtime.cache.entries_of(id)?;
            let entry = entries.into_iter().find(|entry| entry.identity() == member.identity());
            let present = entry.and_then(|entry| Member::new(entry, true, self.configured));
            match present.filter(|present| present.is_outdated) {
                None => Ok(()),
                Some(Member { entry, network, .. }) => {
                    let config = network.to_bytes();
                    self.runtime.cache.store(&crate::cache::Entry { config, ..entry })
                }
            }
        };
        remember().with_context(|| {
            format!("the new lists are in effect, but the record of {if_name} of {id} has the old ones")
        })
    }
}

/// The members of a LAC whose hosts are listed, those that are sent to or those that are heard, as the kernel has it.
fn listing(cloud: &Cloud) -> impl Iterator<Item = &attachment::OwnedDevice> {
    let has_list = cloud.mode() == Some(LacMode::Remotes) || matches!(cloud.heard, Heard::Peers(_));
    cloud.members.iter().filter(move |_| has_list)
}

/// What UPDATE can change of a LAC.
#[derive(Debug, Default)]
struct Adjustable {
    remotes: BTreeSet<IpAddr>,
    /// `None` if whoever sends is heard.
    peers: Option<Vec<String>>,
    mtu_bytes: u32,
    /// Its device is up and a port of its bridge.
    is_joined: bool,
    /// `None` for one that is not encrypted.
    esp: Option<EspSummary>,
}

impl Adjustable {
    /// What it is at this moment, by the name of the device.
    fn look(id: LacId, device: &str) -> anyhow::Result<Self> {
        let mut session = Session::looking(None, Vec::new());
        let context = |what: &str| format!("cannot look {what} {}", id.shared_by());
        let closed = closed_lac(&mut session, id).with_context(|| context("who is heard in"))?;
        let is_sealed = closed.as_ref().is_some_and(|lac| lac.is_sealed);
        let peers = closed.map(|lac| lac.peers);
        let esp = match is_sealed {
            true => esp_summary(&mut session, id.port).with_context(|| context("at the encryption of"))?,
            false => None,
        };
        let Some(device) = Device::named(device)? else { return Ok(Self { peers, esp, ..Self::default() }) };
        let Link { mtu, is_up, master, .. } = device.link;
        Ok(Self { remotes: device.remotes(), peers, mtu_bytes: mtu, is_joined: is_up && master.is_some(), esp })
    }

    /// How it has become another one, in words.
    fn changes(&self, after: &Self) -> String {
        let listed = |word: &str, hosts: Vec<String>| match hosts.is_empty() {
            true => None,
            false => Some(format!("{word} {}", hosts.join(", "))),
        };
        let added = after.remotes.difference(&self.remotes).map(ToString::to_string).collect();
        let removed = self.remotes.difference(&after.remotes).map(ToString::to_string).collect();
        let [before, now] = [self, after].map(|one| one.peers.as_deref().unwrap_or_default());
        let without = |these: &[String], others: &[String]| -> Vec<String> {
            these.iter().filter(|peer| !others.contains(peer)).cloned().collect()
        };
        let (new, old) = (without(now, before), without(before, now));
        let words =
            |verb: &str, peers: &[String]| format!("{verb} {}", if peers.len() == 1 { "peer" } else { "peers" });
        let word = if self.peers.is_none() { "only peers are heard now, added" } else { "added" };
        let added_peers = listed(&words(word, &new), new.clone());
        let removed_peers = listed(&words("removed", &old), old.clone());
        let mtu = (self.mtu_bytes != after.mtu_bytes)
            .then(|| format!("mtu is {} instead of {} bytes", after.mtu_bytes, self.mtu_bytes));
        let joined = (!self.is_joined && after.is_joined).then(|| "the VXLAN device is up in its bridge".to_owned());
        let lists = [listed("added", added), listed("removed", removed), added_peers, removed_peers, mtu, joined];
        let changes: Vec<String> = lists.into_iter().flatten().chain(self.changes_of_keys(after)).collect();
        if changes.is_empty() { "nothing changed".to_owned() } else { changes.join("; ") }
    }
}

impl Adjustable {
    /// What has become of keys, without a word of them.
    fn changes_of_keys(&self, after: &Self) -> Vec<String> {
        let (Some(before), Some(after)) = (&self.esp, &after.esp) else {
            return after.esp.iter().map(|_| "is encrypted now".to_owned()).collect();
        };
        let mut changes = Vec::new();
        let is_other = |(to, spis): (&IpAddr, &BTreeSet<u32>)| before.sent.get(to).is_some_and(|sent| sent != spis);
        if after.sent.iter().any(is_other) {
            changes.push("sends with the new key".to_owned());
        }
        if before.keys_heard != after.keys_heard {
            let keys = if after.keys_heard == 1 { "key" } else { "keys" };
            changes.push(format!("hears {} {keys}", after.keys_heard));
        }
        if let Some(left) = after.old_for.filter(|_| before.old_for.is_none()) {
            changes.push(format!("hears the old key for {} s", left.as_secs()));
        }
        if before.old_for.is_some() && after.old_for.is_none() {
            changes.push("does not hear the old key any more".to_owned());
        }
        changes
    }
}

/// Refuses members with several lists, none of which is better than the others: the LAC has one of each.
fn refuse_disagreement(members: &[&Member]) -> anyhow::Result<()> {
    let remotes = members.iter().filter_map(|member| Some((member.source()?, *member)));
    refuse_several("remotes", remotes)?;
    let peers = members.iter().map(|member| (member.source_of_peers().unwrap_or_else(|| "none".to_owned()), *member));
    refuse_several("peers", peers)
}

fn refuse_several<'a>(what: &str, named: impl Iterator<Item = (String, &'a Member)>) -> anyhow::Result<()> {
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    for (source, Member { entry, .. }) in named {
        let owner = format!("{} on {} of {}", entry.attachment.if_name, entry.network, entry.attachment.container_id);
        sources.entry(source).or_insert(owner);
    }
    if sources.len() < 2 {
        return Ok(());
    }
    let all: Vec<String> = sources.iter().map(|(source, owner)| format!("{source} ({owner})")).collect();
    bail!(
        "its members have several lists of {what}: {}; name the network whose list is to take effect, or give all the same one",
        all.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_words() {
        let lac = |all: &[&str], mtu_bytes, is_joined| Adjustable {
            remotes: all.iter().map(|host| host.parse().unwrap()).collect(),
            mtu_bytes,
            is_joined,
            peers: None,
            esp: None,
        };
        let one = lac(&["192.0.2.2", "192.0.2.3"], 1450, true);
        for (other, words) in [
            (
                lac(&["192.0.2.3", "192.0.2.4", "192.0.2.10"], 1450, true),
                "added 192.0.2.4, 192.0.2.10; removed 192.0.2.2",
            ),
            (lac(&["192.0.2.3"], 1450, true), "removed 192.0.2.2"),
            (lac(&["192.0.2.2", "192.0.2.3"], 1350, true), "mtu is 1350 instead of 1450 bytes"),
            (lac(&["192.0.2.2", "192.0.2.3"], 1450, true), "nothing changed"),
        ] {
            assert_eq!(one.changes(&other), words);
        }
        let heard = |peers: &[&str]| Adjustable {
            peers: Some(peers.iter().map(|&peer| peer.to_owned()).collect()),
            ..lac(&["192.0.2.2", "192.0.2.3"], 1450, true)
        };
        let closed = heard(&["192.0.2.2", "192.0.2.3"]);
        for (before, after, words) in [
            (&closed, heard(&["192.0.2.2", "192.0.2.3"]), "nothing changed"),
            (
                &closed,
                heard(&["192.0.2.3", "192.0.2.4", "198.51.100.0/24"]),
                "added peers 192.0.2.4, 198.51.100.0/24; removed peer 192.0.2.2",
            ),
            (&one, heard(&["192.0.2.2"]), "only peers are heard now, added peer 192.0.2.2"),
        ] {
            assert_eq!(before.changes(&after), words);
        }
        assert_eq!(
            lac(&[], 1450, false).changes(&one),
            "added 192.0.2.2, 192.0.2.3; the VXLAN device is up in its bridge"
        );
    }
}
