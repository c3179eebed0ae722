//! Two containers on a bridge, one of them shaped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use harness::{Host, Invocation, Namespace, sh, tc};
use meter::Place;
use serde_json::{Value, json};

/// The version that the reference of all supported distributions knows.
const CNI_VERSION: &str = "1.0.0";

const NETWORK: &str = "bench";
const INTERFACE: &str = "eth0";

/// Which way data go, as the shaped container sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// What it receives.
    Download,
    /// What it sends.
    Upload,
}

impl Way {
    /// The key of `netem-shaper`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// Who sets the limits.
#[derive(Debug, Clone)]
pub(crate) enum Shaper {
    /// `netem-shaper` with these keys.
    Ours(Value),
    /// The reference's `bandwidth` with these keys.
    Reference(Value),
    /// `tc` with these arguments behind `tc qdisc add dev DEVICE`, one after the other.
    Tc(Vec<String>),
}

/// Two containers on a bridge that `bridge` made: `near`, whose limits are measured, and `far`.
#[derive(Debug)]
pub(crate) struct Pair {
    near: Namespace,
    far: Namespace,
    /// What `bridge` returned for `near`.
    result: Value,
    /// The host's end of `near`.
    device: String,
    reference: PathBuf,
    _host: Host,
}

impl Pair {
    /// Makes it on a host of its own.
    ///
    /// # Errors
    /// Executables are missing.
    pub(crate) fn make(reference: &Path) -> Result<Self> {
        let directory = harness::find_bin_dir().context("no executables to measure: run `make build` first")?;
        for program in ["bridge", "netem-shaper"] {
            if !directory.join(program).is_file() {
                bail!("{} was not built: run `make build` first", directory.join(program).display());
            }
        }
        let host = Host::enter();
        let (near, far) = (host.namespace("near"), host.namespace("far"));
        let config = json!({ "cniVersion": CNI_VERSION, "name": NETWORK, "type": "bridge", "bridge": NETWORK });
        let attach = |namespace: &Namespace, address: &str| {
            let result = call("bridge", "ADD", namespace, &config).run().ok();
            namespace.sh(&format!("ip address add {address}/24 dev {INTERFACE}")).ok();
            result
        };
        let result = attach(&near, NEAR);
        attach(&far, FAR);
        // No neighbour is asked for while a queue is full.
        for (namespace, (peer, address)) in [(&near, (&far, FAR)), (&far, (&near, NEAR))] {
            let link = peer.ip(&format!("link show dev {INTERFACE}"));
            let mac = link.pointer("/0/address").and_then(Value::as_str).context("a link without an address")?;
            namespace.sh(&format!("ip neigh replace {address} lladdr {mac} dev {INTERFACE} nud permanent")).ok();
        }
        let device =
            result.pointer("/interfaces/1/name").and_then(Value::as_str).context("bridge named no interface")?;
        let device = device.to_owned();
        Ok(Self { near, far, result, device, reference: reference.to_owned(), _host: host })
    }

    /// Whether the kernel has netem.
    #[expect(clippy::unused_self, reason = "it is asked on the pair's host")]
    pub(crate) fn has_netem(&self) -> bool {
        sh("tc qdisc add dev lo root netem delay 1ms && tc qdisc del dev lo root").status == 0
    }

    /// Where data come from and go to.
    ///
    /// # Errors
    /// A namespace cannot be opened.
    pub(crate) fn places(&self, way: Way) -> Result<(Place, Place)> {
        let near = Place::open(&self.near.path, NEAR.parse()?)?.on(INTERFACE);
        let far = Place::open(&self.far.path, FAR.parse()?)?.on(INTERFACE);
        Ok(match way {
            Way::Download => (far, near),
            Way::Upload => (near, far),
        })
    }

    /// Does `work` while the limits hold.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn shaped<T>(&self, shaper: &Shaper, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (plugin, config) = match shaper {
            Shaper::Ours(keys) => ("netem-shaper".to_owned(), self.config("netem-shaper", keys)),
            Shaper::Reference(keys) => {
                let program = self.reference.join("bandwidth");
                (program.display().to_string(), self.config("bandwidth", keys))
            }
            Shaper::Tc(commands) => {
                for arguments in commands {
                    sh(&format!("tc qdisc add dev {} {arguments}", self.device)).ok();
                }
                let result = work();
                sh(&format!("tc qdisc del dev {} root", self.device)).ok();
                return result;
            }
        };
        let run = |verb: &str| match call(&plugin, verb, &self.near, &config).run() {
            reply if reply.status == 0 => Ok(()),
            reply => bail!("{plugin} {verb}: {}", reply.stdout),
        };
        run("ADD")?;
        let result = work();
        run("DEL")?;
        if matches!(shaper, Shaper::Reference(_)) {
            // It leaves its queues to whoever removes the device.
            for queue in ["root", "ingress"] {
                sh(&format!("tc qdisc del dev {} {queue}", self.device));
            }
        }
        result
    }

    fn config(&self, kind: &str, keys: &Value) -> Value {
        let mut config = json!({ "cniVersion": CNI_VERSION, "name": NETWORK, "type": kind, "prevResult": self.result });
        if let (Value::Object(config), Value::Object(keys)) = (&mut config, keys) {
            config.extend(keys.clone());
        }
        config
    }

    /// Does `work` while senders make no super-packets, or as they are.
    pub(crate) fn with_offloads<T>(&self, are_on: bool, work: impl FnOnce() -> T) -> T {
        if are_on {
            return work();
        }
        let switch = |state: &str| {
            for namespace in [&self.near, &self.far] {
                namespace.sh(&format!("ethtool -K {INTERFACE} tso {state} gso {state}")).ok();
            }
        };
        switch("off");
        let result = work();
        switch("on");
        result
    }

    /// What all queues of the host have dropped since they were made.
    #[expect(clippy::unused_self, reason = "it is asked on the pair's host")]
    pub(crate) fn drops(&self) -> u64 {
        let queues = tc("-s qdisc show");
        let drops = |queue: &Value| queue.get("drops").and_then(Value::as_u64).unwrap_or_default();
        queues.as_array().into_iter().flatten().map(drops).sum()
    }
}

const NEAR: &str = "10.9.0.1";
const FAR: &str = "10.9.0.2";

fn call(plugin: &str, verb: &str, namespace: &Namespace, config: &Value) -> Invocation {
    Invocation::new(plugin, verb).container(&namespace.name).netns(&namespace.path).ifname(INTERFACE).config(config)
}
