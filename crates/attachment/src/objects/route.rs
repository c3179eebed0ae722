//! A route through a link of the container.

use netlink::route;

use super::rival;
use crate::session::Routes;
use crate::{Device, Difference, Error, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("route");

/// A route through a link.
#[derive(Debug, Clone)]
pub struct LinkRoute {
    /// The link.
    pub device: Device,
    /// The route.
    pub route: route::Route,
    /// It is not made where a route through another link leads to the same destination already.
    pub yields: bool,
}

impl LinkRoute {
    /// A default route of the main table yields: the first network that sets one keeps it (ADD-9). Any other is made, or refused.
    #[must_use]
    pub fn new(device: Device, route: route::Route) -> Self {
        Self { yields: route.is_main_default(), device, route }
    }

    pub(super) fn label(&self) -> String {
        format!("route {}", rival::in_words(&self.route, &self.device.to_string()))
    }

    /// The routes of its side, each with the link that it goes through.
    fn list(&self, session: &mut Session) -> Result<Routes, Error> {
        session.routes(&self.device)
    }

    /// IPv6 can have it beside others of the same destination and metric, which share the packets.
    fn may_be_beside(&self) -> bool {
        self.route.destination.is_ipv6() && !self.yields
    }

    /// What a route of the same destination and metric that is there already means for this one.
    fn verdict(&self, session: &mut Session) -> Result<Verdict, Error> {
        let index = session.known(&self.device)?.map(|link| link.index);
        let routes = self.list(session)?;
        let mut rivals = routes.iter().filter(|(_, have)| self.route.rivals(have));
        let is_own = |through: &Option<u32>| through.is_some() && *through == index;
        let is_same_hop =
            |(through, have): &&(Option<u32>, route::Route)| is_own(through) && have.gateway == self.route.gateway;
        let nearest = rivals.clone().find(is_same_hop).or_else(|| rivals.clone().next());
        let Some(nearest) = nearest.cloned() else { return Ok(Verdict::Free) };
        Ok(match () {
            () if rivals.clone().any(|(through, have)| is_own(through) && self.is_surely(have)) => Verdict::Met,
            () if self.yields && rivals.clone().any(|(through, _)| through.is_some() && !is_own(through)) => {
                Verdict::Yields
            }
            () if self.route.destination.is_ipv6() => match rivals.find(|(through, _)| through.is_none()) {
                // The first of both is in use.
                Some(nowhere) => Verdict::InTheWay(nowhere.clone()),
                None => Verdict::Beside(nearest),
            },
            () => Verdict::InTheWay(nearest),
        })
    }

    /// It is the kernel's `have`, of which all is shown that matters.
    fn is_surely(&self, have: &route::Route) -> bool {
        let has_metrics = self.route.mtu.is_some() || self.route.advmss.is_some();
        self.route.is_met_by(have) && !(have.is_further && has_metrics)
    }

    /// The kernel says that one of the same destination and metric is there already.
    fn settle(&self, session: &mut Session) -> Result<(), Error> {
        let rival = match self.verdict(session)? {
            Verdict::Met | Verdict::Yields => return Ok(()),
            Verdict::Beside(rival) => return self.make_beside(&rival, session),
            Verdict::InTheWay(rival) => rival,
            Verdict::Free => {
                return Err(Error::Exists(self.label())); // it has gone since
            }
        };
        Err(rival::conflict(session, &self.device, &self.route, &rival)?)
    }

    /// A further next hop.
    fn make_beside(&self, rival: &(Option<u32>, route::Route), session: &mut Session) -> Result<(), Error> {
        let action = format!("add {}", self.label());
        let index = session.index(&self.device)?;
        let request = self.route.add_beside(index).map_err(Error::refused(&action))?;
        session.make(|session| match session.socket(self.device.side)?.request(request) {
            Ok(_) => Ok(()),
            Err(source) if source.is_existing() => Err(rival::conflict(session, &self.device, &self.route, rival)?),
            Err(source) => Err(Error::Refused { action, source }),
        })?;
        session.forget_listed();
        Ok(())
    }
}

/// What is where a route is to be made.
enum Verdict {
    /// Nothing.
    Free,
    /// The route itself.
    Met,
    /// One that it yields to.
    Yields,
    /// One that it can be made beside, unless the next hop is the same.
    Beside((Option<u32>, route::Route)),
    /// One that it cannot be made beside.
    InTheWay((Option<u32>, route::Route)),
}

impl Object for LinkRoute {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Route
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let index = session.index(&self.device)?;
        let action = format!("add {}", self.label());
        let request = self.route.add(index).map_err(Error::refused(&action))?;
        let step = Step::make(self.device.side, &action, request);
        let route = self.clone();
        session.queue_examined(step, libc::EEXIST, move |session| route.settle(session));
        // It may have to be made beside another one, before a route by a gateway that it leads to.
        if self.may_be_beside() && self.route.gateway.is_none() { session.flush() } else { Ok(()) }
    }

    /// Met by the route itself, or, where that yields, by one of the same destination through another link, which came first.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let index = session.find(&self.device)?.map(|link| link.index);
        let routes = self.list(session)?;
        // Older runtimes lose the table between ADD and CHECK, as their library has no such key: any is taken for it.
        let in_its_table = |have: &route::Route| route::Route { table: self.route.table.or(have.table), ..self.route };
        let is_met = routes.iter().any(|(through, have)| match through {
            None => false,
            through if *through == index => in_its_table(have).is_met_by(have),
            _ => self.yields && self.route.leads_where(have),
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
        let verb = if self.may_be_beside() { "append" } else { "add" };
        let mut command = format!(
            "{} route {verb} {}{via} dev {} proto static",
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
        vec![command]
    }

    /// A conflict is printed as a comment: what is there may be gone when the commands run.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.device.side == Side::Container && !session.has_container() {
            return Ok(self.commands());
        }
        Ok(match self.verdict(session)? {
            Verdict::Free => self.commands(),
            Verdict::Met => vec![format!("# {} exists already", self.label())],
            Verdict::Yields => {
                vec![format!("# {}: a route to {} exists already, and stays", self.label(), self.route.destination)]
            }
            Verdict::Beside(_) => {
                self.commands().iter().map(|line| line.replacen(" route add ", " route append ", 1)).collect()
            }
            Verdict::InTheWay(rival) => {
                let conflict = rival::conflict(session, &self.device, &self.route, &rival)?;
                vec![format!("# this is refused: {conflict}")]
            }
        })
    }
}
