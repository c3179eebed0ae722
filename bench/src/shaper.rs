//! `netem-shaper` alone, beside the reference's `bandwidth` and an executable that does nothing.
//!
//! The NIC is there; each ADD is followed by what makes it possible again.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::sh;
use serde_json::{Value, json};

use crate::call::Call;
use crate::contender::{Contender, Programs};
use crate::statistics::{median, percentile};
use crate::timing::{Times, Timing};

/// What it is called.
pub(crate) const TITLE: &str = "ADD of the shaper alone, behind bridge";

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Of what the container receives.
    Download,
    /// Of both directions.
    Both,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Download => "download",
            Self::Both => "download, upload",
        })
    }
}

/// Who ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ran {
    /// The executable that does nothing.
    Empty,
    /// A shaper.
    Shaper(Shape, Contender),
}

/// Time of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Median.
    pub(crate) wall: Duration,
    /// 99 of 100 calls are no slower.
    pub(crate) wall_p99: Duration,
    /// Median CPU time.
    pub(crate) cpu: Duration,
}

/// The figures of each.
pub(crate) type Measured = BTreeMap<Ran, Figures>;

/// Runs all by turns.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(rounds: usize, programs: &Programs, netns: &Path) -> Result<Measured> {
    let nic = Nic::make(programs, netns)?;
    let mut order = vec![Ran::Empty];
    for contender in [Contender::Ours, Contender::Reference] {
        order.extend([Shape::Download, Shape::Both].map(|shape| Ran::Shaper(shape, contender)));
    }
    let mut seen: BTreeMap<Ran, Vec<Times>> = BTreeMap::new();
    for round in 0..=rounds {
        for ran in &order {
            let times = nic.run(*ran)?;
            // The first round fills the caches.
            if round > 0 {
                seen.entry(*ran).or_default().push(times);
            }
        }
        // None always runs in the wake of the same one.
        order.reverse();
    }
    nic.remove()?;
    Ok(seen.into_iter().map(|(ran, times)| (ran, figures(&times))).collect())
}

fn figures(times: &[Times]) -> Figures {
    let walls: Vec<Duration> = times.iter().map(|times| times.wall).collect();
    let cpus: Vec<Duration> = times.iter().map(|times| times.cpu).collect();
    Figures { wall: median(&walls), wall_p99: percentile(&walls, 99), cpu: median(&cpus) }
}

fn bridge() -> Value {
    json!({"cniVersion": "1.0.0", "name": "shaped", "type": "bridge", "bridge": "shaped"})
}

/// A NIC of `bridge`.
struct Nic<'a> {
    programs: &'a Programs,
    netns: &'a Path,
    made: Value,
}

impl<'a> Nic<'a> {
    fn make(programs: &'a Programs, netns: &'a Path) -> Result<Self> {
        let mut nic = Self { programs, netns, made: Value::Null };
        let (made, _) = nic.call("ADD", Contender::Ours, "bridge", &bridge()).run(&Timing)?;
        nic.made = serde_json::from_str(&made).context("the result of bridge")?;
        Ok(nic)
    }

    /// Leaves the namespace empty for what is measured next.
    fn remove(self) -> Result<()> {
        self.call("DEL", Contender::Ours, "bridge", &bridge()).run(&Timing)?;
        Ok(())
    }

    fn call(&self, command: &str, contender: Contender, plugin: &str, config: &Value) -> Call {
        let directory = self.programs.plugins(contender);
        Call {
            program: directory.join(plugin),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", command.into()),
                ("CNI_CONTAINERID", "shaped".into()),
                ("CNI_NETNS", self.netns.into()),
                ("CNI_IFNAME", "eth0".into()),
                ("CNI_PATH", directory.into()),
            ],
            stdin: config.to_string(),
        }
    }

    fn run(&self, ran: Ran) -> Result<Times> {
        let Ran::Shaper(shape, contender) = ran else {
            let call = Call {
                program: self.programs.empty(),
                arguments: Vec::new(),
                environment: Vec::new(),
                stdin: String::new(),
            };
            return Ok(call.run(&Timing)?.1);
        };
        let (plugin, keys) = match (contender, shape) {
            (Contender::Reference, Shape::Download) => {
                ("bandwidth", json!({"ingressRate": 100_000_000, "ingressBurst": 524_288}))
            }
            (Contender::Reference, Shape::Both) => (
                "bandwidth",
                json!({"ingressRate": 100_000_000, "ingressBurst": 524_288,
                    "egressRate": 100_000_000, "egressBurst": 524_288}),
            ),
            (_, Shape::Download) => ("netem-shaper", json!({"bw": "100Mbps"})),
            (_, Shape::Both) => ("netem-shaper", json!({"bw": "100Mbps", "upload": {"rate": "100Mbit"}})),
        };
        let mut config = json!({"cniVersion": "1.0.0", "name": "shaped", "type": plugin, "prevResult": self.made});
        if let (Value::Object(config), Value::Object(keys)) = (&mut config, keys) {
            config.extend(keys);
        }
        let (_, times) = self.call("ADD", contender, plugin, &config).run(&Timing)?;
        self.call("DEL", contender, plugin, &config).run(&Timing)?;
        if contender == Contender::Reference {
            // Its DEL leaves them to go with the device.
            let port = self
                .made
                .pointer("/interfaces/1/name")
                .and_then(Value::as_str)
                .context("bridge's result has no host interface")?;
            sh(&format!("tc qdisc del dev {port} root")).ok();
            if shape == Shape::Both {
                sh(&format!("tc qdisc del dev {port} ingress")).ok();
            }
        }
        Ok(times)
    }
}
