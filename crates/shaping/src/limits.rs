//! The limits that are asked for on one network interface.

use std::fmt;

use crate::{Delay, Rate};

/// Bandwidth and latency of an interface. Both are those of what it receives: the queue sits on the host's side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bandwidth; `None` for no limit.
    pub bw: Option<Rate>,
    /// Latency added; `None` for none.
    pub lat: Option<Delay>,
}

impl Limits {
    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.bw.is_none() && self.lat.is_none()
    }
}

/// The restrictions as the grammar writes them: `bw=100Mbps,lat=10ms`; empty for none.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bw, self.lat) {
            (Some(bw), Some(lat)) => write!(f, "bw={bw},lat={lat}"),
            (Some(bw), None) => write!(f, "bw={bw}"),
            (None, Some(lat)) => write!(f, "lat={lat}"),
            (None, None) => Ok(()),
        }
    }
}
