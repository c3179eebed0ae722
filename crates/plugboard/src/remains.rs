//! What there is of a container: recorded, readable or not, or in the kernel alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use attachment::Identity;

use crate::attachment::Attachment;
use crate::cache::{Entry, Reading, Survey, Unreadable};
use crate::census::{self, Census};
use crate::cli::{Detach, Subject};
use crate::conf_dir::ConfDir;
use crate::known_plugins::SHAPER;
use crate::limits;
use crate::namespace::TargetNamespace;
use crate::network::Network;
use crate::plugins::Plugins;
use crate::runtime::Runtime;
use crate::target::{Known, Target};

/// What has to be taken down.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// In the order of the interfaces: those of records, and then what stands in for a record that cannot be read, or that is lost.
    pub(crate) entries: Vec<Entry>,
    /// What cannot be taken down, but may be given up, each as a sentence without its end.
    pub(crate) unresolved: Vec<String>,
    /// The files that these are about.
    pub(crate) files: Vec<PathBuf>,
    /// What may be somebody else's, or be in use, and is not even given up; likewise.
    pub(crate) undecided: Vec<String>,
}

impl Remains {
    /// Looks for what there is. `path` is the namespace's, if that exists.
    ///
    /// # Errors
    /// The records cannot be listed, or the kernel's links; or plugboard runs in the container's own namespace.
    pub(crate) fn of(target: &Target, path: Option<&Path>, runtime: &Runtime) -> anyhow::Result<Self> {
        let id = target.container_id.as_str();
        let Survey { mut entries, unreadable, .. } = runtime.cache.survey()?;
        let others: Vec<Entry> = entries.extract_if(.., |entry| entry.attachment.container_id != id).collect();
        refuse_own_namespace(&entries)?;
        let census = Census::take()?;
        let mut lost: BTreeSet<Identity> = census.devices.iter().filter_map(|device| device.owner_in(id)).collect();
        lost.retain(|one| !entries.iter().any(|entry| entry.identity() == *one));
        let mut remains = Self { entries, ..Self::default() };
        if unreadable.is_empty() && lost.is_empty() {
            return Ok(remains);
        }
        let configured = runtime.conf_dir.networks().unwrap_or_else(|error| {
            tracing::warn!("{error:#}");
            Vec::new()
        });
        let search = Search {
            id,
            path,
            census: &census,
            configured: &configured,
            plugins: &runtime.plugins,
            others: &others,
            recorded: &remains.entries.clone(),
        };
        for file in &unreadable {
            match search.read(file) {
                Read::Ours(entry) => {
                    lost.retain(|one| *one != entry.identity());
                    tracing::warn!("{}: {}: taken down by its name", file.path.display(), file.why);
                    remains.entries.push(entry);
                }
                Read::Unresolved(problem) => {
                    remains.unresolved.push(format!("cannot read {}: {}; {problem}", file.path.display(), file.why));
                    remains.files.push(file.path.clone());
                }
                Read::Undecided(problem) => {
                    remains.undecided.push(format!("cannot read {}: {}; {problem}", file.path.display(), file.why));
                }
                Read::Others => {}
            }
        }
        for owner in lost {
            let names: Vec<_> = census.devices_of(&owner).map(|device| device.name.as_str()).collect();
            let names = names.join(", ");
            match search.stand_in(&owner) {
                Some(entry) => {
                    tracing::warn!(
                        "{} on network '{}' has no record: taken down by the alias of {names}",
                        owner.if_name(),
                        owner.network()
                    );
                    remains.entries.push(entry);
                }
                None => {
                    remains.unresolved.push(format!(
                        "{names} is the container's on network '{}', which has no record and is not configured; put its \
                         configuration into the configuration directory and detach again",
                        owner.network()
                    ));
                }
            }
        }
        Ok(remains)
    }

