//! How a server is reached.

use std::io;
use std::time::Instant;

use crate::secured::Secured;
use crate::socket::Socket;
use crate::stream::Stream;
use crate::{Error, Remote};

/// Connects to a server.
///
/// # Errors
/// [`Error::Keys`]; in the inner result the system's, with `TimedOut` when the time is over.
pub(crate) fn connect(remote: &Remote, until: Instant) -> Result<io::Result<Box<dyn Stream>>, Error> {
    Ok(match remote {
        Remote::Unix(path) => Socket::unix(path, until).map(boxed),
        Remote::Tcp { host, port } => Socket::tcp(host, *port, until).map(boxed),
        Remote::Ssl { host, port, tls } => {
            let config = Secured::prepare(tls)?;
            let socket = Socket::tcp(host, *port, until);
            socket.and_then(|socket| Secured::open(socket, config, tls, host, until)).map(boxed)
        }
    })
}

fn boxed(stream: impl Stream + 'static) -> Box<dyn Stream> {
    Box::new(stream)
}
