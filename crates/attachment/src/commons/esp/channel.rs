//! The channel to IPsec.

use netlink::Socket;

use crate::{Channel, Error, Remedy};

/// The host's IPsec.
#[derive(Debug)]
pub(super) struct Xfrm(pub(super) Socket);

impl Channel for Xfrm {}

impl Xfrm {
    pub(super) fn open() -> Result<Self, Error> {
        Socket::open_xfrm().map(Self).map_err(|source| match source.errno() {
            Some(libc::EPROTONOSUPPORT) => Error::Unsupported {
                feature: "IPsec over netlink (xfrm_user), which keyFile needs".to_owned(),
                remedy: Remedy::act("load the module with `modprobe xfrm_user`, or use a kernel with CONFIG_XFRM_USER"),
            },
            _ => Error::Refused { action: "open a socket for IPsec".to_owned(), source },
        })
    }
}
