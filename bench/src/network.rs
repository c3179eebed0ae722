//! The networks that containers are attached to: a bridge and a pool of addresses each.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::contender::{Contender, Programs};

/// The version that the reference of all supported distributions knows.
const CNI_VERSION: &str = "1.0.0";

/// The limit of the shaped job in bytes per second: what `netem-shaper` makes of 100Mbps, bucket and queue included.
const RATE: u32 = 12_500_000;
const BURST: u32 = 101_522;
const LIMIT: u32 = 726_522;

/// The newer reference has only `nft` and `ip` to run. Where it finds iptables, DEL also looks for rules of that, and ends with
/// an error because there are none (1.9.1 with iptables 1.8.9).
pub(crate) const NEWER_TOOLS: &str = "/run/bench-tools";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// A NIC on a bridge with an address from a pool and a default route.
    Bridge,
    /// The same, and what the container receives is limited to 100 Mbit/s.
    Shaped,
    /// As [`Job::Bridge`], and what the container sends beyond its network carries the host's address.
    Masquerade,
    /// As [`Job::Bridge`], with an IPv6 address and default route, too.
    DualStack,
    /// A TAP device for a virtual machine. Ours is a port of the bridge on the host; the reference's is in the container's
    /// namespace and on no bridge.
    Tap,
}

impl Job {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 5] = [Self::Bridge, Self::Shaped, Self::Masquerade, Self::DualStack, Self::Tap];

    /// Who can do it. The older reference masquerades by iptables and has no TAP devices.
    pub(crate) fn contenders(self, programs: &Programs) -> Vec<Contender> {
        let all: &[Contender] = match self {
            Self::Bridge | Self::Shaped => &[Contender::Ours, Contender::Reference, Contender::Floor],
            Self::Masquerade => &[Contender::Ours, Contender::Reference, Contender::Newer],
            Self::DualStack => &[Contender::Ours, Contender::Reference],
            Self::Tap => &[Contender::Ours, Contender::Newer],
        };
        all.iter().copied().filter(|contender| *contender != Contender::Newer || programs.has_newer()).collect()
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bridge => "bridge + host-local",
            Self::Shaped => "bridge + host-local, then 100 Mbit/s by tbf",
            Self::Masquerade => "bridge + host-local with ipMasq (reference: iptables, newer: nftables)",
            Self::DualStack => "bridge + host-local, IPv4 and IPv6",
            Self::Tap => "TAP + host-local (ours on a bridge, the reference's on none)",
        })
    }
}

/// One of a chain's plugins.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// The executable.
    pub(crate) program: PathBuf,
    /// Its configuration.
    pub(crate) config: Value,
}

/// A network of one contender.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) contender: Contender,
    pub(crate) job: Job,
    /// Tells networks apart in names and addresses.
    number: u8,
    programs: Arc<Programs>,
}

impl Network {
    /// One that nobody has made yet; its number tells it apart.
    pub(crate) fn new(contender: Contender, job: Job, number: u8, programs: &Arc<Programs>) -> Self {
        Self { contender, job, number, programs: Arc::clone(programs) }
    }

    /// The plugins that a runtime runs for ADD, in that order.
    pub(crate) fn chain(&self) -> Vec<Plugin> {
        let mut keys = json!({
            "bridge": self.bridge(),
            "isGateway": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": format!("{}.0.0/16", self.subnet()) }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        });
        let mut more = |added: Value| merge(&mut keys, added);
        match (self.job, self.contender) {
            (Job::Masquerade, Contender::Newer) => more(json!({ "ipMasq": true, "ipMasqBackend": "nftables" })),
            (Job::Masquerade, _) => more(json!({ "ipMasq": true })),
            (Job::DualStack, _) => more(json!({ "ipam": {
                "type": "host-local",
                "ranges": [
                    [{ "subnet": format!("{}.0.0/16", self.subnet()) }],
                    [{ "subnet": format!("fd00:{}::/64", self.number) }],
                ],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
            }})),
            (Job::Tap, Contender::Ours) => more(json!({ "nic": "tap" })),
            // It would look for its bridge in the container.
            (Job::Tap, _) => more(json!({ "bridge": "", "isGateway": false })),
            (Job::Bridge | Job::Shaped, _) => {}
        }
        let kind = if (self.job, self.contender) == (Job::Tap, Contender::Newer) { "tap" } else { "bridge" };
        let mut chain = vec![self.plugin(kind, keys)];
        match (self.job, self.contender) {
            (Job::Bridge | Job::Masquerade | Job::DualStack | Job::Tap, _) => {}
            // Its "ingress" is what the pod receives. Bits.
            (Job::Shaped, Contender::Reference) => chain.push(self.plugin(
                "bandwidth",
                json!({ "ingressRate": u64::from(RATE) * 8, "ingressBurst": u64::from(BURST) * 8 }),
            )),
            (Job::Shaped, _) => chain.push(self.plugin("netem-shaper", json!({ "bw": "100Mbps" }))),
        }
        chain
    }

    fn plugin(&self, kind: &str, keys: Value) -> Plugin {
        let mut config = json!({ "cniVersion": CNI_VERSION, "name": self.bridge(), "type": kind });
        merge(&mut config, keys);
        Plugin { program: self.programs.plugins(self.contender).join(kind), config }
    }

    /// Where the plugins look for their delegates.
    pub(crate) fn cni_path(&self) -> PathBuf {
        self.programs.plugins(self.contender).to_owned()
    }

    /// Where the plugins look for tools that they run.
    pub(crate) fn tools(&self) -> &'static str {
        if self.contender == Contender::Newer { NEWER_TOOLS } else { "/usr/sbin:/usr/bin:/sbin:/bin" }
    }

    /// The floor's executable.
    pub(crate) fn floor(&self) -> PathBuf {
        self.programs.floor().to_owned()
    }

    /// The floor's arguments for the queue.
    pub(crate) fn queue(&self) -> Vec<String> {
        match self.job {
            Job::Bridge | Job::Masquerade | Job::DualStack | Job::Tap => Vec::new(),
            Job::Shaped => [RATE, BURST, LIMIT].map(|number| number.to_string()).to_vec(),
        }
    }

    /// The bridge, by whose name the network goes too.
    pub(crate) fn bridge(&self) -> String {
        format!("bench{}", self.number)
    }

    /// The first half of the addresses.
    pub(crate) fn subnet(&self) -> String {
        format!("10.{}", self.number)
    }

    /// Where the floor keeps the addresses that are taken.
    pub(crate) fn floor_pool(&self) -> PathBuf {
        PathBuf::from("/var/lib/cni/floor").join(self.bridge())
    }
}

/// Adds keys to an object; those that it has are replaced.
fn merge(object: &mut Value, keys: Value) {
    if let (Value::Object(object), Value::Object(keys)) = (object, keys) {
        object.extend(keys);
    }
}
