//! What there is of a container: recorded, readable or not, or in the kernel alone.

use std::path::{Path, PathBuf};

use attachment::Identity;

use crate::attachment::Attachment;
use crate::cache::{Entry, Reading, Survey, Unreadable};
use crate::census::Census;
use crate::known_plugins::SHAPER;
use crate::limits;
use crate::network::Network;
use crate::plugins::Plugins;
use crate::runtime::Runtime;
use crate::target::Target;

/// What has to be taken down.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// In the order of the interfaces: those of records, and then what stands in for a record that cannot be read, or that is lost.
    pub(crate) entries: Vec<Entry>,
    /// What cannot be taken down, each as a sentence without its end.
    pub(crate) untold: Vec<String>,
    /// The files that these are about.
    pub(crate) files: Vec<PathBuf>,
}

impl Remains {
    /// Looks for what there is. `path` is the namespace's, if that exists.
    ///
    /// # Errors
    /// The records cannot be listed, or the kernel's links.
    pub(crate) fn of(target: &Target, path: Option<&Path>, runtime: &Runtime) -> anyhow::Result<Self> {
        let id = target.container_id.as_str();
        let Survey { mut entries, unreadable, .. } = runtime.cache.survey()?;
        let others: Vec<Entry> = entries.extract_if(.., |entry| entry.attachment.container_id != id).collect();
        let census = Census::take()?;
        let mut lost: Vec<Identity> =
            census.owners().into_iter().filter(|one| one.container_id() == id).cloned().collect();
        lost.retain(|one| !entries.iter().any(|entry| entry.identity() == *one));
        let mut remains = Self { entries, ..Self::default() };
        if unreadable.is_empty() && lost.is_empty() {
            return Ok(remains);
        }
        let configured = runtime.conf_dir.networks().unwrap_or_else(|error| {
            tracing::warn!("{error:#}");
            Vec::new()
        });
        let search =
            Search { id, path, census: &census, configured: &configured, plugins: &runtime.plugins, others: &others };
        for file in &unreadable {
            match search.read(file) {
                Read::Ours(entry) => {
                    lost.retain(|one| *one != entry.identity());
                    tracing::warn!("{}: {}: taken down by its name", file.path.display(), file.why);
                    remains.entries.push(entry);
                }
                Read::Untold(problem) => {
                    remains.untold.push(format!("cannot read {}: {}; {problem}", file.path.display(), file.why));
                    remains.files.push(file.path.clone());
                }
                Read::Others => {}
            }
        }
        for owner in lost {
            let names: Vec<_> = census
                .devices
                .iter()
                .filter(|device| device.owner == owner)
                .map(|device| device.name.as_str())
                .collect();
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
                    remains.untold.push(format!(
                        "{names} is the container's on network '{}', which has no record and is not configured; put its \
                         configuration into the configuration directory and detach again",
                        owner.network()
                    ));
                }
            }
        }
        Ok(remains)
    }
}

/// What a file is about.
enum Read {
    /// An attachment of the container.
    Ours(Entry),
    /// Perhaps one; what to do.
    Untold(String),
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
}

impl Search<'_> {
    fn read(&self, file: &Unreadable) -> Read {
        let mut ours = file.readings_about(self.id);
        if ours.is_empty() {
            return Read::Others;
        }
        let owners = self.census.owners();
        let has_device = |reading: &Reading| owners.contains(&identity(reading));
        let seen: Vec<Reading> = ours.iter().filter(|reading| has_device(reading)).cloned().collect();
        if !seen.is_empty() {
            ours = seen;
        } else {
            let names = self.configured.iter().map(|network| network.name.as_str());
            let theirs = file.readings(names).into_iter().filter(|reading| reading.container_id != self.id);
            // A name that a device or a record of somebody else explains is not about this container.
            let mut theirs = theirs.filter(|reading| {
                has_device(reading)
                    || self.others.iter().any(|entry| entry.attachment.container_id == reading.container_id)
            });
            if theirs.next().is_some() {
                return Read::Others;
            }
        }
        match ours.as_slice() {
            [reading] => match self.configured.iter().find(|network| network.name == reading.network) {
                Some(network) => Read::Ours(self.in_place(file.entry(reading, self.config(network)))),
                None => Read::Untold(format!(
                    "network '{}', which its name tells, is not configured; put its configuration into the configuration \
                     directory and detach again",
                    reading.network
                )),
            },
            several => {
                let told = several.iter().map(|one| format!("{} on {}", one.if_name, one.network)).collect::<Vec<_>>();
                Read::Untold(format!("its name may stand for {}; remove the file if it is none", told.join(" or for ")))
            }
        }
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

fn identity(reading: &Reading) -> Identity {
    Identity::new(&reading.network, &reading.container_id, &reading.if_name)
}
