//! Multicast groups that a link listens to.

use std::net::Ipv6Addr;

use netlink_packet_core::NLM_F_DUMP;

use crate::attributes::{read_u32, value_of};
use crate::{Error, Request, Socket};

const RTM_GETMULTICAST: u16 = 58;
const IFA_MULTICAST: u16 = 7;

/// The length of a `struct ifaddrmsg`; its family and its index are at these offsets.
const HEADER_BYTES: usize = 8;
const FAMILY_OFFSET: usize = 0;
const INDEX_OFFSET: usize = 4;

/// The IPv6 groups of one link: `ip -6 maddress show dev INDEX`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn groups(socket: &mut Socket, index: u32) -> Result<Vec<Ipv6Addr>, Error> {
    let mut header = vec![0; HEADER_BYTES];
    if let (Some(family), Ok(inet6)) = (header.get_mut(FAMILY_OFFSET), u8::try_from(libc::AF_INET6)) {
        *family = inet6;
    }
    if let Some(space) = header.get_mut(INDEX_OFFSET..HEADER_BYTES) {
        space.copy_from_slice(&index.to_ne_bytes());
    }
    let objects = socket.dump("multicast groups", &Request::raw(RTM_GETMULTICAST, NLM_F_DUMP, header))?;
    let of_link = objects.iter().filter(|object| read_u32(&object.payload, INDEX_OFFSET) == Some(index));
    Ok(of_link
        .filter_map(|object| {
            let group = value_of(object.payload.get(HEADER_BYTES..)?, IFA_MULTICAST)?;
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(group).ok()?))
        })
        .collect())
}

/// The group to which the question for an address is sent (RFC 4291, 2.7.1).
#[must_use]
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0xff), low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_has_the_last_three_bytes_of_the_address() {
        let address: Ipv6Addr = "2001:db8::12:3456:789a".parse().unwrap();
        assert_eq!(solicited_node(address), "ff02::1:ff56:789a".parse::<Ipv6Addr>().unwrap());
    }

    /// Every link that is up with IPv6 listens to all nodes.
    #[test]
    fn loopback_listens_to_all_nodes() {
        let groups = groups(&mut Socket::open().unwrap(), 1).unwrap();
        assert!(groups.contains(&"ff02::1".parse().unwrap()), "{groups:?}");
    }
}
