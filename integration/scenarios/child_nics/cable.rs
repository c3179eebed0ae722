//! A host with a link to the world, and two containers.

use harness::{Host, Namespace, Snapshot, sh};
use integration::with;
use serde_json::{Value, json};

/// The host's link `up0`, whose other end `far` is in the world.
pub(super) struct Cable {
    pub(super) world: Namespace,
    pub(super) c1: Namespace,
    pub(super) c2: Namespace,
    pub(super) _host: Host,
}

impl Cable {
    pub(super) fn new() -> Self {
        let host = Host::enter();
        let [world, c1, c2] = ["world", "c1", "c2"].map(|name| host.namespace(name));
        sh("ip link add up0 up type veth peer name far netns world").ok();
        world.sh("ip link set far up && ip address add 10.9.0.254/24 dev far").ok();
        Self { world, c1, c2, _host: host }
    }

    /// Links, addresses, routes and rules everywhere, and what IPAM holds.
    pub(super) fn state(&self) -> (Snapshot, String) {
        let allocated = sh("cd /var/lib/cni/networks/lan 2>/dev/null && grep -H . [0-9f]* || true").ok();
        (Snapshot::take::<&str>(&[&self.world, &self.c1, &self.c2], &[]), allocated)
    }

    /// The names of the links of the host and of the first container alone: where much is looked at, and the whole at the end.
    pub(super) fn links(&self) -> Vec<String> {
        let shown = [harness::ip("link show"), self.c1.ip("link show")];
        let all = shown.iter().flat_map(|links| links.as_array().into_iter().flatten());
        all.map(|link| link["ifname"].to_string()).collect()
    }
}

/// A network on the link `up0`.
pub(super) fn config(keys: &Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "veth-secondary", "link": "up0",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "fd00:9::/64"}]]}});
    with(&config, keys)
}
