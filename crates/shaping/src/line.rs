//! The wanted properties of one direction of a network interface.

use crate::{Chance, Delay, Distribution, Loss, Probability, Rate};

/// One direction of an interface. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Bandwidth at layer 2; `None` for no limit.
    pub rate: Option<Rate>,
    /// Bytes that may pass at once after silence; computed from the rate when not given.
    pub burst_bytes: Option<u32>,
    /// Latency added to every packet.
    pub delay: Delay,
    /// The jitter: how far the delay deviates.
    pub jitter: Delay,
    /// How much a packet's delay depends on that of the one before.
    pub delay_correlation: Probability,
    /// How the deviations are spread.
    pub distribution: Distribution,
    /// Which packets are lost.
    pub loss: Loss,
    /// Packets of senders that understand it are marked instead of lost.
    pub ecn: bool,
    /// Packets that arrive twice.
    pub duplicate: Chance,
    /// Packets that arrive corrupted, with one bit flipped.
    pub corrupt: Chance,
    /// Packets that overtake those before them.
    pub reorder: Chance,
    /// One in so many packets may overtake; every one if not given.
    pub gap: Option<u32>,
    /// Packets are held together and sent in slots.
    pub slot: Option<Slot>,
    /// Packets that the delay line holds; computed from rate and delay when not given.
    pub limit_packets: Option<u32>,
    /// The seed of the random numbers, for repeatable runs.
    pub seed: Option<u64>,
}

/// Packets leave in slots, as on a radio link with a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The least time between two slots.
    pub min_delay: Delay,
    /// The most.
    pub max_delay: Delay,
    /// Packets in a slot at most; 0 for any number.
    pub max_packets: u32,
    /// Bytes in a slot at most; 0 for any number.
    pub max_bytes: u32,
}

/// A combination that means nothing, or is impossible. The message says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A key that needs another one.
    #[error("{key} means nothing without {needed}: give both, or neither")]
    Needs {
        /// What was given.
        key: &'static str,
        /// What is missing.
        needed: &'static str,
    },
    /// A packet cannot arrive before it was sent.
    #[error(
        "a jitter of {jitter} around a delay of {delay} would send packets back in time: the jitter may be at most the delay"
    )]
    JitterBeyondDelay {
        /// The jitter.
        jitter: Delay,
        /// The delay.
        delay: Delay,
    },
    /// Ways out of one state that are together more than all.
    #[error("{0} are the ways out of one state and together at most 100%")]
    MoreThanAll(&'static str),
    /// A state that is never left, so that everything is lost from some time on.
    #[error("{0} is 0%: once there, every packet would be lost for ever; give a way out, such as 10%")]
    NeverLeft(&'static str),
    /// A state that is never left, so that nothing is lost from some time on.
    #[error("p23 is 0%: once received in a burst, no packet would ever be lost again; give a way back, such as 50%")]
    NothingLost,
    /// A correlation with which the first packet decides for all.
    #[error("a correlation of 100% would let the first packet decide for all; give less, such as 25%")]
    Fixed(&'static str),
    /// The kernel keeps less than 64 bits of it (`tabledist`, `get_slot_next` in net/sched/sch_netem.c).
    #[error("{time} is more than the kernel can spread at random: at most {SPREAD_MOST}")]
    SpreadTooFar {
        /// The key.
        key: &'static str,
        /// What was asked.
        time: Delay,
    },
    /// Slower than what is kept.
    #[error("{bits} bit/s are too few: the least that is kept is 8kbit")]
    RateTooLow {
        /// What was asked, in bit/s.
        bits: u64,
    },
    /// A burst whose time the kernel cannot count.
    #[error("{burst} bytes take {seconds} s at the rate: the kernel counts to 274 s")]
    BurstTooLong {
        /// What was asked, in bytes.
        burst: u32,
        /// Its time at the rate.
        seconds: u64,
    },
    /// The shortest slot is longer than the longest.
    #[error("minDelay {min} is longer than maxDelay {max}: give minDelay at most maxDelay")]
    SlotReversed {
        /// The least.
        min: Delay,
        /// The most.
        max: Delay,
    },
    /// A number of zero where that lets nothing through.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A bucket into which no frame fits.
    #[error("{burst} bytes are less than the largest frame, which could never pass: give {frame}B or more")]
    BurstBelowFrame {
        /// What was asked.
        burst: u32,
        /// What passes at least.
        frame: u64,
    },
}

/// The least rate, in bit/s.
const LEAST_RATE: u64 = 8_000;

/// The most seconds that tbf's burst may last: 2^32 ticks of 64 ns, the form in which the kernel shows it.
const LONGEST_BURST_S: u64 = 274;

/// The most nanoseconds that netem spreads at random: it keeps them in 31 bits.
const SPREAD_NS: u64 = i32::MAX.unsigned_abs() as u64;
const SPREAD_MOST: &str = "2147483647ns (2.1s)";

impl LineError {
    /// The key that is wrong, as it stands in `download` or `upload`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Needs { key, .. } | Self::Zero(key) | Self::Fixed(key) | Self::SpreadTooFar { key, .. } => key,
            Self::JitterBeyondDelay { .. } => "jitter",
            Self::MoreThanAll(_) | Self::NothingLost => "loss.states",
            Self::NeverLeft("r") => "loss.gilbertElliott",
            Self::NeverLeft(_) => "loss.states",
            Self::SlotReversed { .. } => "slot",
            Self::RateTooLow { .. } => "rate",
            Self::BurstBelowFrame { .. } | Self::BurstTooLong { .. } => "burst",
        }
    }
}

