//! A network setting of the kernel.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::{Difference, Error, Kind, Note, Object, Remedy, Session, Side, Stage};

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
    /// What depends on it.
    pub need: Need,
    /// When it is needed.
    pub stage: Stage,
}

/// What depends on a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What was asked for: without it there is an error.
    Needed,
    /// The same, where the kernel has the setting: one without IPv6 has none for it, nor has a link with an MTU below 1280.
    IfAny,
    /// Nothing that was asked for. Where it cannot be set (`/proc/sys` may be read-only), what follows from that is noted.
    Precaution {
        /// What follows, as a sentence.
        otherwise: &'static str,
    },
}

impl Sysctl {
    /// For a device of the host on which containers are: no member of it must be able to give the host a default route
    /// (CVE-2020-10749).
    #[must_use]
    pub fn no_router_advertisements(link: &str) -> Self {
        let path = format!("net/ipv6/conf/{link}/accept_ra");
        let otherwise = "a container can give the host a default route by router advertisements";
        Self { side: Side::Host, path, value: "0", need: Need::Precaution { otherwise }, stage: Stage::Common }
    }

    /// For a device of the host that is none of its ways to anybody: it answers no question for the host's addresses there, and takes no
    /// packet that is not to be answered through that device (`arp_ignore`, `rp_filter` in the kernel's `ip-sysctl.rst`).
    #[must_use]
    pub fn no_way_to_the_host(link: &str) -> [Self; 2] {
        [("arp_ignore", "8"), ("rp_filter", "1")].map(|(setting, value)| {
            let path = format!("net/ipv4/conf/{link}/{setting}");
            let otherwise = "containers may reach addresses of the host there";
            Self { side: Side::Host, path, value, need: Need::Precaution { otherwise }, stage: Stage::Common }
        })
    }

    fn file(&self) -> String {
        format!("/proc/sys/{}", self.path)
    }

    /// Sets it to `value`, unless it is that already: `/proc/sys` may be read-only although everything is as it should be.
    pub(crate) fn set(&self, session: &mut Session, value: &str) -> Result<(), Error> {
        if self.read(session)?.is_none_or(|have| have == value) {
            return Ok(());
        }
        let file = self.file();
        match (session.within(self.side, || fs::write(&file, value))?, self.need) {
            (Ok(()), _) => Ok(()),
            (Err(error), Need::IfAny | Need::Precaution { .. }) if error.kind() == ErrorKind::NotFound => Ok(()),
            (Err(_), Need::Precaution { .. }) if self.is_idle(session)? => Ok(()),
            (Err(error), Need::Precaution { otherwise }) => {
                session.note(Note::NotSet { action: self.action(value), reason: error.to_string(), otherwise });
                Ok(())
            }
            (Err(_), _) if self.is_set_originally(session, value)? => Ok(()),
            (Err(error), Need::Needed | Need::IfAny) => Err(self.failed(error)),
        }
    }

    /// Whether the kernel does as if it were set: a link that forwards accepts no router advertisement unless `accept_ra` is 2
    /// (`ipv6_accept_ra` in `include/net/ipv6.h`).
    fn is_idle(&self, session: &mut Session) -> Result<bool, Error> {
        let Some(link) = self.file().strip_suffix("accept_ra").map(str::to_owned) else { return Ok(false) };
        let is_one =
            |setting: &str| fs::read_to_string(format!("{link}{setting}")).is_ok_and(|have| have.trim_end() == "1");
        session.within(self.side, || is_one("accept_ra") && is_one("forwarding"))
    }

    /// Whether the host that this one stands in for has it already: there it need not be set.
    fn is_set_originally(&self, session: &Session, value: &str) -> Result<bool, Error> {
        let have = match self.side {
            Side::Host => session.within_original(|| fs::read_to_string(self.file()))?,
            Side::Container => None,
        };
        Ok(matches!(have, Some(Ok(have)) if have.trim_end() == value))
    }

    /// The setting as `sysctl` names it. A link's name may have a dot.
    fn name(&self) -> String {
        if self.path.contains('.') { self.path.clone() } else { self.path.replace('/', ".") }
    }

    fn action(&self, value: &str) -> String {
        let place = if self.side == Side::Container { " in the container" } else { "" };
        format!("set {} to {value}{place}", self.name())
    }

    fn failed(&self, source: std::io::Error) -> Error {
        let remedy = match self.side {
            Side::Host => format!(
                "set it beforehand with `{}`, or call the plugin where /proc/sys can be written",
                self.command()
            ),
            Side::Container => "call the plugin where /proc/sys can be written".to_owned(),
        };
        Error::Setting { action: self.action(self.value), source, remedy: Remedy::Act(remedy) }
    }

    fn command(&self) -> String {
        format!("sysctl -w {}={}", self.name(), self.value)
    }

    /// The value at present; `None` when the kernel lacks the setting and may.
    pub(crate) fn read(&self, session: &mut Session) -> Result<Option<String>, Error> {
        let file = self.file();
        match session.within(self.side, || fs::read_to_string(&file))? {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if self.need != Need::Needed && error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Whether it could be set. Nothing is written.
    fn is_writable(&self, session: &mut Session) -> Result<bool, Error> {
        let file = self.file();
        session.within(self.side, || fs::File::options().write(true).open(&file).is_ok())
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

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        self.set(session, self.value)
    }

    /// A precaution that could not be taken is not missed.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(have) = self.read(session)?.filter(|have| have != self.value) else { return Ok(Vec::new()) };
        if matches!(self.need, Need::Precaution { .. }) && !self.is_writable(session)? {
            return Ok(Vec::new());
        }
        let place = if self.side == Side::Container { " in the container" } else { "" };
        Ok(vec![Difference::new(format!("{}{place}", self.name()), self.value, have)])
    }

    /// One of a container's interface goes with the interface; one of the host (forwarding) may serve others by now.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let prefix = if self.side == Side::Container { "ip netns exec CONTAINER " } else { "" };
        vec![format!("{prefix}{}", self.command())]
    }

    /// A link that is still to be made has no settings yet.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.need != Need::Needed && self.path.starts_with("net/ipv6/") && !has_ipv6() {
            return Ok(Vec::new());
        }
        let is_closed = self.side == Side::Container && !session.has_container();
        let is_set = !is_closed && self.read(session)?.is_some_and(|have| have == self.value);
        Ok(if is_set { Vec::new() } else { self.commands() })
    }
}
