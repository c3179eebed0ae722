//! Hardware addresses.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::Error;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A locally administered unicast address from 6 arbitrary bytes (IEEE 802, clause 8: bit 1 set, bit 0 clear).
    #[must_use]
    pub fn local(mut bytes: [u8; 6]) -> Self {
        bytes[0] = (bytes[0] | 0x02) & 0xfe;
        Self(bytes)
    }

    /// A random locally administered unicast address.
    ///
    /// # Errors
    /// [`Error::System`] when the kernel has no random bytes to give.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 6];
        // SAFETY: the buffer is live and its length is given.
        let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        if filled == 6 {
            Ok(Self::local(bytes))
        } else {
            Err(Error::System { call: "getrandom", reason: std::io::Error::last_os_error() })
        }
    }

    /// The IPv6 link-local address that follows from it: with `ff:fe` in its middle and the universal bit turned over
    /// (RFC 4291, appendix A).
    #[must_use]
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0.map(u16::from);
        let join = |high: u16, low: u16| high << 8 | low;
        Ipv6Addr::new(0xfe80, 0, 0, 0, join(a ^ 2, b), join(c, 0xff), join(0xfe, d), join(e, f))
    }

    /// Whether a device can have it: neither a group address nor all zero.
    #[must_use]
    pub fn is_usable(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    /// Accepts what Go's `net.ParseMAC` accepts for an Ethernet address: `02:00:00:00:00:01`, `02-00-00-00-00-01`, and
    /// `0200.0000.0001`.
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text)
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not a hardware address; write it as 02:00:00:00:00:01"))
    }
}

fn parse(text: &str) -> Option<[u8; 6]> {
    let (separator, digits) = match text.as_bytes() {
        [_, _, b':', ..] => (':', 2),
        [_, _, b'-', ..] => ('-', 2),
        _ => ('.', 4),
    };
    let mut bytes = [0; 6];
    let mut places = bytes.iter_mut();
    for part in text.split(separator) {
        if part.len() != digits || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let number = u16::from_str_radix(part, 16).ok()?;
        for byte in number.to_be_bytes().into_iter().skip(2 - digits / 2) {
            *places.next()? = byte;
        }
    }
    places.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let mac = Mac([0x02, 0, 0xab, 0xcd, 0xef, 0x0f]);
        assert_eq!(mac.to_string(), "02:00:ab:cd:ef:0f");
        assert_eq!("02:00:AB:cd:ef:0f".parse(), Ok(mac));
        assert_eq!("02-00-ab-cd-ef-0f".parse(), Ok(mac));
        assert_eq!("0200.ABcd.ef0f".parse(), Ok(mac));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            ":",
            "02:00",
            "02:00:00:00:00:00:00",
            "02:00:00:00:00:00:00:00",
            "2:0:0:0:0:0",
            "02:00:00:00:00:0g",
            "+2:00:00:00:00:00",
            "020000000000",
            "02:00-00:00:00:00",
            "0200.0000-0000",
            "0200:0000:0000",
            "02.00.00.00.00.00",
            "0200.0000.0000.0000",
            "ä:00:00:00:00:00",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_local_address_follows() {
        assert_eq!(Mac([0x26, 0x37, 0x56, 0x27, 0xd8, 0xba]).link_local().to_string(), "fe80::2437:56ff:fe27:d8ba");
    }

    #[test]
    fn local_addresses_are_local_and_unicast() {
        assert_eq!(Mac::local([0xff; 6]).0[0], 0xfe);
        assert_eq!(Mac::local([0; 6]).0[0], 0x02);
        assert!(Mac::local([0x01; 6]).is_usable());
    }
}
