//! The hardware address behind a port of a bridge, set there before its first frame.

use netlink::{Mac, bridge_fdb};

use crate::{Device, Difference, Error, Kind, Object, Remedy, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("forwarding entry");

/// A bridge has the hardware address of what is behind a port as one that was set (`static`): who watches its forwarding database,
/// as FRR's `zebra` does, can tell other hosts before the first frame, and it does not age.
#[derive(Debug)]
pub struct ToldMac {
    /// The bridge.
    pub bridge: String,
    /// The port.
    pub port: String,
    /// The hardware address.
    pub mac: Mac,
}

impl ToldMac {
    fn label(&self) -> String {
        format!("hardware address {}", self.mac)
    }

    /// # Errors
    /// [`Error::Conflict`] if another member of this host has it.
    fn refuse_another(&self, port: u32, session: &mut Session) -> Result<(), Error> {
        let bridge = session.index(&Device::host(&self.bridge))?;
        let found = bridge_fdb::port_of(session.socket(Side::Host)?, bridge, self.mac)
            .map_err(Error::refused(format!("look up {} in bridge {}", self.mac, self.bridge)))?;
        let Some(index) = found.filter(|index| *index != port) else { return Ok(()) };
        match session.known_index(Side::Host, index)? {
            // What was elsewhere has moved here.
            Some(link) if link.vxlan.is_none() => Err(Error::Conflict {
                object: self.label(),
                want: format!("it for the port {} of bridge {}", self.port, self.bridge),
                have: format!("is set for the port {}", link.name),
                remedy: Remedy::act("give each container a hardware address of its own"),
            }),
            _ => Ok(()),
        }
    }
}

impl Object for ToldMac {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Setting
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let port = session.index(&Device::host(&self.port))?;
        self.refuse_another(port, session)?;
        let action = format!("set {} for the port {}", self.label(), self.port);
        session.queue(Step::change(Side::Host, action, bridge_fdb::set_static(port, self.mac)));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(link) = session.find(&Device::host(&self.port))?.filter(|link| link.master.is_some()) else {
            return Ok(Vec::new()); // the port's own difference
        };
        let set = bridge_fdb::set_on(session.socket(Side::Host)?, link.index)
            .map_err(Error::refused(format!("list the hardware addresses behind {}", self.port)))?;
        Ok(match set.contains(&self.mac) {
            true => Vec::new(),
            false => vec![Difference::new(self.label(), format!("set for the port {}", self.port), "not set for it")],
        })
    }

    /// It goes with its port.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("bridge fdb replace {} dev {} master static", self.mac, self.port)]
    }
}
