//! Values in the registers' layout: keys of elements, and what maps hold.

use std::net::{Ipv4Addr, Ipv6Addr};

use netlink::Mac;

use crate::Type;
use crate::datatype::REGISTER_BYTES;

/// A value of one or several parts: their bytes, in order. Each but the first begins at a register.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(pub(crate) Vec<u8>);

impl Key {
    /// The name of a link, of which 15 bytes count.
    #[must_use]
    pub fn link(name: &str) -> Self {
        Self::one(Type::Ifname, name.as_bytes())
    }

    /// An address of IPv4.
    #[must_use]
    pub fn ipv4(address: Ipv4Addr) -> Self {
        Self::one(Type::Ipv4, &address.octets())
    }

    /// An address of IPv6.
    #[must_use]
    pub fn ipv6(address: Ipv6Addr) -> Self {
        Self::one(Type::Ipv6, &address.octets())
    }

    /// A hardware address.
    #[must_use]
    pub fn mac(mac: Mac) -> Self {
        Self::one(Type::Ether, &mac.0)
    }

    /// Six bytes as they are in a packet.
    #[must_use]
    pub fn six_bytes(bytes: [u8; 6]) -> Self {
        Self::one(Type::SixBytes, &bytes)
    }

    /// Three bytes as they are in a packet.
    #[must_use]
    pub fn three_bytes(bytes: [u8; 3]) -> Self {
        Self::one(Type::ThreeBytes, &bytes)
    }

    /// A transport protocol by its number (`IPPROTO_*`).
    #[must_use]
    pub fn protocol(number: u8) -> Self {
        Self::one(Type::InetProto, &[number])
    }

    /// A port.
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self::one(Type::InetService, &port.to_be_bytes())
    }

    /// A mark, in the host's byte order.
    #[must_use]
    pub fn mark(mark: u32) -> Self {
        Self::one(Type::Mark, &mark.to_ne_bytes())
    }

    /// Goes on with an address of IPv4.
    #[must_use]
    pub fn and_ipv4(self, address: Ipv4Addr) -> Self {
        self.and(&Self::ipv4(address))
    }

    /// Goes on with an address of IPv6.
    #[must_use]
    pub fn and_ipv6(self, address: Ipv6Addr) -> Self {
        self.and(&Self::ipv6(address))
    }

    /// Goes on with a hardware address.
    #[must_use]
    pub fn and_mac(self, mac: Mac) -> Self {
        self.and(&Self::mac(mac))
    }

    /// Goes on with a transport protocol by its number.
    #[must_use]
    pub fn and_protocol(self, number: u8) -> Self {
        self.and(&Self::protocol(number))
    }

    /// Goes on with a port.
    #[must_use]
    pub fn and_port(self, port: u16) -> Self {
        self.and(&Self::port(port))
    }

    /// Goes on with the parts of another.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.pad();
        self.0.extend(&other.0);
        self.pad();
        self
    }

    /// Its bytes, as the kernel has them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The parts as `nft` writes them, for a key of these types.
    #[must_use]
    pub fn text(&self, types: &[Type]) -> String {
        let mut rest = self.0.as_slice();
        let parts = types.iter().map(|kind| {
            let part = rest.get(..kind.length()).unwrap_or(rest);
            rest = rest.get(kind.padded()..).unwrap_or_default();
            part_text(*kind, part)
        });
        parts.collect::<Vec<_>>().join(" . ")
    }

    /// The next value, as a number in network order; none behind the last.
    pub(crate) fn next(&self) -> Option<Self> {
        let mut bytes = self.0.clone();
        for byte in bytes.iter_mut().rev() {
            let (sum, carries) = byte.overflowing_add(1);
            *byte = sum;
            if !carries {
                return Some(Self(bytes));
            }
        }
        None
    }

    /// The value before; none before the first.
    pub(crate) fn previous(&self) -> Option<Self> {
        let mut bytes = self.0.clone();
        for byte in bytes.iter_mut().rev() {
            let (difference, borrows) = byte.overflowing_sub(1);
            *byte = difference;
            if !borrows {
                return Some(Self(bytes));
            }
        }
        None
    }

    /// The last value of this length.
    pub(crate) fn greatest(&self) -> Self {
        Self(vec![u8::MAX; self.0.len()])
    }

    fn one(kind: Type, value: &[u8]) -> Self {
        let mut bytes: Vec<u8> = value.iter().copied().take(kind.length()).collect();
        bytes.resize(kind.length(), 0);
        Self(bytes)
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(REGISTER_BYTES), 0);
    }
}

