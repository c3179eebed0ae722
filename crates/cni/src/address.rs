//! Addresses and networks as CNI writes them: `10.1.0.5/24`, never a bare address, never a netmask.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::excerpt::quoted;

/// Parses an address with its prefix length, host bits kept: `10.1.0.5/24`, `fd00::5/64`. Takes what Go's `net.ParseCIDR`
/// takes.
///
/// # Errors
/// A sentence that quotes the text and shows the accepted form.
pub fn parse_address(text: &str) -> Result<IpNetwork, String> {
    let Some((address, length)) = text.split_once('/') else {
        return Err(refused(text, "has no prefix length"));
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(refused(text, "does not begin with an IP address"));
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    length
        .parse::<u8>()
        .ok()
        .filter(|_| digits)
        .and_then(|length| IpNetwork::new(address, length).ok())
        .ok_or_else(|| refused(text, &format!("has a prefix length that is not a number from 0 to {longest}")))
}

/// Parses a network; host bits are cleared, as Go's `net.ParseCIDR` does.
///
/// # Errors
/// As [`parse_address`].
pub fn parse_network(text: &str) -> Result<IpNetwork, String> {
    let address = parse_address(text)?;
    IpNetwork::new(address.network(), address.prefix()).map_err(|error| refused(text, &error.to_string()))
}

/// Parses an address alone, for example a gateway. An IPv4-mapped IPv6 address (`::ffff:10.1.0.1`) is an IPv4 address,
/// as it is for Go.
///
/// # Errors
/// A sentence that quotes the text and shows the accepted form.
pub fn parse_host(text: &str) -> Result<IpAddr, String> {
    text.parse::<IpAddr>()
        .map(|address| address.to_canonical())
        .map_err(|_| format!("{} is not an IP address; write it as 10.1.0.1 or fd00::1", quoted(text)))
}

fn refused(text: &str, reason: &str) -> String {
    format!("{} {reason}; write it as 10.1.0.5/24 or fd00::5/64", quoted(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn host_bits_are_kept_in_addresses_and_cleared_in_networks() {
        assert_eq!(parse_address("10.1.0.5/24").unwrap().to_string(), "10.1.0.5/24");
        assert_eq!(parse_network("10.1.0.5/24").unwrap().to_string(), "10.1.0.0/24");
        assert_eq!(parse_address("fd00::5/64").unwrap().to_string(), "fd00::5/64");
        assert_eq!(parse_network("fd00::5/64").unwrap().to_string(), "fd00::/64");
        assert_eq!(parse_network("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
        assert_eq!(parse_address("10.1.0.5/032").unwrap().to_string(), "10.1.0.5/32");
    }

    #[test]
    fn everything_else_is_refused_and_quoted() {
        let refused = [
            "",
            "/",
            "10.1.0.5",
            "10.1.0.5/",
            "10.1.0.5/33",
            "10.1.0.5/+24",
            "10.1.0.5/-1",
            "10.1.0.5/24 ",
            " 10.1.0.5/24",
            "10.1.0.5/255.255.255.0",
            "10.1.5/24",
            "010.1.0.5/24",
            "fd00::5/129",
            "fe80::1%eth0/64",
            "10.1.0.5/24/24",
            "10.1.0.5/4294967320",
        ];
        for text in refused {
            let message = parse_address(text).unwrap_err();
            assert!(message.starts_with(&format!("{text:?}")) && message.contains("10.1.0.5/24"), "{message}");
            assert!(parse_network(text).is_err());
        }
    }

    #[test]
    fn a_mapped_gateway_is_an_ipv4_address() {
        assert_eq!(parse_host("::ffff:10.1.0.1").unwrap().to_string(), "10.1.0.1");
        assert!(parse_host("10.1.0.1/24").unwrap_err().contains("10.1.0.1/24"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", near in "[0-9a-f.:/+ ]{0,24}") {
            for text in [text, near] {
                if let Ok(address) = parse_address(&text) {
                    prop_assert_eq!(parse_address(&address.to_string()), Ok(address));
                    prop_assert!(parse_network(&text).is_ok());
                }
            }
        }
    }
}
