//! `ovs-port` on bridges with few and many ports, beside the commands that do the same, and beside the floor.
//!
//! The bridges have the datapath of `ovs-vswitchd` itself, which every kernel can serve. The switch goes through all its ports for
//! each change, and goes on after the call that waited for it: every call begins when it has come to rest.

mod bridge;
mod container;
mod goals;
mod job;
mod maker;

use std::collections::BTreeMap;

use anyhow::Result;
use harness::Host;

use crate::attachment::Verb;
use crate::contender::Programs;
use crate::timing::{Figures, Times};

use bridge::Bridge;
use container::Container;
pub(crate) use goals::goals;
use job::MANY;
pub(crate) use job::{Job, Measured, Nic};
pub(crate) use maker::Maker;

/// What it is called.
pub(crate) const TITLE: &str = "ovs-port + host-local, beside ovs-vsctl and ip";

/// Ports that are on the bridge beforehand.
const PORTS: [usize; 3] = [1, 100, 500];
/// The most rounds with that many.
const ROUNDS_WITH_MANY: usize = 20;

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
    Ok(seen.into_iter().map(|(key, times)| (key, Figures::of(&times))).collect())
}
