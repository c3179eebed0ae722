//! One direction, measured and compared.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meter::statistics::{self, Interval};
use meter::{Probe, Probes, Tcp, Throughput, Udp};
use shaping::{Expectation, Line, Loss};

use super::clock::Clock;
use super::cpu::{Moment, Usage};
use super::ends::{Pair, ip_and_udp};
use super::queues::Queues;
use super::row::{Direction, RATE_TOLERANCE, Row, TIME_TOLERANCE, Unit};

/// The payload of a small datagram in bytes, as `ping` has it.
const SMALL_PAYLOAD: u16 = 56;

/// How far apart small datagrams are at least, and which share of the rate they may take.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);
const SMALL_SHARE: f64 = 0.25;

/// Fewer of them say nothing.
const LEAST_COUNT: f64 = 20.0;

/// What is offered to a line, as a multiple of its rate; and to one without a limit, in bit/s.
pub(super) const OVERLOAD: f64 = 1.5;
pub(super) const UNLIMITED: f64 = 100e6;

/// Above this rate in bit/s datagrams are handed down so many at once: each by itself takes a processor's time for itself.
const SINGLE: f64 = 1e9;
const SUPER_PACKET: u16 = 16;

/// Bytes of payload that one packet can have at most.
const MOST_IN_ONE: u16 = 65_000;

/// A stream has so many frames a second, where its rate allows.
const FRAMES_PER_SECOND: f64 = 50.0;

/// Bytes of payload of the smallest frame that is sent.
const LEAST_PAYLOAD: f64 = 64.0;

const ETHERNET_HEADER: u32 = 14;

/// The length of the slices in which rates are counted.
const SLICE: Duration = Duration::from_millis(100);

/// What is waited at most for a burst to pass, or for TCP to reach its rate.
const LONGEST_SKIP: Duration = Duration::from_secs(30);
const LEAST_SKIP: Duration = Duration::from_millis(500);

/// TCP has reached its rate after so many round trips.
const START_ROUND_TRIPS: f64 = 10.0;

/// A share of the time for which TCP waited that explains a gap.
const WAITED: f64 = 0.1;

/// Of packets with a bit turned over, so many arrive: the bit is where nobody looks, such as the sender's hardware address.
const UNHARMED: f64 = 0.2;

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
    /// Two measuring containers: the same network without a limit.
    pub(super) unlimited: Option<&'a Pair>,
    pub(super) clock: OnceCell<Clock>,
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
}

