//! The limits that are asked for on one network interface.

use std::fmt;

use crate::{Delay, Rate, RestrictionError};

/// Bandwidth and latency of an interface. Both are those of what it receives: the queue sits on the host's side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bandwidth; `None` for no limit.
    pub bw: Option<Rate>,
    /// Latency added; `None` for none.
    pub lat: Option<Delay>,
}

/// Why a list of restrictions was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitsError {
    /// One of them is wrong by itself.
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
    /// The same restriction twice; its key.
    #[error("'{0}' is given twice")]
    Twice(&'static str),
}

impl Limits {
    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.bw.is_none() && self.lat.is_none()
    }

    /// Reads `bw=100Mbps,lat=10ms`: at least one restriction, each key once, in any order. `lat=0ms` asks for no latency
    /// and yields none.
    pub(crate) fn parse(text: &str) -> Result<Self, LimitsError> {
        let (mut bw, mut lat) = (None, None);
        for restriction in text.split(',') {
            let malformed = || RestrictionError::malformed(restriction);
            let (key, value) = restriction.split_once('=').ok_or_else(malformed)?;
            if key.eq_ignore_ascii_case("bw") {
                let rate = Rate::from_restriction(value).map_err(|error| error.about(restriction))?;
                set_once(&mut bw, rate, "bw")?;
            } else if key.eq_ignore_ascii_case("lat") {
                let delay = Delay::from_restriction(value).map_err(|error| error.about(restriction))?;
                set_once(&mut lat, delay, "lat")?;
            } else {
                return Err(malformed().into());
            }
        }
        Ok(Self { bw, lat: lat.filter(|lat| !lat.is_zero()) })
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T, key: &'static str) -> Result<(), LimitsError> {
    match slot.replace(value) {
        Some(_) => Err(LimitsError::Twice(key)),
        None => Ok(()),
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
