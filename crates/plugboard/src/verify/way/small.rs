//! Small datagrams, few enough to meet no queue: delay, jitter, loss and the like.

use std::time::Duration;

use meter::statistics::{self, Interval};
use meter::{Probe, Probes};
use shaping::{Expectation, Line, Loss};

use super::super::cpu::{Moment, Usage};
use super::super::ends::{Pair, ip_and_udp};
use super::super::row::{Row, TIME_TOLERANCE, Unit, measured};
use super::{Base, ETHERNET_HEADER, Tools, Way, patience, unnoticed};

/// The payload of a small datagram in bytes, as `ping` has it.
const SMALL_PAYLOAD: u16 = 56;

/// How far apart small datagrams are at least.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Fewer of them say nothing.
const LEAST_COUNT: f64 = 20.0;

/// Of packets with a bit turned over, so many arrive: the bit is where nobody looks, such as the sender's hardware address.
const UNHARMED: f64 = 0.2;

/// Sends small datagrams, few enough to meet no queue.
fn small(pair: &Pair, line: &Line, ecn: bool, duration: Duration) -> Result<Probes, meter::Error> {
    let frame = u32::from(SMALL_PAYLOAD) + ip_and_udp(pair.to.address()) + ETHERNET_HEADER;
    let interval = unnoticed(line.rate, frame).max(LEAST_INTERVAL);
    let count = (duration.as_secs_f64() / interval.as_secs_f64()).max(LEAST_COUNT);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 600 s in steps of 1 ms")]
    let count = count as u32;
    meter::probe(
        &pair.from,
        &pair.to,
        Probe { count, interval, payload_bytes: SMALL_PAYLOAD, with_checksum: true, ecn, patience: patience(line) },
    )
}

/// A path without limits, for comparison.
pub(in super::super) fn base(pair: &Pair, duration: Duration) -> Result<Base, meter::Error> {
    let probes = small(pair, &Line::default(), false, duration)?;
    Ok(Base { delay_ns: probes.median(), deviation_ns: probes.standard_deviation() })
}

impl Way<'_> {
    /// Delay, jitter, loss and the like.
    pub(in super::super) fn small_rows(&self, base: Base, tools: &Tools<'_>) -> Result<Vec<Row>, meter::Error> {
        let expected = self.line.expected();
        tools.progress.step(self.direction, "delay, jitter and loss");
        measured(|| -> Result<_, meter::Error> {
            let (before, counters) = (Moment::now(), tools.queues.read(tools.container));
            let probes = small(&self.pair, self.line, false, tools.duration())?;
            let mut evidence = tools.known();
            evidence.extend(before.usage(&Moment::now()).and_then(Usage::reason));
            let drops = counters.drops(&tools.queues.read(tools.container));
            let mut rows = self.judge(&probes, &expected, base);
            if self.line.ecn {
                rows.push(self.marks(&expected, tools)?);
            }
            let explained = |row: Row| row.explained(|row| self.explain(row, &probes, &evidence, &drops, tools));
            Ok(rows.into_iter().map(|row| self.known(explained(row))).collect())
        })
    }

    fn judge(&self, probes: &Probes, expected: &Expectation, base: Base) -> Vec<Row> {
        let way = self.direction;
        let overtakes = |delay: &f64| expected.overtaking > 0.0 && *delay < base.delay_ns + expected.delay_ns / 2.0;
        let (early, delays): (Vec<f64>, Vec<f64>) = probes.delays().into_iter().partition(overtakes);
        let count = u32::try_from(delays.len()).unwrap_or(u32::MAX);
        let (median, deviation) = (statistics::median(&delays), statistics::standard_deviation(&delays));
        let asked = base.delay_ns + expected.delay_ns;
        let chance = self.line.spread().chance_of_median(count);
        let late = expected.slot_ns;
        let delay = Row::time(way, "delay", Some(asked + late / 2.0), median, late / 2.0 + chance + TIME_TOLERANCE);
        let mut rows = vec![delay, self.jitter(&delays, deviation, expected, base)];
        rows.push(self.loss(probes, expected));
        let sent = u64::from(probes.sent);
        let factors = self.line.variance_factors(probes.sent);
        let share = |what: &str, asked: f64, hits: u64, factor: f64| {
            let interval = statistics::wilson_of_dependent(hits, sent, factor);
            #[expect(clippy::cast_precision_loss, reason = "there are at most 2^32")]
            let got = hits as f64 / sent as f64;
            Row::share(way, what, Interval { low: asked, high: asked }, got, interval)
        };
        if expected.duplicated > 0.0 {
            rows.push(share("duplicates", expected.duplicated, probes.duplicated(), factors.duplicated));
        }
        if expected.overtaking > 0.0 {
            // Those that are lost overtake nobody.
            let arrived = 1.0 - expected.lost;
            rows.push(share("overtaking", expected.overtaking * arrived, early.len() as u64, factors.overtaking));
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
        // What was asked, also where a correlation makes something else of it.
        let lost = match self.line.loss {
            Loss::Random(chance) if !chance.correlation.is_never() => chance.probability.fraction(),
            _ => expected.lost,
        };
        let asked = with_damage(lost, expected);
        let what = if expected.corrupted > 0.0 { "loss and corruption" } else { "loss" };
        let factor = self.line.variance_factors(probes.sent).lost;
        Row::share(self.direction, what, asked, probes.loss(), interval_of_loss(factor, probes))
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
        }
        reasons
    }

    /// The row with what the kernel makes of a loss with a correlation, if that is what was measured.
    fn known(&self, mut row: Row) -> Row {
        let (Loss::Random(chance), Some([low, high])) = (self.line.loss, row.interval) else { return row };
        let expected = self.line.expected();
        let made = with_damage(expected.lost, &expected);
        let is_it = made.low <= high && low <= made.high && row.what.starts_with("loss");
        if row.is_missed() && is_it && !chance.correlation.is_never() {
            row.is_known = true;
            row.reasons.push(format!(
                "with a correlation of {} the kernel makes {:.3} % of {} (get_crandom in net/sched/sch_netem.c)",
                chance.correlation,
                expected.lost * 100.0,
                chance.probability
            ));
        }
        row
    }

    /// What is marked of datagrams that may be.
    fn marks(&self, expected: &Expectation, tools: &Tools<'_>) -> Result<Row, meter::Error> {
        let probes = small(&self.pair, self.line, true, tools.duration())?;
        let (marked, sent) = (probes.marked(), u64::from(probes.sent));
        #[expect(clippy::cast_precision_loss, reason = "there are at most 2^32")]
        let got = marked as f64 / sent as f64;
        let asked = Interval { low: expected.lost, high: expected.lost };
        let factor = self.line.variance_factors(probes.sent).lost;
        let interval = statistics::wilson_of_dependent(marked, sent, factor);
        Ok(Row::share(self.direction, "ECN marks", asked, got, interval))
    }
}

