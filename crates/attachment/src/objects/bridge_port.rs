//! A device as a port of a bridge.

use netlink::{bridge_port, link};

use super::published_ports::PublishedPorts;
use crate::explained;
use crate::{Device, Difference, Error, Kind, Object, Remedy, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("bridge port");

/// A device of the host as a port of a bridge.
#[derive(Debug)]
pub struct BridgePort {
    /// The device.
    pub device: String,
    /// The bridge.
    pub bridge: String,
    /// Frames may leave through the port that they came in by.
    pub hairpin: bool,
    /// It reaches only ports that are not isolated, and the bridge itself.
    pub isolated: bool,
}

impl BridgePort {
    /// Kernels before 4.18 acknowledge it and do nothing.
    fn isolate(&self, session: &mut Session) -> Result<(), Error> {
        let action = format!("isolate {}", self.device);
        session.queue(Step::change(Side::Host, action, bridge_port::set_isolated(&self.device, true)));
        match session.find(&Device::host(&self.device))? {
            Some(link) if !link.isolated => Err(Error::Unsupported {
                feature: format!("isolated bridge ports, which {} needs", self.device),
                remedy: Remedy::act("use Linux 4.18 or later"),
            }),
            _ => Ok(()),
        }
    }
}

impl Object for BridgePort {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let bridge = session.index(&Device::host(&self.bridge))?;
        let action = format!("make {} a port of bridge {}", self.device, self.bridge);
        let step = Step::make(Side::Host, action, link::set_master(&self.device, bridge));
        session.queue(step.explained(explained::port(&self.device, &self.bridge)));
        if self.hairpin {
            let action = format!("set hairpin on {}", self.device);
            session.queue(Step::change(Side::Host, action, bridge_port::set_hairpin(&self.device, true)));
        }
        if self.isolated {
            self.isolate(session)?;
        }
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let bridge = session.find(&Device::host(&self.bridge))?.map(|link| link.index);
        let Some(link) = session.find(&Device::host(&self.device))? else {
            return Ok(vec![Difference::missing(format!("interface {}", self.device))]);
        };
        let mut differences = Vec::new();
        if bridge.is_none() || link.master != bridge {
            let have = link.master.map_or_else(|| "no port".to_owned(), |index| format!("a port of link {index}"));
            let what = format!("interface {}", self.device);
            differences.push(Difference::new(what, format!("a port of bridge {}", self.bridge), have));
        } else {
            let settings = [("hairpin", self.hairpin, link.hairpin), ("isolation", self.isolated, link.isolated)];
            let on = |value| if value { "on" } else { "off" };
            let is_asked_by_another = !self.hairpin && link.hairpin && PublishedPorts::are_of(session, &self.device)?;
            let is_met = |(setting, want, have): &(&str, bool, bool)| {
                want == have || *setting == "hairpin" && is_asked_by_another // see `PortHairpin`
            };
            for (setting, want, have) in settings.into_iter().filter(|setting| !is_met(setting)) {
                differences.push(Difference::new(format!("{setting} of {}", self.device), on(want), on(have)));
            }
        }
        Ok(differences)
    }

    /// Nothing of it is changed in use.
    fn refuse_update(&self, session: &mut Session) -> Result<(), Error> {
        self.differences(session)?.into_iter().next().map_or(Ok(()), |first| Err(Error::Fixed(first)))
    }

    /// Goes with its device. Taking it out of the bridge first would cost 4 ms more than removing the device does.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = vec![format!("ip link set {} master {}", self.device, self.bridge)];
        if self.hairpin {
            commands.push(format!("bridge link set dev {} hairpin on", self.device));
        }
        if self.isolated {
            commands.push(format!("bridge link set dev {} isolated on", self.device));
        }
        commands
    }
}
