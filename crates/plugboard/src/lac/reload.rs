//! `plugboard lac reload`: what a LAC depends on takes effect while it is in use: a list of remotes, the MTU of the underlay.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use attachment::{LacId, LacMode};
use netlink::link::Link;

use super::cloud::{self, Cloud, Device};
use super::member::Member;
use crate::attachment::Attachment;
use crate::chain::Chain;
use crate::cli::Reload;
use crate::interrupt;
use crate::machine;
use crate::namespace::TargetNamespace;
use crate::network::Network;
use crate::problems;
use crate::remains::refuse_own_namespace;
use crate::runtime::{Entered, Runtime};
use crate::table;

pub(crate) fn run(args: &Reload, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    // Who may not lock the records may not reload: to them it may look as if there were none.
    let _records = runtime.cache.lock_to_attach(runtime.lock_limit)?;
    let entries = runtime.cache.entries_everywhere()?;
    refuse_own_namespace(entries.iter().map(|(entry, _)| entry))?;
    let configured = configured(runtime)?;
    let members: Vec<Member> =
        entries.into_iter().filter_map(|(entry, is_own)| Member::new(entry, is_own, &configured)).collect();
    let reloading = Reloading { args, runtime, configured: &configured, members: &members };
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
    problems.extend(interrupt::refuse().err().map(|error| format!("{error}: reload again for the rest")));
    if rows.is_empty() && problems.is_empty() {
        table::print_text("nothing changed: no LAC of this host has a member with a record")?;
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
    args: &'a Reload,
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
        self.args.networks.is_empty() || self.args.networks.iter().any(|chosen| chosen == network)
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
        let unknown = self.args.networks.iter().filter(|name| !found.contains(name.as_str()));
        unknown.map(|name| format!("network '{name}': no LAC of this host has a member of it with a record")).collect()
    }

    /// `None` if there is nothing to reload.
    fn reload(&self, id: LacId, cloud: &Cloud) -> anyhow::Result<Option<Reloaded>> {
        let members = self.members_of(cloud);
        if members.is_empty() {
            let unrecorded: Vec<String> =
                listing(cloud).filter(|port| self.is_chosen(port.owner.network())).map(cloud::words).collect();
            return match unrecorded.is_empty() {
                true => Ok(None),
                false => bail!("it has remotes, but no record tells which: there is none of {}", unrecorded.join(", ")),
            };
        }
        self.warn_of_unused(id, &members);
        refuse_disagreement(&members)?;
        let device = cloud.device.as_ref().map_or_else(|| id.device(), |device| device.link.name.clone());
        let before = Adjustable::look(&device)?;
        self.update_one(cloud, &members)?;
        let words = before.changes(&Adjustable::look(&device)?);
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
        let chain = Chain { network: &member.network, plugins: &self.runtime.plugins };
        let Err(failure) = chain.update(plugin, &attachment, result) else { return Ok(Ok(())) };
        if failure.is_broken_off() {
            bail!("{failure}; the remotes may be the old ones, the new ones or both: reload again");
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
            format!("the new remotes are in effect, but the record of {if_name} of {id} has the old ones")
        })
    }
}

/// The members of a LAC whose hosts are listed, as the kernel has it.
fn listing(cloud: &Cloud) -> impl Iterator<Item = &attachment::OwnedDevice> {
    cloud.members.iter().filter(|_| cloud.mode() == Some(LacMode::Remotes))
}

/// What UPDATE can change of a LAC.
#[derive(Debug, Default)]
struct Adjustable {
    remotes: BTreeSet<IpAddr>,
    mtu_bytes: u32,
    /// Its device is up and a port of its bridge.
    is_joined: bool,
}

impl Adjustable {
    /// What it is at this moment, by the name of the device.
    fn look(device: &str) -> anyhow::Result<Self> {
        let Some(device) = Device::named(device)? else { return Ok(Self::default()) };
        let Link { mtu, is_up, master, .. } = device.link;
        Ok(Self { remotes: device.remotes(), mtu_bytes: mtu, is_joined: is_up && master.is_some() })
    }

    /// How it has become another one, in words.
    fn changes(&self, after: &Self) -> String {
        let listed = |word: &str, hosts: Vec<String>| match hosts.is_empty() {
            true => None,
            false => Some(format!("{word} {}", hosts.join(", "))),
        };
        let added = after.remotes.difference(&self.remotes).map(ToString::to_string).collect();
        let removed = self.remotes.difference(&after.remotes).map(ToString::to_string).collect();
        let mtu = (self.mtu_bytes != after.mtu_bytes)
            .then(|| format!("mtu is {} instead of {} bytes", after.mtu_bytes, self.mtu_bytes));
        let joined = (!self.is_joined && after.is_joined).then(|| "the VXLAN device is up in its bridge".to_owned());
        let changes: Vec<String> =
            [listed("added", added), listed("removed", removed), mtu, joined].into_iter().flatten().collect();
        if changes.is_empty() { "nothing changed".to_owned() } else { changes.join("; ") }
    }
}

/// Refuses members with several lists, none of which is better than the others: the device has one.
fn refuse_disagreement(members: &[&Member]) -> anyhow::Result<()> {
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    for member in members {
        let Member { entry, .. } = member;
        let Some(source) = member.source() else { continue };
        let owner = format!("{} on {} of {}", entry.attachment.if_name, entry.network, entry.attachment.container_id);
        sources.entry(source).or_insert(owner);
    }
    if sources.len() < 2 {
        return Ok(());
    }
    let all: Vec<String> = sources.iter().map(|(source, owner)| format!("{source} ({owner})")).collect();
    bail!(
        "its members have several lists of remotes: {}; name the network whose list is to take effect, or give all the same one",
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
        assert_eq!(
            lac(&[], 1450, false).changes(&one),
            "added 192.0.2.2, 192.0.2.3; the VXLAN device is up in its bridge"
        );
    }
}
