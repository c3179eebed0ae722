//! Links of other namespaces, reached from a socket in this one (`rtnl_get_net_ns_capable` in `net/core/rtnetlink.c`).

use crate::attributes::append;
use crate::link::Link;
use crate::{Error, Request, Socket};

const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

// `struct ifinfomsg` and attributes of a link (`if_link.h`).
const HEADER_BYTES: usize = 16;
const INDEX: std::ops::Range<usize> = 4..8;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_TARGET_NETNSID: u16 = 46;
/// Without counters.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// Another namespace, as the socket's own numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elsewhere(i32);

impl Elsewhere {
    /// The namespace of a link's other end; `None` if that is in the link's own.
    #[must_use]
    pub fn of_peer(link: &Link) -> Option<Self> {
        link.peer_namespace.map(Self)
    }

    /// Finds a link there; `None` if there is none of that name, or if the kernel is older than 4.20: before 4.16 it would
    /// take [`Elsewhere::delete`] for the removal of a link of the socket's own namespace.
    ///
    /// # Errors
    /// Whatever the kernel says other than that there is none.
    pub fn find(self, socket: &mut Socket, name: &str) -> Result<Option<Link>, Error> {
        if !socket.is_strict() {
            return Ok(None);
        }
        let mut payload = self.header(0);
        append(&mut payload, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        append(&mut payload, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        match socket.request(Request::question(RTM_GETLINK, payload)) {
            Ok(answer) => Ok(answer.as_ref().and_then(Link::read)),
            Err(error) if error.is_missing() || is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a link there that [`Elsewhere::find`] has found. One that is not there, like its namespace, is removed already.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete(self, socket: &mut Socket, link: &Link) -> Result<(), Error> {
        match socket.request(Request::raw(RTM_DELLINK, 0, self.header(link.index))) {
            Err(error) if !error.is_missing() && !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn header(self, index: u32) -> Vec<u8> {
        let mut payload = vec![0; HEADER_BYTES];
        if let Some(place) = payload.get_mut(INDEX) {
            place.copy_from_slice(&index.to_ne_bytes());
        }
        append(&mut payload, IFLA_TARGET_NETNSID, &self.0.to_ne_bytes());
        payload
    }
}

/// Of a namespace that is going the number is not known any more.
fn is_gone(error: &Error) -> bool {
    error.errno() == Some(libc::EINVAL)
}
