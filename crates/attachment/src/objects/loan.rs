//! A device that somebody else made, as the port of a bridge.

use std::cell::Cell;

use netlink::Mac;
use netlink::link::{self, Link};

use crate::{Device, Difference, Error, Kind, Object, Remedy, Session, Side, Stage, Step, Tag};

static KIND: Kind = Kind::of_a_link("device on loan");

/// A device of the host that somebody else made and lends to a bridge. At the end it is taken out of the bridge; it is never
/// removed, renamed or tagged. Only the configuration or the result names it: nothing on the device tells.
#[derive(Debug)]
pub struct Loan {
    device: String,
    mac: Option<Mac>,
    bridge: String,
    was_down: Cell<bool>,
}

impl Loan {
    /// The device and the bridge by their names.
    pub fn new(device: impl Into<String>, bridge: impl Into<String>) -> Self {
        Self { device: device.into(), mac: None, bridge: bridge.into(), was_down: Cell::new(false) }
    }

    /// The same with the hardware address that the device had, if that is known: one of the same name with another address is
    /// another device.
    #[must_use]
    pub fn with_address(mut self, mac: Option<Mac>) -> Self {
        self.mac = mac;
        self
    }

    fn is_it(&self, device: &Link) -> bool {
        !Tag::is_ours(device) && (self.mac.is_none() || device.mac == self.mac)
    }

    /// It is a port of this bridge.
    fn is_lent(&self, session: &mut Session) -> Result<bool, Error> {
        let found = session.find(&Device::host(&self.device))?;
        let Some(device) = found.filter(|device| self.is_it(device)) else { return Ok(false) };
        let bridge = session.find(&Device::host(&self.bridge))?.filter(|link| link.kind == "bridge");
        Ok(device.master.is_some() && device.master == bridge.map(|bridge| bridge.index))
    }
}

impl Object for Loan {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let device = Device::host(&self.device);
        let Some(link) = session.find(&device)? else { return Err(Error::Missing(format!("interface {device}"))) };
        if let Some(master) = link.master {
            return Err(Error::Conflict {
                object: format!("interface {device}"),
                want: format!("a port of bridge {}", self.bridge),
                have: format!("has become a port of link {master} meanwhile"),
                remedy: Remedy::act("let one plugin at a time attach it"),
            });
        }
        if !link.is_up {
            self.was_down.set(true);
            session.queue(Step::change(Side::Host, format!("set {device} up"), link::set_up(&self.device)));
        }
        session.make(|_| Ok(()))
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(match session.find(&Device::host(&self.device))? {
            Some(link) if !link.is_up => vec![Difference::new(format!("interface {}", self.device), "up", "down")],
            _ => Vec::new(), // one that is gone is missed as the port
        })
    }

    /// Takes it out of the bridge, if it is a port of this one.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        if self.is_lent(session)? {
            let action = format!("take {} out of bridge {}", self.device, self.bridge);
            session.remove(Side::Host, action, link::unset_master(&self.device))?;
        }
        if self.was_down.get() {
            session.remove(Side::Host, format!("set {} down", self.device), link::set_down(&self.device))?;
        }
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip link set {} up", self.device)]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let is_up = session.find(&Device::host(&self.device))?.is_some_and(|link| link.is_up);
        Ok(if is_up { Vec::new() } else { self.commands() })
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let is_lent = self.is_lent(session)?;
        Ok(if is_lent { vec![format!("ip link set {} nomaster", self.device)] } else { Vec::new() })
    }
}
