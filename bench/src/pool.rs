//! `host-local` alone, beside an empty pool and beside 50,000 addresses that are taken.
//!
//! These are written as files, as either implementation would have left them: to give them one by one would take the
//! reference hours.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::attachment::Verb;
use crate::call::Call;
use crate::contender::{Contender, Programs};
use crate::statistics::{median, percentile};
use crate::timing::{Times, Timing};

/// What it is called.
pub(crate) const TITLE: &str = "host-local alone, beside an empty pool and beside 50,000 taken addresses";

/// Addresses that are taken: those behind the gateway, 10.0.0.2 to 10.0.195.81.
const TAKEN: u32 = 50_000;
/// The network, 10.0.0.0/15.
const NETWORK: u32 = 10 << 24;
const LENGTH: u8 = 15;

/// Rounds of what takes the reference, or us, a good part of a second.
const SLOW_ROUNDS: usize = 5;

/// The state of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing is taken but what the round before left.
    Empty,
    /// 50,000 are taken, the last one given is the last of them.
    Taken,
    /// The same, but the last one given is the first of them: the search goes past the others.
    Search,
    /// As [`State::Taken`], and others have changed the directory since our last call, as the reference does with each
    /// of its calls.
    Changed,
}

impl State {
    const ALL: [Self; 4] = [Self::Empty, Self::Taken, Self::Search, Self::Changed];

    fn directory(self) -> &'static str {
        if self == Self::Empty { "empty" } else { "taken" }
    }

    /// Whether it is measured: to the reference a change by others is nothing special.
    fn is_for(self, contender: Contender) -> bool {
        self != Self::Changed || contender == Contender::Ours
    }

    fn is_slow_for(self, contender: Contender) -> bool {
        self == Self::Changed || self != Self::Empty && contender == Contender::Reference
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "empty",
            Self::Taken => "50,000 taken",
            Self::Search => "search past 50,000",
            Self::Changed => "50,000, changed by others",
        })
    }
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

/// The figures of each verb.
pub(crate) type Measured = BTreeMap<(Verb, State, Contender), Figures>;

/// Measures ADD, CHECK and DEL by turns.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(rounds: usize, programs: &Programs, netns: &Path) -> Result<Measured> {
    let mut seen: BTreeMap<(Verb, State, Contender), Vec<Times>> = BTreeMap::new();
    let pools = [Contender::Ours, Contender::Reference].map(|contender| Pool { contender, programs, netns });
    for pool in &pools {
        pool.fill()?;
        // The first call of all builds our index.
        pool.round(State::Taken, "first")?;
    }
    // Apart from each other: a slow call leaves nothing of the others in the processor's caches.
    for (is_slow, rounds) in [(true, rounds.min(SLOW_ROUNDS)), (false, rounds)] {
        let all = State::ALL.iter().flat_map(|state| pools.iter().map(|pool| (*state, pool)));
        let mut due: Vec<_> = all
            .filter(|(state, pool)| state.is_for(pool.contender) && state.is_slow_for(pool.contender) == is_slow)
            .collect();
        for round in 0..rounds {
            for (state, pool) in &due {
                for (verb, times) in pool.round(*state, &format!("r{round}"))? {
                    seen.entry((verb, *state, pool.contender)).or_default().push(times);
                }
            }
            // None always runs in the wake of the same one.
            due.reverse();
        }
    }
    Ok(seen.into_iter().map(|(key, times)| (key, figures(&times))).collect())
}

fn figures(times: &[Times]) -> Figures {
    let walls: Vec<Duration> = times.iter().map(|times| times.wall).collect();
    let cpus: Vec<Duration> = times.iter().map(|times| times.cpu).collect();
    Figures { wall: median(&walls), wall_p99: percentile(&walls, 99), cpu: median(&cpus) }
}

/// The pools of one contender.
struct Pool<'a> {
    contender: Contender,
    programs: &'a Programs,
    netns: &'a Path,
}

impl Pool<'_> {
    fn data_dir(&self) -> PathBuf {
        PathBuf::from(format!("/var/lib/cni/pools-{}", self.contender))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data_dir().join(State::Taken.directory()).join(name)
    }

    /// Takes the addresses.
    fn fill(&self) -> Result<()> {
        fs::create_dir_all(self.file(""))?;
        for number in 2..TAKEN + 2 {
            let address = Ipv4Addr::from_bits(NETWORK + number).to_string();
            fs::write(self.file(&address), format!("other{number}\r\neth0"))?;
        }
        self.set_last(TAKEN + 1)
    }

    fn set_last(&self, number: u32) -> Result<()> {
        let address = Ipv4Addr::from_bits(NETWORK + number).to_string();
        fs::write(self.file("last_reserved_ip.0"), address).context("set the last address")
    }

    /// ADD, CHECK and DEL of one attachment.
    fn round(&self, state: State, container: &str) -> Result<Vec<(Verb, Times)>> {
        match state {
            State::Empty | State::Taken => {}
            State::Search => self.set_last(2)?,
            State::Changed => {
                let foreign = self.file("foreign");
                File::create(&foreign)?;
                fs::remove_file(&foreign)?;
            }
        }
        let (result, add) = self.call(Verb::Add, state, container, "").run(&Timing)?;
        let mut all = vec![(Verb::Add, add)];
        for verb in [Verb::Check, Verb::Del] {
            all.push((verb, self.call(verb, state, container, &result).run(&Timing)?.1));
        }
        // What DEL leaves behind is the same in all states, but for the last address.
        if state != State::Empty {
            self.set_last(TAKEN + 1)?;
        }
        if state == State::Search || state == State::Changed {
            all.truncate(1);
        }
        Ok(all)
    }

    fn call(&self, verb: Verb, state: State, container: &str, result: &str) -> Call {
        let mut config = json!({
            "cniVersion": "1.0.0",
            "name": state.directory(),
            "type": "bridge",
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": format!("{}/{LENGTH}", Ipv4Addr::from_bits(NETWORK)) }]],
                "dataDir": self.data_dir(),
            },
        });
        if let (Value::Object(config), Ok(result)) = (&mut config, serde_json::from_str(result)) {
            config.insert("prevResult".to_owned(), result);
        }
        let plugins = self.programs.plugins(self.contender);
        Call {
            program: plugins.join("host-local"),
            arguments: Vec::new(),
            environment: vec![
                ("CNI_COMMAND", verb.to_string().into()),
                ("CNI_CONTAINERID", container.into()),
                ("CNI_NETNS", self.netns.into()),
                ("CNI_IFNAME", "eth0".into()),
                ("CNI_PATH", plugins.into()),
            ],
            stdin: config.to_string(),
        }
    }
}
