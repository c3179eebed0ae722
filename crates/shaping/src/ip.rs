//! An address as a person writes it.

use std::fmt;
use std::net::IpAddr;

/// An address, and the length of its subnet's prefix where that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// The address.
    pub address: IpAddr,
    /// The length of the prefix in bits.
    pub length: Option<u8>,
}

impl Ip {
    /// Reads `10.9.0.5` or `10.9.0.5/24`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |length: &&str| !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let read =
            |length: &str| Some(length).filter(is_number)?.parse::<u8>().ok().filter(|length| *length <= longest);
        match length {
            None => Some(Self { address, length: None }),
            Some(length) => read(length).map(|length| Self { address, length: Some(length) }),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(f, "{}/{length}", self.address),
            None => self.address.fmt(f),
        }
    }
}
