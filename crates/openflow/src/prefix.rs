//! Networks, as a match on addresses has them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

macro_rules! prefix {
    ($(#[$doc:meta])* $name:ident, $address:ident, $number:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            address: $address,
            mask: $number,
        }

        impl $name {
            /// The network of `address` with this prefix length; with one of at least the address's bits, the address alone. Bits
            /// behind the prefix do not count: Open vSwitch drops them as well.
            #[must_use]
            pub fn new(address: $address, length: u32) -> Self {
                let mask = $number::MAX.checked_shl($number::BITS.saturating_sub(length)).unwrap_or(0);
                Self { address: $address::from_bits(address.to_bits() & mask), mask }
            }

            /// `None` for a mask with gaps.
            pub(crate) fn with_mask(address: $address, mask: $number) -> Option<Self> {
                let length = mask.leading_ones();
                let prefix = Self::new(address, length);
                (prefix.mask == mask).then_some(prefix)
            }

            pub(crate) const fn address(self) -> $address {
                self.address
            }

            /// `None` for an address alone.
            pub(crate) fn mask(self) -> Option<$number> {
                (self.mask != $number::MAX).then_some(self.mask)
            }
        }

        impl From<$address> for $name {
            fn from(address: $address) -> Self {
                Self::new(address, $number::BITS)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.address)?;
                self.mask().map_or(Ok(()), |mask| write!(f, "/{}", mask.leading_ones()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

prefix!(
    /// An IPv4 network, or an address alone.
    Ipv4Prefix, Ipv4Addr, u32
);
prefix!(
    /// An IPv6 network, or an address alone.
    Ipv6Prefix, Ipv6Addr, u128
);
