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

/// Room for the content of nearly every file of an address, in bytes. Container IDs have no limit.
const USUAL: usize = 512;

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
            contents.addresses.push((address, read_holder(&opened, name)));
        }
    }
    contents.addresses.sort_by_key(|(address, _)| *address);
    Ok(contents)
}

/// Reads the file of an address in a directory.
pub(crate) fn read_holder(directory: &File, name: &str) -> Holder {
    read(directory, name).map_or_else(|cause| Holder::Unknown(cause.to_string()), |content| Holder::parse(&content))
}

/// With as few system calls as possible: there may be 50,000 files, and `std::fs::read` makes six for each.
fn read(directory: &File, name: &str) -> io::Result<Vec<u8>> {
    let mut file = File::from(openat(directory, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
    let mut content = vec![0; USUAL];
    let length = file.read(&mut content)?;
    content.truncate(length);
    if length == USUAL {
        file.read_to_end(&mut content)?;
    }
    Ok(content)
}
