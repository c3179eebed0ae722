//! One namespace as a session sees it.

use netlink::link::Link;
use netlink::{Namespace, Socket};

use crate::Error;

/// One namespace: its socket, opened when it is first needed, and the links that were looked up.
#[derive(Debug)]
pub(super) struct End {
    pub(super) namespace: Option<Namespace>,
    socket: Option<Socket>,
    pub(super) seen: Vec<Link>,
}

impl End {
    /// The namespace, or the calling thread's own.
    pub(super) fn new(namespace: Option<Namespace>) -> Self {
        Self { namespace, socket: None, seen: Vec::new() }
    }

    pub(super) fn socket(&mut self) -> Result<&mut Socket, Error> {
        match &mut self.socket {
            Some(socket) => Ok(socket),
            none => {
                let opened = match &self.namespace {
                    Some(namespace) => namespace.socket().map_err(Error::Namespace),
                    None => Socket::open().map_err(Error::refused("open a netlink socket")),
                };
                Ok(none.insert(opened?))
            }
        }
    }

    pub(super) fn remember(&mut self, link: &Link) {
        self.seen.retain(|other| other.name != link.name && other.index != link.index);
        self.seen.push(link.clone());
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.seen.retain(|link| link.name != name);
    }
}
