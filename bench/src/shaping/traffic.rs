//! What is sent to measure a rate.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use meter::{Curve, Tcp, Udp, frames, tcp, udp};

use crate::pair::{Pair, Way};

/// The slices of [`meter::tcp`], which are not used here.
const SLICE: Duration = Duration::from_millis(100);

/// Data of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Connections that send as much as they can.
    Tcp {
        /// How many.
        flows: u16,
    },
    /// Datagrams, 1.5 times as many as the limit.
    Udp {
        /// Bytes of each.
        payload: u16,
    },
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { flows: 1 } => write!(f, "TCP"),
            Self::Tcp { flows } => write!(f, "TCP, {flows} flows"),
            Self::Udp { payload } => write!(f, "UDP x 1.5, frames of {}", payload + 42),
        }
    }
}

/// What arrived.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) curve: Curve,
    /// Frames that the measurement itself missed.
    pub(crate) missed: u64,
    pub(crate) retransmits: u64,
}

/// Sends for a while. `rate` is the limit in bit/s, which datagrams exceed.
pub(crate) fn run(pair: &Pair, way: Way, traffic: Traffic, rate: u64, duration: Duration) -> Result<Carried> {
    let (from, to) = pair.places(way)?;
    let (measured, frames) = frames(&to, || match traffic {
        Traffic::Tcp { flows } => tcp(&from, &to, Tcp { flows, duration, slice: SLICE, ..Tcp::default() }),
        Traffic::Udp { payload } => {
            let layer2_bit_s = rate / 2 * 3;
            // Its last datagrams are sent in time for a whole second.
            let duration = duration + SLICE;
            udp(&from, &to, Udp { payload_bytes: payload, layer2_bit_s, duration, slice: SLICE, ..Udp::default() })
        }
    })?;
    Ok(Carried { curve: frames.curve, missed: frames.dropped, retransmits: measured?.retransmits })
}
