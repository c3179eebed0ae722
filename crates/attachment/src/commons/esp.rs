//! Encryption of what the hosts of Local Area Clouds send each other: ESP in transport mode.

mod changed;
mod channel;
mod compared;
mod derived;
mod found;
mod printed;
mod summary;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;
use netlink::xfrm::{Direction, Policy};

pub use summary::{EspSummary, esp_summary};

use super::lac::{devices, lac_of_attachment};
use crate::{
    Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Remedy, Secret, Session, Shared, Stage,
    State, lac_of,
};
use derived::{Derived, Extracted, Way};
use found::{Installed, request_id};

static KIND: Kind = Kind::found("encryption of a UDP port");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// Packets of UDP to a port pass by ESP alone (RFC 4303), in and out, with a state for each sender and destination. Keys and SPIs follow
/// from secrets that the hosts have in common. ESP sees the port and not the VNI, so all LACs of a port share this, and the last one of a
/// host takes it along.
///
/// A sender begins to count anew whenever its states are made anew, so receivers look at no sequence numbers, as RFC 4303, 5, advises
/// for keys that nobody negotiates.
#[derive(Debug, Clone)]
pub struct Esp {
    /// The UDP port.
    pub port: u16,
    /// The address of this host that the LAC sends from.
    pub local: IpAddr,
    /// The other hosts, of the same family.
    pub peers: BTreeSet<IpAddr>,
    /// The group to which the LAC sends what is for all.
    pub group: Option<IpAddr>,
    /// The secrets that the hosts have in common: it is sent with the first, and all are heard.
    pub keys: Vec<Secret>,
    /// Other keys are replaced, and are heard for this time still; `None` where that would be a mistake.
    pub rekeying: Option<Duration>,
}

impl Esp {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// That of a port, to be removed.
    #[must_use]
    pub fn named(port: u16) -> Self {
        let local = IpAddr::from([0; 4]);
        Self { port, local, peers: BTreeSet::new(), group: None, keys: Vec::new(), rekeying: None }
    }

    fn label(&self) -> String {
        format!("ESP of UDP port {}", self.port)
    }

    fn request_id(&self) -> u32 {
        request_id(self.port)
    }

    /// Whatever comes to the port, and whatever leaves for it from our address.
    fn policies(&self) -> [Policy; 2] {
        let any = IpNetwork::new(if self.local.is_ipv6() { [0; 16].into() } else { [0; 4].into() }, 0);
        let any = any.unwrap_or_else(|_| IpNetwork::from(self.local));
        let (port, request_id) = (self.port, self.request_id());
        [
            Policy { direction: Direction::In, source: any, destination: any, port, request_id },
            Policy { direction: Direction::Out, source: self.local.into(), destination: any, port, request_id },
        ]
    }

    fn outgoing(&self) -> impl Iterator<Item = Way> {
        self.peers.iter().chain(&self.group).map(|destination| Way { source: self.local, destination: *destination })
    }

    fn incoming(&self) -> impl Iterator<Item = Way> {
        let destinations = || std::iter::once(self.local).chain(self.group);
        self.peers.iter().flat_map(move |source| destinations().map(|destination| Way { source: *source, destination }))
    }

    fn extracted(&self) -> Vec<Extracted> {
        self.keys.iter().map(Extracted::new).collect()
    }

    fn derived(&self, key: &Extracted, way: Way) -> Derived {
        Derived::new(key, self.port, way)
    }

    /// What is to be there for these ways: those out by the first key, those in by each.
    fn wanted(&self, outgoing: impl Iterator<Item = Way>, incoming: impl Iterator<Item = Way>) -> Vec<Derived> {
        let keys = self.extracted();
        let first = keys.first();
        let incoming: Vec<Way> = incoming.collect();
        let heard = keys.iter().flat_map(|key| incoming.iter().map(|way| self.derived(key, *way)));
        // What is heard comes first: an answer may come as soon as something is sent.
        let mut all: Vec<Derived> = heard.collect();
        all.extend(outgoing.filter_map(|way| Some(self.derived(first?, way))));
        all
    }

    fn all_wanted(&self) -> Vec<Derived> {
        self.wanted(self.outgoing(), self.incoming())
    }

