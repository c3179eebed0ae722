//! Stdin and stdout of a call.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use attachment::Session;
use cni::{Code, Error};

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
    File::from(io::stdout().as_fd().try_clone_to_owned()?).write_all(line.as_bytes())
}

/// Writes a line to stderr, if anybody reads there.
pub fn note(mut line: String) {
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}

/// What a session has noticed, on stderr.
pub(crate) fn tell(session: &mut Session) {
    session.take_notes().iter().for_each(|said| note(said.to_string()));
}
