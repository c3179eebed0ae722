//! The keys of one direction: `download` and `upload`.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use shaping::{Chance, Delay, Distribution, Line, Loss, Probability, Rate, Slot};

use crate::forms::{Entry, NameOr, ShareOr, number, text};

/// One direction as it is written. A key that is not given may come from the next source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[serde(expecting = "an object such as {\"rate\": \"100Mbit\", \"delay\": \"10ms\"}")]
pub(crate) struct LineKeys {
    /// Bandwidth at layer 2: `100Mbit`.
    #[serde(deserialize_with = "rate")]
    pub(crate) rate: Option<Rate>,
    /// What may pass at once after silence: `64KiB`.
    #[serde(deserialize_with = "bytes")]
    pub(crate) burst: Option<u32>,
    /// Latency added: `10ms`.
    #[serde(deserialize_with = "delay")]
    pub(crate) delay: Option<Delay>,
    /// How far the delay deviates: `2ms`.
    #[serde(deserialize_with = "delay")]
    pub(crate) jitter: Option<Delay>,
    /// How much a packet's delay is that of the one before: `25%`.
    #[serde(deserialize_with = "probability")]
    pub(crate) correlation: Option<Probability>,
    /// How deviations are spread: `uniform`, `normal`, `pareto`, `paretonormal`, or a list of numbers.
    #[serde(deserialize_with = "distribution")]
    pub(crate) distribution: Option<Distribution>,
    /// Which packets are lost: `1%`, or an object.
    #[serde(deserialize_with = "loss")]
    pub(crate) loss: Option<Loss>,
    /// Packets of senders that understand it are marked instead of lost.
    #[serde(deserialize_with = "yes_or_no")]
    pub(crate) ecn: Option<bool>,
    /// Packets that arrive twice: `1%`, or an object.
    #[serde(deserialize_with = "chance")]
    pub(crate) duplicate: Option<Chance>,
    /// Packets with one bit turned over: `1%`, or an object.
    #[serde(deserialize_with = "chance")]
    pub(crate) corrupt: Option<Chance>,
    /// Packets that overtake: `1%`, or an object.
    #[serde(deserialize_with = "chance")]
    pub(crate) reorder: Option<Chance>,
    /// Of so many packets one may overtake.
    #[serde(deserialize_with = "packets")]
    pub(crate) gap: Option<u32>,
    /// Packets leave in slots.
    #[serde(deserialize_with = "slot")]
    pub(crate) slot: Option<Slot>,
    /// Packets that are held at most.
    #[serde(deserialize_with = "packets")]
    pub(crate) limit: Option<u32>,
    /// Where the random numbers begin.
    #[serde(deserialize_with = "seed")]
    pub(crate) seed: Option<u64>,
}

impl LineKeys {
    /// These keys, and for each that is not given the one of `next`.
    pub(crate) fn or(self, next: Self) -> Self {
        Self {
            rate: self.rate.or(next.rate),
            burst: self.burst.or(next.burst),
            delay: self.delay.or(next.delay),
            jitter: self.jitter.or(next.jitter),
            correlation: self.correlation.or(next.correlation),
            distribution: self.distribution.or(next.distribution),
            loss: self.loss.or(next.loss),
            ecn: self.ecn.or(next.ecn),
            duplicate: self.duplicate.or(next.duplicate),
            corrupt: self.corrupt.or(next.corrupt),
            reorder: self.reorder.or(next.reorder),
            gap: self.gap.or(next.gap),
            slot: self.slot.or(next.slot),
            limit: self.limit.or(next.limit),
            seed: self.seed.or(next.seed),
        }
    }

    /// The direction that the keys describe.
    pub(crate) fn line(self) -> Line {
        Line {
            rate: self.rate,
            burst_bytes: self.burst,
            delay: self.delay.unwrap_or_default(),
            jitter: self.jitter.unwrap_or_default(),
            delay_correlation: self.correlation.unwrap_or_default(),
            distribution: self.distribution.unwrap_or_default(),
            loss: self.loss.unwrap_or_default(),
            ecn: self.ecn.unwrap_or_default(),
            duplicate: self.duplicate.unwrap_or_default(),
            corrupt: self.corrupt.unwrap_or_default(),
            reorder: self.reorder.unwrap_or_default(),
            gap: self.gap,
            slot: self.slot,
            limit_packets: self.limit,
            seed: self.seed,
        }
    }
}

/// A share, perhaps with a correlation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChanceKeys {
    #[serde(deserialize_with = "probability")]
    percent: Option<Probability>,
    #[serde(default, deserialize_with = "probability")]
    correlation: Option<Probability>,
}

/// A model of loss: one of the three.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct LossKeys {
    #[serde(deserialize_with = "probability")]
    percent: Option<Probability>,
    #[serde(deserialize_with = "probability")]
    correlation: Option<Probability>,
    states: Option<StatesKeys>,
    gilbert_elliott: Option<GilbertElliottKeys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"p13\": \"1%\", \"p31\": \"20%\"}")]
