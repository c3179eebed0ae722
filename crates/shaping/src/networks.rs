//! The networks of a node in one line: `walt-net,home-net[bw=100Mbps,lat=10ms]`.
//!
//! ```text
//! value       := network ("," network)*
//! network     := name [ "[" restriction ("," restriction)* "]" ]
//! name        := [a-z][a-z0-9-]*                                  15 bytes at most, not "lo"; or that of a known network
//! restriction := "lat=" N ("ms"|"us")  |  "bw=" N ("Mbps"|"Gbps")  letter case ignored, each once per network
//!              | "ip=" ADDRESS ["/" LENGTH]  |  "mac=" ADDRESS  |  "preset=" NAME
//! ```
//!
//! This is WALT's grammar, with the last three restrictions added, and these are its messages. Digits are allowed in a name after
//! its first letter, since nothing that carries the name objects to them. Names of another form, which CNI allows, are taken where
//! there is such a network. What WALT accepts and then fails on is refused at once: a name that no interface can have, a bandwidth
//! of zero, a restriction given twice, a number beyond 64 bits.

use std::fmt;

use crate::restrictions::{ListError, Restrictions};
use crate::{Ip, Limits, RestrictionError};

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
    /// The line whose limits count where `limits` has none.
    pub preset: Option<String>,
    /// The address that the node is to have there.
    pub ip: Option<Ip>,
    /// The hardware address that it is to have there, as it was written.
    pub mac: Option<String>,
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
    /// The primary network is not in the list; whether one is mandatory, the caller knows.
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

/// Reads a list of networks; the order is that of the interfaces. A name that is not of the form is taken where `is_known` says that
/// there is a network of this name.
///
/// # Errors
/// The first thing wrong, the form of the whole before its parts, and those before the rules about the list.
pub fn parse(text: &str, is_known: impl Fn(&str) -> bool) -> Result<Vec<NetworkSpec>, GrammarError> {
    let unparsable = || GrammarError::Unparsable(text.to_owned());
    let parts = split(text, &is_known).ok_or_else(unparsable)?;
    let specs = parts.iter().map(|part| NetworkSpec::read(part, &is_known)).collect::<Result<Vec<_>, _>>()?;
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
fn split(mut text: &str, is_known: impl Fn(&str) -> bool) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    loop {
        let (name, rest) = text.split_at_checked(text.find([',', '[']).unwrap_or(text.len()))?;
        if !has_form(name) && !is_known(name) {
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

/// Whether it is a name of the form `[a-z][a-z0-9-]*`.
fn has_form(name: &str) -> bool {
    let is_one = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_one)
}

impl NetworkSpec {
    fn read(part: &Part<'_>, is_known: impl Fn(&str) -> bool) -> Result<Self, GrammarError> {
        let name = part.name.to_owned();
        if name == "lo" {
            return Err(GrammarError::Loopback);
        }
        if name.len() > NAME_MAX && !is_known(&name) {
            return Err(GrammarError::NameTooLong(name));
        }
        match part.restrictions.map(Restrictions::parse).transpose() {
            Ok(restrictions) => {
                let Restrictions { limits, preset, ip, mac } = restrictions.unwrap_or_default();
                Ok(Self { name, limits, preset, ip, mac })
            }
            Err(ListError::Restriction(error)) => Err(error.into()),
            Err(ListError::Twice(key)) => Err(GrammarError::RestrictionTwice { key, network: name }),
        }
    }
}

/// As the grammar writes it.
impl fmt::Display for NetworkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limits, preset, ip, mac } = self;
        let limits = Some(limits).filter(|limits| !limits.is_empty()).map(ToString::to_string);
        let preset = preset.as_ref().map(|preset| format!("preset={preset}"));
        let ip = ip.map(|ip| format!("ip={ip}"));
        let mac = mac.as_ref().map(|mac| format!("mac={mac}"));
        let restrictions: Vec<String> = [limits, preset, ip, mac].into_iter().flatten().collect();
        if restrictions.is_empty() { f.write_str(name) } else { write!(f, "{name}[{}]", restrictions.join(",")) }
    }
}
