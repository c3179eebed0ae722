//! Redirection: sending what a device receives out of another.

use netlink::qdisc::redirect::{self, Filter};

use crate::{Device, Difference, Error, Kind, Object, Remedy, Session, Stage, Step};

static KIND: Kind = Kind::of_a_link("redirection");

/// Everything that `from` receives leaves by `to`, and reaches nothing else: with one in each direction, two devices are one
/// wire, without a bridge between them. Packets pass as they are, offloads included.
///
/// It is part of `from` and goes with it at the latest.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// The device whose frames are taken.
    pub from: Device,
    /// The device that sends them; on the same side.
    pub to: Device,
}

impl Redirect {
    fn label(&self) -> String {
        format!("redirection from {} to {}", self.from, self.to.name)
    }

    /// The kernel says `ENOENT` when it has no such qdisc, classifier or action, and `EEXIST` when somebody else filters what
    /// comes in.
    fn explain(&self, error: Error) -> Error {
        let Error::Refused { action, source } = error else { return error };
        match source.errno() {
            Some(libc::ENOENT) => Error::Unsupported {
                feature: format!("way to {action} ({source})"),
                remedy: Remedy::act(
                    "load the modules with `modprobe -a sch_ingress cls_u32 act_mirred`, or use a kernel with \
                     CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_MIRRED",
                ),
            },
            Some(libc::EEXIST) => self.taken("an ingress queueing discipline"),
            _ => Error::Refused { action, source },
        }
    }

    fn taken(&self, by: &str) -> Error {
        Error::Conflict {
            object: self.from.to_string(),
            want: format!("a redirection to {} there", self.to.name),
            have: format!("has {by} already"),
            remedy: Remedy::Act(format!(
                "an interface has one shaper in each direction: remove the other one from the network's chain, or call DEL \
                 for what an earlier ADD left (see `{} filter show dev {} ingress`)",
                self.from.tool("tc"),
                self.from.name
            )),
        }
    }

    fn split(&self, from: u32, to: u32, session: &mut Session) -> Result<(Vec<Filter>, Vec<Filter>), Error> {
        let is_ours = |filter: &Filter| filter.target == Some(to);
        Ok(self.filters(from, session)?.into_iter().partition(is_ours))
    }

    /// Whether one leads from the device `from` to `to`, both by their indices.
    pub(super) fn leads_to(&self, from: u32, to: u32, session: &mut Session) -> Result<bool, Error> {
        Ok(self.filters(from, session)?.iter().any(|filter| filter.target == Some(to)))
    }

    /// Removes it from the device `from` if it leads to `to`, both by their indices.
    pub(super) fn remove_from(&self, from: u32, to: u32, session: &mut Session) -> Result<(), Error> {
        let (ours, others) = self.split(from, to, session)?;
        let action = format!("remove {}", self.label());
        if others.is_empty() && !ours.is_empty() {
            return session.remove(self.from.side, action, redirect::delete_ingress(from));
        }
        ours.into_iter()
            .try_for_each(|filter| session.remove(self.from.side, &action, redirect::delete(from, filter.handle)))
    }

    /// The commands of [`Redirect::remove_from`].
    pub(super) fn removal_from(&self, from: u32, to: u32, session: &mut Session) -> Result<Vec<String>, Error> {
        let (ours, others) = self.split(from, to, session)?;
        let (tool, name) = (self.from.tool("tc"), &self.from.name);
        if others.is_empty() && !ours.is_empty() {
            return Ok(vec![format!("{tool} qdisc del dev {name} ingress")]);
        }
        let delete = |filter: &Filter| {
            let (table, bucket, node) = (filter.handle >> 20, (filter.handle >> 12) & 0xff, filter.handle & 0xfff);
            let handle = format!("{table:x}:{bucket:x}:{node:x}");
            format!("{tool} filter del dev {name} parent ffff: protocol all prio 1 handle {handle} u32")
        };
        Ok(ours.iter().map(delete).collect())
    }

    fn filters(&self, index: u32, session: &mut Session) -> Result<Vec<Filter>, Error> {
        redirect::filters(session.socket(self.from.side)?, index)
            .map_err(Error::refused(format!("list the filters of {}", self.from)))
    }
}

impl Object for Redirect {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Carrier
    }

    /// Adding the filter to a foreign qdisc would divert its traffic. A device that does not exist is still to be made.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let Some(index) = session.known(&self.from)?.map(|link| link.index) else { return Ok(()) };
        let has_ingress = redirect::has_ingress(session.socket(self.from.side)?, index)
            .map_err(Error::refused(format!("look for an ingress queue of {}", self.from)))?;
        if has_ingress { Err(self.taken("an ingress queueing discipline")) } else { Ok(()) }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let (from, to) = (session.index(&self.from)?, session.index(&self.to)?);
        let action = format!("add {}", self.label());
        // In one send: without its filter, a kill would leave a qdisc that cannot be told from somebody else's. Should somebody
        // have been faster with one, the filter is taken back.
        for request in [redirect::add_ingress(from), redirect::add(from, to)] {
            let this = self.clone();
            session.queue(Step::make(self.from.side, &action, request).explained(move |error| this.explain(error)));
        }
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let (Some(from), Some(to)) = (session.find(&self.from)?, session.find(&self.to)?) else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let have = self.filters(from.index, session)?;
        let is_there = have.iter().any(|filter| filter.target == Some(to.index));
        Ok(if is_there { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    /// Only if it is ours: it leads to our device, or to none any more. The qdisc stays if somebody else has filters there.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(from) = session.find(&self.from)? else { return Ok(()) };
        let to = session.find(&self.to)?.map_or(0, |link| link.index);
        self.remove_from(from.index, to, session)
    }

    /// Its filter may have been refused; the qdisc was made for it.
    fn undo(&self, session: &mut Session) -> Result<(), Error> {
        let (from, to) = (session.index(&self.from)?, session.index(&self.to)?);
        match self.split(from, to, session)? {
            (ours, others) if ours.is_empty() && others.is_empty() => {
                let action = format!("remove the ingress queue of {}", self.from);
                session.remove(self.from.side, action, redirect::delete_ingress(from))
            }
            _ => self.remove_from(from, to, session),
        }
    }

    fn commands(&self) -> Vec<String> {
        let (tool, from, to) = (self.from.tool("tc"), &self.from.name, &self.to.name);
        vec![
            format!("{tool} qdisc add dev {from} ingress"),
            format!(
                "{tool} filter add dev {from} parent ffff: protocol all prio 1 u32 match u32 0 0 \
                 action mirred egress redirect dev {to}"
            ),
        ]
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let Some(from) = session.find(&self.from)? else { return Ok(Vec::new()) };
        let to = session.find(&self.to)?.map_or(0, |link| link.index);
        self.removal_from(from.index, to, session)
    }
}
