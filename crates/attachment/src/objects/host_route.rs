//! The host's route to an address of a container.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink::link::Link;
use netlink::route::Route;

use crate::{Device, Difference, Error, Identity, Kind, Object, Remedy, Session, Side, Stage};

static KIND: Kind = Kind::of_a_link("route of the host");

/// A route of the host to one address of a container, through the host interface of the attachment. There is none to the same
/// address elsewhere: that would be another container's.
#[derive(Debug)]
pub struct HostRoute {
    /// The attachment.
    pub identity: Identity,
    /// The address.
    pub address: IpAddr,
}

impl HostRoute {
    fn device(&self) -> Device {
        Device::host(self.identity.host_name())
    }

    fn route(&self) -> Option<Route> {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        Some(Route::new(IpNetwork::new(self.address, bits).ok()?, None))
    }

    fn label(&self) -> String {
        format!("route to {} through {}", self.address, self.device())
    }

    /// Where another route to the address leads, for an error.
    fn conflict(&self, through: Option<u32>, session: &mut Session) -> Result<Error, Error> {
        let link = through.map(|index| session.find_index(Side::Host, index)).transpose()?.flatten();
        let have = match (link, through) {
            (Some(Link { name, alias: Some(alias), .. }), _) => format!("is reached through {name} ({alias}) already"),
            (Some(Link { name, .. }), _) => format!("is reached through {name} already"),
            (None, Some(index)) => format!("is reached through link {index} already"),
            (None, None) => "has a route that leads nowhere".to_owned(),
        };
        Ok(Error::Conflict {
            object: format!("address {}", self.address),
            want: format!("a route through {}", self.device()),
            have,
            remedy: Remedy::act("give the container another address"),
        })
    }
}

impl Object for HostRoute {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Route
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let Some(route) = self.route() else { return Ok(()) };
        let index = session.index(&self.device())?;
        let action = format!("add {}", self.label());
        let is_own = netlink::route::is_local(session.socket(Side::Host)?, self.address);
        if is_own.map_err(Error::refused(format!("look up the way to {}", self.address)))? {
            return Err(Error::Conflict {
                object: format!("address {}", self.address),
                want: format!("a route through {}", self.device()),
                have: "is the host's own".to_owned(),
                remedy: Remedy::act("give the container another address"),
            });
        }
        let request = route.add(index).map_err(Error::refused(&action))?;
        match session.socket(Side::Host)?.request(request) {
            Ok(_) => Ok(()),
            Err(source) if source.errno() == Some(libc::EEXIST) => {
                session.forget_listed();
                let routes = session.routes(&self.device())?;
                let other = routes.iter().find(|(through, have)| *through != Some(index) && route.leads_where(have));
                match other {
                    Some((through, _)) => Err(self.conflict(*through, session)?),
                    None => Err(Error::Refused { action, source }),
                }
            }
            Err(source) => Err(Error::Refused { action, source }),
        }
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let index = session.find(&self.device())?.map(|link| link.index);
        let routes = session.routes(&self.device())?;
        let is_met = |route: &Route| {
            routes.iter().any(|(through, have)| through.is_some() && *through == index && route.is_met_by(have))
        };
        Ok(match self.route() {
            Some(route) if !is_met(&route) => vec![Difference::missing(self.label())],
            _ => Vec::new(),
        })
    }

    /// Goes with its link.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let family = if self.address.is_ipv4() { "ip" } else { "ip -6" };
        vec![format!("{family} route add {} dev {} proto static", self.address, self.device().name)]
    }
}
