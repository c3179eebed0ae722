//! Offloads: what a device does for the kernel, or the kernel for it at the last moment.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::Error;
use crate::name::NAME_BYTES;

/// `SIOCETHTOOL` in `include/uapi/linux/sockios.h`, and the questions in `ethtool.h`.
const SIOCETHTOOL: libc::c_int = 0x8946;
const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_STXCSUM: u32 = 0x17;
const ETHTOOL_GTSO: u32 = 0x1e;
const ETHTOOL_GGSO: u32 = 0x23;

nix::ioctl_readwrite_bad! {
    /// Asks a device by a `struct ifreq` that points to the question.
    ask, SIOCETHTOOL, libc::ifreq
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    question: u32,
    answer: u32,
}

/// Which super-packets a device is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offloads {
    /// Several TCP segments, which it cuts itself (`tso` of `ethtool -k`).
    pub tcp: bool,
    /// Several segments or datagrams, which the kernel cuts behind the queues (`gso`).
    pub generic: bool,
}

/// Asks a device of the calling thread's namespace: `ethtool -k NAME`.
///
/// # Errors
/// [`Error::System`] when there is no such device or it cannot say.
pub fn read(name: &str) -> Result<Offloads, Error> {
    Ok(Offloads { tcp: is_on(name, ETHTOOL_GTSO)?, generic: is_on(name, ETHTOOL_GGSO)? })
}

/// A device of the calling thread's namespace fills in the checksums of what it sends (`tx` of `ethtool -k`).
///
/// # Errors
/// As [`read`].
pub fn fills_in_checksums(name: &str) -> Result<bool, Error> {
    is_on(name, ETHTOOL_GTXCSUM)
}

/// Has the kernel fill in the checksums of what a device of the calling thread's namespace sends, before the device gets it:
/// `ethtool -K NAME tx off`. With that the device gets no super-packets either.
///
/// # Errors
/// [`Error::System`] when there is no such device or it cannot do without.
pub fn take_checksums_from(name: &str) -> Result<(), Error> {
    ask_device(name, Value { question: ETHTOOL_STXCSUM, answer: 0 }).map(drop)
}

fn is_on(name: &str, question: u32) -> Result<bool, Error> {
    Ok(ask_device(name, Value { question, answer: 0 })?.answer != 0)
}

fn ask_device(name: &str, mut value: Value) -> Result<Value, Error> {
    if name.is_empty() || name.len() > NAME_BYTES {
        return Err(Error::Malformed(format!("'{name}' cannot be the name of a link")));
    }
    let fd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(Error::system("socket(AF_INET)"))?;
    let mut bytes = [0; libc::IFNAMSIZ];
    for (space, byte) in bytes.iter_mut().zip(name.bytes()) {
        *space = byte.cast_signed();
    }
    let pointer = (&raw mut value).cast();
    let mut request = libc::ifreq { ifr_name: bytes, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: pointer } };
    // SAFETY: the descriptor is open, the name ends with a zero byte, and the kernel writes 8 bytes to `value`, which lives
    // until the call returns.
    unsafe { ask(fd.as_raw_fd(), &raw mut request) }.map_err(Error::system("ioctl(SIOCETHTOOL)"))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_takes_super_packets() {
        assert_eq!(read("lo").unwrap(), Offloads { tcp: true, generic: true });
        assert!(read("no-such").is_err() && read("sixteen-bytes-16").is_err());
    }
}
