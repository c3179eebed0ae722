//! What rules of several tables have in common.

use nftables::{Base, Comparison, Expression, Field};

pub(super) const IPV4_SOURCE: Field = Field { base: Base::Network, offset: 12, length: 4 };
pub(super) const IPV4_DESTINATION: Field = Field { base: Base::Network, offset: 16, length: 4 };
pub(super) const IPV6_SOURCE: Field = Field { base: Base::Network, offset: 8, length: 16 };
pub(super) const IPV6_DESTINATION: Field = Field { base: Base::Network, offset: 24, length: 16 };
pub(super) const NFPROTO_IPV4: [u8; 1] = [2];
pub(super) const NFPROTO_IPV6: [u8; 1] = [10];
/// `srcnat` (`NF_IP_PRI_NAT_SRC`).
pub(super) const SRCNAT: i32 = 100;

/// The register has this value.
pub(super) fn equal(value: &[u8]) -> Expression {
    Expression::Compare(Comparison::Equal, value.to_vec())
}
