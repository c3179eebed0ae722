//! What one device receives, sent out of another.

use netlink::qdisc::redirect::{self, Filter};

use crate::{Device, Difference, Error, Kernel, Object, Step};

/// Everything that `from` receives leaves by `to`, and reaches nothing else: with one in each direction, two devices are one
/// wire, without a bridge between them. Packets pass as they are, offloads included.
///
/// It is part of `from` and goes with it at the latest.
#[derive(Debug)]
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

    fn taken(&self, by: &str) -> Error {
        Error::Conflict {
            object: self.from.to_string(),
            want: format!("a redirection to {} there", self.to.name),
            have: format!("has {by} already"),
            remedy: format!(
                "an interface has one shaper in each direction: remove the other one from the network's chain, or call DEL \
                 for what an earlier ADD left (see `{} filter show dev {} ingress`)",
                self.from.tool("tc"),
                self.from.name
            ),
        }
    }

    fn split(&self, from: u32, to: u32, kernel: &mut Kernel) -> Result<(Vec<Filter>, Vec<Filter>), Error> {
        let is_ours = |filter: &Filter| filter.target == Some(to);
        Ok(self.filters(from, kernel)?.into_iter().partition(is_ours))
    }

    /// Removes it from the device `from` if it leads to `to`, both by their indices.
    pub(crate) fn remove_from(&self, from: u32, to: u32, kernel: &mut Kernel) -> Result<(), Error> {
        let (ours, others) = self.split(from, to, kernel)?;
        let action = format!("remove {}", self.label());
        if others.is_empty() && !ours.is_empty() {
            return kernel.remove(self.from.side, action, redirect::delete_ingress(from));
        }
        ours.into_iter()
            .try_for_each(|filter| kernel.remove(self.from.side, &action, redirect::delete(from, filter.handle)))
    }

    fn filters(&self, index: u32, kernel: &mut Kernel) -> Result<Vec<Filter>, Error> {
        redirect::filters(kernel.socket(self.from.side)?, index)
            .map_err(Error::refused(format!("list the filters of {}", self.from)))
    }
}

impl Object for Redirect {
    /// To add the filter to somebody else's qdisc would take their traffic. A device that has not been looked up is to be made
    /// yet.
    fn refuse_existing(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(index) = kernel.seen(&self.from)?.map(|link| link.index) else { return Ok(()) };
        let has_ingress = redirect::has_ingress(kernel.socket(self.from.side)?, index)
            .map_err(Error::refused(format!("look for an ingress queue of {}", self.from)))?;
        if has_ingress { Err(self.taken("an ingress queueing discipline")) } else { Ok(()) }
    }

    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let (from, to) = (kernel.index(&self.from)?, kernel.index(&self.to)?);
        let action = format!("add {}", self.label());
        // In one send: without its filter, a kill would leave a qdisc that cannot be told from somebody else's. Should somebody
        // have been faster with one, the filter is taken back.
        for request in [redirect::add_ingress(from), redirect::add(from, to)] {
            kernel.queue(Step::make(self.from.side, &action, request));
        }
        Ok(())
    }

    /// The kernel says `ENOENT` when it has no such qdisc, classifier or action, and `EEXIST` when somebody else looks at what
    /// comes in.
    fn explain(&self, error: Error) -> Error {
        let Error::Refused { action, source } = error else { return error };
        match source.errno() {
            Some(libc::ENOENT) => Error::Unsupported {
                feature: format!("way to {action} ({source})"),
                remedy: "load the modules with `modprobe -a sch_ingress cls_u32 act_mirred`, or use a kernel with \
                         CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_MIRRED"
                    .to_owned(),
            },
            Some(libc::EEXIST) => self.taken("an ingress queueing discipline"),
            _ => Error::Refused { action, source },
        }
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let (Some(from), Some(to)) = (kernel.find(&self.from)?, kernel.find(&self.to)?) else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let have = self.filters(from.index, kernel)?;
        let is_there = have.iter().any(|filter| filter.target == Some(to.index));
        Ok(if is_there { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    /// Only if it is ours: it leads to our device, or to none any more. The qdisc stays where somebody else has filters there.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(from) = kernel.find(&self.from)? else { return Ok(()) };
        let to = kernel.find(&self.to)?.map_or(0, |link| link.index);
        self.remove_from(from.index, to, kernel)
    }

    /// Its filter may have been refused; the qdisc was made for it.
    fn undo(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let (from, to) = (kernel.index(&self.from)?, kernel.index(&self.to)?);
        match self.split(from, to, kernel)? {
            (ours, others) if ours.is_empty() && others.is_empty() => {
                let action = format!("remove the ingress queue of {}", self.from);
                kernel.remove(self.from.side, action, redirect::delete_ingress(from))
            }
            _ => self.remove_from(from, to, kernel),
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
}
