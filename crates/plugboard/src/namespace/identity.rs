//! What distinguishes a network namespace from every other, even from a later one at the same path.
//!
//! Device and inode do not: the kernel gives the number of a namespace that is gone to the next one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::getsockopt_impl;
use nix::sys::socket::sockopt::GetStruct;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket};

/// The number of a socket's network namespace, which is not used again before the next boot. Linux 5.14.
#[derive(Debug, Clone, Copy)]
struct Cookie;

getsockopt_impl!(Cookie, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, u64, GetStruct<u64>);

/// The identity of the namespace that the calling thread is in.
pub(super) fn own_identity() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let any = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let number = match getsockopt(&any, Cookie) {
        Err(Errno::ENOPROTOOPT) => fs::metadata("/proc/thread-self/ns/net")?.ino(),
        number => number?,
    };
    Ok(format!("{}:{number}", boot.trim_end()))
}
