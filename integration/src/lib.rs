//! What the scenarios share: a host with the networks of `conf-examples`, and `plugboard` on it.

use std::path::{Path, PathBuf};

use harness::{Host, Namespace, Output, bin, bin_dir, sh};
use serde_json::Value;

/// The configurations that the README shows. The scenarios run these very files.
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

/// The names of a node's links, in the order in which they were made.
pub fn links(node: &Namespace) -> Vec<String> {
    let links = node.ip("link show");
    links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
}

/// Gives a node's interface an address of the user's own.
pub fn number(node: &Namespace, device: &str, address: &str) {
    node.sh(&format!("ip address add {address} dev {device}")).ok();
}
