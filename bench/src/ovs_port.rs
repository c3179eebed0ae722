//! `ovs-port` on bridges with few and many ports, beside the commands that do the same, and beside the floor.
//!
//! The bridges have the datapath of `ovs-vswitchd` itself, which every kernel can serve. The switch goes through all its ports for each
//! change, and after the call that waited for it: every call begins when it has come to rest.

mod bridge;
mod container;
mod goals;
mod maker;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use harness::Host;

use crate::attachment::Verb;
use crate::contender::Programs;
use crate::statistics::{median, percentile};
use crate::timing::Times;

use bridge::Bridge;
use container::Container;
pub(crate) use goals::goals;
pub(crate) use maker::Maker;

/// What it is called.
pub(crate) const TITLE: &str = "ovs-port + host-local, beside ovs-vsctl and ip";

/// Ports that are on the bridge beforehand.
const PORTS: [usize; 3] = [1, 100, 500];
/// From so many on, a round takes seconds.
const MANY: usize = 500;
/// The most rounds with that many.
const ROUNDS_WITH_MANY: usize = 20;

/// What the NIC is, and the ports that are there beforehand are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nic {
    /// A veth pair.
    Veth,
    /// A device of the switch's own.
    Internal,
}

impl fmt::Display for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Veth => "veth",
            Self::Internal => "internal",
        })
    }
}

/// What a call does, and beside how many ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Job {
    pub(crate) verb: Verb,
    pub(crate) nic: Nic,
    pub(crate) ports: usize,
}

/// Time of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// The shortest: what other work on the machine has disturbed least.
    pub(crate) least: Duration,
    /// Median.
    pub(crate) wall: Duration,
    /// Median CPU time of the call's processes, those of the switch not counted.
    pub(crate) cpu: Duration,
    /// The number of calls.
    pub(crate) calls: usize,
}

/// The figures of each.
pub(crate) type Measured = BTreeMap<(Job, Maker), Figures>;

type Seen = BTreeMap<(Job, Maker), Vec<Times>>;

/// Measures all by turns.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(rounds: usize, programs: &Programs, host: &Host) -> Result<Measured> {
    maker::require_commands()?;
    let mut seen = Seen::new();
    for nic in [Nic::Veth, Nic::Internal] {
        let mut containers = Maker::ALL.map(|maker| Container::new(host, maker, nic, programs));
        for ports in PORTS {
            let rounds = if ports < MANY { rounds } else { rounds.min(ROUNDS_WITH_MANY) };
            eprintln!("bench: {TITLE}: {nic}, {ports} ports: {rounds} rounds");
            let bridge = Bridge::with(nic, ports);
            for round in 0..=rounds {
                for verb in [Verb::Add, Verb::Del] {
                    for container in &mut containers {
                        bridge.rest();
                        let times = container.call(verb)?;
                        // The first round fills the caches.
                        if round > 0 {
                            seen.entry((Job { verb, nic, ports }, container.maker)).or_default().push(times);
                        }
                    }
                }
                // None always runs in the wake of the same one.
                containers.rotate_left(1);
            }
        }
    }
    Ok(seen.into_iter().map(|(key, times)| (key, figures(&times))).collect())
}

fn figures(times: &[Times]) -> Figures {
    let walls: Vec<Duration> = times.iter().map(|times| times.wall).collect();
    let cpus: Vec<Duration> = times.iter().map(|times| times.cpu).collect();
    Figures { least: percentile(&walls, 0), wall: median(&walls), cpu: median(&cpus), calls: times.len() }
}