/// One part, as `nft` writes it.
fn part_text(kind: Type, part: &[u8]) -> String {
    let number = || part.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    match kind {
        Type::Ifname => {
            let end = part.iter().position(|byte| *byte == 0).unwrap_or(part.len());
            format!("{:?}", String::from_utf8_lossy(part.get(..end).unwrap_or_default()))
        }
        Type::Ipv4 => <[u8; 4]>::try_from(part).map_or_else(|_| String::new(), |v4| Ipv4Addr::from(v4).to_string()),
        Type::Ipv6 => <[u8; 16]>::try_from(part).map_or_else(|_| String::new(), |v6| Ipv6Addr::from(v6).to_string()),
        Type::Ether => <[u8; 6]>::try_from(part).map_or_else(|_| String::new(), |mac| Mac(mac).to_string()),
        Type::SixBytes => format!("{:#014x}", number()),
        Type::ThreeBytes => format!("{:#08x}", number()),
        Type::InetProto | Type::InetService => number().to_string(),
        Type::Mark => <[u8; 4]>::try_from(part).map_or_else(|_| String::new(), |v| u32::from_ne_bytes(v).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_fill_whole_registers() {
        let key = Key::link("br0").and_mac(Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!(key.0, *b"br0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\x09\0\0");
        assert_eq!(Key::link("br0").and_ipv4([10, 1, 0, 2].into()).0.len(), 20);
        assert_eq!(Key::link("br0").and_ipv6(Ipv6Addr::LOCALHOST).0.len(), 32);
        assert_eq!(Key::protocol(6).and_port(80).0, [6, 0, 0, 0, 0, 80, 0, 0]);
    }

    #[test]
    fn keys_read_as_nft_writes_them() {
        use Type::{Ether, Ifname, InetProto, InetService, Ipv4, Ipv6, ThreeBytes};
        let link = Key::link("br0");
        assert_eq!(link.text(&[Ifname]), r#""br0""#);
        assert_eq!(link.clone().and_ipv4([10, 1, 0, 2].into()).text(&[Ifname, Ipv4]), r#""br0" . 10.1.0.2"#);
        assert_eq!(link.clone().and_ipv6(Ipv6Addr::LOCALHOST).text(&[Ifname, Ipv6]), r#""br0" . ::1"#);
        let mac = link.and_mac(Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!(mac.text(&[Ifname, Ether]), r#""br0" . 02:00:00:00:00:09"#);
        assert_eq!(Key::protocol(6).and_port(80).text(&[InetProto, InetService]), "6 . 80");
        let lac = Key::port(14789).and(&Key::three_bytes([0, 1, 2]));
        assert_eq!(lac.text(&[InetService, ThreeBytes]), "14789 . 0x000102");
    }

    #[test]
    fn a_single_part_has_its_own_length() {
        assert_eq!(Key::protocol(6).0, [6]);
        assert_eq!(Key::port(80).0, [0, 80]);
        assert_eq!(Key::mac(Mac([2, 0, 0, 0, 0, 9])).0, [2, 0, 0, 0, 0, 9]);
        assert_eq!(Key::link("a-name-of-twenty-byte").0, *b"a-name-of-twenty");
    }

    #[test]
    fn neighbours_of_a_value_end_where_values_do() {
        let key = |bytes: [u8; 4]| Key::ipv4(bytes.into());
        assert_eq!(key([10, 0, 255, 255]).next(), Some(key([10, 1, 0, 0])));
        assert_eq!(key([10, 1, 0, 0]).previous(), Some(key([10, 0, 255, 255])));
        assert_eq!(key([255; 4]).next(), None);
        assert_eq!(key([0; 4]).previous(), None);
        assert_eq!(Key::default().next(), None);
    }
}
