//! What one device of the container receives, sent out of another.

use netlink::qdisc::redirect;

use crate::{Device, Difference, Error, Kernel, Object, Step};

/// Everything that `from` receives leaves by `to`, and reaches nothing else: with one in each direction, two devices are one
/// wire, without a bridge between them. Packets pass as they are, offloads included.
///
/// It is part of `from` and goes with it.
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

    /// The kernel says `ENOENT` when it has no such qdisc, classifier or action.
    fn explain(error: Error) -> Error {
        match error {
            Error::Refused { action, source } if source.errno() == Some(libc::ENOENT) => Error::Unsupported {
                feature: format!("way to {} ({source})", action.trim_start_matches("make ")),
                remedy: "load the modules with `modprobe -a sch_ingress cls_u32 act_mirred`, or use a kernel with \
                         CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_MIRRED"
                    .to_owned(),
            },
            other => other,
        }
    }
}

impl Object for Redirect {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let (from, to) = (kernel.index(&self.from)?, kernel.index(&self.to)?);
        let action = format!("make {}", self.label());
        for request in [redirect::add_ingress(from), redirect::add(from, to)] {
            kernel.queue(Step::change(self.from.side, &action, request));
        }
        kernel.flush().map_err(Self::explain)
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let (Some(from), Some(to)) = (kernel.find(&self.from)?, kernel.find(&self.to)?) else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let have = redirect::targets(kernel.socket(self.from.side)?, from.index)
            .map_err(Error::refused(format!("list the filters of {}", self.from)))?;
        Ok(if have.contains(&to.index) { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    /// Goes with its device.
    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
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
