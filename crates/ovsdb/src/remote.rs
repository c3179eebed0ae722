//! Where a database server listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{Error, Tls};

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
    /// `ssl:HOST:PORT`.
    Ssl {
        /// As of `tcp:`.
        host: String,
        /// The port.
        port: u16,
        /// The keys.
        tls: Tls,
    },
}

/// The port that is registered for the protocol (RFC 7047, section 4.1).
const PORT: u16 = 6640;

impl Remote {
    /// Where Debian and most others have the server of a host.
    pub const DEFAULT: &'static str = "unix:/var/run/openvswitch/db.sock";

    /// Reads where a server listens. `tls` are the keys, which only `ssl:` needs.
    ///
    /// # Errors
    /// [`Error::Remote`] for another notation, and for `ssl:` without keys.
    pub fn parse(text: &str, tls: Option<&Tls>) -> Result<Self, Error> {
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
            "ssl" => {
                let (host, port) = host_and_port(rest).ok_or_else(|| objection("it must be ssl:HOST:PORT"))?;
                let tls = tls.cloned().ok_or_else(|| {
                    objection("ssl: needs the files of a private key, of its certificate, and of the CA's certificate")
                })?;
                Ok(Self::Ssl { host, port, tls })
            }
            _ => Err(objection("it must begin with unix:, tcp: or ssl:")),
        }
    }
}

impl Default for Remote {
    fn default() -> Self {
        Self::Unix(PathBuf::from("/var/run/openvswitch/db.sock"))
    }
}

impl FromStr for Remote {
    type Err = Error;

    /// # Errors
    /// As [`Remote::parse`] without keys.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, None)
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
        let (method, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Ssl { host, port, .. } => ("ssl", host, port),
        };
        if host.contains(':') { write!(f, "{method}:[{host}]:{port}") } else { write!(f, "{method}:{host}:{port}") }
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
        let tls = Tls { private_key: "/k".into(), certificate: "/c".into(), ca_certificate: "/ca".into() };
        for (text, printed) in [("ssl:host", "ssl:host:6640"), ("ssl:[::1]:1", "ssl:[::1]:1")] {
            assert_eq!(Remote::parse(text, Some(&tls)).unwrap().to_string(), printed);
            assert!(text.parse::<Remote>().unwrap_err().to_string().contains("private key"), "{text}");
        }
        assert!(Remote::parse("ssl:", Some(&tls)).is_err());
        assert_eq!(Remote::DEFAULT.parse::<Remote>().unwrap(), Remote::default());
    }
}
