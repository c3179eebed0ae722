//! Reading the file of a record.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use anyhow::bail;
use cni::regular;

use super::document;
use super::entry::Entry;
use crate::trust::{REMEDY, Trust};

/// Reads a file; `None` if it is gone. It says which plugins are called, and with what.
pub(super) fn read(path: &Path, trust: &Trust) -> anyhow::Result<Option<Entry>> {
    let (file, about) = match regular::open(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => bail!("it is a symbolic link that leads to nothing"),
            Err(_) => return Ok(None),
        },
        opened => opened?,
    };
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let objection = trust.objection_to_file(path, &about);
    if let Some(objection) = objection.or_else(|| is_link.then(|| trust.objection(path)).flatten()) {
        return Err(Untrusted(objection).into());
    }
    let text = regular::read_to_end(&file, Vec::new(), document::LONGEST_BYTES)?;
    document::read(&text).map(Some)
}

/// Others could have written a file.
#[derive(Debug)]
pub(super) struct Untrusted(String);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, so it is not believed; {REMEDY}", self.0)
    }
}

impl std::error::Error for Untrusted {}