impl Tools<'_> {
    fn clock(&self) -> &Clock {
        self.clock.get_or_init(Clock::look)
    }

    /// What cannot be blamed on anything else.
    pub(super) fn differences(&self) -> Vec<String> {
        self.differences.iter().map(|difference| format!("the queues differ: {difference}")).collect()
    }

    /// Why a delay is another one.
    pub(super) fn reasons_of_delay(&self, row: &Row) -> Vec<String> {
        let gap = row.asked.map_or(0.0, |asked| row.got - asked);
        self.differences().into_iter().chain(self.clock().reason(gap)).collect()
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// Sends small datagrams, few enough to meet no queue.
pub(super) fn small(pair: &Pair, line: &Line, ecn: bool, duration: Duration) -> Result<Probes, meter::Error> {
    let frame = u32::from(SMALL_PAYLOAD) + ip_and_udp(pair.to.address()) + ETHERNET_HEADER;
    let apart = line.rate.map_or(0.0, |rate| f64::from(frame) * 8.0 / (bit_s(rate) * SMALL_SHARE));
    let interval = Duration::from_secs_f64(apart).max(LEAST_INTERVAL);
    let count = (duration.as_secs_f64() / interval.as_secs_f64()).max(LEAST_COUNT);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 600 s in steps of 1 ms")]
    let count = count as u32;
    meter::probe(
        &pair.from,
        &pair.to,
        Probe { count, interval, payload_bytes: SMALL_PAYLOAD, with_checksum: true, ecn, patience: patience(line) },
    )
}

/// How long to wait for what is delayed.
fn patience(line: &Line) -> Duration {
    let longest = Duration::from_nanos(line.longest_delay().nanoseconds());
    longest.saturating_mul(2).saturating_add(Duration::from_secs(1))
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
pub(super) fn bit_s(rate: shaping::Rate) -> f64 {
    rate.bits_per_second() as f64
}

impl Way<'_> {
    /// Delay, jitter, loss and the like.
    pub(super) fn small_rows(&self, base: Base, tools: &Tools<'_>) -> Result<Vec<Row>, meter::Error> {
        let expected = self.line.expected();
        let measure = || -> Result<_, meter::Error> {
            let (before, counters) = (Moment::now(), tools.queues.read(tools.container));
            let probes = small(&self.pair, self.line, false, tools.duration())?;
            let mut evidence = tools.differences();
            evidence.extend(before.usage(&Moment::now()).and_then(Usage::reason));
            let drops = counters.drops(&tools.queues.read(tools.container));
            let rows = self.judge(&probes, &expected, base);
            Ok(rows
                .into_iter()
                .map(|row| row.explained(|row| self.explain(row, &probes, &evidence, &drops, tools)))
                .collect::<Vec<_>>())
        };
        let mut rows = measure()?;
        // One in 20 intervals misses the truth: a figure that does is measured again.
        if rows.iter().any(Row::is_missed) {
            rows = measure()?;
        }
        if self.line.ecn {
            rows.push(self.marks(&expected, tools)?);
        }
        Ok(rows)
    }

    fn judge(&self, probes: &Probes, expected: &Expectation, base: Base) -> Vec<Row> {
        let way = self.direction;
        let overtakes = |delay: &f64| expected.overtaking > 0.0 && *delay < base.delay_ns + expected.delay_ns / 2.0;
        let (early, delays): (Vec<f64>, Vec<f64>) = probes.delays().into_iter().partition(overtakes);
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let count = (delays.len() as f64).max(1.0);
        let (median, deviation) = (statistics::median(&delays), statistics::standard_deviation(&delays));
        let asked = base.delay_ns + expected.delay_ns;
        // The median of so many samples is off by this much or less in 95 of 100 cases (normal distribution).
        let chance = 2.0 * 1.2533 * expected.deviation_ns / count.sqrt();
        let late = expected.slot_ns;
        let delay = Row::time(way, "delay", Some(asked + late / 2.0), median, late / 2.0 + chance + TIME_TOLERANCE);
        let mut rows = vec![delay, self.jitter(&delays, deviation, expected, base)];
        rows.push(self.loss(probes, expected));
        let sent = u64::from(probes.sent);
        let share = |what: &str, asked: f64, hits: u64| {
            let interval = statistics::wilson(hits, sent);
            #[expect(clippy::cast_precision_loss, reason = "there are at most 2^32")]
            let got = hits as f64 / sent as f64;
            Row::share(way, what, Interval { low: asked, high: asked }, got, interval)
        };
        if expected.duplicated > 0.0 {
            rows.push(share("duplicates", expected.duplicated, probes.duplicated()));
        }
        if expected.overtaking > 0.0 {
            // Those that are lost overtake nobody.
            let arrived = 1.0 - expected.lost;
            rows.push(share("overtaking", expected.overtaking * arrived, early.len() as u64));
        }
        rows
    }

    fn jitter(&self, delays: &[f64], deviation: f64, expected: &Expectation, base: Base) -> Row {
        let way = self.direction;
        if expected.deviation_ns <= 0.0 {
            return Row::time(way, "jitter", None, deviation, 0.0);
        }
        let asked = expected.deviation_ns.hypot(base.deviation_ns);
        let interval = statistics::standard_deviation_interval(delays);
        let half = (interval.high - interval.low) / 2.0;
        let row = Row::time(way, "jitter", Some(asked), deviation, half + TIME_TOLERANCE);
        let row = Row { interval: Some([interval.low, interval.high]), ..row };
        if self.line.delay_correlation.is_never() && self.line.slot.is_none() {
            row
        } else {
            row.not_judged("correlation and slots make it another one")
        }
    }

    fn loss(&self, probes: &Probes, expected: &Expectation) -> Row {
        let is_independent = matches!(self.line.loss, Loss::Random(chance) if chance.correlation.is_never());
        let interval = if is_independent { probes.loss_interval() } else { probes.loss_interval_in_bursts() };
        // What was asked, also where a correlation makes something else of it.
        let lost = match self.line.loss {
            Loss::Random(chance) if !chance.correlation.is_never() => chance.probability.fraction(),
            _ => expected.lost,
        };
        let damaged = expected.corrupted * (1.0 - lost);
        let asked = Interval { low: lost + damaged * (1.0 - UNHARMED), high: lost + damaged };
        let what = if damaged > 0.0 { "loss and corruption" } else { "loss" };
        Row::share(self.direction, what, asked, probes.loss(), interval)
    }

    /// Why one of these figures was missed.
    fn explain(
        &self,
        row: &Row,
        probes: &Probes,
        evidence: &[String],
        drops: &[String],
        tools: &Tools<'_>,
    ) -> Vec<String> {
        let mut reasons = evidence.to_vec();
        if row.unit == Unit::Time {
            let gap = row.asked.map_or(0.0, |asked| row.got - asked);
            reasons.extend(tools.clock().reason(gap));
        } else {
            reasons.extend_from_slice(drops);
            if probes.dropped_by_receiver > 0 {
                reasons.push(format!("the measuring socket dropped {}", probes.dropped_by_receiver));
            }
            reasons.extend(self.correlation(row));
        }
        reasons
    }

    /// What the kernel makes of a loss with a correlation, if that is what was measured.
    fn correlation(&self, row: &Row) -> Option<String> {
        let Loss::Random(chance) = self.line.loss else { return None };
        let [low, high] = row.interval?;
        let made = chance.expected() * (1.0 - self.line.expected().duplicated);
        let is_it = !chance.correlation.is_never() && (low..=high).contains(&made) && row.what.starts_with("loss");
        is_it.then(|| {
            format!(
                "with a correlation of {} the kernel makes {:.3} % of {} (get_crandom in net/sched/sch_netem.c)",
                chance.correlation,
                made * 100.0,
                chance.probability
            )
        })
    }

    /// What is marked of datagrams that may be.
    fn marks(&self, expected: &Expectation, tools: &Tools<'_>) -> Result<Row, meter::Error> {
        let probes = small(&self.pair, self.line, true, tools.duration())?;
        let (marked, sent) = (probes.marked(), u64::from(probes.sent));
        #[expect(clippy::cast_precision_loss, reason = "there are at most 2^32")]
        let got = marked as f64 / sent as f64;
        let asked = Interval { low: expected.lost, high: expected.lost };
        Ok(Row::share(self.direction, "ECN marks", asked, got, statistics::wilson(marked, sent)))
    }

    /// The rates of datagrams and of TCP. `round_trip` is that of this path.
    pub(super) fn rate_rows(&self, round_trip: Duration, tools: &Tools<'_>) -> Vec<Row> {
        let udp = self.udp_row(tools);
        // What still waits in the queue would be in TCP's way.
        std::thread::sleep(SLICE.saturating_mul(2).saturating_add(round_trip));
        vec![udp, self.tcp_row(round_trip, tools)]
    }

    fn udp_row(&self, tools: &Tools<'_>) -> Row {
        let rate = self.line.rate.map(bit_s);
        let offered = rate.map_or(UNLIMITED, |rate| rate * OVERLOAD);
        let skip = burst_time(self.line, offered, tools.mtu).clamp(SLICE, LONGEST_SKIP);
        let expected = self.line.expected();
        let arriving = offered * (1.0 - expected.lost) * (1.0 + expected.duplicated);
        let asked = rate.map(|rate| rate.min(arriving));
        let what = match rate {
            Some(_) => "rate, UDP".to_owned(),
            None => format!("rate, UDP of {}", Unit::Rate.show(offered)),
        };
        let loaded = match self.udp(&self.pair, offered, skip, tools) {
            Ok(loaded) => loaded,
            Err(error) => return self.unmeasured(&what, asked, &error),
        };
        let row = Row::rate(self.direction, &what, asked, loaded.throughput.layer2_bit_s_after(skip));
        row.explained(|row| {
            let mut reasons = tools.differences();
            reasons.extend(self.capacity(row, tools, |pair| self.udp(pair, offered, SLICE, tools)));
            if let Some(sent) = loaded.throughput.offered_layer2_bit_s().filter(|sent| *sent < offered * 0.99) {
                reasons.push(format!("the sender came to no more than {}", Unit::Rate.show(sent)));
            }
            if let Some(dropped) = loaded.throughput.datagrams.map(|all| all.dropped_by_receiver).filter(|n| *n > 0) {
                reasons.push(format!("the measuring socket dropped {dropped}"));
            }
            reasons.extend(loaded.usage.and_then(Usage::reason));
            reasons.extend(self.burst_reason(row, offered, tools));
            reasons
        })
    }

    fn udp(&self, pair: &Pair, offered: f64, skip: Duration, tools: &Tools<'_>) -> Result<Loaded, meter::Error> {
        let (payload_bytes, layer2_bit_s) = payload(offered, ip_and_udp(pair.to.address()), tools.mtu);
        let duration = skip.saturating_add(tools.duration());
        let most = MOST_IN_ONE.checked_div(payload_bytes).unwrap_or_default().clamp(1, SUPER_PACKET);
        let per_packet = if offered > SINGLE { u8::try_from(most).unwrap_or(1) } else { 1 };
        let patience = patience(self.line);
        let request = Udp { payload_bytes, per_packet, layer2_bit_s, duration, slice: SLICE, patience };
        let before = Moment::now();
        let throughput = meter::udp(&pair.from, &pair.to, request)?;
        Ok(Loaded { throughput, usage: before.usage(&Moment::now()) })
    }

    fn tcp_row(&self, round_trip: Duration, tools: &Tools<'_>) -> Row {
        let asked = self.line.rate.map(bit_s);
        let skip = round_trip.mul_f64(START_ROUND_TRIPS).clamp(LEAST_SKIP, LONGEST_SKIP);
        let what = match tools.flows {
            1 => "rate, TCP".to_owned(),
            flows => format!("rate, {flows} x TCP"),
        };
        let loaded = match self.tcp(&self.pair, skip, round_trip, tools) {
            Ok(loaded) => loaded,
            Err(error) => return self.unmeasured(&what, asked, &error),
        };
        let measured = &loaded.throughput;
        let row = Row::rate(self.direction, &what, asked, measured.layer2_bit_s_after(skip));
        if asked.is_some() && self.harms_tcp() && row.got < asked.unwrap_or_default() {
            let mut told =
                format!("TCP slows down at what else is asked: {} segments sent again", measured.retransmits);
            told.extend(self.super_packets());
            return row.not_judged(told);
        }
        row.explained(|row| {
            let mut reasons = tools.differences();
            reasons.extend(self.capacity(row, tools, |pair| self.tcp(pair, LEAST_SKIP, round_trip, tools)));
            reasons.extend(self.waits(measured, asked.unwrap_or_default(), round_trip));
            reasons.extend(loaded.usage.and_then(Usage::reason));
            if measured.retransmits > 0 {
                reasons.push(format!("{} segments were sent again", measured.retransmits));
            }
            reasons
        })
    }

    fn tcp(
        &self,
        pair: &Pair,
        skip: Duration,
        round_trip: Duration,
        tools: &Tools<'_>,
    ) -> Result<Loaded, meter::Error> {
        let patience = round_trip.saturating_mul(4).saturating_add(Duration::from_secs(5));
        let duration = skip.saturating_add(tools.duration());
        let before = Moment::now();
        let throughput =
            meter::tcp(&pair.from, &pair.to, Tcp { flows: tools.flows, duration, slice: SLICE, patience })?;
        Ok(Loaded { throughput, usage: before.usage(&Moment::now()) })
    }

    /// Losses and packets out of order tell TCP to slow down.
    fn harms_tcp(&self) -> bool {
        let line = self.line;
        !line.loss.is_none()
            || !line.jitter.is_zero()
            || line.slot.is_some()
            || [line.corrupt, line.reorder, line.duplicate].iter().any(|chance| !chance.probability.is_never())
    }

    /// Whether the sender hands down several segments as one packet.
    fn super_packets(&self) -> Option<String> {
        let (path, name) = &self.sender;
        let offloads = netlink::Namespace::open(path).and_then(|sender| sender.within(|| netlink::offload::read(name)));
        let offloads = offloads.and_then(|offloads| offloads).ok()?;
        offloads
            .tcp
            .then(|| format!("; {name} hands down up to 64 KiB in one packet (TSO), which is delayed and lost as one"))
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

    /// What TCP waited for, as the kernel counted it.
    fn waits(&self, measured: &Throughput, asked: f64, round_trip: Duration) -> Vec<String> {
        let Some(waits) = measured.tcp_waits else { return Vec::new() };
        let share = |time: Duration| time.as_secs_f64() / waits.busy.as_secs_f64();
        let needed = asked / 8.0 * round_trip.as_secs_f64();
        let told = |whose: &str, time: Duration, key: &str, path: &Path| {
            let most = most_memory(path, key).map(|bytes| format!(" ({key}: {bytes:.0} bytes at most)"));
            (share(time) > WAITED).then(|| {
                format!(
                    "TCP waited for {whose}{} in {:.0} % of the time; rate times round trip are {needed:.0} bytes",
                    most.unwrap_or_default(),
                    share(time) * 100.0
                )
            })
        };
        let receiver = told("the receiver's window", waits.for_receiver, "tcp_rmem", &self.receiver);
        let sender = told("the sender's buffer", waits.for_send_buffer, "tcp_wmem", &self.sender.0);
        receiver.into_iter().chain(sender).collect()
    }

    fn burst_reason(&self, row: &Row, offered: f64, tools: &Tools<'_>) -> Option<String> {
        let time = burst_time(self.line, offered, tools.mtu);
        let is_over = row.asked.is_some_and(|asked| row.got > asked);
        (is_over && time > LONGEST_SKIP)
            .then(|| format!("the burst passes beside the rate for {:.0} s", time.as_secs_f64()))
    }

    fn unmeasured(&self, what: &str, asked: Option<f64>, error: &meter::Error) -> Row {
        let row = Row::rate(self.direction, what, asked, f64::NAN);
        let why = format!("it could not be measured: {error}");
        if asked.is_some() { row.explained(|_| vec![why]) } else { row.not_judged(why) }
    }
}

/// How long the bucket lets more than the rate pass, of what is offered.
pub(super) fn burst_time(line: &Line, offered: f64, mtu: u32) -> Duration {
    let Some(rate) = line.rate else { return Duration::ZERO };
    let bucket = shaping::Tbf::new(rate, line.longest_delay(), line.burst_bytes, mtu).burst_bytes;
    let seconds = f64::from(bucket) * 8.0 / (offered - bit_s(rate)).max(1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).saturating_add(SLICE)
}

/// The payload of a datagram of a stream, in bytes, and the stream's rate in whole bit/s.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the first is within 16 bits, the second above 0"
)]
pub(super) fn payload(offered: f64, headers: u32, mtu: u32) -> (u16, u64) {
    let most = f64::from(mtu.saturating_sub(headers).min(MOST_IN_ONE.into()));
    let payload = (offered / 8.0 / FRAMES_PER_SECOND - f64::from(headers + ETHERNET_HEADER)).min(most);
    (payload.max(LEAST_PAYLOAD) as u16, offered as u64)
}

/// The largest buffer that the kernel gives a connection in a namespace (tcp(7)).
fn most_memory(path: &Path, key: &str) -> Option<f64> {
    let namespace = netlink::Namespace::open(path).ok()?;
    let text = namespace.within(|| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{key}"))).ok()?.ok()?;
    text.split_whitespace().nth(2)?.parse().ok()
}

/// A path without limits, for comparison.
pub(super) fn base(pair: &Pair, duration: Duration) -> Result<Base, meter::Error> {
    let probes = small(pair, &Line::default(), false, duration)?;
    Ok(Base { delay_ns: probes.median(), deviation_ns: probes.standard_deviation() })
}
