//! A change of a link by its index: whatever its name is meanwhile, it is the same link.

use std::os::fd::{AsFd, AsRawFd};

use crate::attributes::append;
use crate::{Mac, Namespace, Request};

const RTM_SETLINK: u16 = 19;

// `struct ifinfomsg` and attributes of a link (`if_link.h`).
const HEADER_BYTES: usize = 16;
const INDEX: std::ops::Range<usize> = 4..8;
const FLAGS: std::ops::Range<usize> = 8..12;
const FLAGS_CHANGED: std::ops::Range<usize> = 12..16;
const IFF_UP: u32 = 1;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_IFALIAS: u16 = 20;
const IFLA_NET_NS_FD: u16 = 28;

/// One message that changes a link. Whatever their order here, the kernel moves it to another namespace first, and then sets the
/// hardware address, the MTU, the name and the alias, and takes it down or up (`do_setlink` in `net/core/rtnetlink.c`). What it
/// refuses leaves the earlier ones done.
#[derive(Debug, Clone)]
pub struct LinkChange {
    payload: Vec<u8>,
}

impl LinkChange {
    /// Nothing is changed yet.
    #[must_use]
    pub fn of(index: u32) -> Self {
        let mut change = Self { payload: vec![0; HEADER_BYTES] };
        change.write(INDEX, index);
        change
    }

    /// `netns NAMESPACE`. The kernel takes the link down for that, removes its addresses and routes, and keeps its alias. There it
    /// keeps its name, or if that is taken gets the one of [`LinkChange::name`], which without a move in the same message would be
    /// a change of the name; with both, the link has that name in the end (`__dev_change_net_namespace` in `net/core/dev.c`). Its
    /// index may become another one.
    #[must_use]
    pub fn namespace(self, namespace: &Namespace) -> Self {
        self.with(IFLA_NET_NS_FD, &namespace.as_fd().as_raw_fd().to_ne_bytes())
    }

    /// `name NAME`. Kernels before 6.2 refuse it for a link that is up.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.with(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat())
    }

    /// `address MAC`.
    #[must_use]
    pub fn mac(self, mac: Mac) -> Self {
        self.with(IFLA_ADDRESS, &mac.0)
    }

    /// `mtu BYTES`.
    #[must_use]
    pub fn mtu(self, bytes: u32) -> Self {
        self.with(IFLA_MTU, &bytes.to_ne_bytes())
    }

    /// `alias ALIAS`; an empty one removes it.
    #[must_use]
    pub fn alias(self, alias: &str) -> Self {
        self.with(IFLA_IFALIAS, alias.as_bytes())
    }

    /// `up` or `down`.
    #[must_use]
    pub fn up(mut self, is_up: bool) -> Self {
        self.write(FLAGS, if is_up { IFF_UP } else { 0 });
        self.write(FLAGS_CHANGED, IFF_UP);
        self
    }

    /// The message.
    #[must_use]
    pub fn request(self) -> Request {
        Request::raw(RTM_SETLINK, 0, self.payload)
    }

    fn with(mut self, kind: u16, value: &[u8]) -> Self {
        append(&mut self.payload, kind, value);
        self
    }

    fn write(&mut self, place: std::ops::Range<usize>, value: u32) {
        if let Some(place) = self.payload.get_mut(place) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
    }
}
