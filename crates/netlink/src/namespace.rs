//! Network namespaces.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{FsType, fstatfs};

use crate::attributes::{append, read_u32, value_of};
use crate::{Error, Object, Request, Socket};

// Numbers of namespaces (`include/uapi/linux/net_namespace.h`).
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// The length of a `struct rtgenmsg` with its padding.
const HEADER_BYTES: usize = 4;

/// `NSFS_MAGIC` in `include/uapi/linux/magic.h`.
const NSFS_MAGIC: FsType = FsType(0x6e73_6673);

nix::ioctl_none_bad! {
    /// The `CLONE_NEW*` flag of a namespace file (`ioctl_ns(2)`).
    namespace_type, 0xb703
}

/// A network namespace, held open.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    path: PathBuf,
}

impl Namespace {
    /// The calling thread's own.
    ///
    /// # Errors
    /// [`Error::Namespace`] when `/proc` is not mounted.
    pub fn own() -> Result<Self, Error> {
        let path = Path::new("/proc/thread-self/ns/net");
        let file = File::open(path).map_err(|source| failed(path, "open", source))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// The one at `path`: a mount below `/run/netns`, `/proc/PID/ns/net`, any bind mount.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] when nothing is there, [`Error::NotANamespace`] when something else is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // Nothing is waited for if it is a FIFO.
        let file =
            File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|source| {
                match source.raw_os_error() {
                    Some(libc::ENOENT | libc::ENOTDIR) => Error::NoNamespace(path.to_owned()),
                    _ => failed(path, "open", source),
                }
            })?;
        let not = |found| Error::NotANamespace { path: path.to_owned(), found };
        let system = fstatfs(&file).map_err(|errno| failed(path, "fstatfs", errno.into()))?;
        if system.filesystem_type() != NSFS_MAGIC {
            let is_directory = file.metadata().is_ok_and(|metadata| metadata.is_dir());
            return Err(not(if is_directory { "a directory" } else { "a file" }));
        }
        // SAFETY: the descriptor is open and the request takes no argument.
        match unsafe { namespace_type(file.as_raw_fd()) } {
            Ok(libc::CLONE_NEWNET) => Ok(Self { file, path: path.to_owned() }),
            Ok(_) => Err(not("a namespace of another kind")),
            Err(errno) => Err(failed(path, "ioctl(NS_GET_NSTYPE)", errno.into())),
        }
    }

    /// The inode of the calling thread's own, which tells it from all others that there are; `None` when `/proc` is not mounted.
    #[must_use]
    pub fn own_inode() -> Option<u64> {
        fs::metadata("/proc/thread-self/ns/net").ok().map(|found| found.ino())
    }

    /// The network namespaces that can be reached from here, each once, without the calling thread's own: those that are mounted
    /// somewhere, and those of processes. One that can only be reached through a descriptor, or from another mount namespace, is not
    /// among them. Each is opened when it is its turn: there may be more of them than a process may have files open.
    pub fn reachable() -> impl Iterator<Item = Self> {
        let mut seen: BTreeSet<u64> = Self::own_inode().into_iter().collect();
        mounted().into_iter().chain(of_processes()).filter_map(move |path| {
            let is_new = fs::metadata(&path).is_ok_and(|file| seen.insert(file.ino()));
            is_new.then(|| Self::open(&path).ok()).flatten()
        })
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for the number that it has in the namespace of the socket (`ip netns list-id`): the one by which links there tell where
    /// their other ends are.
    #[must_use]
    pub fn number_here(&self) -> Request {
        let mut payload = vec![0; HEADER_BYTES];
        append(&mut payload, NETNSA_FD, &self.file.as_raw_fd().to_ne_bytes());
        Request::question(RTM_GETNSID, payload)
    }

    /// The number in an answer to [`Namespace::number_here`]; `None` for a namespace that has none there.
    #[must_use]
    pub fn read_number(object: &Object) -> Option<i32> {
        let attributes = object.payload.get(HEADER_BYTES..).filter(|_| object.message_type == RTM_NEWNSID)?;
        let number = read_u32(value_of(attributes, NETNSA_NSID)?, 0)?.cast_signed();
        (number >= 0).then_some(number)
    }

    /// Opens a socket in it.
    ///
    /// # Errors
    /// Those of [`Namespace::within`] and [`Socket::open`].
    pub fn socket(&self) -> Result<Socket, Error> {
        self.within(Socket::open)?
    }

    /// Runs `work` with the calling thread inside the namespace, and comes back.
    ///
    /// # Errors
    /// [`Error::Namespace`] when the thread may not enter (it needs `CAP_SYS_ADMIN`) or cannot come back; in the second
    /// case the thread must not go on with work for its own namespace.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let own = Self::own()?;
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(&self.path, "setns", errno.into()))?;
        let result = work();
        setns(&own.file, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(&own.path, "setns", errno.into()))?;
        Ok(result)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Where namespaces are mounted (`proc_pid_mountinfo(5)`).
fn mounted() -> Vec<PathBuf> {
    let mounts = fs::read("/proc/thread-self/mountinfo").unwrap_or_default();
    let lines = mounts.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            root.starts_with(b"net:[").then(|| PathBuf::from(std::ffi::OsString::from_vec(unescaped(point))))
        })
        .collect()
}

fn of_processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process =
        |entry: &fs::DirEntry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    entries.filter(is_process).map(|entry| entry.path().join("ns/net"))
}

/// Blanks and the like are written as three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\');
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    plain
}

fn failed(path: &Path, call: &'static str, reason: io::Error) -> Error {
    Error::Namespace { path: path.to_owned(), call, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_they_are_escaped() {
        assert_eq!(unescaped(br"/run/netns/a\040b\134"), br"/run/netns/a b\");
        assert_eq!(unescaped(br"/a\9"), br"/a\9");
    }

    /// Every process here has the test's own namespace or another one.
    #[test]
    fn the_own_namespace_is_not_among_others() {
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let own = inode(Path::new("/proc/self/ns/net"));
        assert!(Namespace::reachable().all(|other| inode(other.path()) != own));
    }

    #[test]
    fn says_what_is_there_instead() {
        let error = |path: &str| Namespace::open(Path::new(path)).unwrap_err().to_string();
        assert_eq!(error("/no/such"), "namespace /no/such does not exist");
        assert_eq!(error("/proc"), "/proc is not a network namespace: it is a directory");
        assert_eq!(error("/proc/version"), "/proc/version is not a network namespace: it is a file");
        assert_eq!(
            error("/proc/self/ns/mnt"),
            "/proc/self/ns/mnt is not a network namespace: it is a namespace of another kind"
        );
        assert!(Namespace::open(Path::new("/proc/self/ns/net")).is_ok());
    }
}
