//! What a connection does, of whichever kind it is.

use std::fmt::Debug;
use std::io;
use std::time::Instant;

/// A connection to a server. Each call has a time by which it ends.
///
/// It is known by its table of functions only: a program that opens none with TLS does not contain that.
pub(crate) trait Stream: Debug + Send + Sync {
    /// Sends all bytes.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()>;

    /// Waits for bytes, and returns how many there were; none when the server has closed the connection.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    fn receive(&mut self, bytes: &mut [u8], until: Instant) -> io::Result<usize>;
}
