//! What one device of the container receives, sent out of another.

use netlink::qdisc::redirect;

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
            Some(libc::EEXIST) => Error::Conflict {
                object: self.from.to_string(),
                want: format!("a redirection to {} there", self.to.name),
                have: "has an ingress queueing discipline already".to_owned(),
                remedy: format!("see `tc filter show dev {} ingress`: one shaper per interface", self.from.name),
            },
            _ => Error::Refused { action, source },
        }
    }

    fn targets(&self, index: u32, kernel: &mut Kernel) -> Result<Vec<u32>, Error> {
        redirect::targets(kernel.socket(self.from.side)?, index)
            .map_err(Error::refused(format!("list the filters of {}", self.from)))
    }
}

impl Object for Redirect {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let (from, to) = (kernel.index(&self.from)?, kernel.index(&self.to)?);
        let action = format!("add {}", self.label());
        kernel.queue(Step::make(self.from.side, &action, redirect::add_ingress(from)));
        kernel.flush().map_err(|error| self.explain(error))?;
        kernel.queue(Step::change(self.from.side, &action, redirect::add(from, to)));
        kernel.flush().map_err(|error| {
            // Without its filter it could not be told from somebody else's.
            let _ = kernel.remove(self.from.side, "remove the ingress queue", redirect::delete_ingress(from));
            self.explain(error)
        })
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let (Some(from), Some(to)) = (kernel.find(&self.from)?, kernel.find(&self.to)?) else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let have = self.targets(from.index, kernel)?;
        Ok(if have.contains(&to.index) { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    /// Only if it is ours: it leads to our device, or to none any more.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(from) = kernel.find(&self.from)? else { return Ok(()) };
        let to = kernel.find(&self.to)?.map_or(0, |link| link.index);
        if !self.targets(from.index, kernel)?.contains(&to) {
            return Ok(());
        }
        kernel.remove(self.from.side, format!("remove {}", self.label()), redirect::delete_ingress(from.index))
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
