//! Channels to objects other than those of rtnetlink.

use std::any::Any;

use netlink::Socket;

use crate::Error;

/// A way to objects: the packet filter, a switch's database, a directory. A session opens it when it is first asked for,
/// keeps it to its end, and knows nothing of what it speaks.
///
/// What a channel does at once goes through [`Session::make`](crate::Session::make), which notes that the object at work is made.
/// A channel that collects changes, to send them in one go, notes with each the [`Session::place`](crate::Session::place) that it
/// is for.
pub trait Channel: Any {
    /// Sends what was collected. The places of what has been made are put into `made`, also when a later part fails.
    ///
    /// # Errors
    /// The first change that was refused.
    fn flush(&mut self, _made: &mut Vec<usize>) -> Result<(), Error> {
        Ok(())
    }

    /// Something was collected and not sent yet. It is sent before anything of a later stage is made.
    fn holds_something(&self) -> bool {
        false
    }

    /// Forgets what was seen of things that attachments share: the lock has been given up, and others may have changed them.
    fn renew(&mut self) {}

    /// Drops what was collected and not sent: the call has failed.
    fn forget(&mut self) {}
}

/// The host's packet filter. What is removed through it is removed before links are: to close it waits until the kernel is
/// done with what was removed, and the removal of a link takes longer.
#[derive(Debug)]
pub(crate) struct PacketFilter(pub(crate) Socket);

impl PacketFilter {
    pub(crate) fn open() -> Result<Self, netlink::Error> {
        Socket::open_netfilter().map(Self)
    }
}

impl Channel for PacketFilter {}