/// The 95 % interval of what is lost. Where packets depend on each other, they tell less: as little as the model says, or less still
/// where the losses show it.
fn interval_of_loss(factor: f64, probes: &Probes) -> Interval {
    let factor = match factor {
        factor if factor > 1.0 => factor.max(statistics::variance_factor(&probes.losses())),
        independent => independent,
    };
    statistics::wilson_of_dependent(probes.lost(), probes.sent.into(), factor)
}

/// What does not arrive where so much is lost: of the packets with a bit turned over, most.
fn with_damage(lost: f64, expected: &Expectation) -> Interval {
    let damaged = expected.corrupted * (1.0 - lost);
    Interval { low: lost + damaged * (1.0 - UNHARMED), high: lost + damaged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meter::Arrival;
    use shaping::{Chance, Probability};

    const SENT: u32 = 4000;
    const RUNS: u32 = 500;

    /// Numbers that look random, the same in each run of this test: SplitMix64 (Steele, Lea and Flood, 2014).
    fn roll(state: &mut u64) -> u32 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()
    }

    fn probes(mut is_lost: impl FnMut() -> bool) -> Probes {
        let arrived = (0..SENT).filter(|_| !is_lost());
        let arrival =
            |sequence| Arrival { sequence, sent_ns: 0, received_ns: 0, is_corrupted: false, is_marked: false };
        Probes { sent: SENT, sent_ns: Vec::new(), arrivals: arrived.map(arrival).collect(), dropped_by_receiver: 0 }
    }

    /// Losses by the kernel's own recursion (`get_crandom` in net/sched/sch_netem.c): the intervals that do not have what it makes of
    /// a loss with a correlation are one of 20, where those of independent losses are up to one of 6.
    #[test]
    fn the_interval_of_a_loss_counts_its_correlation() {
        for (probability, correlation, independent) in [("10%", "25%", 20), ("40%", "50%", 60)] {
            let [probability, correlation] = [probability, correlation].map(|text| Probability::parse(text).unwrap());
            let chance = Chance { probability, correlation };
            let (made, factor) = (chance.expected(), Loss::Random(chance).variance_factor(SENT));
            let rho = u64::from(correlation.steps()) + 1;
            let mut state = 7;
            let mut last = u64::from(roll(&mut state));
            let mut beside = [0, 0];
            for _ in 0..RUNS {
                let probes = probes(|| {
                    last = (u64::from(roll(&mut state)) * ((1 << 32) - rho) + last * rho) >> 32;
                    u64::from(probability.steps()) >= last
                });
                let intervals = [interval_of_loss(factor, &probes), probes.loss_interval()];
                for (beside, interval) in beside.iter_mut().zip(intervals) {
                    *beside += u32::from(!interval.contains(made));
                }
            }
            println!("{chance:?}: of {RUNS} intervals {} miss it, {} of independent losses", beside[0], beside[1]);
            assert!(beside[0] <= 37 && beside[1] >= independent, "{chance:?}: {beside:?}");
        }
    }
}
