//! The directory of the network configurations.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cni::regular;

use crate::cli::Selection;
use crate::network::{Network, Plugin};
use crate::trust::{REMEDY, Trust};

/// The longest configuration that is read, in bytes: a plugin would refuse a longer one.
const LONGEST_BYTES: u64 = cni::LONGEST as u64;

/// `/etc/cni/net.d`, or another.
#[derive(Debug)]
pub(crate) struct ConfDir {
    dir: PathBuf,
    trust: Trust,
}

impl ConfDir {
    pub(crate) fn new(dir: PathBuf, trust: Trust) -> Self {
        Self { dir, trust }
    }

    /// All networks, lists before single plugins and each by file name, as libcni looks for them. Of two with one name
    /// the first counts. A file that cannot be read is skipped with a warning: it may be another network's.
    pub(crate) fn networks(&self) -> anyhow::Result<Vec<Network>> {
        let mut networks: Vec<(PathBuf, Network)> = Vec::new();
        self.refuse(&self.dir)?;
        let files = files(&self.dir).with_context(|| format!("cannot list the networks in {}", self.dir.display()))?;
        for file in files {
            let read = self.read(&file).and_then(|network| {
                match networks.iter().find(|(_, other)| other.name == network.name) {
                    None => Ok(network),
                    Some((first, _)) => bail!(
                        "network '{}' is configured in {}, which comes first; give one of them another name, or remove one",
                        network.name,
                        first.display()
                    ),
                }
            });
            match read {
                Ok(network) => networks.push((file, network)),
                Err(error) => tracing::warn!("{}: ignored: {error:#}", file.display()),
            }
        }
        Ok(networks.into_iter().map(|(_, network)| network).collect())
    }

    /// One network of those that [`ConfDir::networks`] found.
    pub(crate) fn find(&self, networks: &[Network], name: &str) -> anyhow::Result<Network> {
        if let Some(network) = networks.iter().find(|network| network.name == name) {
            return Ok(network.clone());
        }
        let known: Vec<_> = networks.iter().map(|network| network.name.as_str()).collect();
        let hint = match keys::nearest(name, &known) {
            Some(nearest) => format!("the nearest is '{nearest}'"),
            None if known.is_empty() => "there is no network".to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        bail!("network '{name}' is not configured in {}; {hint}", self.dir.display());
    }

    /// The network that was selected, or all.
    pub(crate) fn selected(&self, selection: &Selection) -> anyhow::Result<Vec<Network>> {
        let networks = self.networks()?;
        match &selection.network {
            Some(name) => Ok(vec![self.find(&networks, name)?]),
            None => Ok(networks),
        }
    }

    fn read(&self, file: &Path) -> anyhow::Result<Network> {
        self.refuse(file)?;
        let text = regular::read(file, LONGEST_BYTES)?;
        if !has_extension(file, "conflist") {
            return Network::from_single(&text);
        }
        let mut network = Network::from_list(&text)?;
        if network.has_more_plugins {
            network.plugins.extend(self.plugins_in_files(&network.name)?);
        }
        if network.plugins.is_empty() {
            bail!("network '{}' has no plugins", network.name);
        }
        Ok(network)
    }

    /// Refuses what others could change: a configuration says which plugins run as root, and what they do.
    fn refuse(&self, path: &Path) -> anyhow::Result<()> {
        match self.trust.objection(path) {
            Some(objection) => bail!("configurations in {}: {objection}; {REMEDY}", self.dir.display()),
            None => Ok(()),
        }
    }

    /// The plugins in `NAME/*.conf`, which belong to the network of that name since CNI 1.1.0.
    fn plugins_in_files(&self, name: &str) -> anyhow::Result<Vec<Plugin>> {
        let dir = self.dir.join(name);
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let files = files(&dir)?.into_iter().filter(|file| has_extension(file, "conf"));
        let read = |file: PathBuf| {
            self.refuse(&file)?;
            Plugin::from_bytes(&regular::read(&file, LONGEST_BYTES)?).with_context(|| file.display().to_string())
        };
        files.map(read).collect()
    }
}

/// Its path, for people.
impl Display for ConfDir {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        self.dir.display().fmt(to)
    }
}

/// The files that may be configurations, lists first.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| ["conflist", "conf", "json"].iter().any(|kind| has_extension(file, kind)) && !file.is_dir());
    files.sort_by_cached_key(|file| (!has_extension(file, "conflist"), file.clone()));
    Ok(files)
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}
