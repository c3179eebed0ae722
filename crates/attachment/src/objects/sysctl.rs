//! A network setting of the kernel.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::{Difference, Error, Kind, Object, Session, Side, Stage};

static KIND: Kind = Kind::of_a_link("setting");

/// A setting below `/proc/sys/net` of one side's namespace.
#[derive(Debug)]
pub struct Sysctl {
    /// Whose.
    pub side: Side,
    /// The path below `/proc/sys`, as in `net/ipv4/ip_forward`.
    pub path: String,
    /// The value.
    pub value: &'static str,
    /// The kernel may lack it: one without IPv6 has no settings for it.
    pub optional: bool,
    /// When it is needed.
    pub stage: Stage,
}

impl Sysctl {
    /// For a device of the host on which containers are: no member of it must be able to give the host a default route
    /// (CVE-2020-10749).
    #[must_use]
    pub fn no_router_advertisements(link: &str) -> Self {
        let path = format!("net/ipv6/conf/{link}/accept_ra");
        Self { side: Side::Host, path, value: "0", optional: true, stage: Stage::Common }
    }

    /// For a device of the host that is none of its ways to anybody: it answers no question for the host's addresses there, and takes no
    /// packet that is not to be answered through that device (`arp_ignore`, `rp_filter` in the kernel's `ip-sysctl.rst`).
    #[must_use]
    pub fn no_way_to_the_host(link: &str) -> [Self; 2] {
        [("arp_ignore", "8"), ("rp_filter", "1")].map(|(setting, value)| {
            let path = format!("net/ipv4/conf/{link}/{setting}");
            Self { side: Side::Host, path, value, optional: true, stage: Stage::Common }
        })
    }

    fn file(&self) -> String {
        format!("/proc/sys/{}", self.path)
    }

    pub(crate) fn write(&self, session: &mut Session, value: &str) -> Result<(), Error> {
        let file = self.file();
        match session.within(self.side, || fs::write(&file, value))? {
            Err(error) if !(self.optional && error.kind() == ErrorKind::NotFound) => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, source: std::io::Error) -> Error {
        let place = if self.side == Side::Container { " in the container" } else { "" };
        Error::System { action: format!("set {} to {}{place}", self.path.replace('/', "."), self.value), source }
    }

    /// The value at present; `None` when the kernel lacks the setting and may.
    pub(crate) fn read(&self, session: &mut Session) -> Result<Option<String>, Error> {
        let file = self.file();
        match session.within(self.side, || fs::read_to_string(&file))? {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if self.optional && error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// The kernel has IPv6, and its settings.
pub(super) fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

impl Object for Sysctl {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    /// Written only if it differs: `/proc/sys` may be read-only although everything is as it should be.
    fn create(&self, session: &mut Session) -> Result<(), Error> {
        match self.read(session)?.is_none_or(|have| have == self.value) {
            true => Ok(()),
            false => self.write(session, self.value),
        }
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(match self.read(session)? {
            Some(have) if have != self.value => {
                vec![Difference::new(self.path.replace('/', "."), self.value, have)]
            }
            _ => Vec::new(),
        })
    }

    /// One of a container's interface goes with the interface; one of the host (forwarding) may serve others by now.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let prefix = if self.side == Side::Container { "ip netns exec CONTAINER " } else { "" };
        // A link's name may have a dot.
        let path = if self.path.contains('.') { self.path.clone() } else { self.path.replace('/', ".") };
        vec![format!("{prefix}sysctl -w {path}={}", self.value)]
    }

    /// A link that is still to be made has no settings yet.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.optional && self.path.starts_with("net/ipv6/") && !has_ipv6() {
            return Ok(Vec::new());
        }
        let is_closed = self.side == Side::Container && !session.has_container();
        let is_set = !is_closed && self.read(session)?.is_some_and(|have| have == self.value);
        Ok(if is_set { Vec::new() } else { self.commands() })
    }
}
