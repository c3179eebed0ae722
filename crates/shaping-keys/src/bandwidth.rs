//! The keys of the reference plugin `bandwidth`, and of the capability of that name.

use cni::{Code, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shaping::Rate;

use crate::forms::number;

/// The bursts that runtimes fill in where nobody gave one: `math.MaxInt32` in kubelet, `math.MaxUint32` in containerd,
/// `math.MaxUint32 * 8` in CRI-O. Taken at its word, the first would let 268 MB pass before a limit of 10 Mbit/s begins.
const FILLED_IN: [u64; 3] = [i32::MAX.unsigned_abs() as u64, u32::MAX as u64, u32::MAX as u64 * 8];

/// The keys that say limits.
pub(crate) const LIMITS: [&str; 4] = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];

/// Rates in bit/s, bursts in bits. 0 is no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BandwidthKeys {
    #[serde(deserialize_with = "rate")]
    ingress_rate: u64,
    #[serde(deserialize_with = "burst")]
    ingress_burst: u64,
    #[serde(deserialize_with = "rate")]
    egress_rate: u64,
    #[serde(deserialize_with = "burst")]
    egress_burst: u64,
    shaped_subnets: Vec<Value>,
    unshaped_subnets: Vec<Value>,
}

impl BandwidthKeys {
    /// What the pod receives: rate, and burst in bytes if one was asked.
    pub(crate) fn ingress(&self) -> Result<Option<(Rate, Option<u32>)>, String> {
        limit("ingressRate", self.ingress_rate, "ingressBurst", self.ingress_burst)
    }

    /// What the pod sends.
    pub(crate) fn egress(&self) -> Result<Option<(Rate, Option<u32>)>, String> {
        limit("egressRate", self.egress_rate, "egressBurst", self.egress_burst)
    }

    /// Limits for some addresses only are not kept, so they are not accepted.
    pub(crate) fn refuse_subnets(&self) -> Result<(), Error> {
        for (key, list) in [("shapedSubnets", &self.shaped_subnets), ("unshapedSubnets", &self.unshaped_subnets)] {
            if !list.is_empty() {
                let msg =
                    format!("{key} is not supported: a limit is for all that the interface carries; remove the key");
                return Err(Error::new(Code::UnsupportedField, msg));
            }
        }
        Ok(())
    }
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    number(deserializer, "rate: give a whole number of bit/s, such as 100000000").map(Option::unwrap_or_default)
}

fn burst<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    number(deserializer, "burst: give a whole number of bits, such as 800000").map(Option::unwrap_or_default)
}

fn limit(rate_key: &str, rate: u64, burst_key: &str, burst: u64) -> Result<Option<(Rate, Option<u32>)>, String> {
    let burst = if FILLED_IN.contains(&burst) { 0 } else { burst };
    let Some(rate) = Rate::from_bits_per_second(rate) else {
        return match burst {
            0 => Ok(None),
            _ => Err(format!("{burst_key}: a burst means nothing without {rate_key}")),
        };
    };
    match burst {
        0 => Ok(Some((rate, None))),
        bits => match u32::try_from(bits.div_ceil(8)).ok().filter(|bytes| i32::try_from(*bytes).is_ok()) {
            Some(bytes) => Ok(Some((rate, Some(bytes)))),
            None => Err(format!("{burst_key}: {bits} bits are too many: a burst is at most 17179869176 bits")),
        },
    }
}
