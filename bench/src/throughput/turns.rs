//! Turns.

use anyhow::Result;
use harness::Host;

use crate::kind::Kind;
use crate::options::Options;
use crate::site::{Maker, Site};

/// What the two carried one after the other, in bit/s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    pub(crate) ours: f64,
    pub(crate) by_hand: f64,
}

impl Turn {
    /// How much of the other's rate ours has.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours / self.by_hand
    }
}

/// Takes all turns, each with NICs of its own: where a pair's queues and hashes happen to lie is no property of who made it.
///
/// # Errors
/// A plugin fails.
pub(crate) fn turns(host: &Host, kind: Kind, options: &Options) -> Result<Vec<Turn>> {
    (0..options.turns)
        .map(|number| {
            let mut order = [Maker::Ours, Maker::Hand];
            // None always runs in the wake of the other.
            order.rotate_left(number % 2);
            let mut turn = Turn::default();
            let sites = [Site::make(host, order[0], kind, number)?, Site::make(host, order[1], kind, number)?];
            for (maker, site) in order.into_iter().zip(sites) {
                let rate = site.rate(&options.bytes);
                match maker {
                    Maker::Ours => turn.ours = rate,
                    Maker::Hand => turn.by_hand = rate,
                }
                site.remove()?;
            }
            Ok(turn)
        })
        .collect()
}
