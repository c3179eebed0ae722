//! The networks of a node in one line: `walt-net,home-net[bw=100Mbps,lat=10ms]`.
//!
//! ```text
//! value       := network ("," network)*
//! network     := name [ "[" restriction ("," restriction)* "]" ]
//! name        := [a-z][a-z0-9-]*                                  15 bytes at most, not "lo"
//! restriction := "lat=" N ("ms"|"us")  |  "bw=" N ("Mbps"|"Gbps")  letter case ignored, each once per network
//! ```
//!
//! This is WALT's grammar and these are its messages, with two differences. Digits are allowed in a name after its first
//! letter, since nothing that carries the name objects to them. What WALT accepts and then fails on is refused at once: a
//! name that no interface can have, a bandwidth of zero, a restriction given twice, a number beyond 64 bits.

use std::fmt;

use crate::limits::LimitsError;
use crate::{Limits, RestrictionError};

/// The longest name of a network in bytes: that of a network interface, `IFNAMSIZ` less the closing zero, because the
/// name becomes that of the network's bridge.
pub const NAME_MAX: usize = 15;

/// A network that a node is to be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// What the node may do there.
    pub limits: Limits,
}

/// Why a list of networks was refused. The message is meant for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// The value does not have the form.
    #[error("Could not parse networks value '{0}'.")]
    Unparsable(String),
    /// A restriction is wrong by itself.
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
    /// The primary network is not in the list.
    #[error("Mandatory network '{0}' is missing from specified networks.")]
    PrimaryMissing(String),
    /// A name occurs twice.
    #[error("Specifying twice the same network name is not allowed.")]
    NetworkTwice,
    /// A restriction occurs twice on one network.
    #[error("'{key}' is given twice for network '{network}': give it once.")]
    RestrictionTwice {
        /// The restriction.
        key: &'static str,
        /// The network.
        network: String,
    },
    /// A name that no interface can have.
    #[error("Network name '{0}' is {len} bytes long: at most {NAME_MAX} are accepted, as for an interface.", len = .0.len())]
    NameTooLong(String),
    /// The name of the loopback interface.
    #[error("Network name 'lo' is that of the loopback interface: choose another.")]
    Loopback,
}

/// Reads a list of networks; the order is that of the interfaces. `primary` must be among them.
///
/// # Errors
/// The first thing wrong, the form of the whole before its parts, and those before the rules about the list.
pub fn parse(text: &str, primary: &str) -> Result<Vec<NetworkSpec>, GrammarError> {
    let unparsable = || GrammarError::Unparsable(text.to_owned());
    let parts = split(text).ok_or_else(unparsable)?;
    let specs = parts.iter().map(NetworkSpec::read).collect::<Result<Vec<_>, _>>()?;
    if !specs.iter().any(|spec| spec.name == primary) {
        return Err(GrammarError::PrimaryMissing(primary.to_owned()));
    }
    let repeats =
        specs.iter().enumerate().any(|(n, spec)| specs.iter().skip(n + 1).any(|other| other.name == spec.name));
    if repeats { Err(GrammarError::NetworkTwice) } else { Ok(specs) }
}

/// One network of the list, taken apart but not yet read.
struct Part<'a> {
    name: &'a str,
    restrictions: Option<&'a str>,
}

/// Takes the list apart; `None` if it does not have the form.
fn split(mut text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    loop {
        let (name, rest) = text.split_at_checked(name_length(text))?;
        if name.is_empty() {
            return None;
        }
        let (restrictions, rest) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').map(|(inside, rest)| (Some(inside), rest))?,
            None => (None, rest),
        };
        parts.push(Part { name, restrictions });
        if rest.is_empty() {
            return Some(parts);
        }
        text = rest.strip_prefix(',')?;
    }
}

/// How many bytes at the beginning of `text` are a name: `[a-z][a-z0-9-]*`.
fn name_length(text: &str) -> usize {
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return 0;
    }
    text.bytes().take_while(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')).count()
}

impl NetworkSpec {
    fn read(part: &Part<'_>) -> Result<Self, GrammarError> {
        let name = part.name.to_owned();
        if name.len() > NAME_MAX {
            return Err(GrammarError::NameTooLong(name));
        }
        if name == "lo" {
            return Err(GrammarError::Loopback);
        }
        match part.restrictions.map(Limits::parse).transpose() {
            Ok(limits) => Ok(Self { name, limits: limits.unwrap_or_default() }),
            Err(LimitsError::Restriction(error)) => Err(error.into()),
            Err(LimitsError::Twice(key)) => Err(GrammarError::RestrictionTwice { key, network: name }),
        }
    }
}

/// As the grammar writes it.
impl fmt::Display for NetworkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.limits.is_empty() { f.write_str(&self.name) } else { write!(f, "{}[{}]", self.name, self.limits) }
    }
}
