//! A container that claims to be a router.

use std::fs::File;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

use harness::Namespace;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt, socket, sockopt,
};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// RFC 4861, 4.2: type, code, checksum (the kernel's task), hop limit 64, no flags, a lifetime of 1800 s, no timers.
const ADVERTISEMENT: [u8; 16] = [134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];

/// Advertises an interface of a container as a router to all nodes of its link.
///
/// # Panics
/// If the message cannot be sent.
pub fn advertise(ns: &Namespace, interface: &str) {
    send(ns, interface, &ADVERTISEMENT);
}

/// The same with a prefix of 64 bits for addresses that the nodes make themselves (RFC 4861, 4.6.2): valid for an hour.
///
/// # Panics
/// If the message cannot be sent.
pub fn advertise_prefix(ns: &Namespace, interface: &str, prefix: Ipv6Addr) {
    let mut message = ADVERTISEMENT.to_vec();
    let (on_link, autonomous) = (0x80, 0x40);
    message.extend([3, 4, 64, on_link | autonomous]);
    for seconds in [3600u32, 3600, 0] {
        message.extend(seconds.to_be_bytes());
    }
    message.extend(prefix.octets());
    send(ns, interface, &message);
}

fn send(ns: &Namespace, interface: &str, message: &[u8]) {
    // A thread for it alone: it needs no way back from the namespace.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let namespace = File::open(&ns.path).expect("the namespace is there");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("it can be entered");
            let socket = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)
                .expect("a socket");
            // Receivers drop what may have come from beyond the link.
            setsockopt(&socket, sockopt::Ipv6MulticastHops, &255).expect("the hop limit is set");
            let index = if_nametoindex(interface).expect("the interface is there");
            let everybody = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, index));
            sendto(socket.as_raw_fd(), message, &everybody, MsgFlags::empty()).expect("it is sent");
        });
    });
}
