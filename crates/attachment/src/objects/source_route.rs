//! A route of the table by which a NIC's answers leave.

use netlink::route::Route;

use super::{LinkRoute, source_table};
use crate::{Device, Difference, Error, Kind, Object, Session, Stage, Step};

static KIND: Kind = Kind::of_a_link("route of a NIC's own table");

/// A route of the routing table that an attachment has for itself. Nothing else is in there, so one that exists is an error.
#[derive(Debug)]
pub struct SourceRoute {
    link_route: LinkRoute,
    /// It is a further next hop of one that was made before it.
    is_further: bool,
}

impl SourceRoute {
    /// The route in this table, through the container interface.
    #[must_use]
    pub fn new(device: Device, mut route: Route, table: u32) -> Self {
        route.table = Some(table);
        Self { link_route: LinkRoute::new(device, route), is_further: false }
    }

    /// The same as a further next hop of a route of IPv6 that comes before it.
    #[must_use]
    pub fn further(self) -> Self {
        Self { is_further: true, ..self }
    }
}

impl Object for SourceRoute {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Route
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let LinkRoute { device, route, .. } = &self.link_route;
        let table = route.table.unwrap_or_default();
        let index = session.index(device)?;
        let what = self.link_route.label();
        let request = if self.is_further { route.add_beside(index) } else { route.add(index) };
        let request = request.map_err(Error::refused(format!("add {what}")))?;
        let step = Step::make(device.side, format!("make {what}"), request);
        session.queue(step.explained(move |error| match error {
            // Another attachment of the container was given the same number at the same time.
            Error::Exists(what) => source_table::conflict(table, format!("has a {what} by now")),
            other => other,
        }));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let LinkRoute { device, route, .. } = &self.link_route;
        let index = session.find(device)?.map(|link| link.index);
        let routes = session.routes(device)?;
        let is_there =
            |(through, have): &(Option<u32>, Route)| through.is_some() && *through == index && route.is_met_by(have);
        let is_met = routes.iter().any(is_there);
        Ok(if is_met { Vec::new() } else { vec![Difference::missing(self.link_route.label())] })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        self.link_route.remove(session)
    }

    fn commands(&self) -> Vec<String> {
        self.link_route.commands()
    }
}
