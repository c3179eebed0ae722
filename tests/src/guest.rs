//! The other end of a TAP device: what a virtual machine's monitor does with it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use harness::Namespace;
use nix::sched::{CloneFlags, setns};

/// `struct virtio_net_hdr`, which stands before each frame (`IFF_VNET_HDR`).
const VNET_HEADER_BYTES: usize = 10;
const ETHERNET_BYTES: usize = 14;

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet and IPv4, with addresses of 6 and 4 bytes.
const ARP_OF_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: [u8; 2] = [0, 1];
const ARP_REPLY: [u8; 2] = [0, 2];

#[allow(missing_docs)]
mod ioctl {
    nix::ioctl_write_ptr_bad!(
        set_interface,
        nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
        libc::ifreq
    );
}

/// What a guest's NIC is to others.
#[derive(Debug, Clone, Copy)]
pub struct Station {
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its address.
    pub ip: Ipv4Addr,
}

/// A process that has opened a TAP device.
#[derive(Debug)]
pub struct Guest {
    device: File,
}

impl Guest {
    /// Opens the device of this name in the thread's network namespace.
    ///
    /// # Errors
    /// `EPERM` when it is another user's, `EINVAL` when it is made for another kind of use.
    pub fn open(name: &str) -> std::io::Result<Self> {
        let device = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        let request = request(name, 0);
        // SAFETY: the descriptor is open, and the structure is whole and outlives the call.
        unsafe { ioctl::set_interface(device.as_raw_fd(), &raw const request) }?;
        Ok(Self { device })
    }

    /// Opens one queue of a device with several.
    ///
    /// # Errors
    /// As [`Guest::open`]; `EINVAL` when the device has one queue.
    pub fn open_queue(name: &str) -> std::io::Result<Self> {
        let device = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        let request = request(name, libc::IFF_MULTI_QUEUE);
        // SAFETY: as above.
        unsafe { ioctl::set_interface(device.as_raw_fd(), &raw const request) }?;
        Ok(Self { device })
    }

    /// Opens the device of this name in a container's namespace, as the process of a virtual machine there does.
    ///
    /// # Errors
    /// As [`Guest::open`].
    ///
    /// # Panics
    /// If the namespace cannot be entered.
    pub fn open_in(ns: &Namespace, name: &str) -> std::io::Result<Self> {
        within(ns, || Self::open(name))
    }

    /// The same as a user and a group without any privilege.
    ///
    /// # Errors
    /// As [`Guest::open`].
    ///
    /// # Panics
    /// If the namespace cannot be entered.
    pub fn open_in_as(ns: &Namespace, user: u32, group: u32, name: &str) -> std::io::Result<Self> {
        within(ns, || Self::open_as(user, group, name))
    }

    /// The same as a user and a group without any privilege, on the host.
    ///
    /// # Errors
    /// As [`Guest::open`].
    pub fn open_as(user: u32, group: u32, name: &str) -> std::io::Result<Self> {
        // A thread for it alone: the numbers are the thread's, and so it needs no way back.
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let device = File::options().read(true).write(true).open("/dev/net/tun")?;
                become_user(user, group)?;
                let request = request(name, 0);
                // SAFETY: as above.
                unsafe { ioctl::set_interface(device.as_raw_fd(), &raw const request) }?;
                Ok(Self { device })
            });
            opened.join().expect("the thread ends")
        })
    }

    /// The device, to be read and written until frames come and go.
    pub(crate) fn into_blocking(self) -> File {
        // SAFETY: the call takes numbers only, and the descriptor is open.
        let flags = unsafe { libc::fcntl(self.device.as_raw_fd(), libc::F_SETFL, 0) };
        assert_eq!(flags, 0, "the descriptor takes flags");
        self.device
    }

    /// Asks who has an address until somebody answers. The first question may come before the bridge forwards what this
    /// port sends.
    ///
    /// # Panics
    /// If the device cannot be read or written.
    pub fn who_has(&mut self, own: Station, wanted: Ipv4Addr, limit: Duration) -> Option<[u8; 6]> {
        let end = Instant::now() + limit;
        let mut frame = [0; 2048];
        while Instant::now() < end {
            self.device.write_all(&question(own, wanted)).expect("a frame is sent");
            for _ in 0..20 {
                match self.device.read(&mut frame) {
                    Ok(length) => {
                        if let Some(mac) = answer(&frame[..length], wanted) {
                            return Some(mac);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
                    Err(error) => panic!("no frame can be read: {error}"),
                }
            }
        }
        None
    }
}

/// Does something in a namespace, on a thread for it alone: it needs no way back.
fn within<T: Send>(ns: &Namespace, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            let namespace = File::open(&ns.path).expect("the namespace is there");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("it can be entered");
            work()
        });
        done.join().expect("the thread ends")
    })
}

/// As QEMU asks for a device that exists.
fn request(name: &str, more: libc::c_int) -> libc::ifreq {
    let mut ifr_name = [0; libc::IFNAMSIZ];
    for (space, byte) in ifr_name.iter_mut().zip(name.bytes()) {
        *space = byte.cast_signed();
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more;
    let ifru_flags = flags.try_into().expect("the flags fit");
    libc::ifreq { ifr_name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags } }
}

/// Gives up the thread's privileges: the functions of the C library would change all threads of the process.
fn become_user(user: u32, group: u32) -> std::io::Result<()> {
    // SAFETY: the calls take numbers only; without supplementary groups the list is not read.
    let results = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()),
            libc::syscall(libc::SYS_setresgid, group, group, group),
            libc::syscall(libc::SYS_setresuid, user, user, user),
        ]
    };
    if results == [0; 3] { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// RFC 826.
fn question(own: Station, wanted: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0; VNET_HEADER_BYTES];
    frame.extend(BROADCAST);
    frame.extend(own.mac);
    frame.extend(ETHERTYPE_ARP);
    frame.extend(ARP_OF_IPV4);
    frame.extend(ARP_REQUEST);
    frame.extend(own.mac);
    frame.extend(own.ip.octets());
    frame.extend([0; 6]);
    frame.extend(wanted.octets());
    frame
}

/// The hardware address in an answer about `wanted`.
fn answer(frame: &[u8], wanted: Ipv4Addr) -> Option<[u8; 6]> {
    let frame = frame.get(VNET_HEADER_BYTES..)?;
    let is_arp = frame.get(12..ETHERNET_BYTES)? == ETHERTYPE_ARP;
    let arp = frame.get(ETHERNET_BYTES..)?;
    let is_answer = arp.get(6..8)? == ARP_REPLY && arp.get(14..18)? == wanted.octets();
    arp.get(8..14).filter(|_| is_arp && is_answer)?.try_into().ok()
}
