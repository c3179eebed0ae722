//! Multicast groups that a LAC can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The protocols of hosts and routers themselves (RFC 5771, 4). Switches send these groups to every port, whoever has joined (RFC
/// 4541, 2.1.2).
const CONTROL_BLOCK: [u8; 3] = [224, 0, 0];

/// All nodes of a link, all routers of a link, all routers of a site (RFC 4291, 2.7.1).
const WELL_KNOWN: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
];

/// Reads a group.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence that quotes the text.
pub(crate) fn parse(text: &str) -> Result<IpAddr, String> {
    let group = address(text)?;
    refuse_others(group).map(|()| group)
}

/// Reads an address.
///
/// # Errors
/// As [`parse`].
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        let hint = if text.contains('%') {
            "; the interface is not part of it, but has a place of its own: if"
        } else if text.parse::<std::net::SocketAddr>().is_ok() {
            "; the port is not part of it, but has a place of its own: port"
        } else if text.starts_with('[') {
            "; it stands without brackets"
        } else {
            ""
        };
        format!("it must be a multicast address such as 239.0.0.1 or ff05:56de::1{hint}")
    })
}

/// # Errors
/// As [`parse`], for what is no group, and for groups that other hosts do not hear or that are not for data.
pub(crate) fn refuse_others(group: IpAddr) -> Result<(), String> {
    match group {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Err(format!(
            "it is an IPv4 address in the form of an IPv6 address, which cannot be joined; write it as {}",
            group.to_canonical()
        )),
        _ if !group.is_multicast() => Err("it is the address of one host, and no multicast group: a group is 224.0.1.0 to \
             239.255.255.255, or begins with ff; to reach hosts by their own addresses, list them in remotes"
            .to_owned()),
        IpAddr::V4(address) if is_control(address) => Err(
            "224.0.0.0/24 is for the protocols of hosts and routers themselves, and switches send it to every port of the LAN; \
             choose a group of 239.0.0.0/8"
                .to_owned(),
        ),
        IpAddr::V6(address) if WELL_KNOWN.contains(&address) => Err(
            "it is the group of all hosts, or all routers, which have not asked for these frames; choose another one, such as \
             ff05:56de::1"
                .to_owned(),
        ),
        IpAddr::V6(address) => match address.octets() {
            [_, scope, ..] if matches!(scope & 0xf, 0 | 0xf) => {
                Err(format!("its scope, {:x}, is reserved; choose one such as ff05 for a site, as ff05:56de::1", scope & 0xf))
            }
            [_, scope, ..] if scope & 0xf == 1 => {
                Err("its scope is the host itself, which it never leaves; choose one such as ff02 for a link or ff05 for a site"
                    .to_owned())
            }
            _ => Ok(()),
        },
        IpAddr::V4(_) => Ok(()),
    }
}

fn is_control(address: Ipv4Addr) -> bool {
    address.octets().starts_with(&CONTROL_BLOCK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn groups() {
        for text in [
            "224.0.1.0",
            "234.0.0.1",
            "232.1.1.1",
            "239.255.255.255",
            "ff02::5",
            "ff05:56de::1",
            "ff05::1",
            "ff15::3",
            "FF1E::ABCD",
        ] {
            assert_eq!(parse(text).unwrap(), text.parse::<IpAddr>().unwrap());
        }
    }

    #[test]
    fn what_is_none() {
        for (text, part) in [
            ("", "it must be a multicast address such as 239.0.0.1"),
            ("239.0.0", "it must be a multicast address"),
            ("239.0.0.256", "it must be a multicast address"),
            ("239.0.0.01", "it must be a multicast address"),
            (" 239.0.0.1", "it must be a multicast address"),
            ("lac.example.org", "it must be a multicast address"),
            ("239.0.0.1/32", "it must be a multicast address"),
            ("239.0.0.1:14789", "a place of its own: port"),
            ("[ff15::3]:14789", "a place of its own: port"),
            ("[ff15::3]", "without brackets"),
            ("ff02::5%eth0", "a place of its own: if"),
            ("10.0.0.1", "the address of one host"),
            ("223.255.255.255", "the address of one host"),
            ("240.0.0.1", "the address of one host"),
            ("255.255.255.255", "the address of one host"),
            ("0.0.0.0", "the address of one host"),
            ("fd00::1", "the address of one host"),
            ("::", "the address of one host"),
            ("::ffff:239.0.0.1", "write it as 239.0.0.1"),
            ("224.0.0.0", "224.0.0.0/24"),
            ("224.0.0.1", "224.0.0.0/24"),
            ("224.0.0.251", "224.0.0.0/24"),
            ("ff02::1", "all hosts, or all routers"),
            ("ff02::2", "all hosts, or all routers"),
            ("ff05::2", "all hosts, or all routers"),
            ("ff00::5", "its scope, 0, is reserved"),
            ("ff1f::5", "its scope, f, is reserved"),
            ("ff01::5", "the host itself"),
            ("ff11::5", "the host itself"),
        ] {
            let objection = parse(text).unwrap_err();
            assert!(objection.contains(part), "{text}: {objection}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", near in "[0-9a-f.:%\\[\\]]{0,24}", bits: u128, small: u32) {
            for text in [text, near, Ipv6Addr::from_bits(bits).to_string(), Ipv4Addr::from_bits(small).to_string()] {
                if let Ok(group) = parse(&text) {
                    prop_assert!(group.is_multicast());
                }
            }
        }
    }
}
