//! Unsolicited neighbour advertisements: how IPv6 announces an address (RFC 4861, 7.2.6).

use std::io::IoSlice;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

use netlink::Mac;
use nix::sys::socket::sockopt::Ipv6MulticastHops;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, bind, sendmsg, setsockopt, socket,
};

/// `ff02::1`, all nodes on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// The flag O: what is known of the address is to be replaced.
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// Tells all nodes on the link with `index` that `address` is at `mac`, from the calling thread's namespace. The address must
/// be the link's own. The kernel computes the checksum.
pub(super) fn send(index: u32, address: Ipv6Addr, mac: Mac) -> std::io::Result<()> {
    let raw = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)?;
    setsockopt(&raw, Ipv6MulticastHops, &255)?;
    bind(raw.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(address, 0, 0, index)))?;
    let to = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, index));
    let message = message(address, mac);
    sendmsg(raw.as_raw_fd(), &[IoSlice::new(&message)], &[], MsgFlags::empty(), Some(&to))?;
    Ok(())
}

fn message(address: Ipv6Addr, mac: Mac) -> Vec<u8> {
    let mut bytes = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    bytes.extend(address.octets());
    bytes.extend([TARGET_LINK_LAYER_ADDRESS, 1]); // in units of 8 bytes
    bytes.extend(mac.0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_that_of_rfc_4861() {
        let bytes = message("fd00::5".parse().unwrap(), Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..8], [136, 0, 0, 0, 0x20, 0, 0, 0]);
        assert_eq!(bytes[22..], [0, 5, 2, 1, 2, 0, 0, 0, 0, 9]);
    }
}
