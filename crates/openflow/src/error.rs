//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Refusal;

/// An error of a call. Each names the socket of the bridge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there. `NotFound` and `ConnectionRefused` are what a bridge looks like that does not exist, or whose
    /// ovs-vswitchd is not running.
    #[error("cannot connect to the switch at {}: {source}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the switch at {} went away: {source}", .path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// No answer came in time.
    #[error("the switch at {} did not answer within {} ms", .path.display(), .patience.as_millis())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// What came is no answer of a switch.
    #[error("what answers at {} is no OpenFlow switch: {reason}", .path.display())]
    Nonsense {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The bridge allows none of the versions that are spoken here.
    #[error(
        "the bridge at {} speaks {offered}, but OpenFlow 1.3 or 1.4 is needed; add one to its column \"protocols\"",
        .path.display()
    )]
    Version {
        /// The socket.
        path: PathBuf,
        /// What it speaks.
        offered: String,
    },
    /// The switch refused a request. Of several flows none has been added.
    #[error("the switch at {} refused to {action}: {refusal}", .path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What was asked, with the flow it was about.
        action: String,
        /// Its own words.
        refusal: Refusal,
    },
    /// A flow with more fields than a message can hold. Nothing has been sent.
    #[error("no message can hold the flow {0}")]
    TooLong(String),
}

impl Error {
    /// Nobody knows whether the call has been done: its answer was lost.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Silent { .. } | Self::Nonsense { .. })
    }

    /// No switch answers there, which may be different later.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Broken { .. } | Self::Silent { .. })
    }
}
