//! One call after the other, by turns.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::attachment::{Attachment, Verb};
use crate::call::Observer;
use crate::contender::Contender;
use crate::memory::Memory;
use crate::network::{Job, Network};
use crate::networks::Networks;
use crate::spaces::Spaces;
use crate::statistics::{median, percentile};
use crate::strace::{Counts, Strace};
use crate::timing::{Times, Timing};

/// Rounds before the measured ones: the executables are in the page cache then.
const WARM_UP: usize = 2;

/// Traced runs of each kind. A Go runtime does not do the same every time.
const TRACED: usize = 5;

/// The figures of a verb, with all plugins of the chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Median time on the clock.
    pub(crate) wall: Duration,
    /// 99 of 100 calls are no slower.
    pub(crate) wall_p99: Duration,
    /// Median CPU time.
    pub(crate) cpu: Duration,
    /// Memory of the largest process in any run, in bytes.
    pub(crate) peak_bytes: u64,
    /// Most children of any run.
    pub(crate) children: usize,
    /// Median of the system calls.
    pub(crate) system_calls: usize,
}

/// The figures of each verb by each contender.
pub(crate) type Measured = BTreeMap<(Verb, Contender), Figures>;

type Seen<T> = BTreeMap<(Verb, Contender), Vec<T>>;

/// Measures a job.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(job: Job, rounds: usize, networks: &mut Networks<'_>, spaces: &Spaces) -> Result<Measured> {
    let mut started = Vec::new();
    for contender in job.contenders(networks.programs()) {
        started.push(networks.start(contender, job)?);
    }
    let turns = Turns { networks: started, spaces };
    turns.take("warm", WARM_UP.min(rounds), &Timing)?;
    let times = turns.take("timed", rounds, &Timing)?;
    let counts = turns.take("counted", TRACED.min(rounds), &Strace)?;
    let memory = turns.take("memory", TRACED.min(rounds), &Memory)?;

    let figures = times.into_iter().map(|(key, times)| {
        let counts: Vec<Counts> = per_verb(&counts, key, |parts| parts.iter().copied().sum());
        let peaks: Vec<u64> = per_verb(&memory, key, |parts| parts.iter().copied().max().unwrap_or_default());
        let times: Vec<Times> = times.iter().map(|parts| parts.iter().copied().sum()).collect();
        (key, figures(&times, &counts, &peaks))
    });
    Ok(figures.collect())
}

fn per_verb<T, S>(seen: &Seen<Vec<T>>, key: (Verb, Contender), fold: impl Fn(&[T]) -> S) -> Vec<S> {
    seen.get(&key).into_iter().flatten().map(|parts| fold(parts)).collect()
}

fn figures(times: &[Times], counts: &[Counts], peaks: &[u64]) -> Figures {
    let walls: Vec<Duration> = times.iter().map(|times| times.wall).collect();
    let cpus: Vec<Duration> = times.iter().map(|times| times.cpu).collect();
    let calls: Vec<usize> = counts.iter().map(|counts| counts.system_calls).collect();
    Figures {
        wall: median(&walls),
        wall_p99: percentile(&walls, 99),
        cpu: median(&cpus),
        peak_bytes: peaks.iter().copied().max().unwrap_or_default(),
        children: counts.iter().map(|counts| counts.children).max().unwrap_or_default(),
        system_calls: median(&calls),
    }
}

struct Turns<'a> {
    networks: Vec<Network>,
    spaces: &'a Spaces,
}

impl Turns<'_> {
    /// Rounds with fresh containers. In each, every verb is called with all contenders before the next verb, and another
    /// contender begins, so that none always runs in the wake of the same one.
    fn take<O: Observer>(&self, name: &str, rounds: usize, observer: &O) -> Result<Seen<Vec<O::Seen>>> {
        let mut seen: Seen<Vec<O::Seen>> = BTreeMap::new();
        for round in 0..rounds {
            let mut attachments = Vec::new();
            for network in &self.networks {
                let netns = self.spaces.path(network.contender, round)?;
                attachments.push((network.contender, Attachment::new(network, &format!("{name}{round}"), netns)));
            }
            attachments.rotate_left(round % self.networks.len());
            for verb in Verb::ALL {
                for (contender, attachment) in &mut attachments {
                    let parts = attachment.call(verb, observer)?;
                    if !parts.is_empty() {
                        seen.entry((verb, *contender)).or_default().push(parts);
                    }
                }
            }
        }
        Ok(seen)
    }
}
