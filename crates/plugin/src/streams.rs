//! Stdin and stdout of a call.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use attachment::{Note, Session};
use cni::{Code, Error};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{major, minor};

/// Room for a usual configuration in bytes, so that one read takes it.
const USUAL: usize = 4096;

/// Reads stdin to its end. A terminal is not read: whoever calls a plugin by hand would wait for ever.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Error> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(Vec::new());
    }
    let failed = |error: io::Error| Error::new(Code::Io, format!("cannot read the configuration from stdin: {error}"));
    let file = File::from(stdin.as_fd().try_clone_to_owned().map_err(failed)?);
    let mut text = Vec::with_capacity(USUAL);
    // A byte too many is told when the text is looked at.
    file.take(cni::LONGEST as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// Writes a line to stdout in one piece. Not through [`io::Stdout`], which hides that stdout cannot be written.
pub(crate) fn print(mut line: String) -> io::Result<()> {
    line.push('\n');
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if is_stand_in(&stdout)? {
        return Err(io::Error::from(Errno::EBADF));
    }
    stdout.write_all(line.as_bytes())
}

/// Stdout was closed: Rust's start-up has opened `/dev/null` in its place, for reading and writing. Whoever discards the output
/// opens it for writing alone.
fn is_stand_in(stdout: &File) -> io::Result<bool> {
    /// `/dev/null` (`Documentation/admin-guide/devices.txt`).
    const NULL: (u64, u64) = (1, 3);
    let found = stdout.metadata()?;
    if !found.file_type().is_char_device() || (major(found.rdev()), minor(found.rdev())) != NULL {
        return Ok(false);
    }
    let flags = OFlag::from_bits_truncate(fcntl(stdout, FcntlArg::F_GETFL)?);
    Ok(flags & OFlag::O_ACCMODE == OFlag::O_RDWR)
}

/// Writes a line to stderr, if anybody reads there.
pub fn note(mut line: String) {
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}

/// What a session has noticed, on stderr.
pub(crate) fn tell(session: &mut Session) {
    session.take_notes().iter().for_each(tell_one);
}

/// The same of a note as it comes.
pub(crate) fn tell_one(noticed: &Note) {
    note(noticed.to_string());
}
