//! The container's loopback interface, which the kernel has made.

use netlink::LinkChange;
use netlink::link::Link;

use crate::{Device, Difference, Error, Finder, Identity, Item, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::found("loopback interface");

/// `lo` of the container, up. The kernel gives it its addresses with that (`inetdev_event` in `net/ipv4/devinet.c`, `init_loopback` in
/// `net/ipv6/addrconf.c`); without IPv6 only `127.0.0.1`.
#[derive(Debug)]
pub struct Loopback {
    /// Whoever sets it up is in its alias: one that was up before stays so.
    pub identity: Identity,
}

impl Loopback {
    /// Its name, the same in every namespace.
    pub const NAME: &str = "lo";

    /// DEL finds it in the container. It is nothing that could be left behind elsewhere, for GC to find.
    pub const FINDER: &Finder = &Finder::new(
        &KIND,
        |session, identity| {
            let found = Item::Object(Box::new(Self { identity: identity.clone() }));
            Ok(if session.has_container() { vec![found] } else { Vec::new() })
        },
        |_, _| Ok(Vec::new()),
    );

    /// The device.
    #[must_use]
    pub fn device() -> Device {
        Device::container(Self::NAME)
    }

    fn is_up(session: &mut Session) -> Result<bool, Error> {
        Ok(session.find(&Self::device())?.is_some_and(|link| link.is_up))
    }

    /// The interface, if this attachment has set it up.
    fn own(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        let alias = self.identity.alias();
        Ok(session.find(&Self::device())?.filter(|link| link.alias.as_ref() == Some(&alias)))
    }

    fn command(state: &str, alias: &str) -> Vec<String> {
        let device = Self::device();
        vec![format!("{} link set dev {} {state} alias '{alias}'", device.tool("ip"), device.name)]
    }
}

impl Object for Loopback {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Carrier
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let device = Self::device();
        match session.find(&device)? {
            Some(link) if link.is_up => {}
            Some(link) => {
                let change = LinkChange::of(link.index).up(true).alias(&self.identity.alias());
                session.queue(Step::make(Side::Container, format!("set {device} up"), change.request()));
            }
            None => return Err(Error::Missing(format!("link {device}"))),
        }
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let what = format!("interface {}", Self::device());
        Ok(match session.find(&Self::device())? {
            None => vec![Difference::missing(what)],
            Some(link) if !link.is_up => vec![Difference::new(what, "up", "down")],
            Some(_) => Vec::new(),
        })
    }

    /// It is down again, as in a new namespace.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = self.own(session)? else { return Ok(()) };
        let change = LinkChange::of(link.index).up(false).alias("");
        session.remove(Side::Container, format!("set {} down", Self::device()), change.request())
    }

    fn commands(&self) -> Vec<String> {
        Self::command("up", &self.identity.alias())
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(if Self::is_up(session)? { Vec::new() } else { self.commands() })
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(if self.own(session)?.is_some() { Self::command("down", "") } else { Vec::new() })
    }
}
