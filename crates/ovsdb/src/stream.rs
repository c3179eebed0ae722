//! The connection itself, of whichever kind.

use std::io;
use std::time::Instant;

use crate::secured::Secured;
use crate::socket::Socket;
use crate::{Error, Remote};

/// A connection to a server. Each call has a time by which it ends.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    Secured(Box<Secured>),
}

impl Stream {
    /// # Errors
    /// [`Error::Keys`] as the error within, and the system's; `TimedOut` when the time is over.
    pub(crate) fn open(remote: &Remote, until: Instant) -> Result<io::Result<Self>, Error> {
        Ok(match remote {
            Remote::Unix(path) => Socket::unix(path, until).map(Self::Plain),
            Remote::Tcp { host, port } => Socket::tcp(host, *port, until).map(Self::Plain),
            Remote::Ssl { host, port, tls } => {
                let config = Secured::prepare(tls)?;
                Socket::tcp(host, *port, until)
                    .and_then(|socket| Secured::open(socket, config, tls, host, until))
                    .map(|secured| Self::Secured(Box::new(secured)))
            }
        })
    }

    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        match self {
            Self::Plain(socket) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let sent = socket.send(rest, until)?;
                    rest = rest.get(sent..).unwrap_or_default();
                }
                Ok(())
            }
            Self::Secured(secured) => secured.send(bytes, until),
        }
    }

    /// Waits for bytes, and returns how many there were; none when the server has closed the connection.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn receive(&mut self, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.receive(bytes, until),
            Self::Secured(secured) => secured.receive(bytes, until),
        }
    }
}
