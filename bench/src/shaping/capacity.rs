//! What this machine carries without any limit.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;

use crate::pair::{Pair, Way};
use crate::traffic::{Traffic, run};

/// More than there is, for a sender of datagrams.
const PLENTY: u64 = 40_000_000_000;

const DURATION: Duration = Duration::from_millis(1_000);

/// What was found, by traffic and offloads. A limit that is near it shows the processor, and not the queue.
#[derive(Debug, Default)]
pub(crate) struct Capacities(RefCell<Vec<(Traffic, bool, f64)>>);

impl Capacities {
    /// In bit/s at layer 2; measured once.
    ///
    /// # Errors
    /// It cannot be measured.
    pub(crate) fn of(&self, pair: &Pair, traffic: Traffic, offloads: bool) -> Result<f64> {
        let known =
            self.0.borrow().iter().find(|(known, on, _)| (*known, *on) == (traffic, offloads)).map(|found| found.2);
        if let Some(known) = known {
            return Ok(known);
        }
        let carried = pair.with_offloads(offloads, || run(pair, Way::Download, traffic, PLENTY, DURATION))?;
        let rate = carried.curve.bit_s(Duration::ZERO, carried.curve.span().min(DURATION)).unwrap_or(0.0);
        self.0.borrow_mut().push((traffic, offloads, rate));
        Ok(rate)
    }
}
