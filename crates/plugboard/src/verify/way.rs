//! One direction, measured and compared.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meter::Throughput;
use shaping::{Line, Rate};

use super::clock::Clock;
use super::cpu::{Moment, Usage};
use super::ends::Pair;
use super::progress::Progress;
use super::queues::Queues;
use super::row::{Direction, RATE_TOLERANCE, Row, Unit};

pub(super) use small::base;
pub(super) use udp::{OVERLOAD, UNLIMITED, burst_time, payload};

mod small;
mod tcp;
mod udp;

const ETHERNET_HEADER: u32 = 14;

/// The length of the slices in which rates are counted.
const SLICE: Duration = Duration::from_millis(100);

/// What is waited at most for a burst to pass, or for TCP to reach its rate.
const LONGEST_SKIP: Duration = Duration::from_secs(30);
const LEAST_SKIP: Duration = Duration::from_millis(500);

/// How long the kernel waits for a neighbour's answer unless told otherwise: three solicitations, a second apart (arp(7)).
const SOLICITATION: Duration = Duration::from_secs(3);

/// The MTU for which the size of a queue is estimated, in bytes; it hardly depends on it.
const MTU: u32 = 1500;

/// So many standard deviations of what arrives are chance: a rate is measured once, and one of 15,000 is further off.
const CHANCE_OF_RATE: f64 = 4.0;

/// The share of a rate that single packets may take, to meet no queue.
const UNNOTICED: f64 = 0.25;

/// What all directions share.
pub(super) struct Tools<'a> {
    pub(super) seconds: u16,
    pub(super) flows: u16,
    /// Of the interface, in bytes.
    pub(super) mtu: u32,
    pub(super) queues: &'a Queues,
    /// The interface's namespace.
    pub(super) container: &'a Path,
    /// What CHECK says of the queues.
    pub(super) differences: &'a [String],
    /// What both directions together delay.
    pub(super) delay: Duration,
    /// Two measuring containers: the same network without a limit.
    pub(super) unlimited: Option<&'a Pair>,
    pub(super) clock: OnceCell<Clock>,
    pub(super) progress: &'a Progress,
}

/// One direction.
pub(super) struct Way<'a> {
    pub(super) direction: Direction,
    pub(super) line: &'a Line,
    pub(super) pair: Pair,
    /// The sender's namespace and interface, and the receiver's namespace.
    pub(super) sender: (PathBuf, String),
    pub(super) receiver: PathBuf,
}

/// What is the network's own: the figures of a path without limits, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Base {
    pub(super) delay_ns: f64,
    pub(super) deviation_ns: f64,
}

/// A rate with what went on meanwhile.
struct Loaded {
    throughput: Throughput,
    usage: Option<Usage>,
    /// The bytes at layer 2 that left the queues of the direction meanwhile, whosesoever they were.
    passed_bytes: u64,
}

impl Loaded {
    #[expect(clippy::cast_precision_loss, reason = "52 bits of bytes are petabytes")]
    fn bytes_of_others(&self) -> f64 {
        (self.passed_bytes as f64 - self.throughput.layer2_bytes()).max(0.0)
    }
}

