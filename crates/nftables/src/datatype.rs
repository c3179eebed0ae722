//! Types of keys and of values.

/// The bytes of a register, at whose bounds parts begin (`NFT_REG32_SIZE`).
pub(crate) const REGISTER_BYTES: usize = 4;

/// A concatenation's type holds one of each part in 6 bits (`TYPE_BITS` in nft's `datatype.h`).
const TYPE_BITS: u32 = 6;

/// The type of a key, of a value, or of a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `ifname`.
    Ifname,
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `ether_addr`.
    Ether,
    /// `inet_proto`: the number of a transport protocol, such as 6 for TCP.
    InetProto,
    /// `inet_service`: a port of TCP, UDP and the like.
    InetService,
    /// `mark`: of a packet or a connection.
    Mark,
    /// Six bytes of a packet that `nft` has no name for, a hardware address for example; see [`Set::taken_from`](crate::Set).
    SixBytes,
    /// Three such bytes, a VXLAN network identifier for example.
    ThreeBytes,
}

/// How the bytes of a value are ordered (`enum byteorder` in nft's `datatype.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    None = 0,
    Host = 1,
    Big = 2,
}

impl Type {
    /// The tool's number for it (`enum datatypes` in nft's `datatype.h`); to the kernel it means nothing.
    fn number(self) -> u32 {
        match self {
            Self::SixBytes | Self::ThreeBytes => 4,
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Ether => 9,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::Mark => 19,
            Self::Ifname => 41,
        }
    }

    /// Its length in bytes, without padding.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::InetProto => 1,
            Self::InetService => 2,
            Self::ThreeBytes => 3,
            Self::Ipv4 | Self::Mark => 4,
            Self::Ether | Self::SixBytes => 6,
            Self::Ipv6 | Self::Ifname => 16,
        }
    }

    /// Its length as a part of several, in bytes.
    pub(crate) fn padded(self) -> usize {
        self.length().next_multiple_of(REGISTER_BYTES)
    }

    fn byte_order(self) -> ByteOrder {
        match self {
            Self::Ifname | Self::Mark => ByteOrder::Host,
            Self::InetProto => ByteOrder::None,
            Self::Ipv4 | Self::Ipv6 | Self::Ether | Self::InetService | Self::SixBytes | Self::ThreeBytes => {
                ByteOrder::Big
            }
        }
    }
}

/// The tool's number for a concatenation.
pub(crate) fn number(parts: &[Type]) -> u32 {
    parts.iter().fold(0u32, |all, part| all << TYPE_BITS | part.number())
}

/// The bytes of a value; parts of several are padded.
pub(crate) fn length(parts: &[Type]) -> usize {
    match parts {
        [one] => one.length(),
        several => several.iter().map(|part| part.padded()).sum(),
    }
}

/// How the bytes are ordered, without which the tool prints names backwards.
pub(crate) fn byte_order(parts: &[Type]) -> ByteOrder {
    match parts {
        [one] => one.byte_order(),
        _ => ByteOrder::None,
    }
}