struct StatesKeys {
    #[serde(deserialize_with = "probability")]
    p13: Option<Probability>,
    #[serde(deserialize_with = "probability")]
    p31: Option<Probability>,
    #[serde(default, deserialize_with = "probability")]
    p32: Option<Probability>,
    #[serde(default, deserialize_with = "probability")]
    p23: Option<Probability>,
    #[serde(default, deserialize_with = "probability")]
    p14: Option<Probability>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"p\": \"1%\", \"r\": \"10%\"}")]
struct GilbertElliottKeys {
    #[serde(deserialize_with = "probability")]
    p: Option<Probability>,
    #[serde(deserialize_with = "probability")]
    r: Option<Probability>,
    #[serde(default, deserialize_with = "probability")]
    bad: Option<Probability>,
    #[serde(default, deserialize_with = "probability")]
    good: Option<Probability>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object such as {\"minDelay\": \"20ms\"}")]
struct SlotKeys {
    #[serde(deserialize_with = "delay")]
    min_delay: Option<Delay>,
    #[serde(default, deserialize_with = "delay")]
    max_delay: Option<Delay>,
    #[serde(default, deserialize_with = "packets")]
    max_packets: Option<u32>,
    #[serde(default, deserialize_with = "bytes")]
    max_bytes: Option<u32>,
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    text(deserializer, Rate::parse)
}

fn delay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Delay>, D::Error> {
    text(deserializer, Delay::parse)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    text(deserializer, shaping::parse_bytes)
}

fn probability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Probability>, D::Error> {
    text(deserializer, Probability::parse)
}

/// A whole number of packets, at least 1 where `Line::check` says so.
fn packets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    number(deserializer, "number of packets: give a whole number up to 4294967295, such as 1000")
}

fn seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    number(deserializer, "seed: give a whole number of up to 64 bits, such as 42")
}

fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(other) => Err(de::Error::custom(format!("{other} is neither: give true or false"))),
    }
}

fn distribution<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Distribution>, D::Error> {
    let found = Option::<NameOr>::deserialize(deserializer)?;
    let read = |found| match found {
        NameOr::Name(name) => Distribution::named(&name),
        NameOr::Table(table) => Distribution::table_of(table.into_iter().map(|Entry(entry)| entry).collect()),
    };
    found.map(|found| read(found).map_err(de::Error::custom)).transpose()
}

fn chance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Chance>, D::Error> {
    let keys = Option::<ShareOr<ChanceKeys>>::deserialize(deserializer)?;
    Ok(keys.map(|found| match found {
        ShareOr::Share(probability) => Chance { probability, ..Chance::default() },
        ShareOr::Object(keys) => {
            Chance { probability: keys.percent.unwrap_or_default(), correlation: keys.correlation.unwrap_or_default() }
        }
    }))
}

fn loss<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Loss>, D::Error> {
    let Some(found) = Option::<ShareOr<LossKeys>>::deserialize(deserializer)? else { return Ok(None) };
    let keys = match found {
        ShareOr::Share(share) => LossKeys { percent: Some(share), ..LossKeys::default() },
        ShareOr::Object(keys) => keys,
    };
    match keys {
        LossKeys { states: Some(states), percent: None, correlation: None, gilbert_elliott: None } => {
            let number = Option::unwrap_or_default;
            Ok(Some(Loss::States {
                p13: number(states.p13),
                p31: number(states.p31),
                p32: number(states.p32),
                p23: number(states.p23),
                p14: number(states.p14),
            }))
        }
        LossKeys { gilbert_elliott: Some(keys), percent: None, correlation: None, states: None } => {
            Ok(Some(Loss::GilbertElliott {
                p: keys.p.unwrap_or_default(),
                r: keys.r.unwrap_or_default(),
                bad: keys.bad.unwrap_or(Probability::ALWAYS),
                good: keys.good.unwrap_or_default(),
            }))
        }
        LossKeys { percent, correlation, states: None, gilbert_elliott: None } => Ok(Some(Loss::Random(Chance {
            probability: percent.unwrap_or_default(),
            correlation: correlation.unwrap_or_default(),
        }))),
        _ => Err(de::Error::custom("give one of percent (with correlation), states and gilbertElliott")),
    }
}

fn slot<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Slot>, D::Error> {
    let keys = Option::<SlotKeys>::deserialize(deserializer)?;
    Ok(keys.map(|keys| {
        let min_delay = keys.min_delay.unwrap_or_default();
        Slot {
            min_delay,
            max_delay: keys.max_delay.unwrap_or(min_delay),
            max_packets: keys.max_packets.unwrap_or_default(),
            max_bytes: keys.max_bytes.unwrap_or_default(),
        }
    }))
}
