//! Where a database server listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// Where a database server listens, in the notation of `ovsdb(7)`, "Connection Methods".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// `unix:FILE`, or a file alone.
    Unix(PathBuf),
    /// `tcp:HOST:PORT`.
    Tcp {
        /// A name or an address; one of IPv6 without its brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// The port that is registered for the protocol (RFC 7047, section 4.1).
const PORT: u16 = 6640;

impl Remote {
    /// Where Debian and most others have the server of a host.
    pub const DEFAULT: &'static str = "unix:/var/run/openvswitch/db.sock";
}

impl Default for Remote {
    fn default() -> Self {
        Self::Unix(PathBuf::from("/var/run/openvswitch/db.sock"))
    }
}

impl FromStr for Remote {
    type Err = Error;

    /// # Errors
    /// [`Error::Remote`] for another notation.
    fn from_str(text: &str) -> Result<Self, Error> {
        let objection = |reason: &str| Error::Remote { text: text.to_owned(), reason: reason.to_owned() };
        let (method, rest) = match text.split_once(':') {
            Some((method, rest)) if !method.contains('/') => (method, rest),
            _ => ("unix", text),
        };
        match method {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => Err(objection("the path of a socket must begin with /")),
            "tcp" => {
                let (host, port) = host_and_port(rest).ok_or_else(|| objection("it must be tcp:HOST:PORT"))?;
                Ok(Self::Tcp { host, port })
            }
            _ => Err(objection("it must begin with unix:, tcp: or ssl:")),
        }
    }
}

/// Splits `HOST`, `HOST:PORT`, or the same with an address of IPv6 in brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return None,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port != 0))?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_as_open_vswitch_does() {
        for (text, printed) in [
            ("unix:/run/db.sock", "unix:/run/db.sock"),
            ("/usr/local/var/run/openvswitch/db.sock", "unix:/usr/local/var/run/openvswitch/db.sock"),
            ("/run/a:b", "unix:/run/a:b"),
            ("tcp:192.0.2.1:6641", "tcp:192.0.2.1:6641"),
            ("tcp:192.0.2.1", "tcp:192.0.2.1:6640"),
            ("tcp:[2001:db8::1]:6641", "tcp:[2001:db8::1]:6641"),
            ("tcp:[2001:db8::1]", "tcp:[2001:db8::1]:6640"),
        ] {
            assert_eq!(text.parse::<Remote>().unwrap().to_string(), printed);
        }
        for text in ["", "unix:", "unix:db.sock", "db.sock", "tcp:", "tcp:host:", "tcp:host:0", "tcp:[::1", "udp:1"] {
            assert!(text.parse::<Remote>().is_err(), "{text}");
        }
        assert_eq!(Remote::DEFAULT.parse::<Remote>().unwrap(), Remote::default());
    }
}
