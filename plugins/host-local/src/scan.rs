//! Reading a whole directory of allocations.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::files::address_path;
use crate::map;
use crate::owner::Holder;
use cni::regular;

/// Room for the content of nearly every file of an address, in bytes. Container IDs have no limit.
const USUAL: usize = 512;

/// The longest such file that is read, in bytes: a container ID reaches a plugin through its environment (`MAX_ARG_STRLEN`).
const LIMIT: u64 = 256 << 10;

/// What a directory has.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Every address that is taken, sorted, and its holder.
    pub(crate) addresses: Vec<(IpAddr, Holder)>,
    /// The names of the index's links.
    pub(crate) links: Vec<String>,
    /// The names of the maps.
    pub(crate) maps: Vec<String>,
}

impl Contents {
    /// The file of an address could not be read: whose it is may be told by the next attempt.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.addresses.iter().any(|(_, holder)| matches!(holder, Holder::Unreadable(_)))
    }

    /// Removes the files of addresses that nobody holds. One that stays is taken, which is safe.
    pub(crate) fn remove_debris(&self, directory: &Path) {
        for (address, _) in self.addresses.iter().filter(|(_, holder)| *holder == Holder::Nobody) {
            let _ = fs::remove_file(address_path(directory, *address));
        }
    }
}

/// Reads the directory and the file of every address in it.
///
/// # Errors
/// The directory cannot be listed. A file that cannot be read is an address of an unknown holder.
pub(crate) fn scan(directory: &Path) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let opened = File::open(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        if name.starts_with('.') {
            if entry.file_type()?.is_symlink() {
                contents.links.push(name.to_owned());
            } else if name.starts_with(map::PREFIX) {
                contents.maps.push(name.to_owned());
            }
        } else if let Ok(address) = name.parse() {
            let kind = entry.file_type()?; // the directory tells, and no file is looked at
            let holder = match kind.is_file() || kind.is_symlink() {
                true => read_holder(&opened, name, kind.is_symlink()),
                false => Holder::Unknown(regular::refusal(kind).to_string()),
            };
            contents.addresses.push((address, holder));
        }
    }
    contents.addresses.sort_by_key(|(address, _)| *address);
    Ok(contents)
}

/// Reads the file of an address in a directory. It `may_be_other` than a regular file.
pub(crate) fn read_holder(directory: &File, name: &str, may_be_other: bool) -> Holder {
    match read(directory, name, may_be_other) {
        Ok(content) => Holder::parse(&content),
        // What it is does not change without the directory.
        Err(cause) if cause.raw_os_error().is_none() => Holder::Unknown(cause.to_string()),
        Err(cause) => Holder::Unreadable(cause.to_string()),
    }
}

/// With as few system calls as possible: there may be 50,000 files, and `std::fs::read` makes six for each.
fn read(directory: &File, name: &str, may_be_other: bool) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let mut file = File::from(openat(directory, name, flags, Mode::empty())?);
    if may_be_other {
        regular::refuse_other(&file.metadata()?)?;
    }
    let mut content = vec![0; USUAL];
    let length = file.read(&mut content)?;
    content.truncate(length);
    if length == USUAL { regular::read_to_end(&file, content, LIMIT) } else { Ok(content) }
}
