//! Where a measurement begins or ends.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns};

use crate::Error;

/// An address in a network namespace, where it was said with the interface that has it.
#[derive(Debug, Clone)]
pub struct Place {
    namespace: Option<Entrance>,
    address: IpAddr,
    interface: Option<String>,
}

#[derive(Debug, Clone)]
struct Entrance {
    file: Arc<OwnedFd>,
    name: String,
}

impl Place {
    /// An address of the namespace of the thread that measures.
    #[must_use]
    pub fn here(address: IpAddr) -> Self {
        Self { namespace: None, address, interface: None }
    }

    /// An address in an open namespace. `name` is what messages call it.
    #[must_use]
    pub fn inside(namespace: impl Into<OwnedFd>, name: &str, address: IpAddr) -> Self {
        let namespace = Entrance { file: Arc::new(namespace.into()), name: name.to_owned() };
        Self { namespace: Some(namespace), address, interface: None }
    }

    /// An address in the namespace at `path`, such as `/run/netns/c1` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// The path cannot be opened.
    pub fn open(path: &Path, address: IpAddr) -> Result<Self, Error> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|reason| Error::System {
            place: format!("namespace {name}"),
            call: "open".to_owned(),
            reason,
        })?;
        Ok(Self::inside(file, &name, address))
    }

    /// The same with the interface that everything must take, out and in (`SO_BINDTODEVICE`). A link-local address needs it.
    #[must_use]
    pub fn on(mut self, interface: &str) -> Self {
        self.interface = Some(interface.to_owned());
        self
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The interface, where it was named.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// Runs `work` in the place's namespace. Sockets that it opens stay there wherever they are used.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
        let Some(namespace) = &self.namespace else { return work() };
        // A thread for it alone: it needs no way back.
        std::thread::scope(|scope| {
            let inside = std::thread::Builder::new().spawn_scoped(scope, || {
                setns(&namespace.file, CloneFlags::CLONE_NEWNET).map_err(|errno| self.failed("setns", errno.into()))?;
                work()
            });
            let inside = inside.map_err(|error| Error::Thread(error.to_string()))?;
            inside.join().unwrap_or_else(|_| Err(Error::Thread(format!("the work in {self} ended early"))))
        })
    }

    /// `address` and `port` as seen from here: a link-local address gets this place's scope. To be called within
    /// [`Place::enter`].
    pub(crate) fn socket_address(&self, address: IpAddr, port: u16) -> Result<SocketAddr, Error> {
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                let Some(interface) = &self.interface else {
                    return Err(Error::NoScope { place: self.to_string() });
                };
                let index = nix::net::if_::if_nametoindex(interface.as_str())
                    .map_err(|_| Error::NoInterface { place: self.to_string() })?;
                Ok(SocketAddrV6::new(v6, port, 0, index).into())
            }
            _ => Ok(SocketAddr::new(address, port)),
        }
    }

    pub(crate) fn failed(&self, call: &str, reason: io::Error) -> Error {
        Error::System { place: self.to_string(), call: call.to_owned(), reason }
    }
}

/// Both addresses are of one family.
pub(crate) fn require_one_family(from: &Place, to: &Place) -> Result<(), Error> {
    if from.address.is_ipv4() == to.address.is_ipv4() {
        return Ok(());
    }
    Err(Error::Families { from: from.to_string(), to: to.to_string() })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(interface) = &self.interface {
            write!(f, " on {interface}")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, " in namespace {}", namespace.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_in_words() {
        let place = Place::open(Path::new("/proc/self/ns/net"), "10.0.0.1".parse().unwrap()).unwrap().on("eth1");
        assert_eq!(place.to_string(), "10.0.0.1 on eth1 in namespace /proc/self/ns/net");
        let error = Place::open(Path::new("/no/such"), "10.0.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "namespace /no/such: open: No such file or directory (os error 2)");
    }

    #[test]
    fn a_link_local_address_needs_an_interface() {
        let address = "fe80::1".parse().unwrap();
        let error = Place::here(address).socket_address(address, 1).unwrap_err();
        assert!(matches!(error, Error::NoScope { .. }), "{error}");
        let error = Place::here(address).on("no-such").socket_address(address, 1).unwrap_err();
        assert_eq!(error.to_string(), "fe80::1 on no-such: there is no such interface");
        let found = Place::here(address).on("lo").socket_address(address, 7).unwrap();
        assert!(matches!(found, SocketAddr::V6(v6) if v6.scope_id() > 0 && v6.port() == 7));
    }
}