    fn installed(&self, session: &mut Session) -> Result<Installed, Error> {
        let mut installed = Installed::of(session, Some(self.request_id()))?;
        for local in installed.locals() {
            if local != self.local && !session.is_own(local)? {
                installed.lost.insert(local);
            }
        }
        Ok(installed)
    }

    /// Fails for keys that the configuration does not have: the hosts of a port have one file.
    fn refuse_other_keys(&self, installed: &Installed) -> Result<(), Error> {
        if self.rekeying.is_some() {
            return Ok(());
        }
        let Some(other) = self.of_other_keys(installed).next() else { return Ok(()) };
        Err(Error::Conflict {
            object: self.label(),
            want: "those of its key file".to_owned(),
            have: match other.source == self.local {
                true => format!("sends to {} with another key than the first of the file", other.id.destination),
                false => format!("has other keys, as for {}", other.source),
            },
            remedy: Remedy::act(
                "one port has one key file: if the file has been changed, run `plugboard lac rekey`; for another file choose another \
                 port",
            ),
        })
    }
}

/// The LACs of this host whose packets go to a UDP port.
struct LacsOf {
    port: u16,
}

impl Commons for LacsOf {
    fn name(&self) -> String {
        format!("LACs of UDP port {}", self.port)
    }

    /// By a VXLAN device that was made here: as long as it is there it may send.
    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let devices = devices::of_port(session, self.port)?;
        Ok(devices.iter().any(|link| lac_of(link).is_some()))
    }
}

/// Removes what there is of a port without a VXLAN device: for what must be in force for as long as packets are decrypted.
///
/// # Errors
/// What the kernel says.
pub(super) fn remove_unused(session: &mut Session, port: u16) -> Result<(), Error> {
    match (LacsOf { port }).is_used(session)? {
        true => Ok(()),
        false => Esp::named(port).remove(session),
    }
}

fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let Some(id) = lac_of_attachment(session, identity)? else { return Ok(Vec::new()) };
    // A device that is not sealed has no address of its own. If it has gone with its underlay, it may have been.
    let device = session.known(&Device::host(id.device()))?.and_then(|link| link.vxlan);
    Ok(match device.is_some_and(|settings| settings.local.is_none()) {
        true => Vec::new(),
        false => vec![Item::Shared(Box::new(Esp::named(id.port)))],
    })
}

/// Those of all networks: whether one is used is asked before it is released.
fn of_network(session: &mut Session, _network: &str) -> Result<Vec<Found>, Error> {
    match Installed::of(session, None) {
        Ok(installed) => Ok(installed.ports().into_iter().map(|port| Found::shared(Esp::named(port))).collect()),
        Err(Error::Unsupported { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Shared for Esp {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn name(&self) -> String {
        self.label()
    }

    fn stage(&self) -> Stage {
        Stage::Protection
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(LacsOf { port: self.port })
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        session.sharing(|session| {
            let installed = self.installed(session)?;
            self.refuse_other_keys(&installed)
        })
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        let installed = self.installed(session)?;
        self.refuse_other_keys(&installed)?;
        let is_whole = self.policies().iter().all(|policy| installed.policies.contains(policy))
            && self.all_wanted().iter().all(|wanted| installed.has(wanted));
        Ok(if is_whole { State::Whole } else { State::Lacking })
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let installed = self.installed(session)?;
        self.refuse_other_keys(&installed)?;
        self.add(session, &installed, &self.all_wanted())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let installed = self.installed(session)?;
        Ok(self.compare(&installed))
    }

    fn update(&self, session: &mut Session) -> Result<(), Error> {
        let installed = self.installed(session)?;
        self.refuse_other_keys(&installed)?;
        match self.rekeying {
            Some(grace) => self.rekey(session, &installed, grace),
            None => {
                self.add(session, &installed, &self.all_wanted())?;
                self.prune(session, &installed)
            }
        }
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        self.remove(session)
    }

    fn commands(&self) -> Vec<String> {
        self.creation_commands(&Installed::default())
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let installed = self.installed(session)?;
        self.refuse_other_keys(&installed)?;
        let commands = self.creation_commands(&installed);
        Ok(if commands.is_empty() { vec![format!("# {} exists already", self.label())] } else { commands })
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let installed = match self.installed(session) {
            Err(Error::Unsupported { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        Ok(installed.removal_commands())
    }
}
