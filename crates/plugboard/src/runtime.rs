//! What every command works with: the configurations, the plugins, the records.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::Cache;
use crate::cli::Places;
use crate::conf_dir::ConfDir;
use crate::known_plugins;
use crate::lock::{Lock, Mode, Subject};
use crate::namespace::TargetNamespace;
use crate::plugins::Plugins;
use crate::target::Target;
use crate::trust::Trust;

/// Where plugins are looked for unless told otherwise: the directory of the CNI project's own releases, Debian's, and
/// Fedora's.
const PLUGIN_DIRS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/// A namespace, and the locks on its container.
#[derive(Debug)]
pub(crate) struct Entered {
    // What stands in for a machine's goes before the locks.
    pub(crate) namespace: TargetNamespace,
    pub(crate) locks: Vec<Lock>,
}

#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) conf_dir: ConfDir,
    pub(crate) plugins: Plugins,
    pub(crate) cache: Cache,
    /// How long a lock is waited for.
    pub(crate) lock_limit: Duration,
}

impl Runtime {
    pub(crate) fn new(places: Places, plugin_timeout: Duration, lock_limit: Duration) -> Self {
        let conf_dir = places.conf_dir.or_else(|| std::env::var_os("NETCONFPATH").map(PathBuf::from));
        let trust = || if places.trust_dirs { Trust::All } else { Trust::usual() };
        let plugin_dirs = if places.plugin_dir.is_empty() { default_plugin_dirs() } else { places.plugin_dir };
        Self {
            conf_dir: ConfDir::new(conf_dir.unwrap_or_else(|| PathBuf::from("/etc/cni/net.d")), trust()),
            plugins: Plugins::new(plugin_dirs, plugin_timeout, trust()),
            cache: Cache::new(&places.cache_dir, trust()),
            lock_limit,
        }
    }

    /// Opens the namespace of a target, and keeps other commands away from its container. For a machine a namespace stands in.
    ///
    /// # Errors
    /// There is no namespace; somebody else has had the lock for too long.
    pub(crate) fn enter(&self, target: &Target) -> anyhow::Result<Entered> {
        if let Some(path) = target.machine() {
            return self.enter_machine(&target.container_id, path);
        }
        let namespace = target.open()?;
        let locks = self.lock_container(&target.container_id, Some(&namespace))?;
        Ok(Entered { namespace, locks })
    }

    /// The same for a machine, whose namespace is stood in for at `path`.
    pub(crate) fn enter_machine(&self, id: &str, path: &Path) -> anyhow::Result<Entered> {
        let locks = self.lock_container(id, None)?;
        Ok(Entered { namespace: TargetNamespace::of_machine(path)?, locks })
    }

    /// Keeps other commands away from a container until the locks are dropped: from its namespace, by whatever path or container ID
    /// they know that, and from its ID, under which things may be left although the namespace is gone.
    pub(crate) fn lock_container(&self, id: &str, namespace: Option<&TargetNamespace>) -> anyhow::Result<Vec<Lock>> {
        // Always in this order, so that no two wait for each other.
        let namespace = namespace.and_then(TargetNamespace::id);
        let subjects = namespace.as_deref().map(Subject::Namespace).into_iter().chain([Subject::Container(id)]);
        subjects.map(|subject| Lock::take(subject, Mode::Exclusive, self.lock_limit)).collect()
    }
}

/// The plugins installed with this executable come first, so that it uses those it belongs to. Its directory counts only
/// when they are there: /usr/bin may hold a `bridge` that is iproute2's.
fn default_plugin_dirs() -> Vec<PathBuf> {
    let own = std::env::current_exe().ok().and_then(|executable| executable.parent().map(Path::to_owned));
    let own = own.filter(|dir| known_plugins::are_ours(dir));
    own.into_iter().chain(PLUGIN_DIRS.map(PathBuf::from)).collect()
}
