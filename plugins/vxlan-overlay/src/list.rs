//! Lists of hosts, in the configuration or in a file.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use cni::Error;
use keys::excerpt::quoted;

/// As much of a file as is read, in bytes.
const LIMIT_BYTES: u64 = 1 << 20;

/// What is listed, and by which keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    /// The key with a list.
    pub(crate) key: &'static str,
    /// The key with the name of a file.
    pub(crate) file_key: &'static str,
    /// What is to be in the file, as in "write the addresses of the other hosts there".
    pub(crate) contents: &'static str,
    /// What one that is empty lacks, as in "it has no address of another host".
    pub(crate) entry: &'static str,
}

impl List {
    /// The entries of the list, each read by `parse`, which says what is wrong with one as the rest of a sentence that quotes it.
    ///
    /// # Errors
    /// Code 7 naming the entry.
    pub(crate) fn listed<T: Ord>(
        self,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<BTreeSet<T>, Error> {
        let mut all = BTreeSet::new();
        for (place, text) in texts.iter().enumerate() {
            let of_place = |reason| refused(format!("{}[{place}] is {}: {reason}", self.key, quoted(text)));
            all.insert(parse(text).map_err(of_place)?);
        }
        Ok(all)
    }

    /// Those of the file: one on a line, `#` begins a comment.
    ///
    /// # Errors
    /// Code 7 naming the file, and its line.
    pub(crate) fn in_file<T: Ord>(
        self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<BTreeSet<T>, Error> {
        let Self { file_key, contents, entry, .. } = self;
        if !path.starts_with('/') {
            return Err(refused(format!(
                "{file_key} is {}: it must be the file's whole path, because a runtime runs plugins in any directory",
                quoted(path)
            )));
        }
        let content = cni::regular::read(Path::new(path), LIMIT_BYTES)
            .map_err(|cause| refused(format!("{file_key}: {path}: {cause}; write {contents} there, one on a line")))?;
        let content = String::from_utf8_lossy(&content);
        let content = content.strip_prefix('\u{feff}').unwrap_or(&content); // the mark of some editors
        let mut all = BTreeSet::new();
        for (place, line) in content.lines().enumerate() {
            let text = line.split('#').next().unwrap_or_default().trim();
            if !text.is_empty() {
                let in_line = |reason| {
                    refused(format!("{file_key}: {path}, line {}: {} is none: {reason}", place + 1, quoted(text)))
                };
                all.insert(parse(text).map_err(in_line)?);
            }
        }
        match all.is_empty() {
            true => Err(refused(format!("{} has no {entry}; write one on a line", self.place(Some(path))))),
            false => Ok(all),
        }
    }

    /// Where a list stands, for a sentence about all of it.
    pub(crate) fn place(self, file: Option<&str>) -> String {
        file.map_or_else(|| self.key.to_owned(), |path| format!("{}: {path}", self.file_key))
    }
}

/// An address that a host cannot have, or cannot be told by: why, as the rest of a sentence that quotes it.
pub(crate) fn objection(address: IpAddr) -> Option<String> {
    let is_mapped = address.to_canonical() != address;
    Some(match address {
        _ if is_mapped => {
            format!("it is an IPv4 address in the form of an IPv6 address; write it as {}", address.to_canonical())
        }
        _ if address.is_unspecified() => "it is the address of no host".to_owned(),
        _ if address.is_loopback() => "it is this host itself".to_owned(),
        IpAddr::V4(address) if matches!(address.octets(), [0 | 240..=254, ..]) => {
            "it is an address that no host can have".to_owned()
        }
        IpAddr::V4(address) if address.is_broadcast() => {
            "it is the address of all hosts; list them one by one".to_owned()
        }
        _ => return None,
    })
}

pub(crate) fn refused(reason: String) -> Error {
    Error::invalid_config(reason)
}
