//! Registers, in which rules compute.

use crate::Type;
use crate::datatype::{REGISTER_BYTES, length};

/// Where verdicts are (`NFT_REG_VERDICT`).
pub(crate) const VERDICT: u32 = 0;

/// `NFT_REG_1` and `NFT_REG32_00` (`enum nft_registers`).
const FIRST_LONG: u32 = 1;
const FIRST_SHORT: u32 = 8;
/// Registers of 4 bytes in one of 16.
const IN_LONG: u32 = 4;

/// One of 16 registers of 4 bytes. A value that is longer takes those behind it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Register(u32);

impl Register {
    /// The first, from which expressions compute that name none.
    pub const FIRST: Self = Self(0);

    /// The one behind a value of these parts that begins here.
    #[must_use]
    pub fn behind(self, parts: &[Type]) -> Self {
        let registers = length(parts).div_ceil(REGISTER_BYTES);
        Self(self.0.saturating_add(u32::try_from(registers).unwrap_or(u32::MAX)))
    }

    /// Its number, as one of 16 bytes where one begins: older kernels know only these, and the kernel lists it so.
    pub(crate) fn number(self) -> u32 {
        if self.0.is_multiple_of(IN_LONG) { self.0 / IN_LONG + FIRST_LONG } else { self.0.saturating_add(FIRST_SHORT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_nft() {
        let behind = |parts: &[Type]| Register::FIRST.behind(parts).number();
        assert_eq!(Register::FIRST.number(), 1);
        // meta l4proto . th dport: reg 1, reg 9.
        assert_eq!(behind(&[Type::InetProto]), 9);
        // iifname . ip saddr . th sport: reg 1, reg 2, reg 13.
        assert_eq!(behind(&[Type::Ifname]), 2);
        assert_eq!(behind(&[Type::Ifname, Type::Ipv4]), 13);
        assert_eq!(behind(&[Type::Ether]), 10);
    }
}