impl Tools<'_> {
    fn clock(&self) -> &Clock {
        self.clock.get_or_init(Clock::look)
    }

    /// What cannot be attributed to anything else.
    pub(super) fn known(&self) -> Vec<String> {
        let differences = self.differences.iter().map(|difference| format!("the queues differ: {difference}"));
        let slow = (self.delay > SOLICITATION).then(|| {
            format!(
                "a neighbour's answer takes {:.1} s, but the kernel gives up after {} s (mcast_solicit, retrans_time)",
                self.delay.as_secs_f64(),
                SOLICITATION.as_secs()
            )
        });
        differences.chain(slow).collect()
    }

    /// Why a delay differs.
    pub(super) fn reasons_of_delay(&self, row: &Row) -> Vec<String> {
        let gap = row.asked.map_or(0.0, |asked| row.got - asked);
        self.known().into_iter().chain(self.clock().reason(gap)).collect()
    }

    /// What one frame of so many bytes is of a rate that is measured, in bit/s.
    pub(super) fn bit_s_of(&self, frame_bytes: u32) -> f64 {
        f64::from(frame_bytes) * 8.0 / self.duration().as_secs_f64()
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// How long to wait for what is delayed.
pub(super) fn patience(line: &Line) -> Duration {
    let longest = Duration::from_nanos(line.longest_delay().nanoseconds());
    longest.saturating_mul(2).saturating_add(Duration::from_secs(1))
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
pub(super) fn bit_s(rate: shaping::Rate) -> f64 {
    rate.bits_per_second() as f64
}

/// How long what a full queue of the line's rate holds takes to pass.
pub(super) fn queue_time(line: &Line) -> Duration {
    let Some(rate) = line.rate else { return Duration::ZERO };
    let queue = shaping::Tbf::new(rate, line.longest_delay(), line.burst_bytes, MTU).limit_bytes;
    Duration::try_from_secs_f64(f64::from(queue) * 8.0 / bit_s(rate)).unwrap_or_default()
}

/// How far apart packets of so many bytes at layer 2 must be to meet no queue of their own.
pub(super) fn unnoticed(rate: Option<Rate>, frame_bytes: u32) -> Duration {
    rate.map_or(Duration::ZERO, |rate| {
        Duration::from_secs_f64(f64::from(frame_bytes) * 8.0 / (bit_s(rate) * UNNOTICED))
    })
}

/// What a rate becomes at most of what is offered, and what chance makes of that: in bit/s. Where more is lost than the line
/// needs to be full, it is as many as arrive.
pub(super) fn asked_of(line: &Line, offered: f64, frame_bytes: u32, time: Duration) -> (Option<f64>, f64) {
    let (expected, frame) = (line.expected(), f64::from(frame_bytes) * 8.0);
    let Some(rate) = line.rate.map(bit_s) else { return (None, 0.0) };
    let arriving = offered * (1.0 - expected.lost) * (1.0 + expected.duplicated);
    let count = (offered * time.as_secs_f64() / frame).max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above 0, and saturating")]
    let factors = line.variance_factors(count as u32);
    let deviation = |share: f64, factor: f64| (share * (1.0 - share) * factor / count).max(0.0).sqrt();
    let lost = deviation(expected.lost, factors.lost);
    let doubled = deviation(expected.duplicated, factors.duplicated);
    let chance = CHANCE_OF_RATE * offered * lost.hypot(doubled);
    let asked = rate.min(arriving);
    (
        Some(asked),
        (rate.min(arriving + chance) - asked).max(asked - rate.min(arriving - chance)) + frame / time.as_secs_f64(),
    )
}

impl Way<'_> {
    /// Runs `measure`, and watches the processors and the queues meanwhile.
    fn watch(
        &self,
        tools: &Tools<'_>,
        measure: impl FnOnce() -> Result<Throughput, meter::Error>,
    ) -> Result<Loaded, meter::Error> {
        let read = || tools.queues.read(tools.container);
        let (before, counters) = (Moment::now(), read());
        let throughput = measure()?;
        let usage = before.usage(&Moment::now());
        Ok(Loaded { throughput, usage, passed_bytes: counters.passed(self.direction, &read()) })
    }

    /// The rates of datagrams and of TCP. `round_trip` is that of this path.
    pub(super) fn rate_rows(&self, round_trip: Duration, tools: &Tools<'_>) -> Vec<Row> {
        tools.progress.step(self.direction, "rate of datagrams");
        let udp = self.udp_row(tools);
        // What still waits in the queue would be in TCP's way.
        std::thread::sleep(SLICE.saturating_mul(2).saturating_add(round_trip));
        tools.progress.step(self.direction, "rate of TCP");
        vec![udp, self.tcp_row(round_trip, tools)]
    }

    /// What the same network carries without limits, if that is the reason.
    fn capacity(
        &self,
        row: &Row,
        tools: &Tools<'_>,
        measure: impl FnOnce(&Pair) -> Result<Loaded, meter::Error>,
    ) -> Option<String> {
        let asked = row.asked.filter(|asked| row.got < *asked)?;
        let unlimited = tools.unlimited?;
        let loaded = measure(unlimited).ok()?;
        let carried = loaded.throughput.layer2_bit_s_after(LEAST_SKIP);
        let usage = loaded.usage.and_then(Usage::reason).map(|usage| format!(", while {usage}")).unwrap_or_default();
        (carried < asked * (1.0 + RATE_TOLERANCE))
            .then(|| format!("without any limit this machine carries {} here{usage}", Unit::Rate.show(carried)))
    }

    /// The row as it is, or kept, where it is missed only for what others sent over the interface meanwhile.
    fn beside_others(&self, row: Row, loaded: &Loaded, tools: &Tools<'_>) -> Row {
        let is_less = row.asked.is_some_and(|asked| row.got < asked);
        // What is corrupted passes the queue and is not counted as ours. A queue that was changed is a reason of its own.
        let is_clear = self.line.corrupt.probability.is_never() && tools.differences.is_empty();
        if !row.is_missed() || !is_less || !is_clear {
            return row;
        }
        let of_others = loaded.bytes_of_others() * 8.0 / tools.duration().as_secs_f64();
        row.kept_with(of_others, || {
            format!("other traffic on the interface had up to {} of it", Unit::Rate.show(of_others))
        })
    }

    fn unmeasured(&self, what: &str, asked: Option<f64>, error: &meter::Error) -> Row {
        let row = Row::rate(self.direction, what, asked, f64::NAN, 0.0);
        let why = format!("it could not be measured: {error}");
        if asked.is_some() { row.explained(|_| vec![why]) } else { row.not_judged(why) }
    }
}
