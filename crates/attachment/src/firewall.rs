//! What attachments need of the host's packet filter.
//!
//! The rules are the same on every host: a few tables of ours ([`tables`]), each of which exists while one of its sets has an
//! element. An attachment adds elements, each with a comment that says whose it is. So DEL and GC need neither the
//! namespace nor the configuration. All changes are transactions; if one depends on what was seen before, the kernel is
//! told the generation of the rule set that was examined, and refuses if anything has changed since. No lock is held.

pub(crate) mod elements;
pub(crate) mod forward;
pub(crate) mod owner;
pub(crate) mod peers;
pub(crate) mod placed;
pub(crate) mod ports;
pub(crate) mod reference;
pub(crate) mod refusal;
pub(crate) mod refused_ways;
pub(crate) mod tables;

/// How often a transaction is tried when others change the same things at the same time. Each time at least one of them
/// makes progress.
const ATTEMPTS: u32 = 64;
