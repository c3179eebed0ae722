//! A netlink socket.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use crate::batch::{Batch, answer};

nix::ioctl_read_bad!(interface_index, libc::SIOCGIFINDEX, libc::ifreq);

/// A socket in the namespace in which it was opened.
pub(crate) struct Socket(OwnedFd);

impl Socket {
    pub(crate) fn open() -> Result<Self> {
        let protocol = SockProtocol::NetlinkRoute;
        Ok(Self(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?))
    }

    /// Sends a batch and waits for the first refusal, or the acknowledgement of the last message.
    pub(crate) fn send(&self, batch: Batch) -> Result<()> {
        send(self.0.as_raw_fd(), &batch.finish(), MsgFlags::empty()).context("send")?;
        let mut received = [0; 1024];
        let length = recv(self.0.as_raw_fd(), &mut received, MsgFlags::empty()).context("receive")?;
        match received.get(..length).and_then(answer) {
            Some(0) => Ok(()),
            Some(errno) => bail!("the kernel refuses: {}", Errno::from_raw(errno)),
            None => bail!("an answer of {length} bytes that is no acknowledgement"),
        }
    }

    /// The index of a link in this socket's namespace.
    pub(crate) fn index(&self, name: &str) -> Result<i32> {
        // SAFETY: all zeros are a valid ifreq, a plain C structure.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            bail!("{name} is too long for a link");
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        // SAFETY: the kernel reads the name, ended by a zero, and writes the index into a live structure of that type.
        unsafe { interface_index(self.0.as_raw_fd(), &raw mut request) }.with_context(|| format!("look for {name}"))?;
        // SAFETY: that call fills this member of the union.
        Ok(unsafe { request.ifr_ifru.ifru_ifindex })
    }
}
