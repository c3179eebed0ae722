//! What the scenarios share: a host with the networks of `conf-examples`, and `plugboard` on it.

mod line;
pub mod queues;
mod rate;
pub mod report;
mod web;

pub use line::{Direction, Pair};
pub use rate::settled_bit_s;
pub use web::{page, web_server};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Host, Invocation, Namespace, Output, Reply, bin, bin_dir, sh};
use serde_json::{Value, json};

/// The configurations that the documents show. The scenarios run these very files.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf-examples")
}

/// A host with the example networks.
pub struct World {
    host: Host,
}

impl World {
    /// Moves the calling thread to a host of its own and puts the examples into its `/etc/cni/net.d`.
    pub fn new() -> Self {
        let host = Host::enter();
        sh(&format!("mkdir -p /etc/cni/net.d && cp {}/*.conflist /etc/cni/net.d/", examples().display())).ok();
        Self { host }
    }

    /// A node: a namespace with a name.
    pub fn node(&self, name: &str) -> Namespace {
        self.host.namespace(name)
    }

    /// Nodes `vn1` and `vn2`, attached as the texts say.
    pub fn nodes(&self, first: &str, second: &str) -> (Namespace, Namespace) {
        let nodes = (self.node("vn1"), self.node("vn2"));
        self.attach("vn1", first).ok();
        self.attach("vn2", second).ok();
        nodes
    }

    /// `plugboard ARGS`, with the plugins under test.
    pub fn plugboard(&self, args: &str) -> Output {
        sh(&format!("CNI_PATH={} {} {args}", bin_dir().display(), bin("plugboard").display()))
    }

    /// `plugboard attach NODE 'NETWORKS'`.
    pub fn attach(&self, node: &str, networks: &str) -> Output {
        self.plugboard(&format!("attach {node} '{networks}'"))
    }

    /// `plugboard attach --json NODE 'NETWORKS'`: the results.
    pub fn attach_json(&self, node: &str, networks: &str) -> Value {
        let text = self.plugboard(&format!("attach --json {node} '{networks}'")).ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The version that a runtime of today chooses for a network.
///
/// # Panics
/// If it has no choice.
pub fn newest_version(list: &Value) -> &Value {
    let versions = list["cniVersions"].as_array().and_then(|versions| versions.last());
    versions.unwrap_or_else(|| panic!("{list:#} has no cniVersions"))
}

/// The plugins of an example, as the runtime passes each its configuration. Panics when there is no such example.
pub fn example(name: &str) -> Vec<Value> {
    let path = examples().join(name);
    let list = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let list: Value = serde_json::from_str(&list).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let keys = json!({"cniVersion": newest_version(&list), "name": list["name"]});
    list["plugins"].as_array().into_iter().flatten().map(|plugin| with(plugin, &keys)).collect()
}

/// A configuration with keys added, replaced, or, where they are null, removed.
pub fn with(config: &Value, keys: &Value) -> Value {
    let mut config = config.clone();
    for (key, value) in keys.as_object().into_iter().flatten() {
        match (config.as_object_mut(), value.is_null()) {
            (Some(object), true) => _ = object.remove(key),
            _ => config[key] = value.clone(),
        }
    }
    config
}

/// A call for an interface of a container, of the plugin that the configuration names.
pub fn call(command: &str, ns: &Namespace, interface: &str, config: &Value) -> Invocation {
    let plugin = config["type"].as_str().unwrap_or_else(|| panic!("{config} names no plugin"));
    Invocation::new(plugin, command).container(&ns.name).netns(&ns.path).ifname(interface).config(config)
}

/// Makes calls at the same time; the replies are in the order of the calls.
pub fn all_at_once(calls: Vec<Invocation>) -> Vec<Reply> {
    std::thread::scope(|scope| {
        let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(move || call.run())).collect();
        running.into_iter().map(|call| call.join().unwrap_or_else(|_| panic!("a call did not end"))).collect()
    })
}

/// Removes what a runtime has left of the control groups below those of a name. What was killed leaves its group a moment later.
///
/// # Panics
/// If they are still in use after 5 seconds.
pub fn remove_control_groups(name: &str) {
    let remove = format!("find /sys/fs/cgroup -depth -type d -path '*/{name}*' -exec rmdir {{}} +");
    let begin = Instant::now();
    let mut output = sh(&remove);
    while output.status != 0 && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
        output = sh(&remove);
    }
    if output.status != 0 && !std::thread::panicking() {
        panic!("{}", output.stderr);
    }
}

/// The names of a node's links, in the order in which they were made.
pub fn links(node: &Namespace) -> Vec<String> {
    let links = node.ip("link show");
    links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
}

/// Gives a node's interface an address of the user's own.
pub fn number(node: &Namespace, device: &str, address: &str) {
    node.sh(&format!("ip address add {address} dev {device}")).ok();
}
