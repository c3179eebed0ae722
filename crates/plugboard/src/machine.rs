//! Virtual machines whose NICs are TAP devices of the host. They have no namespace, and CNI wants one of everybody: while plugins are
//! called, an empty one stands in for it, under a path that is the same each time, because results name it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::empty_namespace;

const DIRECTORY: &str = "/run/plugboard/machines";

/// What the container IDs of machines begin with.
const PREFIX: &str = "vm-";

/// A link to a namespace that stands in for a machine's, as long as this is held.
#[derive(Debug)]
pub(crate) struct StandIn {
    path: PathBuf,
}

/// The container ID of a machine.
pub(crate) fn id(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Where a namespace stands in for that of the machine with this container ID.
pub(crate) fn path(id: &str) -> PathBuf {
    Path::new(DIRECTORY).join(id)
}

/// Whether a path is a machine's.
pub(crate) fn is_one(path: &Path) -> bool {
    path.parent() == Some(Path::new(DIRECTORY)) && path.file_name().is_some()
}

/// Whether this process holds what is at the path. A link that a killed one left may lead to the namespace of somebody else by now.
pub(crate) fn is_held(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target.starts_with(format!("/proc/{}", std::process::id())))
}

impl StandIn {
    /// Makes one. Whoever calls has the lock of the container.
    pub(crate) fn make(path: &Path) -> anyhow::Result<Self> {
        let namespace = empty_namespace::make()?;
        let link = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(DIRECTORY)?;
            remove(path)?;
            symlink(&namespace, path)
        };
        link().with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = remove(&self.path);
        // The last one out.
        let _ = fs::remove_dir(DIRECTORY);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
