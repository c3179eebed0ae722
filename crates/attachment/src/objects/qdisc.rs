//! A queueing discipline of a link.

use netlink::link::Link;
use netlink::qdisc::{self, Netem, Parent};

use super::tc_words::{parameters, with_table};
use crate::{Device, Difference, Error, Kind, Object, Remedy, Session, Stage, Step};

static KIND: Kind = Kind::of_a_link("queueing discipline");

/// Queues that no kernel gives a device by itself: they have no parameters to begin with.
const SHAPERS: [&str; 3] = ["netem", "tbf", "htb"];

/// A queueing discipline of a link.
#[derive(Debug, Clone)]
pub struct LinkQdisc {
    /// The link.
    pub device: Device,
    /// What hangs where.
    pub qdisc: qdisc::Qdisc,
}

/// An attribute of netem that older kernels accept and ignore.
struct Late {
    name: &'static str,
    what: &'static str,
    /// The first version that takes it.
    since: &'static str,
    /// What is asked, or what the kernel shows.
    value: fn(&Netem) -> Option<[u64; 3]>,
}

const LATE: [Late; 2] = [
    Late {
        name: "slots in netem (TCA_NETEM_SLOT)",
        what: "slot",
        since: "4.16",
        value: |netem| {
            let slot = netem.slot?;
            let most = u64::from(slot.max_packets) << 32 | u64::from(slot.max_bytes);
            Some([slot.min_delay_ns, slot.max_delay_ns, most])
        },
    },
    Late {
        name: "seed for netem's random numbers (TCA_NETEM_PRNG_SEED)",
        what: "seed",
        since: "6.6",
        value: |netem| Some([netem.seed?, 0, 0]),
    },
];

impl LinkQdisc {
    fn label(&self) -> String {
        format!("qdisc {} {:x}: on {}", self.qdisc.kind.name(), self.qdisc.handle, self.device)
    }

    fn list(&self, index: u32, session: &mut Session) -> Result<Vec<qdisc::Qdisc>, Error> {
        qdisc::list(session.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the queues of {}", self.device)))
    }

    /// Nothing is asked for that some kernels ignore.
    pub(super) fn is_all_known_to_all(&self) -> bool {
        let qdisc::Kind::Netem(want) = &self.qdisc.kind else { return true };
        LATE.iter().all(|late| (late.value)(want).is_none())
    }

    /// A kernel ignores attributes that it does not know. Those that were added late are read back.
    pub(super) fn confirm(&self, index: u32, session: &mut Session) -> Result<(), Error> {
        let qdisc::Kind::Netem(want) = &self.qdisc.kind else { return Ok(()) };
        let have = self.list(index, session)?;
        let have = have.iter().find_map(|have| match &have.kind {
            qdisc::Kind::Netem(netem) if have.handle == self.qdisc.handle => Some(netem),
            _ => None,
        });
        let have = have.ok_or_else(|| Error::Missing(self.label()))?;
        let ignored = LATE.iter().find(|late| (late.value)(want).is_some_and(|want| (late.value)(have) != Some(want)));
        ignored.map_or(Ok(()), |late| {
            Err(Error::Unsupported {
                feature: format!("{}, which {} needs", late.name, self.device),
                remedy: Remedy::Act(format!("use Linux {} or later, or leave the {} out", late.since, late.what)),
            })
        })
    }

    /// The kernel says `ENOENT` when it has no such kind, and `EEXIST` when another one hangs there.
    pub(super) fn explain(&self, error: Error) -> Error {
        let Error::Refused { action, source } = error else { return error };
        let kind = self.qdisc.kind.name();
        match source.errno() {
            Some(libc::ENOENT) => Error::Unsupported {
                feature: format!("qdisc {kind} (sch_{kind}), which {} needs", self.device),
                remedy: Remedy::Act(format!(
                    "load the module with `modprobe sch_{kind}`, or use a kernel with CONFIG_NET_SCH_{}",
                    kind.to_uppercase()
                )),
            },
            Some(libc::EEXIST) => self.taken("another queueing discipline"),
            _ => Error::Refused { action, source },
        }
    }

    fn taken(&self, by: &str) -> Error {
        let device = &self.device;
        Error::Conflict {
            object: device.to_string(),
            want: format!("qdisc {} there", self.qdisc.kind.name()),
            have: format!("has {by} already"),
            remedy: Remedy::Act(format!(
                "an interface has one shaper in each direction: remove the other one from the network's chain, or call DEL \
                 for what an earlier ADD left (see `{} qdisc show dev {}`)",
                device.tool("tc"),
                device.name
            )),
        }
    }
}

impl Object for LinkQdisc {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    /// The kernel replaces only queues that it made itself. Any other one means that somebody else shapes the device; this is
    /// reported here, before anything is made beside it.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        if self.qdisc.parent != Parent::Root {
            return Ok(());
        }
        match session.known(&self.device)? {
            Some(Link { qdisc, .. }) if SHAPERS.contains(&qdisc.as_str()) => Err(self.taken(&format!("qdisc {qdisc}"))),
            _ => Ok(()), // a device that is not there is to be made yet
        }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let index = session.index(&self.device)?;
        let action = format!("add {}", self.label());
        let request = self.qdisc.add(index).map_err(Error::refused(&action))?;
        let this = self.clone();
        session.queue(Step::make(self.device.side, action, request).explained(move |error| this.explain(error)));
        if self.is_all_known_to_all() {
            return Ok(());
        }
        session.flush()?;
        self.confirm(index, session)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(link) = session.find(&self.device)? else {
            return Ok(vec![Difference::missing(format!("interface {}", self.device))]);
        };
        let have = self.list(link.index, session)?;
        let Some(have) = have.iter().find(|have| have.parent == self.qdisc.parent) else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let is_met = have.handle == self.qdisc.handle && self.qdisc.kind.is_met_by(&have.kind);
        let form = |qdisc: &qdisc::Qdisc| format!("{:x}: {}", qdisc.handle, parameters(&qdisc.kind));
        Ok(if is_met { Vec::new() } else { vec![Difference::new(self.label(), form(&self.qdisc), form(have))] })
    }

    /// Removes it only if it is the one that hangs there: same parent, handle and kind.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = session.find(&self.device)? else {
            return Ok(());
        };
        if !self.list(link.index, session)?.iter().any(|have| have.is_same(&self.qdisc)) {
            return Ok(());
        }
        let action = format!("remove {}", self.label());
        let request = self.qdisc.delete(link.index).map_err(Error::refused(&action))?;
        session.remove(self.device.side, action, request)
    }

    fn commands(&self) -> Vec<String> {
        let parent = match self.qdisc.parent {
            Parent::Root => "root".to_owned(),
            Parent::Class(major, minor) => format!("parent {major:x}:{minor:x}"),
        };
        let (tool, device, handle) = (self.device.tool("tc"), &self.device.name, self.qdisc.handle);
        vec![with_table(&self.qdisc.kind, |parameters| {
            format!("{tool} qdisc add dev {device} {parent} handle {handle:x}: {parameters}")
        })]
    }
}
