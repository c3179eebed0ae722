//! Taking addresses so that a crash at any moment neither loses one nor gives one twice.
//!
//! The holder is written to `.new` first, and that file is linked under the name of each address: link(2) fails if the
//! name exists, and what it makes is complete from the start. A file that is created empty and written afterwards, as
//! in the reference, belongs to nobody after a crash in between, and stays for ever.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cni::Error;

use crate::error::io_error;
use crate::files::{FILE_MODE, address_path, new_path, remove_new};
use crate::index;
use crate::map;
use crate::owner::{Holder, Owner};
use crate::store::Store;

/// Addresses that an attachment is about to get. They are released again when this is dropped before
/// [`Reservation::keep`].
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    store: &'a Store,
    owner: &'a Owner,
    /// How many addresses the attachment had before.
    held: usize,
    new: PathBuf,
    taken: Vec<IpAddr>,
    is_kept: bool,
}

impl<'a> Reservation<'a> {
    /// Begins to take addresses for an attachment that has `held` already.
    ///
    /// # Errors
    /// Code 5: the disk is full or read-only, for example.
    pub(crate) fn begin(store: &'a Store, owner: &'a Owner, held: usize) -> Result<Self, Error> {
        let new = new_path(store.directory());
        // From here on the drop cleans up.
        let reservation = Self { store, owner, held, new, taken: Vec::new(), is_kept: false };
        write_new(&reservation.new, &owner.content())
            .map_err(|cause| io_error(&reservation.new, "write the file of an address", &cause))?;
        Ok(reservation)
    }

    /// Takes an address; false if it is taken already.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn take(&mut self, address: IpAddr) -> Result<bool, Error> {
        let path = address_path(self.store.directory(), address);
        match fs::hard_link(&self.new, &path) {
            Ok(()) => {
                self.taken.push(address);
                Ok(true)
            }
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(cause) => Err(io_error(&path, "make the file of this address", &cause)),
        }
    }

    /// Who has an address.
    pub(crate) fn holder(&self, address: IpAddr) -> Holder {
        self.store.holder(address)
    }

    /// Leaves the addresses to the attachment.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
        let directory = self.store.directory();
        let is_mapped = self.taken.iter().all(|address| map::note(directory, *address, true).is_ok());
        let is_indexed = index::insert(directory, self.owner, self.held, &self.taken).is_ok();
        self.store.settle(remove_new(self.store.directory()) && is_indexed && is_mapped);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let is_undone = self.taken.iter().all(|address| self.store.remove(*address).is_ok());
        self.store.settle(remove_new(self.store.directory()) && is_undone);
    }
}

/// A file that a killed reservation left must not be written into: it may be linked under an address.
fn write_new(path: &Path, content: &str) -> io::Result<()> {
    let open = || OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let mut file = match open() {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()?
        }
        result => result?,
    };
    file.write_all(content.as_bytes())
}