    /// What of it is about the networks and the interface that a command line names; all where it names none.
    ///
    /// # Errors
    /// The container is on none such, and there is no network of that name.
    pub(crate) fn only(mut self, args: &Detach, target: &Target, conf_dir: &ConfDir) -> anyhow::Result<Self> {
        let Detach { networks, ifname, .. } = args;
        if networks.is_empty() && ifname.is_none() {
            return Ok(self);
        }
        let id = &target.container_id;
        for network in networks.iter().filter(|name| !self.entries.iter().any(|entry| entry.network == **name)) {
            let on: BTreeSet<&str> = self.entries.iter().map(|entry| entry.network.as_str()).collect();
            let on = if on.is_empty() { "none".to_owned() } else { on.into_iter().collect::<Vec<_>>().join(", ") };
            if !conf_dir.networks()?.iter().any(|one| one.name == *network) {
                bail!(
                    "container {id} is not attached to network '{network}', and there is no such network; it is on {on}"
                );
            }
            tracing::info!("container {id} is not attached to network '{network}'; it is on {on}");
        }
        let is_meant = |entry: &Entry| {
            (networks.is_empty() || networks.contains(&entry.network))
                && ifname.as_ref().is_none_or(|name| *name == entry.attachment.if_name)
        };
        if let Some(name) = ifname
            && !self.entries.iter().any(is_meant)
        {
            let names = self.entries.iter().map(|entry| format!("{} on '{}'", entry.attachment.if_name, entry.network));
            let names = names.collect::<Vec<_>>();
            let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            bail!("container {id} has no such interface {name} of ours; it has {has}");
        }
        self.entries.retain(is_meant);
        // What nobody can tell the network of is left to a detach of the whole.
        let Self { unresolved, undecided, files, .. } = &mut self;
        unresolved.drain(..).chain(undecided.drain(..)).for_each(|problem| tracing::warn!("{problem}"));
        files.clear();
        Ok(self)
    }
}

/// The container that is to be detached: a recorded one, or one of which nothing is left but its devices or a damaged record.
///
/// # Errors
/// Nothing is known of such a container.
pub(crate) fn target(subject: &Subject, runtime: &Runtime) -> anyhow::Result<Target> {
    let Survey { entries, unreadable, .. } = runtime.cache.survey()?;
    let mut others: BTreeSet<String> =
        Census::take()?.devices.iter().map(|device| device.owner.container_id().to_owned()).collect();
    // A damaged record may be about the container that is named.
    let named = subject.target.as_str();
    if unreadable.iter().any(|file| !file.readings_about(named).is_empty()) {
        others.insert(named.to_owned());
    }
    Target::attached(subject, &Known { entries: &entries, others, is_careful: true })
}

/// What a file is about.
enum Read {
    /// An attachment of the container.
    Ours(Entry),
    /// Nothing that can be taken down; what to do.
    Unresolved(String),
    /// Perhaps somebody else's, or one in use; what to do.
    Undecided(String),
    /// Others.
    Others,
}

struct Search<'a> {
    id: &'a str,
    path: Option<&'a Path>,
    census: &'a Census,
    configured: &'a [Network],
    plugins: &'a Plugins,
    /// The records of other containers.
    others: &'a [Entry],
    /// Those of the container.
    recorded: &'a [Entry],
}

