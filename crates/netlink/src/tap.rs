//! TAP devices. rtnetlink cannot make them: an ioctl on `/dev/net/tun` does, in the namespace in which it is opened.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::Error;
use crate::attributes::{iterate, read_u32};
use crate::name::NAME_BYTES;

const DEVICE: &str = "/dev/net/tun";

/// The call of [`Error::System`] when the kernel has no TAP devices, or nobody has made the device node.
pub const OPEN: &str = "open /dev/net/tun";

/// The largest MTU in bytes of a TAP device: with the Ethernet header a frame has at most 65535 (`tun_net_initialize` in
/// `drivers/net/tun.c`).
pub const LARGEST_MTU_BYTES: u32 = 65_535 - 14;

/// The user ID of root.
const ROOT: u32 = 0;

// Attributes of a TUN or TAP device (`IFLA_INFO_DATA`, `if_link.h`), and the type of the second.
const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_GROUP: u16 = 2;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_TUN_VNET_HDR: u16 = 5;
const IFLA_TUN_PERSIST: u16 = 6;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;
const IFF_TAP: u8 = 2;

/// TUNSETPERSIST, TUNSETOWNER and TUNSETGROUP take their number as the argument itself (`linux/if_tun.h`).
#[allow(missing_docs, unreachable_pub)]
mod ioctl {
    use nix::{ioctl_write_int_bad, ioctl_write_ptr_bad, request_code_write};

    ioctl_write_int_bad!(set_persist, request_code_write!(b'T', 203, size_of::<libc::c_int>()));
    ioctl_write_int_bad!(set_owner, request_code_write!(b'T', 204, size_of::<libc::c_int>()));
    ioctl_write_int_bad!(set_group, request_code_write!(b'T', 206, size_of::<libc::c_int>()));
    ioctl_write_ptr_bad!(set_interface, request_code_write!(b'T', 202, size_of::<libc::c_int>()), libc::ifreq);
}

/// A TAP device to make.
#[derive(Debug, Clone, Copy)]
pub struct NewTap<'a> {
    /// Its name.
    pub name: &'a str,
    /// The user who may open it; root when neither user nor group is given.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
    /// Several processes, or one several times, may open it (`IFF_MULTI_QUEUE`).
    pub multi_queue: bool,
}

/// A TUN or TAP device as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// It carries frames (TAP), not packets (TUN).
    pub is_tap: bool,
    /// It stays without a process that has it open.
    pub persists: bool,
    /// The user who may open it.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
    /// Offloads pass to the guest.
    pub vnet_header: bool,
    /// It can be opened several times.
    pub multi_queue: bool,
}

impl Settings {
    /// Reads the attributes of a device of kind `tun`; kernels before 4.17 have none.
    pub(crate) fn read(attributes: &[u8]) -> Self {
        let mut settings = Self::default();
        for (kind, value) in iterate(attributes) {
            let byte = value.first().copied().unwrap_or_default();
            match kind {
                IFLA_TUN_OWNER => settings.owner = read_u32(value, 0),
                IFLA_TUN_GROUP => settings.group = read_u32(value, 0),
                IFLA_TUN_TYPE => settings.is_tap = byte == IFF_TAP,
                IFLA_TUN_VNET_HDR => settings.vnet_header = byte != 0,
                IFLA_TUN_PERSIST => settings.persists = byte != 0,
                IFLA_TUN_MULTI_QUEUE => settings.multi_queue = byte != 0,
                _ => {}
            }
        }
        settings
    }
}

/// A TAP device that goes with this value, unless it is kept.
#[derive(Debug)]
pub struct Fleeting {
    device: File,
}

impl Fleeting {
    /// From now on the device stays until it is deleted.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn keep(self) -> Result<(), Error> {
        // SAFETY: the descriptor is open and the argument is a number.
        unsafe { ioctl::set_persist(self.device.as_raw_fd(), 1) }.map_err(Error::system("ioctl(TUNSETPERSIST)"))?;
        Ok(())
    }
}

impl NewTap<'_> {
    /// The user who may open it. A device of nobody can be opened by anybody who may open `/dev/net/tun`, and that is
    /// everybody.
    #[must_use]
    pub fn effective_owner(&self) -> Option<u32> {
        self.owner.or(if self.group.is_none() { Some(ROOT) } else { None })
    }

    /// `ip tuntap add dev NAME mode tap vnet_hdr user OWNER group GROUP [multi_queue]`, in the calling thread's namespace. Offloads pass to
    /// the guest (`IFF_VNET_HDR`), as a virtio device expects.
    ///
    /// The device goes when the process dies before [`Fleeting::keep`], so that none stays that is only half made.
    ///
    /// # Errors
    /// [`Error::System`]: no `/dev/net/tun`, a name in use by another kind of link.
    pub fn create(&self) -> Result<Fleeting, Error> {
        let system = |call| move |reason| Error::System { call, reason };
        let device = File::options().read(true).write(true).open(DEVICE).map_err(system(OPEN))?;
        let request = self.interface_request()?;
        let fd = device.as_raw_fd();
        // SAFETY: the descriptor is open and the structure is initialised and outlives the call.
        unsafe { ioctl::set_interface(fd, &raw const request) }.map_err(Error::system("ioctl(TUNSETIFF)"))?;
        if let Some(owner) = self.effective_owner() {
            // SAFETY: the descriptor is open and the argument is a number.
            unsafe { ioctl::set_owner(fd, owner.cast_signed()) }.map_err(Error::system("ioctl(TUNSETOWNER)"))?;
        }
        if let Some(group) = self.group {
            // SAFETY: as above.
            unsafe { ioctl::set_group(fd, group.cast_signed()) }.map_err(Error::system("ioctl(TUNSETGROUP)"))?;
        }
        Ok(Fleeting { device })
    }

    fn interface_request(&self) -> Result<libc::ifreq, Error> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES {
            return Err(Error::Malformed(format!("'{}' cannot be the name of a link", self.name)));
        }
        let mut name = [0; libc::IFNAMSIZ];
        for (space, byte) in name.iter_mut().zip(self.name.bytes()) {
            *space = byte.cast_signed();
        }
        let several = if self.multi_queue { libc::IFF_MULTI_QUEUE } else { 0 };
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL | several;
        let ifru_flags = libc::c_short::from_ne_bytes(u16::try_from(flags).unwrap_or_default().to_ne_bytes());
        Ok(libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags } })
    }
}
