//! TAP devices. rtnetlink cannot make them: an ioctl on `/dev/net/tun` does, in the namespace in which it is opened.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::Error;
use crate::link::NAME_BYTES;

const DEVICE: &str = "/dev/net/tun";

/// The user ID of root.
const ROOT: u32 = 0;

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
pub struct Tap<'a> {
    /// Its name.
    pub name: &'a str,
    /// The user who may open it; root when neither user nor group is given.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
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

impl Tap<'_> {
    /// `ip tuntap add dev NAME mode tap vnet_hdr user OWNER group GROUP`, in the calling thread's namespace. Offloads pass to
    /// the guest (`IFF_VNET_HDR`), as a virtio device expects.
    ///
    /// The device goes when the process dies before [`Fleeting::keep`], so that none stays that is only half made.
    ///
    /// # Errors
    /// [`Error::System`]: no `/dev/net/tun`, a name in use by another kind of link.
    pub fn create(&self) -> Result<Fleeting, Error> {
        let system = |call| move |source| Error::System { call, source };
        let device = File::options().read(true).write(true).open(DEVICE).map_err(system("open /dev/net/tun"))?;
        let request = self.interface_request()?;
        let fd = device.as_raw_fd();
        // SAFETY: the descriptor is open and the structure is initialised and outlives the call.
        unsafe { ioctl::set_interface(fd, &raw const request) }.map_err(Error::system("ioctl(TUNSETIFF)"))?;
        // A device of nobody can be opened by anybody who may open /dev/net/tun, and that is everybody.
        let owner = self.owner.or(if self.group.is_none() { Some(ROOT) } else { None });
        if let Some(owner) = owner {
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
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
        let ifru_flags = libc::c_short::from_ne_bytes(u16::try_from(flags).unwrap_or_default().to_ne_bytes());
        Ok(libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags } })
    }
}
