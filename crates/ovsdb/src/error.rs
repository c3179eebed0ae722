//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An error of a call. Each names the server, as in `unix:/var/run/openvswitch/db.sock`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that names no server.
    #[error("'{text}' names no database server: {reason}")]
    Remote {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with a key or with certificates cannot be used.
    #[error("the {what} {} for the database server cannot be used: {reason}", .path.display())]
    Keys {
        /// `private key`, `certificate` or `CA certificate`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody listens there.
    #[error("cannot connect to the database server at {remote}: {source}")]
    Connect {
        /// The server.
        remote: String,
        /// The system's words.
        source: io::Error,
    },
    /// This end does not trust the server, or the server does not trust this end. Nothing has been done.
    #[error("no trusted connection with the database server at {remote}: {reason}")]
    Distrust {
        /// The server.
        remote: String,
        /// Whose certificate is refused, and why.
        reason: String,
    },
    /// The connection broke.
    #[error("the database server at {remote} went away: {source}")]
    Broken {
        /// The server.
        remote: String,
        /// The system's words.
        source: io::Error,
    },
    /// No answer came in time.
    #[error("the database server at {remote} did not answer within {} ms", .patience.as_millis())]
    Silent {
        /// The server.
        remote: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// What came is no answer of such a server.
    #[error("what answers at {remote} is no database server of Open vSwitch: {reason}")]
    Nonsense {
        /// The server.
        remote: String,
        /// What is wrong.
        reason: String,
    },
    /// The server refused the call.
    #[error("the database server at {remote} refused: {reason}")]
    Refused {
        /// The server.
        remote: String,
        /// Its own words.
        reason: String,
    },
    /// A `wait` of the transaction was not fulfilled in time. Nothing of the transaction has been done.
    #[error("the database at {remote} did not become as asked in time")]
    TimedOut {
        /// The server.
        remote: String,
        /// The operation's place in the transaction.
        place: usize,
    },
}

impl Error {
    /// Nobody knows whether the call has been done: its answer was lost.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Silent { .. } | Self::Nonsense { .. })
    }

    /// No server answers there, which may be different later.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Broken { .. } | Self::Silent { .. })
    }
}