impl Search<'_> {
    fn read(&self, file: &Unreadable) -> Read {
        let names = || self.configured.iter().map(|network| network.name.as_str());
        let mut ours = file.readings_about(self.id);
        // Another runtime may have a directory of such a name.
        ours.retain(|reading| !file.is_directory || names().any(|name| name == reading.network));
        if ours.is_empty() {
            return Read::Others;
        }
        let has_device = |reading: &Reading| self.census.devices_of(&identity(reading)).next().is_some();
        let has_record =
            |reading: &Reading| self.others.iter().any(|entry| entry.attachment.container_id == reading.container_id);
        let only = |keep: &dyn Fn(&Reading) -> bool| ours.iter().filter(|one| keep(one)).cloned().collect::<Vec<_>>();
        let with_device = only(&has_device);
        if with_device.is_empty() {
            let mut theirs = file.readings(names());
            theirs.retain(|reading| reading.container_id != self.id);
            // A name that a device or a record of somebody else explains is not about this container.
            if theirs.iter().any(|reading| has_device(reading) || has_record(reading)) {
                return Read::Others;
            }
            let with_interface = only(&|reading| self.has_interface(reading));
            match (with_interface.is_empty(), theirs.iter().any(|reading| self.has_interface(reading))) {
                (true, true) => return Read::Others,
                (false, false) => ours = with_interface,
                _ if theirs.is_empty() => {}
                _ => {
                    let readings: Vec<Reading> = ours.into_iter().chain(theirs).collect();
                    return Read::Undecided(format!(
                        "its name may stand for {}, and nothing tells which; remove the file yourself if it is of no use",
                        listed(&readings)
                    ));
                }
            }
        } else {
            ours = with_device;
        }
        match ours.as_slice() {
            [reading] => match self.configured.iter().find(|network| network.name == reading.network) {
                Some(network) => {
                    let entry = self.in_place(file.entry(reading, self.config(network)));
                    match self.ports_perhaps_of(&entry, network) {
                        ports if ports.is_empty() => Read::Ours(entry),
                        ports => Read::Undecided(format!(
                            "the namespace of its container is not known, and {} may be its interface on network '{}': remove the \
                             right one with `ip link delete` and detach again",
                            ports.join(" or "),
                            network.name
                        )),
                    }
                }
                None => Read::Unresolved(format!(
                    "network '{}', which its name tells, is not configured; put its configuration into the configuration \
                     directory and detach again",
                    reading.network
                )),
            },
            several => Read::Unresolved(format!(
                "its name may stand for {}; remove the file if it is no record",
                listed(several)
            )),
        }
    }

    /// The container's namespace has an interface of this name that no record tells of.
    fn has_interface(&self, reading: &Reading) -> bool {
        let Reading { container_id, if_name, .. } = reading;
        let is_ours = container_id == self.id;
        let mut records = if is_ours { self.recorded.iter() } else { self.others.iter() };
        let is_recorded =
            records.any(|entry| entry.attachment.container_id == *container_id && entry.attachment.if_name == *if_name);
        let subject = Subject { target: container_id.clone(), container_id: None };
        let open = || match self.path.filter(|_| is_ours) {
            Some(path) => TargetNamespace::open(path),
            None => Target::to_attach(&subject, &[])?.open(),
        };
        !is_recorded && open().and_then(|namespace| namespace.interfaces()).is_ok_and(|all| all.contains(if_name))
    }

    /// The devices of another's plugin on the host that may be an attachment's of which neither namespace nor result is known.
    /// That plugin would not find them either.
    fn ports_perhaps_of(&self, entry: &Entry, network: &Network) -> Vec<String> {
        if entry.attachment.netns.is_some() || entry.result.is_some() {
            return Vec::new();
        }
        let bridges = network.plugins.iter().filter_map(|plugin| match plugin.key("bridge") {
            Some(name) => name.as_str(),
            None => (plugin.kind == "bridge").then_some("cni0"),
        });
        let bridges: Vec<&str> = bridges.collect();
        let ports = census::settled(|| {
            let census = Census::take()?;
            let ports = bridges.iter().flat_map(|bridge| {
                census
                    .unclaimed_ports(bridge, &[self.others, self.recorded].concat())
                    .into_iter()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            });
            let ports: Vec<String> = ports.collect();
            let is_sure = ports.is_empty();
            Ok((ports, is_sure))
        });
        ports.unwrap_or_default()
    }

    /// An entry for an attachment without a record.
    fn stand_in(&self, owner: &Identity) -> Option<Entry> {
        let network = self.configured.iter().find(|network| network.name == owner.network())?;
        let attachment = Attachment {
            container_id: owner.container_id().to_owned(),
            if_name: owner.if_name().to_owned(),
            ..Attachment::default()
        };
        let network_name = owner.network().to_owned();
        let entry =
            Entry { network: network_name, attachment, config: self.config(network), result: None, namespace_id: None };
        Some(self.in_place(entry))
    }

    /// The network as it may have been: limits may have brought a shaper.
    fn config(&self, network: &Network) -> Vec<u8> {
        let mut network = network.clone();
        if self.plugins.find(SHAPER).is_ok() {
            // What cannot be added was not there.
            let _ = limits::ensure_shaper(&mut network);
        }
        network.to_bytes()
    }

    fn in_place(&self, entry: Entry) -> Entry {
        match self.path {
            Some(path) => entry.in_namespace(path),
            None => entry,
        }
    }
}

/// What plugins do on the host would be done in the container.
///
/// # Errors
/// Plugboard runs in the namespace of one of these.
pub(crate) fn refuse_own_namespace<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> anyhow::Result<()> {
    match entries.into_iter().find(|entry| entry.is_here()) {
        Some(entry) => bail!(
            "plugboard runs in the network namespace of container {}: run it in that of the host",
            entry.attachment.container_id
        ),
        None => Ok(()),
    }
}

/// The readings in words.
fn listed(readings: &[Reading]) -> String {
    let words = |one: &Reading| format!("{} on {} of {}", one.if_name, one.network, one.container_id);
    readings.iter().map(words).collect::<Vec<_>>().join(" or for ")
}

fn identity(reading: &Reading) -> Identity {
    Identity::new(&reading.network, &reading.container_id, &reading.if_name)
}
