//! The containers' namespaces.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::{Host, sh};

use crate::attachment::INTERFACE;
use crate::contender::Contender;

/// Namespaces made beforehand, for each contender its own: making and removing them is work for the kernel that would go on
/// beside the calls. A long run uses them again; DEL has left them empty.
#[derive(Debug)]
pub(crate) struct Spaces {
    paths: Vec<[PathBuf; Contender::ALL.len()]>,
}

impl Spaces {
    /// Makes `count` for each contender.
    pub(crate) fn make(host: &Host, count: usize) -> Self {
        let make = |round: usize| Contender::ALL.map(|contender| host.namespace(&format!("{contender:?}{round}")).path);
        Self { paths: (0..count).map(make).collect() }
    }

    /// Removes what calls have left that did not come to their end.
    pub(crate) fn clear(&self) {
        let names = self.paths.iter().flatten().filter_map(|path| path.file_name());
        let batch: String =
            names.map(|name| format!("ip -n {} link delete {INTERFACE} || :\n", name.display())).collect();
        sh(&batch).ok();
    }

    /// The namespace of one of a contender's containers.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn path(&self, contender: Contender, place: usize) -> Result<&Path> {
        let paths = place.checked_rem(self.paths.len()).and_then(|place| self.paths.get(place));
        let [ours, reference, newer, floor] = paths.context("no namespaces were made")?;
        Ok(match contender {
            Contender::Ours => ours,
            Contender::Reference => reference,
            Contender::Newer => newer,
            Contender::Floor => floor,
        })
    }
}
