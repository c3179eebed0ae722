//! The directory of a network's allocations.
//!
//! | file | content |
//! |---|---|
//! | `10.1.2.3` | who holds the address: `CONTAINER`, CR, LF, `INTERFACE` |
//! | `last_reserved_ip.0` | the address that range set 0 gave last |
//! | `lock` | nothing; readers and writers of the others hold an exclusive flock(2) on it |
//!
//! These are the reference's names, contents and lock. What we add to them is hidden from it: `.new` (see
//! [`crate::reservation`]), the links and the mark of [`crate::index`], and the maps of [`crate::map`].

use std::cell::Cell;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cni::Error;
use nix::fcntl::Flock;

use crate::error::io_error;
use crate::files::{
    DIRECTORY_EXCESS, DIRECTORY_MODE, FILE_MODE, address_path, last_reserved_path, remove_new, tighten, tightened,
};
use crate::free::Maps;
use crate::index;
use crate::lock::lock;
use crate::map;
use crate::owner::{Holder, Owner};
use crate::scan::{read_holder, scan};
use cni::regular;

/// A network's directory, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    /// Whether the index tells the holder of every address, as far as this call has followed it.
    indexed: Cell<bool>,
    _lock: Flock<File>,
}

impl Store {
    /// Opens and locks the directory; makes it if it is missing.
    ///
    /// # Errors
    /// Code 5; code 11 if somebody holds the lock for too long.
    pub(crate) fn create(directory: PathBuf) -> Result<Self, Error> {
        if let Some(lock) = lock(&directory)? {
            return Self::with_lock(directory, lock);
        }
        let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&directory);
        made.map_err(|cause| io_error(&directory, "make this directory", &cause))?;
        match lock(&directory)? {
            Some(lock) => Self::with_lock(directory, lock),
            None => Err(io_error(&directory, "open this directory, just made", &ErrorKind::NotFound.into())),
        }
    }

    /// Opens and locks the directory; `None` if it is missing.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub(crate) fn open(directory: PathBuf) -> Result<Option<Self>, Error> {
        lock(&directory)?.map(|lock| Self::with_lock(directory, lock)).transpose()
    }

    fn with_lock(directory: PathBuf, lock: Flock<File>) -> Result<Self, Error> {
        let found = directory.metadata().map_err(|cause| io_error(&directory, "look at this directory", &cause))?;
        if let Some(mode) = tightened(&found, DIRECTORY_EXCESS) {
            let _ = std::fs::set_permissions(&directory, mode); // it may be somebody else's
        }
        let mut indexed = index::is_marked(&found);
        if !indexed {
            // Others have been here, or one of us was killed. The lock is ours, so nobody is in the middle of anything.
            remove_new(&directory);
            let contents = scan(&directory).map_err(|cause| io_error(&directory, "list this directory", &cause))?;
            contents.remove_debris(&directory);
            // Without an index every call reads every file. That is slow, not wrong.
            indexed = index::rebuild(&directory, &contents).is_ok();
        }
        Ok(Self { directory, indexed: Cell::new(indexed), _lock: lock })
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a search may do with the maps: they are right as long as the index is.
    pub(crate) fn maps(&self) -> Maps {
        if self.indexed.get() { Maps::Kept } else { Maps::Ignored }
    }

    /// The addresses that this attachment holds.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn addresses_of(&self, owner: &Owner) -> Result<Vec<IpAddr>, Error> {
        if self.indexed.get() {
            match index::lookup(&self.directory, owner) {
                Ok(addresses) if addresses.iter().all(|address| self.may_hold(owner, *address)) => {
                    return Ok(addresses);
                }
                _ => self.indexed.set(false),
            }
        }
        let holders = self.holders()?.into_iter();
        Ok(holders.filter(|(_, holder)| holder.is(owner)).map(|(address, _)| address).collect())
    }

    /// Whether the file agrees with the index. It does if it is empty: a power failure can keep the file and lose its
    /// content.
    fn may_hold(&self, owner: &Owner, address: IpAddr) -> bool {
        let holder = self.holder(address);
        holder.is(owner) || holder == Holder::Nobody
    }

    /// Who has an address, by its file.
    pub(crate) fn holder(&self, address: IpAddr) -> Holder {
        match File::open(&self.directory) {
            Ok(directory) => read_holder(&directory, &address.to_string(), true),
            Err(cause) => Holder::Unreadable(cause.to_string()),
        }
    }

    /// Every address that is taken, and its holder.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn holders(&self) -> Result<Vec<(IpAddr, Holder)>, Error> {
        let contents = scan(&self.directory).map_err(|cause| io_error(&self.directory, "list this directory", &cause));
        contents.map(|contents| contents.addresses)
    }

    /// Releases all addresses of an attachment, as [`Store::addresses_of`] gave them.
    ///
    /// # Errors
    /// Code 5 for the first that could not be released; the others are released nevertheless (GC-3).
    pub(crate) fn release(&self, owner: &Owner, addresses: &[IpAddr]) -> Result<(), Error> {
        let result = addresses.iter().map(|address| self.remove(*address)).fold(Ok(()), Result::and);
        self.settle(result.is_ok() && index::remove(&self.directory, owner).is_ok());
        result
    }

    /// Removes the file of an address.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn remove(&self, address: IpAddr) -> Result<(), Error> {
        let path = address_path(&self.directory, address);
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                Err(io_error(&path, "remove this file to release the address", &cause))
            }
            _ => {
                self.indexed.set(self.indexed.get() && map::note(&self.directory, address, false).is_ok());
                Ok(())
            }
        }
    }

    /// After a change of ours: marks the index as complete if it has followed the change, and every change before.
    pub(crate) fn settle(&self, has_followed: bool) {
        self.indexed.set(self.indexed.get() && has_followed);
        if self.indexed.get() {
            // Without the mark the next call builds the index anew.
            let _ = index::mark(&self.directory);
        }
    }

    /// Notes the address that a range set gave last. The file is overwritten, not emptied first, so that a full disk
    /// keeps the old one.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn set_last_reserved(&self, set: usize, address: IpAddr) -> Result<(), Error> {
        let path = last_reserved_path(&self.directory, set);
        let text = address.to_string();
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
            let (mut file, metadata) = regular::open(&path, &mut options)?;
            tighten(&file, &metadata);
            file.write_all(text.as_bytes())?;
            let length = text.len() as u64;
            if metadata.len() > length { file.set_len(length) } else { Ok(()) }
        };
        write().map_err(|cause| io_error(&path, "note the last address", &cause))
    }
}
