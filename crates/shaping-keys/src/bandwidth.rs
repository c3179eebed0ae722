//! The keys of the reference plugin `bandwidth`, and of the capability of that name.

use cni::{Code, Error};
use keys::{FromJson, keys};
use serde_json::Value;
use shaping::Rate;

use crate::forms::{Bits, BitsPerSecond};

/// The bursts that runtimes fill in where nobody gave one: `math.MaxInt32` in kubelet, `math.MaxUint32` in containerd,
/// `math.MaxUint32 * 8` in CRI-O. Taken at its word, the first would let 268 MB pass before a limit of 10 Mbit/s begins.
const FILLED_IN: [u64; 3] = [i32::MAX.unsigned_abs() as u64, u32::MAX as u64, u32::MAX as u64 * 8];

keys! {
    /// Limits as the reference plugin `bandwidth` has them, and the capability of that name.
    #[object(others = told, example = r#"{"ingressRate": 100000000}"#)]
    pub(crate) struct BandwidthKeys {
        /// the reference's: what the container receives; 0 is no limit
        #[key("ingressRate", accepts = "bit/s", default = "no limit", example = "100000000")]
        ingress_rate: BitsPerSecond,

        /// what passes at once after silence; the bursts that runtimes fill in (2147483647, containerd's 4294967295, CRI-O's
        /// 34359738360) count as none given
        #[key("ingressBurst", accepts = "bits", default = "as `burst`", example = "800000")]
        ingress_burst: Bits,

        /// the reference's: what the container sends; 0 is no limit
        #[key("egressRate", accepts = "bit/s", default = "no limit", example = "100000000")]
        egress_rate: BitsPerSecond,

        /// as `ingressBurst`
        #[key("egressBurst", accepts = "bits", default = "as `burst`", example = "800000")]
        egress_burst: Bits,
    }

    /// Keys of the reference that are refused.
    #[object(others = told, example = r#"{"shapedSubnets": []}"#)]
    pub(crate) struct SubnetKeys {
        /// refused: a limit is for all that the NIC carries
        #[key("shapedSubnets", accepts = "empty list", default = "none", example = "[]")]
        shaped_subnets: Vec<Value>,

        /// refused: a limit is for all that the NIC carries
        #[key("unshapedSubnets", accepts = "empty list", default = "none", example = "[]")]
        unshaped_subnets: Vec<Value>,
    }
}

/// Whether a value of one of the reference's keys asks for nothing: 0, or a burst that a runtime has filled in.
pub fn is_no_limit(key: &str, value: &Value) -> bool {
    let is_known = BandwidthKeys::NAMES.known.iter().any(|(name, _)| *name == key);
    let is_nothing = |number| number == 0 || key.ends_with("Burst") && FILLED_IN.contains(&number);
    is_known && value.as_u64().is_some_and(is_nothing)
}

impl BandwidthKeys {
    /// What the pod receives: rate, and burst in bytes if one was asked.
    pub(crate) fn ingress(&self) -> Result<Option<(Rate, Option<u32>)>, String> {
        limit("ingressRate", self.ingress_rate.0, "ingressBurst", self.ingress_burst.0)
    }

    /// What the pod sends.
    pub(crate) fn egress(&self) -> Result<Option<(Rate, Option<u32>)>, String> {
        limit("egressRate", self.egress_rate.0, "egressBurst", self.egress_burst.0)
    }
}

impl SubnetKeys {
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
