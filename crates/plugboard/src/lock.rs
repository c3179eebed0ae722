//! Locks between commands: one for each network namespace and each container, and one for each directory of records.
//!
//! All are bytes of one file that only root can open, beside those that plugins take (`attachment::Lock`): nobody else can hold one
//! up. A lock on the namespace itself, or on a directory that others may read, could be held by any process that has it open.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::geteuid;

use crate::holders::Holder;
use crate::interrupt;

const DIRECTORY: &str = "/run/plugboard";
const FILE: &str = "/run/plugboard/lock";

/// Our bytes are between those of the plugins: numbers of namespaces, which have 32 bits, and from 2^62 on attachments.
const FIRST: u64 = 1 << 61;
const KIND: u64 = 1 << 58;

/// How often a lock is tried again.
const INTERVAL: Duration = Duration::from_millis(20);

/// After this time of waiting it is said that it is waited.
const MOMENT: Duration = Duration::from_secs(1);

/// What is locked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A network namespace, by what distinguishes it from all others, whatever path leads to it.
    Namespace(&'a str),
    /// A container, by its ID: its namespace may be gone.
    Container(&'a str),
    /// A directory of records, against changes of the list.
    Records(&'a Path),
}

/// Who else may hold a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Others of this mode.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock, released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// A plugin may have left something running that has inherited the file: the lock goes all the same.
    fn drop(&mut self) {
        let all = range(libc::F_UNLCK, 0, 0);
        let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&all));
    }
}

impl Subject<'_> {
    fn byte(self) -> io::Result<u64> {
        let (kind, text) = match self {
            Self::Namespace(id) => (0, id.to_owned()),
            Self::Container(id) => (1, id.to_owned()),
            Self::Records(dir) => {
                let about = fs::metadata(dir)?;
                (2, format!("{}:{}", about.dev(), about.ino()))
            }
        };
        // FNV-1a. Two subjects with one number wait for each other, and that is all.
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Ok(FIRST + kind * KIND + (hash ^ (hash >> 32)) % KIND)
    }

    fn name(self) -> String {
        match self {
            Self::Namespace(_) => "the namespace".to_owned(),
            Self::Container(id) => format!("container {id}"),
            Self::Records(dir) => format!("the records in {}", dir.display()),
        }
    }
}

impl Lock {
    /// Waits for a lock, at most for `limit`. Plugins inherit one on a container or its namespace: one that is still running when
    /// plugboard is killed keeps a detach waiting, which would not yet find what that plugin is about to make.
    ///
    /// # Errors
    /// The file cannot be made or opened, by anybody but root as a rule; it is not root's alone; somebody has held the lock for the
    /// whole time, with the processes that hold it; a signal came.
    pub(crate) fn take(subject: Subject<'_>, mode: Mode, limit: Duration) -> anyhow::Result<Self> {
        let context = || format!("cannot lock {} (in {FILE})", subject.name());
        let file = open().with_context(context)?;
        let byte = subject.byte().with_context(context)?;
        let start = Instant::now();
        let mut is_told = false;
        while !try_lock(&file, byte, mode).with_context(context)? {
            interrupt::refuse()?;
            let waited = start.elapsed();
            if waited >= limit {
                bail!(
                    "{} is locked by {} for {} s already: see what it waits for, or wait longer with --lock-timeout",
                    subject.name(),
                    holders(byte),
                    limit.as_secs()
                );
            }
            if waited >= MOMENT && !is_told {
                is_told = true;
                tracing::warn!(
                    "waiting for {}, at work on {}, for {} s at most",
                    holders(byte),
                    subject.name(),
                    limit.as_secs()
                );
            }
            thread::sleep(INTERVAL);
        }
        if !matches!(subject, Subject::Records(_)) {
            fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).with_context(context)?;
        }
        Ok(Self { file })
    }

    /// Takes a lock if nobody holds it.
    pub(crate) fn try_take(subject: Subject<'_>, mode: Mode) -> io::Result<Option<Self>> {
        let file = open()?;
        let is_ours = try_lock(&file, subject.byte()?, mode)?;
        Ok(is_ours.then_some(Self { file }))
    }
}

fn try_lock(file: &File, byte: u64, mode: Mode) -> io::Result<bool> {
    let kind = match mode {
        Mode::Shared => libc::F_RDLCK,
        Mode::Exclusive => libc::F_WRLCK,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range(kind, byte, 1))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// `length` bytes from `start` on, all of them if it is 0.
fn range(kind: libc::c_int, start: u64, length: libc::off_t) -> libc::flock {
    libc::flock {
        l_type: libc::c_short::try_from(kind).unwrap_or_default(),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: libc::off_t::try_from(start).unwrap_or_default(),
        l_len: length,
        l_pid: 0,
    }
}

/// Opens the file, which nobody else may open, in a directory where nobody else may put another one.
fn open() -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    match DirBuilder::new().mode(0o700).create(DIRECTORY) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let is_ours = |owner: u32| owner == 0 || owner == geteuid().as_raw();
    let directory = fs::symlink_metadata(DIRECTORY)?;
    if !directory.is_dir() || !is_ours(directory.uid()) || directory.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!("{DIRECTORY} must be a directory that only root can write: remove it")));
    }
    let file = options.open(FILE)?;
    let about = file.metadata()?;
    if !about.is_file() || !is_ours(about.uid()) {
        return Err(io::Error::other("it must be a file of root: remove it"));
    }
    if about.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// The processes that hold a byte, in words (`lock:` in proc_pid_fdinfo(5)). The kernel tells the holder of a lock of this kind in
/// no other way: F_OFD_GETLK and /proc/locks say -1.
fn holders(byte: u64) -> String {
    let start = byte.to_string();
    let is_it = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        line.starts_with("lock:") && words.iter().rev().nth(1) == Some(&start.as_str())
    };
    let holds = |id: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        descriptors.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == Path::new(FILE))).any(|fd| {
            let about = fs::read_to_string(format!("/proc/{id}/fdinfo/{}", fd.file_name().display()));
            about.is_ok_and(|about| about.lines().any(is_it))
        })
    };
    let found: Vec<String> =
        Holder::processes().into_iter().filter(holds).map(|id| Holder::process(id).to_string()).collect();
    if found.is_empty() { "another command".to_owned() } else { found.join(" and ") }
}
