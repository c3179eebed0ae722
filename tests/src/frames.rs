//! Frames by hand, on an interface of a container.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use harness::Namespace;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket};

/// Longer than any frame, those included that the kernel divides on a later way.
const FRAME_BYTES: usize = (1 << 16) + 64;

/// All frames of one interface.
#[derive(Debug)]
pub struct Frames {
    socket: OwnedFd,
}

impl Frames {
    /// Opens the interface.
    ///
    /// # Errors
    /// There is no such interface.
    ///
    /// # Panics
    /// If the namespace cannot be entered.
    pub fn open(ns: &Namespace, interface: &str) -> std::io::Result<Self> {
        // A thread for it alone: it needs no way back from the namespace.
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let namespace = File::open(&ns.path).expect("the namespace is there");
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("it can be entered");
                Self::open_here(interface)
            });
            opened.join().expect("the thread ends")
        })
    }

    /// Opens an interface of the calling thread's namespace.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn open_here(interface: &str) -> std::io::Result<Self> {
        let index = if_nametoindex(interface)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        // SAFETY: the structure consists of numbers, for which zero is valid.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET.try_into().expect("it fits");
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).expect("it fits").to_be();
        address.sll_ifindex = index.try_into().expect("it fits");
        let length = size_of_val(&address).try_into().expect("it fits");
        // SAFETY: the address is whole and its length is given.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound == 0 { Ok(Self { socket }) } else { Err(std::io::Error::last_os_error()) }
    }

    /// Sends one; false when the interface is down or gone.
    pub fn send(&self, frame: &[u8]) -> bool {
        nix::unistd::write(&self.socket, frame).is_ok()
    }

    /// Reads until a frame ends with `tail`; false when none has come in time.
    ///
    /// # Panics
    /// If nothing can be read.
    pub fn ends_with(&self, tail: &[u8], limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            match self.next() {
                Some(frame) if frame.ends_with(tail) => return true,
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        false
    }

    /// Has the kernel keep so many bytes of what waits.
    ///
    /// # Panics
    /// Without the right to have it keep more than others may.
    pub fn keep(&self, bytes: usize) {
        setsockopt(&self.socket, RcvBufForce, &bytes).expect("root may have any buffer");
    }

    /// How many frames were dropped since this was asked last, because they waited for too long: 0 as long as all are seen (`packet(7)`,
    /// `PACKET_STATISTICS`).
    ///
    /// # Panics
    /// If the kernel does not tell.
    #[must_use]
    pub fn lost(&self) -> u32 {
        // SAFETY: the structure consists of numbers, for which zero is valid.
        let mut statistics: libc::tpacket_stats = unsafe { std::mem::zeroed() };
        let mut length = size_of_val(&statistics).try_into().expect("it fits");
        // SAFETY: the structure is whole and its length is given.
        let asked = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        assert_eq!(asked, 0, "{}", std::io::Error::last_os_error());
        statistics.tp_drops
    }

    /// The next frame that waits, if any does.
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; FRAME_BYTES];
        let mut file = File::from(self.socket.try_clone().ok()?);
        let length = file.read(&mut frame).ok()?;
        frame.truncate(length);
        Some(frame)
    }
}

/// An Ethernet frame.
#[must_use]
pub fn ethernet(from: [u8; 6], to: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

/// The source of [`marker`], as tools print it.
pub const MARKER: &str = "02:00:00:00:ee:ee";

/// A frame after which all that were sent before it have been seen. It is to LLDP's address, which no bridge forwards.
#[must_use]
pub fn marker() -> Vec<u8> {
    ethernet([0x02, 0, 0, 0, 0xee, 0xee], [0x01, 0x80, 0xc2, 0, 0, 0x0e], 0x88b5, &[0; 46])
}
