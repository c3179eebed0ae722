//! Many ADDs at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::attachment::{Attachment, Verb};
use crate::contender::Contender;
use crate::network::{Job, Network};
use crate::networks::Networks;
use crate::spaces::Spaces;
use crate::statistics::median;
use crate::timing::{Times, Timing};

/// What it is called.
pub(crate) const TITLE: &str = "100 ADDs of bridge + host-local, 8 at a time";

/// Calls of a burst.
pub(crate) const CALLS: usize = 100;
const AT_A_TIME: usize = 8;

/// Bursts of each contender, by turns.
const BURSTS: usize = 3;

/// A whole burst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Burst {
    /// From the first start to the last end: the median.
    pub(crate) wall: Duration,
    /// Of all calls together: the median.
    pub(crate) cpu: Duration,
}

/// Measures the bursts, each on a fresh bridge and a fresh pool.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(networks: &mut Networks<'_>, spaces: &Spaces) -> Result<BTreeMap<Contender, Burst>> {
    let mut seen: BTreeMap<Contender, Vec<Times>> = BTreeMap::new();
    for _ in 0..BURSTS {
        for contender in Job::Bridge.contenders(networks.programs()) {
            let network = networks.start(contender, Job::Bridge)?;
            seen.entry(contender).or_default().push(burst(&network, spaces)?);
        }
    }
    let medians = seen.into_iter().map(|(contender, times)| {
        let wall = median(&times.iter().map(|times| times.wall).collect::<Vec<_>>());
        let cpu = median(&times.iter().map(|times| times.cpu).collect::<Vec<_>>());
        (contender, Burst { wall, cpu })
    });
    Ok(medians.collect())
}

/// All ADDs, then all DELs; the ADDs' time.
fn burst(network: &Network, spaces: &Spaces) -> Result<Times> {
    let mut attachments = Vec::new();
    for place in 0..CALLS {
        let netns = spaces.path(network.contender, place)?;
        attachments.push(Attachment::new(network, &format!("burst{place}"), netns));
    }
    let (attachments, times) = all(Verb::Add, attachments)?;
    all(Verb::Del, attachments)?;
    Ok(times)
}

/// Calls a verb for each attachment, by as many threads as calls run at a time. They live in this thread's namespaces.
fn all(verb: Verb, attachments: Vec<Attachment<'_>>) -> Result<(Vec<Attachment<'_>>, Times)> {
    let waiting = Mutex::new(attachments);
    let next = || waiting.lock().ok()?.pop();
    let work = || -> Result<Vec<(Attachment<'_>, Times)>> {
        let mut done = Vec::new();
        while let Some(mut attachment) = next() {
            let times = attachment.call(verb, &Timing)?.into_iter().sum();
            done.push((attachment, times));
        }
        Ok(done)
    };
    let start = Instant::now();
    let done: Result<Vec<_>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?).collect()
    });
    let wall = start.elapsed();
    let (attachments, times): (Vec<_>, Vec<Times>) = done?.into_iter().flatten().unzip();
    let cpu = times.into_iter().map(|times| times.cpu).sum();
    Ok((attachments, Times { wall, cpu }))
}
