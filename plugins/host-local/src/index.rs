//! The index from attachments to addresses, so that a call reads the file of its own address and not those of 50,000
//! others.
//!
//! For each address that an attachment holds there is a symbolic link to the address's file, `.CONTAINER:INTERFACE:0`,
//! `:1` and so on. To the reference, which follows links, each is one more file with the content of the address's:
//! releasing an attachment removes both (the link first, as its walk is sorted).
//!
//! The index is only a hint. The **mark** says that it is complete: the directory's time of modification is [`MARK`].
//! We set it when a change and its links are done. Whoever else adds, removes or renames a file (the reference, a
//! person with `rm`, one of us who is killed halfway) makes the kernel set the time to now, so the mark is gone, and
//! the next call of ours builds the index anew from the files. Two things go unnoticed. One is writing into a file in
//! place; so what the index says is checked against the file before it is believed. The other is to put the time back:
//! a backup that was restored with it, but without the links, hides its addresses from DEL until the next GC, which
//! reads the files. An address is never given twice, whatever the index says: link(2) decides.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::readlinkat;

use crate::map;
use crate::owner::{Holder, Owner};
use crate::scan::Contents;

/// A time that no clock shows, since the epoch; in whole seconds because not every file system keeps fractions.
const MARK: Duration = Duration::from_secs(1);

/// Whether the index tells the holder of every address.
pub(crate) fn is_complete(directory: &Path) -> bool {
    fs::metadata(directory).is_ok_and(|found| is_marked(&found))
}

/// The same, of a directory that has been looked at.
pub(crate) fn is_marked(found: &Metadata) -> bool {
    found.modified().is_ok_and(|time| time == SystemTime::UNIX_EPOCH + MARK)
}

/// Marks the index as complete.
///
/// # Errors
/// The kernel's.
pub(crate) fn mark(directory: &Path) -> io::Result<()> {
    File::open(directory)?.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + MARK))
}

/// The addresses of an attachment, according to its links.
///
/// # Errors
/// A link cannot be read, or leads to no address.
pub(crate) fn lookup(directory: &Path, owner: &Owner) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for path in link_paths(directory, owner) {
        match fs::read_link(&path) {
            Ok(target) => {
                let address = target.to_str().and_then(|target| target.parse().ok());
                addresses.push(address.ok_or(ErrorKind::InvalidData)?);
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => break,
            Err(cause) => return Err(cause),
        }
    }
    Ok(addresses)
}

/// Adds links for new addresses of an attachment that had `held` addresses before.
///
/// # Errors
/// The kernel's; the index is incomplete then.
pub(crate) fn insert(directory: &Path, owner: &Owner, held: usize, addresses: &[IpAddr]) -> io::Result<()> {
    let mut paths = link_paths(directory, owner).skip(held);
    addresses.iter().zip(&mut paths).try_for_each(|(address, path)| symlink(address.to_string(), path))
}

/// Removes the links of an attachment.
///
/// # Errors
/// The kernel's; the index is incomplete then.
pub(crate) fn remove(directory: &Path, owner: &Owner) -> io::Result<()> {
    for path in link_paths(directory, owner) {
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::NotFound => break,
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// Makes links and maps match the files, and marks the index as complete.
///
/// # Errors
/// The kernel's; the index is incomplete then.
pub(crate) fn rebuild(directory: &Path, contents: &Contents) -> io::Result<()> {
    let mut missing = wanted(contents);
    let opened = File::open(directory)?;
    for name in &contents.links {
        let target = readlinkat(&opened, name.as_str())?;
        if missing.get(name).is_some_and(|address| target == address.as_str()) {
            missing.remove(name);
        } else {
            fs::remove_file(directory.join(name))?;
        }
    }
    for name in &contents.maps {
        fs::remove_file(directory.join(name))?;
    }
    for (name, address) in missing {
        symlink(address, directory.join(name))?;
    }
    map::write(directory, contents.addresses.iter().map(|(address, _)| *address))?;
    if contents.is_unreadable() {
        return Err(io::Error::other("the file of an address cannot be read"));
    }
    mark(directory)
}

/// Every link that there should be, and where it should lead.
fn wanted(contents: &Contents) -> BTreeMap<String, String> {
    let mut counts: HashMap<&Owner, usize> = HashMap::new();
    let mut links = BTreeMap::new();
    for (address, holder) in &contents.addresses {
        if let Holder::Owner(owner) = holder {
            let count = counts.entry(owner).or_default();
            links.insert(link_name(owner, *count), address.to_string());
            *count += 1;
        }
    }
    links
}

fn link_paths(directory: &Path, owner: &Owner) -> impl Iterator<Item = PathBuf> {
    (0..).map(move |count| directory.join(link_name(owner, count)))
}

/// Neither part can have a colon (ENV-2, ENV-11).
fn link_name(owner: &Owner, count: usize) -> String {
    format!(".{}:{}:{count}", owner.container_id, owner.if_name)
}
