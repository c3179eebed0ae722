//! Why something could not be measured.

use std::io;

/// An error of this crate. Its message has the system's words already, so that it has no source that would say them again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed in a place.
    #[error("{place}: {call}: {reason}")]
    System {
        /// The place, in words.
        place: String,
        /// The call, and with what.
        call: String,
        /// The system's reason.
        reason: io::Error,
    },
    /// The place's namespace has no such interface.
    #[error("{place}: there is no such interface")]
    NoInterface {
        /// The place, in words.
        place: String,
    },
    /// An address with a scope needs an interface.
    #[error("{place}: a link-local address says nothing without its interface; name the interface too")]
    NoScope {
        /// The place, in words.
        place: String,
    },
    /// One address is IPv4 and the other IPv6.
    #[error("{from} and {to}: one is IPv4 and the other IPv6")]
    Families {
        /// The sender, in words.
        from: String,
        /// The receiver, in words.
        to: String,
    },
    /// The connection did not come about in time.
    #[error("no connection from {from} to {to} within {seconds:.1} s")]
    NoConnection {
        /// The sender, in words.
        from: String,
        /// The receiver, in words.
        to: String,
        /// How long was waited.
        seconds: f64,
    },
    /// The measurement was asked for in a way that makes no sense.
    #[error("{0}")]
    Request(&'static str),
    /// A thread could not be started or did not end well.
    #[error("a thread of the measurement: {0}")]
    Thread(String),
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_systems_words_are_said_once() {
        let reason = io::Error::from_raw_os_error(libc::EPERM);
        let error = Error::System { place: "10.0.0.1".to_owned(), call: "bind".to_owned(), reason };
        assert_eq!(error.to_string(), "10.0.0.1: bind: Operation not permitted (os error 1)");
        assert!(error.source().is_none());
    }
}
