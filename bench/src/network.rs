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
    /// A further NIC with an address from a pool and a default route, by `veth-secondary`, beside the reference's plugin for the
    /// kind.
    Further(Kind),
    /// As [`Job::Further`], and its answers leave by the NIC that the question came in by; the reference chains `sbr` for that.
    SourceRouted(Kind),
}

/// What a further NIC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A veth pair on a bridge.
    Bridged,
    /// A veth pair whose host end has the gateway's address.
    Routed,
    /// A device of the host.
    Device,
}

impl Kind {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 3] = [Self::Bridged, Self::Routed, Self::Device];

    /// The reference's plugin.
    fn reference(self) -> &'static str {
        match self {
            Self::Bridged => "bridge",
            Self::Routed => "ptp",
            Self::Device => "host-device",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bridged => "on a bridge",
            Self::Routed => "routed",
            Self::Device => "a device of the host",
        })
    }
}

impl Job {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 11] = [
        Self::Bridge,
        Self::Shaped,
        Self::Masquerade,
        Self::DualStack,
        Self::Tap,
        Self::Further(Kind::Bridged),
        Self::SourceRouted(Kind::Bridged),
        Self::Further(Kind::Routed),
        Self::SourceRouted(Kind::Routed),
        Self::Further(Kind::Device),
        Self::SourceRouted(Kind::Device),
    ];

    /// Who can do it. The older reference masquerades by iptables and has no TAP devices.
    pub(crate) fn contenders(self, programs: &Programs) -> Vec<Contender> {
        let all: &[Contender] = match self {
            Self::Bridge | Self::Shaped | Self::Further(_) | Self::SourceRouted(_) => {
                &[Contender::Ours, Contender::Reference, Contender::Floor]
            }
            Self::Masquerade => &[Contender::Ours, Contender::Reference, Contender::Newer],
            Self::DualStack => &[Contender::Ours, Contender::Reference],
            Self::Tap => &[Contender::Ours, Contender::Newer],
        };
        all.iter().copied().filter(|contender| *contender != Contender::Newer || programs.has_newer()).collect()
    }

    /// What the NIC is, where it is a further one.
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Self::Further(kind) | Self::SourceRouted(kind) => Some(kind),
            Self::Bridge | Self::Shaped | Self::Masquerade | Self::DualStack | Self::Tap => None,
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Further(kind) => return write!(f, "Further NIC, {kind} (reference: {})", kind.reference()),
            Self::SourceRouted(kind) => {
                let reference = kind.reference();
                return write!(f, "Further NIC, {kind}, with source routing (reference: {reference}, then sbr)");
            }
            Self::Bridge => "bridge + host-local",
            Self::Shaped => "bridge + host-local, then 100 Mbit/s by tbf",
            Self::Masquerade => "bridge + host-local with ipMasq (reference: iptables, newer: nftables)",
            Self::DualStack => "bridge + host-local, IPv4 and IPv6",
            Self::Tap => "TAP + host-local (ours on a bridge, the reference's on none)",
        };
        f.pad(words)
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
        if let Some(kind) = self.job.kind() {
            return self.further(kind);
        }
        let mut keys = json!({ "bridge": self.bridge(), "isGateway": true, "ipam": self.ipam() });
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
            (Job::Bridge | Job::Shaped | Job::Further(_) | Job::SourceRouted(_), _) => {}
        }
        let kind = if (self.job, self.contender) == (Job::Tap, Contender::Newer) { "tap" } else { "bridge" };
        let mut chain = vec![self.plugin(kind, keys)];
        match (self.job, self.contender) {
            // Its "ingress" is what the pod receives. Bits.
            (Job::Shaped, Contender::Reference) => chain.push(self.plugin(
                "bandwidth",
                json!({ "ingressRate": u64::from(RATE) * 8, "ingressBurst": u64::from(BURST) * 8 }),
            )),
            (Job::Shaped, _) => chain.push(self.plugin("netem-shaper", json!({ "bw": "100Mbps" }))),
            _ => {}
        }
        chain
    }

    /// The chain of a further NIC: ours is one plugin, with or without source routing.
    fn further(&self, kind: Kind) -> Vec<Plugin> {
        let is_source_routed = matches!(self.job, Job::SourceRouted(_));
        let mut keys = json!({ "ipam": self.ipam() });
        let mut more = |added: Value| merge(&mut keys, added);
        match kind {
            Kind::Bridged => more(json!({ "bridge": self.bridge(), "isGateway": true })),
            Kind::Routed => {}
            Kind::Device => more(json!({ "device": self.device() })),
        }
        if self.contender != Contender::Ours {
            let chained = is_source_routed.then(|| self.plugin("sbr", json!({})));
            return std::iter::once(self.plugin(kind.reference(), keys)).chain(chained).collect();
        }
        match kind {
            Kind::Bridged => {}
            Kind::Routed => more(json!({ "mode": "routed" })),
            Kind::Device => more(json!({ "nic": "host-device" })),
        }
        if is_source_routed {
            more(json!({ "sourceRouting": true }));
        }
        vec![self.plugin("veth-secondary", keys)]
    }

    /// Addresses of one family, and a default route.
    fn ipam(&self) -> Value {
        json!({
            "type": "host-local",
            "ranges": [[{ "subnet": format!("{}.0.0/16", self.subnet()) }]],
            "routes": [{ "dst": "0.0.0.0/0" }],
        })
    }

    fn plugin(&self, kind: &str, keys: Value) -> Plugin {
        let mut config = json!({ "cniVersion": CNI_VERSION, "name": self.bridge(), "type": kind });
        merge(&mut config, keys);
        Plugin { program: self.programs.plugins(self.contender).join(kind), config }
    }

    /// Whether CHECK can be measured. The floor has none; and `sbr` takes the default route out of the main table, where the
    /// reference's plugin before it misses it.
    pub(crate) fn has_check(&self) -> bool {
        match self.contender {
            Contender::Ours => true,
            Contender::Reference | Contender::Newer => !matches!(self.job, Job::SourceRouted(_)),
            Contender::Floor => false,
        }
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

    /// What the floor makes: its argument KIND.
    pub(crate) fn floor_kind(&self) -> String {
        match self.job.kind() {
            Some(Kind::Routed) => "routed".to_owned(),
            Some(Kind::Device) => "device".to_owned(),
            None | Some(Kind::Bridged) => format!("on={}", self.bridge()),
        }
    }

    /// The floor's option for the queue, which only ADD has.
    pub(crate) fn floor_queue(&self) -> Option<String> {
        (self.job == Job::Shaped).then(|| format!("queue={RATE},{BURST},{LIMIT}"))
    }

    /// The floor's option for the table of source routing, each container's own.
    pub(crate) fn floor_table(&self) -> Option<String> {
        matches!(self.job, Job::SourceRouted(_)).then(|| "table=100".to_owned())
    }

    /// The bridge, by whose name the network goes too.
    pub(crate) fn bridge(&self) -> String {
        format!("bench{}", self.number)
    }

    /// The device that moves into the containers, one after the other.
    pub(crate) fn device(&self) -> String {
        format!("device{}", self.number)
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
