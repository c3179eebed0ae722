//! What the tests of this plugin share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::{Host, Invocation, Namespace, Reply};
use serde_json::{Value, json};

/// Ours.
pub(crate) const OURS: &str = "host-local";
/// The reference, as Debian's package containernetworking-plugins installs it.
pub(crate) const REFERENCE: &str = "/usr/lib/cni/host-local";

/// The directory of network `blue` where the configuration names none.
pub(crate) const BLUE: &str = "/var/lib/cni/networks/blue";

/// A host with one container's namespace.
pub(crate) struct Scene {
    pub(crate) container: Namespace,
    _host: Host,
}

impl Scene {
    pub(crate) fn new() -> Self {
        assert!(
            Path::new(REFERENCE).exists(),
            "these tests compare with {REFERENCE}: install containernetworking-plugins"
        );
        let host = Host::enter();
        Self { container: host.namespace("c"), _host: host }
    }

    /// A call for the interface `eth0` of container `id`.
    pub(crate) fn call(&self, plugin: &str, verb: &str, id: &str, config: &Value) -> Invocation {
        let call =
            Invocation::new(plugin, verb).container(id).netns(&self.container.path).ifname("eth0").config(config);
        if plugin.contains('/') { call.path("/usr/lib/cni") } else { call }
    }

    pub(crate) fn add(&self, plugin: &str, id: &str, config: &Value) -> Reply {
        self.call(plugin, "ADD", id, config).run()
    }

    pub(crate) fn del(&self, plugin: &str, id: &str, config: &Value) -> Reply {
        self.call(plugin, "DEL", id, config).run()
    }

    /// GC or STATUS, which are about no attachment.
    pub(crate) fn network_verb(&self, verb: &str, config: &Value) -> Reply {
        Invocation::new(OURS, verb).config(config).run()
    }
}

/// Network `blue` with these keys in `ipam`.
pub(crate) fn blue(ipam: Value) -> Value {
    named("blue", ipam)
}

/// A network with these keys in `ipam`.
pub(crate) fn named(name: &str, mut ipam: Value) -> Value {
    ipam["type"] = json!("host-local");
    json!({"cniVersion": "1.0.0", "name": name, "type": "bridge", "ipam": ipam})
}

/// The same configuration with a key set at its top level.
pub(crate) fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

/// The addresses of a result of 0.3.0 or later, without prefix lengths.
pub(crate) fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().map(Vec::as_slice).unwrap_or_default();
    ips.iter().map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().to_owned()).collect()
}

/// The first of [`addresses`].
pub(crate) fn address(result: &Value) -> String {
    addresses(result).remove(0)
}

/// Names and contents of a directory; of a link, where it leads.
pub(crate) fn files(directory: &str) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return BTreeMap::new();
    };
    let content = |path: PathBuf| match path.read_link() {
        Ok(target) => format!("-> {}", target.display()),
        Err(_) => String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
    };
    let files = entries.map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), content(path))).collect()
}

/// The files that the reference knows.
pub(crate) fn visible(directory: &str) -> BTreeMap<String, String> {
    files(directory).into_iter().filter(|(name, _)| !name.starts_with('.')).collect()
}

/// The addresses that are taken, and their holders.
pub(crate) fn taken(directory: &str) -> BTreeMap<String, String> {
    let is_address = |name: &str| name.parse::<std::net::IpAddr>().is_ok();
    files(directory).into_iter().filter(|(name, _)| is_address(name)).collect()
}

/// Writes a directory of allocations as the reference would have left it.
pub(crate) fn fill(directory: &str, addresses: impl Iterator<Item = String>, last: &str) {
    std::fs::create_dir_all(directory).unwrap();
    for address in addresses {
        std::fs::write(format!("{directory}/{address}"), format!("other-{address}\r\neth0")).unwrap();
    }
    std::fs::write(format!("{directory}/last_reserved_ip.0"), last).unwrap();
}

/// Asserts that nothing is left but the lock and the last addresses.
pub(crate) fn assert_empty(directory: &str) {
    let left = files(directory).into_keys().filter(|name| name != "lock" && !name.starts_with("last_reserved_ip."));
    // The map of a block that was once crowded stays.
    let left: Vec<String> = left.filter(|name| !name.starts_with(".taken.")).collect();
    assert!(left.is_empty(), "left in {directory}: {left:?}");
}