impl Line {
    /// Nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rate.is_none() && !self.needs_netem()
    }

    /// Something other than a rate is asked for.
    #[must_use]
    pub fn needs_netem(&self) -> bool {
        !self.delay.is_zero()
            || !self.loss.is_none()
            || !self.duplicate.probability.is_never()
            || !self.corrupt.probability.is_never()
            || self.slot.is_some()
    }

    /// The delay of the latest packet, near enough for the size of a queue: four jitters late is what tables express.
    #[must_use]
    pub fn longest_delay(&self) -> Delay {
        let late = self.jitter.nanoseconds().saturating_mul(4);
        let slot = self.slot.map_or(0, |slot| slot.max_delay.nanoseconds());
        let longest = self.delay.nanoseconds().saturating_add(late).saturating_add(slot);
        Delay::from_nanoseconds(longest).unwrap_or(Delay::MAX)
    }

    /// Checks that everything given can be combined.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), LineError> {
        let correlated = |chance: Chance| !chance.correlation.is_never() && chance.probability.is_never();
        let random_loss = if let Loss::Random(chance) = self.loss { chance } else { Chance::default() };
        let has_jitter = !self.jitter.is_zero();
        let needs = [
            (self.burst_bytes.is_some() && self.rate.is_none(), "burst", "rate"),
            (has_jitter && self.delay.is_zero(), "jitter", "delay"),
            (self.distribution != Distribution::Uniform && !has_jitter, "distribution", "jitter"),
            (!self.delay_correlation.is_never() && !has_jitter, "correlation", "jitter"),
            (!self.reorder.probability.is_never() && self.delay.is_zero(), "reorder", "delay"),
            (self.gap.is_some() && self.reorder.probability.is_never(), "gap", "reorder"),
            (self.ecn && self.loss.is_none(), "ecn", "loss"),
            (correlated(random_loss), "loss.correlation", "loss.percent"),
            (correlated(self.duplicate), "duplicate.correlation", "duplicate.percent"),
            (correlated(self.corrupt), "corrupt.correlation", "corrupt.percent"),
            (correlated(self.reorder), "reorder.correlation", "reorder.percent"),
            (self.limit_packets.is_some() && !self.needs_netem(), "limit", "a delay or another impairment"),
            (self.seed.is_some() && !self.needs_netem(), "seed", "an impairment by chance"),
        ];
        if let Some((_, key, needed)) = needs.into_iter().find(|(is_missing, ..)| *is_missing) {
            return Err(LineError::Needs { key, needed });
        }
        if self.jitter > self.delay {
            return Err(LineError::JitterBeyondDelay { jitter: self.jitter, delay: self.delay });
        }
        for (key, number) in [("gap", self.gap), ("limit", self.limit_packets), ("burst", self.burst_bytes)] {
            if number == Some(0) {
                return Err(LineError::Zero(key));
            }
        }
        if self.jitter.nanoseconds() > SPREAD_NS {
            return Err(LineError::SpreadTooFar { key: "jitter", time: self.jitter });
        }
        let correlations = [
            ("correlation", self.delay_correlation),
            ("loss.correlation", random_loss.correlation),
            ("duplicate.correlation", self.duplicate.correlation),
            ("corrupt.correlation", self.corrupt.correlation),
            ("reorder.correlation", self.reorder.correlation),
        ];
        if let Some((key, _)) = correlations.into_iter().find(|(_, share)| *share == Probability::ALWAYS) {
            return Err(LineError::Fixed(key));
        }
        self.check_rate()?;
        self.check_slot()?;
        self.check_loss()
    }

    fn check_rate(&self) -> Result<(), LineError> {
        let Some(rate) = self.rate else { return Ok(()) };
        let bits = rate.bits_per_second();
        if bits < LEAST_RATE {
            return Err(LineError::RateTooLow { bits });
        }
        let Some(burst) = self.burst_bytes else { return Ok(()) };
        match u64::from(burst) / rate.bytes_per_second() {
            seconds if seconds > LONGEST_BURST_S => Err(LineError::BurstTooLong { burst, seconds }),
            _ => Ok(()),
        }
    }

    /// Checks what depends on the device's MTU in bytes.
    ///
    /// # Errors
    /// A burst into which no frame fits.
    pub fn check_for(&self, mtu: u32) -> Result<(), LineError> {
        let frame = crate::wire::largest_frame(mtu);
        match self.burst_bytes {
            Some(burst) if u64::from(burst) < frame => Err(LineError::BurstBelowFrame { burst, frame }),
            _ => Ok(()),
        }
    }

    fn check_slot(&self) -> Result<(), LineError> {
        match self.slot {
            Some(slot) if slot.min_delay > slot.max_delay => {
                Err(LineError::SlotReversed { min: slot.min_delay, max: slot.max_delay })
            }
            Some(slot) if slot.max_delay.is_zero() => Err(LineError::Zero("slot.maxDelay")),
            Some(slot) if slot.max_delay.nanoseconds() - slot.min_delay.nanoseconds() > SPREAD_NS => {
                Err(LineError::SpreadTooFar { key: "slot.maxDelay", time: slot.max_delay })
            }
            _ => Ok(()),
        }
    }

    fn check_loss(&self) -> Result<(), LineError> {
        let exceeds = |a: Probability, b: Probability| a.steps().checked_add(b.steps()).is_none();
        match self.loss {
            Loss::Random(_) => Ok(()),
            Loss::States { p13, p14, .. } if p13.is_never() && p14.is_never() => {
                Err(LineError::Needs { key: "loss.states", needed: "p13 or p14" })
            }
            Loss::GilbertElliott { p, good, .. } if p.is_never() && good.is_never() => {
                Err(LineError::Needs { key: "loss.gilbertElliott", needed: "p or good" })
            }
            Loss::States { p13, p14, .. } if exceeds(p13, p14) => Err(LineError::MoreThanAll("p13 and p14")),
            Loss::States { p31, p32, .. } if exceeds(p31, p32) => Err(LineError::MoreThanAll("p31 and p32")),
            Loss::States { p13, p31, p32, .. } if !p13.is_never() && p31.is_never() && p32.is_never() => {
                Err(LineError::NeverLeft("p31 with p32"))
            }
            Loss::States { p32, p23, .. } if !p32.is_never() && p23.is_never() => Err(LineError::NothingLost),
            Loss::GilbertElliott { p, r, bad, .. } if !p.is_never() && r.is_never() && bad == Probability::ALWAYS => {
                Err(LineError::NeverLeft("r"))
            }
            Loss::States { .. } | Loss::GilbertElliott { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Delay {
        Delay::from_nanoseconds(ms * 1_000_000).unwrap()
    }

    fn chance(percent: &str) -> Chance {
        Chance { probability: Probability::parse(percent).unwrap(), correlation: Probability::NEVER }
    }

    #[test]
    fn what_goes_together_is_accepted() {
        let delayed = Line { delay: ms(10), jitter: ms(10), distribution: Distribution::Normal, ..Line::default() };
        for line in [
            Line::default(),
            Line { rate: Rate::from_bits_per_second(8000), burst_bytes: Some(2000), ..Line::default() },
            Line { reorder: chance("25%"), gap: Some(5), limit_packets: Some(1), ..delayed.clone() },
            Line { loss: Loss::Random(chance("1%")), ecn: true, seed: Some(1), ..Line::default() },
            delayed,
        ] {
            assert_eq!(line.check(), Ok(()), "{line:?}");
            assert_eq!(line.check_for(1500), Ok(()));
        }
    }

    #[test]
    fn what_does_not_is_said() {
        let jitter = Line { jitter: ms(1), ..Line::default() };
        let slot = Slot { min_delay: ms(2), max_delay: ms(1), max_packets: 0, max_bytes: 0 };
        let wide = Slot { min_delay: ms(2), max_delay: ms(9000), max_packets: 0, max_bytes: 0 };
        let p = |text| Probability::parse(text).unwrap();
        let harmless = Loss::States { p13: p("1%"), p31: p("1%"), p32: p("1%"), p23: p("0%"), p14: p("0%") };
        let fixed = Chance { probability: p("1%"), correlation: p("100%") };
        let states = Loss::States { p13: p("60%"), p31: p("1%"), p32: p("1%"), p23: p("1%"), p14: p("60%") };
        let endless =
            Loss::GilbertElliott { p: p("1%"), r: p("0%"), bad: Probability::ALWAYS, good: Probability::NEVER };
        for (line, part) in [
            (jitter, "jitter means nothing without delay"),
            (Line { delay: ms(1), jitter: ms(2), ..Line::default() }, "back in time"),
            (
                Line { distribution: Distribution::Pareto, ..Line::default() },
                "distribution means nothing without jitter",
            ),
            (Line { reorder: chance("1%"), ..Line::default() }, "reorder means nothing without delay"),
            (Line { gap: Some(5), delay: ms(1), ..Line::default() }, "gap means nothing without reorder"),
            (Line { ecn: true, ..Line::default() }, "ecn means nothing without loss"),
            (Line { burst_bytes: Some(1), ..Line::default() }, "burst means nothing without rate"),
            (Line { slot: Some(slot), ..Line::default() }, "minDelay 2ms is longer than maxDelay 1ms"),
            (Line { delay: ms(1), limit_packets: Some(0), ..Line::default() }, "limit must be at least 1"),
            (Line { loss: states, ..Line::default() }, "p13 and p14"),
            (Line { loss: endless, ..Line::default() }, "for ever"),
            (Line { loss: harmless, ..Line::default() }, "no packet would ever be lost again"),
            (Line { loss: Loss::Random(fixed), ..Line::default() }, "first packet decide for all"),
            (
                Line { delay: ms(9000), jitter: ms(3000), ..Line::default() },
                "3000ms is more than the kernel can spread",
            ),
            (Line { slot: Some(wide), ..Line::default() }, "9000ms is more than the kernel can spread"),
            (Line { rate: Rate::from_bits_per_second(7999), ..Line::default() }, "7999 bit/s are too few"),
            (
                Line { rate: Rate::from_bits_per_second(8000), burst_bytes: Some(300_000), ..Line::default() },
                "300000 bytes take 300 s",
            ),
        ] {
            let error = line.check().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let burst = Line { rate: Rate::from_bits_per_second(1), burst_bytes: Some(1000), ..Line::default() };
        assert!(burst.check_for(1500).unwrap_err().to_string().contains("1000 bytes are less than the largest frame"));
        assert_eq!(burst.check_for(576), Ok(()));
    }
}
