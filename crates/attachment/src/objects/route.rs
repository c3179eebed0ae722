//! A route through a link of the container.

use netlink::route;

use crate::session::Routes;
use crate::{Device, Difference, Error, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("route");

/// A route through a link.
#[derive(Debug)]
pub struct LinkRoute {
    /// The link.
    pub device: Device,
    /// The route.
    pub route: route::Route,
}

impl LinkRoute {
    pub(super) fn label(&self) -> String {
        let via = self.route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        format!("route {}{via} dev {}", self.route.destination, self.device)
    }

    /// The routes of its side, each with the link that it goes through.
    fn list(&self, session: &mut Session) -> Result<Routes, Error> {
        session.routes(&self.device)
    }
}

impl Object for LinkRoute {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Route
    }

    /// A route of the same destination and metric that is there already stays: the first network that sets a default route
    /// keeps it (ADD-9).
    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let index = session.index(&self.device)?;
        let action = format!("add {}", self.label());
        let request = self.route.add(index).map_err(Error::refused(&action))?;
        session.queue(Step::make(self.device.side, action, request).tolerating(&[libc::EEXIST]));
        Ok(())
    }

    /// Met by the route itself, or by one of the same destination through another link, which came first.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let index = session.find(&self.device)?.map(|link| link.index);
        let routes = self.list(session)?;
        let is_met = routes.iter().any(|(through, have)| {
            if Some(*through) == index {
                self.route.is_met_by(have)
            } else {
                have.destination == self.route.destination && have.table == Some(self.route.table.unwrap_or(254))
            }
        });
        Ok(if is_met { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = session.find(&self.device)? else {
            return Ok(());
        };
        let action = format!("remove {}", self.label());
        let request = self.route.delete(link.index).map_err(Error::refused(&action))?;
        session.remove(self.device.side, action, request)
    }

    fn commands(&self) -> Vec<String> {
        let route = &self.route;
        let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        let mut command = format!(
            "{} route add {}{via} dev {} proto static",
            self.device.tool("ip"),
            route.destination,
            self.device.name
        );
        let options = [
            ("metric", route.priority),
            ("table", route.table),
            ("mtu", route.mtu),
            ("advmss", route.advmss),
            ("scope", route.scope.map(u32::from)),
        ];
        for (option, value) in options {
            command.extend(value.map(|value| format!(" {option} {value}")));
        }
        if route.is_on_link && route.gateway.is_some() {
            command.push_str(" onlink");
        }
        if route.is_on_link && route.gateway.is_none() && route.destination.is_ipv6() {
            command = command.replacen(" route add ", " route append ", 1);
        }
        vec![command]
    }

    /// One that is there already stays, as when it is made.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.device.side == Side::Container && !session.has_container() {
            return Ok(self.commands());
        }
        let routes = self.list(session)?;
        let table = |route: &route::Route| route.table.unwrap_or(254);
        // What the kernel takes where none is given (IP6_RT_PRIO_USER in include/uapi/linux/ipv6_route.h).
        let default = if self.route.destination.is_ipv4() { 0 } else { 1024 };
        let metric = |route: &route::Route| route.priority.filter(|metric| *metric > 0).unwrap_or(default);
        let is_there = routes.iter().any(|(_, have)| {
            have.destination == self.route.destination
                && table(have) == table(&self.route)
                && metric(have) == metric(&self.route)
        });
        Ok(match is_there {
            true => {
                vec![format!("# {}: a route to {} exists already, and stays", self.label(), self.route.destination)]
            }
            false => self.commands(),
        })
    }
}
