//! `vxlan-overlay`: what members of a LAC cost beside `bridge`, what a list of peers adds, and what one more LAC costs on a host that has many, both beside the
//! floor.
//!
//! Each maker has a host of its own, a namespace with a NIC on a segment that they share. Nobody else is there: what a call says to
//! other hosts is sent, and not answered.

mod goals;
mod growth;
mod joins;
mod maker;
mod member;
mod site;
mod tables;

use anyhow::Result;
use harness::Host;

use crate::contender::Programs;

pub(crate) use goals::goals;
pub(crate) use tables::tables;

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    joins: joins::Measured,
    growth: growth::Measured,
}

/// Measures all by turns.
///
/// # Errors
/// A call fails.
pub(crate) fn measure(rounds: usize, programs: &Programs, host: &Host) -> Result<Measured> {
    Ok(Measured { joins: joins::measure(rounds, programs, host)?, growth: growth::measure(rounds, programs, host)? })
}
