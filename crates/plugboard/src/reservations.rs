//! The addresses that a host-local plugin, ours or the reference's, has given out: a file for each, with the attachment in it.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use attachment::Identity;
use cni::regular;
use serde_json::Value;

use crate::network::Network;

const KIND: &str = "host-local";

/// Where it keeps them unless told otherwise.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// The longest file that is read, in bytes: two names.
const LONGEST_BYTES: u64 = 4096;

/// The attachments that have addresses of a network, as far as files tell.
pub(crate) fn owners(network: &Network) -> BTreeSet<Identity> {
    let plugins = network.plugins.iter().filter(|plugin| plugin.ipam() == Some(KIND));
    let dirs: BTreeSet<PathBuf> = plugins
        .map(|plugin| {
            let ipam = plugin.key("ipam").and_then(Value::as_object);
            let dir = ipam.and_then(|ipam| keys::find(ipam, "dataDir")).and_then(Value::as_str);
            Path::new(dir.filter(|dir| !dir.is_empty()).unwrap_or(DATA_DIR)).join(&network.name)
        })
        .collect();
    let files = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    let addresses = files.filter(|file| file.file_name().to_str().is_some_and(is_address));
    addresses.filter_map(|file| owner(network, &regular::read(&file.path(), LONGEST_BYTES).ok()?)).collect()
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// The container's ID and, on a line of its own, the name of its interface.
fn owner(network: &Network, text: &[u8]) -> Option<Identity> {
    let mut lines = str::from_utf8(text).ok()?.lines();
    let (container_id, if_name) = (lines.next()?.trim(), lines.next()?.trim());
    Some(Identity::new(&network.name, container_id, if_name))
}
