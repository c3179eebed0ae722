//! What a host looks like: to see that a failed call left nothing behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;

use harness::{Namespace, OpenVswitch, Snapshot, sh};
use serde_json::Value;

/// Where `host-local` keeps its files unless told otherwise.
const ALLOCATIONS: &str = "/var/lib/cni/networks";

/// Links, addresses, routes, queues and rules of the host and of namespaces, and the addresses that IPAM holds. The files
/// with which IPAM remembers where to go on and locks its directory are no allocations and are left out.
#[derive(PartialEq, Eq)]
pub struct State {
    kernel: Snapshot,
    allocations: BTreeMap<String, String>,
    /// Of the switch, as [`OpenVswitch::rows`] gives them; null without one.
    rows: Value,
}

impl State {
    /// Takes the state of this host and of namespaces.
    pub fn take(namespaces: &[&Namespace]) -> Self {
        Self { kernel: Snapshot::take::<&Path>(namespaces, &[]), allocations: Self::allocations(), rows: Value::Null }
    }

    /// The same with what the database of a switch holds.
    pub(crate) fn with_rows(self, switch: Option<&OpenVswitch>) -> Self {
        Self { rows: switch.map(OpenVswitch::rows).unwrap_or_default(), ..self }
    }

    /// The addresses that IPAM holds: `net/10.1.0.2` and the file's text, which names the attachment.
    ///
    /// # Panics
    /// If the files cannot be read.
    pub fn allocations() -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for network in children(Path::new(ALLOCATIONS)) {
            for file in children(&Path::new(ALLOCATIONS).join(&network)) {
                let path = Path::new(ALLOCATIONS).join(&network).join(&file);
                if file.replace('_', ":").parse::<IpAddr>().is_ok() {
                    match fs::read_to_string(&path) {
                        // A delegate whose caller was killed takes its allocation back when it cannot print it.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        text => _ = found.insert(format!("{network}/{file}"), text.expect("an allocation is a text")),
                    }
                }
            }
        }
        found
    }
}

/// The rules of the host's packet filter, without the comments that `nft` writes between a key of a map and its value.
pub fn rules() -> String {
    sh(r#"nft list ruleset | sed 's/ comment "[^"]*"//g'"#).ok()
}

/// Short: what differs in the kernel is printed by the comparison.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel's objects, the allocations {:?}, and the rows {:#}", self.allocations, self.rows)
    }
}

/// The names in a directory; none if it is missing.
fn children(directory: &Path) -> Vec<String> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        entries => entries.expect("a directory of allocations can be read"),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("it can be read to its end").file_name();
    entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
}
