//! Sockets and their options. All functions are to be called within [`Place::enter`].

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, setsockopt, sockopt};

use crate::{Error, Place};

/// What a buffer may hold; nothing is reserved for it.
pub(crate) const BUFFER_BYTES: usize = 128 << 20;

/// From `include/uapi/asm-generic/socket.h` and `include/uapi/linux/sock_diag.h`.
const SO_NO_CHECK: i32 = 11;
const SO_MEMINFO: i32 = 55;
const SK_MEMINFO_DROPS: usize = 8;

/// A socket of `kind` that is bound to the place's interface and address, at any port.
pub(crate) fn bound(place: &Place, kind: SockType, protocol: Option<SockProtocol>) -> Result<OwnedFd, Error> {
    let family = if place.address().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)
        .map_err(|errno| place.failed("socket", errno.into()))?;
    if let Some(interface) = place.interface() {
        setsockopt(&fd, sockopt::BindToDevice, &interface.into()).map_err(|errno| match errno {
            nix::errno::Errno::ENODEV => Error::NoInterface { place: place.to_string() },
            _ => place.failed("bind to the interface", errno.into()),
        })?;
    }
    let address = SockaddrStorage::from(place.socket_address(place.address(), 0)?);
    socket::bind(fd.as_raw_fd(), &address).map_err(|errno| place.failed("bind", errno.into()))?;
    Ok(fd)
}

/// Connects to an address as seen from `place`. What is said of a socket that does not block is left to the caller.
pub(crate) fn connect(fd: &OwnedFd, place: &Place, to: IpAddr, port: u16) -> Result<(), Error> {
    let address = SockaddrStorage::from(place.socket_address(to, port)?);
    match socket::connect(fd.as_raw_fd(), &address) {
        Ok(()) | Err(nix::errno::Errno::EINPROGRESS) => Ok(()),
        Err(errno) => Err(place.failed(&format!("connect to {to}"), errno.into())),
    }
}

/// The port that a socket is bound to.
pub(crate) fn port(fd: &OwnedFd, place: &Place) -> Result<u16, Error> {
    let name: SockaddrStorage =
        socket::getsockname(fd.as_raw_fd()).map_err(|errno| place.failed("getsockname", errno.into()))?;
    let v4 = name.as_sockaddr_in().map(socket::SockaddrIn::port);
    Ok(v4.or_else(|| name.as_sockaddr_in6().map(socket::SockaddrIn6::port)).unwrap_or_default())
}

/// A socket that receives datagrams with the kernel's time of arrival and their traffic class, and that holds many.
pub(crate) fn datagram_receiver(place: &Place) -> Result<OwnedFd, Error> {
    let fd = bound(place, SockType::Datagram, None)?;
    stamp_arrivals(&fd, place)?;
    setsockopt(&fd, sockopt::RcvBufForce, &BUFFER_BYTES)
        .map_err(|errno| place.failed("set the receive buffer", errno.into()))?;
    let (level, option) = match place.address() {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVTOS),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
    };
    set(&fd, level, option, 1).map_err(|source| place.failed("ask for the traffic class", source))?;
    Ok(fd)
}

/// Asks for the time of arrival of each packet. A call that waits for one gives up after 20 ms.
pub(crate) fn stamp_arrivals(fd: &OwnedFd, place: &Place) -> Result<(), Error> {
    setsockopt(fd, sockopt::ReceiveTimestampns, &true)
        .map_err(|errno| place.failed("ask for times of arrival", errno.into()))?;
    setsockopt(fd, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(0, 20_000))
        .map_err(|errno| place.failed("set a timeout", errno.into()))
}

/// A socket that sends datagrams to an address. It never waits for its own queue, and a datagram is never fragmented.
pub(crate) fn datagram_sender(place: &Place, to: IpAddr, port: u16, class: i32) -> Result<OwnedFd, Error> {
    let fd = bound(place, SockType::Datagram, None)?;
    setsockopt(&fd, sockopt::SndBufForce, &BUFFER_BYTES)
        .map_err(|errno| place.failed("set the send buffer", errno.into()))?;
    let options = match to {
        IpAddr::V4(_) => {
            [(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO), (libc::IPPROTO_IP, libc::IP_TOS, class)]
        }
        IpAddr::V6(_) => [
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class),
        ],
    };
    for (level, option, value) in options {
        set(&fd, level, option, value).map_err(|source| place.failed("set an option of a socket", source))?;
    }
    connect(&fd, place, to, port)?;
    Ok(fd)
}

/// Sends without a checksum, or takes what comes without (`SO_NO_CHECK`).
pub(crate) fn without_checksum(fd: &OwnedFd, place: &Place) -> Result<(), Error> {
    set(fd, libc::SOL_SOCKET, SO_NO_CHECK, 1).map_err(|source| place.failed("switch checksums off", source))
}

/// Sends datagrams of so many bytes, several of which pass through the path as one packet (UDP GSO, since Linux 4.18).
pub(crate) fn segment(fd: &OwnedFd, place: &Place, bytes: usize) -> Result<(), Error> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    set(fd, libc::IPPROTO_UDP, libc::UDP_SEGMENT, bytes).map_err(|source| place.failed("set UDP_SEGMENT", source))
}

/// How many datagrams the socket itself dropped, for want of room.
pub(crate) fn dropped(fd: &OwnedFd) -> u64 {
    let mut bytes = [0; 4 * (SK_MEMINFO_DROPS + 1)];
    // It is zero where the kernel does not say (before 4.12).
    let _ = get(fd, libc::SOL_SOCKET, SO_MEMINFO, &mut bytes);
    bytes.as_chunks().0.get(SK_MEMINFO_DROPS).copied().map(u32::from_ne_bytes).unwrap_or_default().into()
}

/// Reads an option into `value` and returns its length.
pub(crate) fn get(fd: &impl AsFd, level: i32, option: i32, value: &mut [u8]) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `value` is writable for `length` bytes, which is at most its length.
    let status =
        unsafe { libc::getsockopt(fd.as_fd().as_raw_fd(), level, option, value.as_mut_ptr().cast(), &raw mut length) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(length as usize) }
}

/// Sets an option whose value is an int.
pub(crate) fn set(fd: &impl AsFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    const LENGTH: libc::socklen_t = 4;
    // SAFETY: the option's value is an int, which lives until the call returns.
    let status = unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, option, (&raw const value).cast(), LENGTH) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
