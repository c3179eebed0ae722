//! A route of the table by which a NIC's answers leave.

use netlink::route::Route;

use super::{LinkRoute, source_table};
use crate::{Device, Difference, Error, Kind, Object, Session, Stage, Step};

static KIND: Kind = Kind::of_a_link("route of a NIC's own table");

/// A route of the routing table that an attachment has for itself. Nothing else is in there, so one that exists is an error.
#[derive(Debug)]
pub struct SourceRoute(LinkRoute);

impl SourceRoute {
    /// The route in this table, through the container interface.
    #[must_use]
    pub fn new(device: Device, mut route: Route, table: u32) -> Self {
        route.table = Some(table);
        Self(LinkRoute { device, route })
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
        let LinkRoute { device, route } = &self.0;
        let table = route.table.unwrap_or_default();
        let index = session.index(device)?;
        let what = format!("{} in table {table}", self.0.label());
        let request = route.add(index).map_err(Error::refused(format!("add {what}")))?;
        let step = Step::make(device.side, format!("make {what}"), request);
        session.queue(step.explained(move |error| match error {
            // Another attachment of the container was given the same number at the same time.
            Error::Exists(what) => source_table::conflict(table, format!("has a {what} by now")),
            other => other,
        }));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let LinkRoute { device, route } = &self.0;
        let index = session.find(device)?.map(|link| link.index);
        let routes = session.routes(device)?;
        let is_there = routes.iter().any(|(through, have)| Some(*through) == index && route.is_met_by(have));
        let label = || format!("{} in table {}", self.0.label(), route.table.unwrap_or_default());
        Ok(if is_there { Vec::new() } else { vec![Difference::missing(label())] })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        self.0.remove(session)
    }

    fn commands(&self) -> Vec<String> {
        self.0.commands()
    }
}
