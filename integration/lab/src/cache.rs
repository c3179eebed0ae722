use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The directory that outlives a run, held so that no other run changes it.
pub(crate) struct Cache {
    directory: PathBuf,
    _lock: Flock<File>,
}

/// `$PLUGBOARD_LAB_CACHE`, else `plugboard-lab` in `$XDG_CACHE_HOME`, else in `~/.cache`.
pub fn default_cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("PLUGBOARD_LAB_CACHE").unwrap_or_else(|| {
        let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_else(std::env::temp_dir).join("plugboard-lab")
    })
}

impl Cache {
    /// Waits until no other run builds in `directory`, which is made if it does not exist.
    pub(crate) fn lock(directory: &Path) -> Result<Self> {
        let path = directory.join("lock");
        let lock = std::fs::create_dir_all(directory)
            .and_then(|()| File::create(&path))
            .with_context(|| format!("cannot keep the lab's kernel in {}; name a cache", directory.display()))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The entry `name`, which `build` makes at the path that it is given if there is none yet. An entry appears whole
    /// or not at all.
    pub(crate) fn entry(&self, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let entry = self.directory.join(name);
        if !entry.exists() {
            let partial = self.directory.join("partial");
            remove(&partial)?;
            build(&partial)?;
            std::fs::rename(&partial, &entry).with_context(|| format!("cannot name {}", entry.display()))?;
        }
        // Says that it is still used. Where that cannot be written it is made anew one day.
        let _ = File::open(&entry).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(entry)
    }
}

/// Removes a file or a directory with all that is in it, if there is one.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
