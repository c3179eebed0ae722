//! Addresses and networks as CNI writes them: `10.1.0.5/24`, never a bare address, never a netmask.

use ipnetwork::IpNetwork;

/// Parses an address with its prefix length, host bits kept: `10.1.0.5/24`, `fd00::5/64`.
///
/// # Errors
/// A sentence that quotes the text and shows the accepted form.
pub fn parse_address(_text: &str) -> Result<IpNetwork, String> {
    todo!()
}

/// Parses a network; host bits are cleared, as Go's `net.ParseCIDR` does.
///
/// # Errors
/// As [`parse_address`].
pub fn parse_network(_text: &str) -> Result<IpNetwork, String> {
    todo!()
}
