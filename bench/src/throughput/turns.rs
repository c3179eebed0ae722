//! Turns.

use anyhow::Result;
use harness::{Host, OpenVswitch};

use crate::kind::Kind;
use crate::maker::Maker;
use crate::options::Options;
use crate::site::Site;

/// Transfers of each in a turn, by turns too. The best one counts: what disturbs a transfer only slows it.
pub(crate) const TRANSFERS: usize = 2;

/// What the two carried, in bit/s.
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
    let switch = kind.is_of_switch().then(OpenVswitch::start);
    for (switch, maker) in switch.iter().flat_map(|switch| Maker::ALL.map(|maker| (switch, maker))) {
        switch.add_bridge(maker.link());
    }
    (0..options.turns).map(|number| turn(host, kind, options, number)).collect()
}

fn turn(host: &Host, kind: Kind, options: &Options, number: usize) -> Result<Turn> {
    let ours = Site::make(host, Maker::Ours, kind, number)?;
    let by_hand = Site::make(host, Maker::Hand, kind, number)?;
    let (mut turn, bytes) = (Turn::default(), options.bytes_of(kind));
    for transfer in 0..TRANSFERS {
        let mut makers = Maker::ALL;
        // None always runs in the wake of the other.
        makers.rotate_left((number + transfer) % 2);
        for maker in makers {
            let (best, site) = match maker {
                Maker::Ours => (&mut turn.ours, &ours),
                Maker::Hand => (&mut turn.by_hand, &by_hand),
            };
            *best = best.max(site.rate(bytes));
        }
    }
    ours.remove()?;
    by_hand.remove()?;
    Ok(turn)
}
