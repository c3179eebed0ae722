//! A queueing discipline of a link.

use netlink::qdisc::netem::{Chance, Loss};
use netlink::qdisc::{self, Kind, Netem, Parent};

use crate::{Device, Difference, Error, Kernel, Object, Step};

/// Queues that no kernel gives a device by itself: they have no parameters to begin with.
const SHAPERS: [&str; 3] = ["netem", "tbf", "htb"];

/// A queueing discipline of a link.
#[derive(Debug)]
pub struct Qdisc {
    /// The link.
    pub device: Device,
    /// What hangs where.
    pub qdisc: qdisc::Qdisc,
}

impl Qdisc {
    fn label(&self) -> String {
        format!("qdisc {} {:x}: on {}", self.qdisc.kind.name(), self.qdisc.handle, self.device)
    }

    fn list(&self, index: u32, kernel: &mut Kernel) -> Result<Vec<qdisc::Qdisc>, Error> {
        qdisc::list(kernel.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the queues of {}", self.device)))
    }

    fn taken(&self, by: &str) -> Error {
        let device = &self.device;
        Error::Conflict {
            object: device.to_string(),
            want: format!("qdisc {} there", self.qdisc.kind.name()),
            have: format!("has {by} already"),
            remedy: format!(
                "an interface has one shaper in each direction: remove the other one from the network's chain, or call DEL \
                 for what an earlier ADD left (see `{} qdisc show dev {}`)",
                device.tool("tc"),
                device.name
            ),
        }
    }
}

impl Object for Qdisc {
    /// The kernel replaces by itself only queues that it made itself. With one of these somebody else shapes the device; it is
    /// told here, before anything is made beside it.
    fn refuse_existing(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let root = match kernel.seen(&self.device)? {
            Some(link) if self.qdisc.parent == Parent::Root => &link.qdisc,
            _ => return Ok(()),
        };
        if SHAPERS.contains(&root.as_str()) { Err(self.taken(&format!("qdisc {root}"))) } else { Ok(()) }
    }

    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let index = kernel.index(&self.device)?;
        let action = format!("add {}", self.label());
        let request = self.qdisc.add(index).map_err(Error::refused(&action))?;
        kernel.queue(Step::make(self.device.side, action, request));
        Ok(())
    }

    /// The kernel says `ENOENT` when it has no such kind, and `EEXIST` when another one hangs there.
    fn explain(&self, error: Error) -> Error {
        let Error::Refused { action, source } = error else { return error };
        let kind = self.qdisc.kind.name();
        match source.errno() {
            Some(libc::ENOENT) => Error::Unsupported {
                feature: format!("qdisc {kind} (sch_{kind}), which {} needs", self.device),
                remedy: format!(
                    "load the module with `modprobe sch_{kind}`, or use a kernel with CONFIG_NET_SCH_{}",
                    kind.to_uppercase()
                ),
            },
            Some(libc::EEXIST) => self.taken("another queueing discipline"),
            _ => Error::Refused { action, source },
        }
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let Some(link) = kernel.find(&self.device)? else {
            return Ok(vec![Difference::missing(format!("interface {}", self.device))]);
        };
        let have = self.list(link.index, kernel)?;
        let Some(have) = have.iter().find(|have| have.parent == self.qdisc.parent) else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let is_met = have.handle == self.qdisc.handle
            && match (&self.qdisc.kind, &have.kind) {
                (Kind::Tbf(want), Kind::Tbf(have)) => want.is_met_by(*have),
                (Kind::Netem(want), Kind::Netem(have)) => want.is_met_by(have),
                (want, have) => want == have,
            };
        let form = |qdisc: &qdisc::Qdisc| format!("{:x}: {}", qdisc.handle, parameters(&qdisc.kind));
        Ok(if is_met { Vec::new() } else { vec![Difference::new(self.label(), form(&self.qdisc), form(have))] })
    }

    /// Removes it only if it is the one that hangs there: same parent, handle and kind.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(link) = kernel.find(&self.device)? else {
            return Ok(());
        };
        let is_ours = self.list(link.index, kernel)?.iter().any(|have| {
            have.parent == self.qdisc.parent
                && have.handle == self.qdisc.handle
                && have.kind.name() == self.qdisc.kind.name()
        });
        if !is_ours {
            return Ok(());
        }
        let action = format!("remove {}", self.label());
        let request = self.qdisc.delete(link.index).map_err(Error::refused(&action))?;
        kernel.remove(self.device.side, action, request)
    }

    fn commands(&self) -> Vec<String> {
        let parent = match self.qdisc.parent {
            Parent::Root => "root".to_owned(),
            Parent::Class(major, minor) => format!("parent {major:x}:{minor:x}"),
        };
        vec![format!(
            "{} qdisc add dev {} {parent} handle {:x}: {}",
            self.device.tool("tc"),
            self.device.name,
            self.qdisc.handle,
            parameters(&self.qdisc.kind)
        )]
    }
}

/// The parameters as `tc` writes them.
fn parameters(kind: &Kind) -> String {
    match kind {
        Kind::Netem(netem) => impairments(netem),
        Kind::Tbf(tbf) => {
            format!("tbf rate {}bps burst {} limit {}", tbf.rate_bytes_per_s, tbf.burst_bytes, tbf.limit_bytes)
        }
        Kind::Other(name) => name.clone(),
    }
}

fn impairments(netem: &Netem) -> String {
    let mut text = format!("netem limit {} delay {}", netem.limit_packets, microseconds(netem.delay_ns));
    if netem.jitter_ns != 0 {
        let correlation = percent(netem.delay_correlation);
        text.push_str(&format!(" {} {correlation}", microseconds(netem.jitter_ns)));
        if !netem.table.is_empty() {
            text.push_str(" distribution TABLE"); // tc takes the name of a file
        }
    }
    match netem.loss {
        Loss::Random(chance) => text.push_str(&with_chance("loss random", chance)),
        Loss::States { p13, p31, p32, p14, p23 } => {
            let numbers = [p13, p31, p32, p23, p14].map(percent).join(" "); // in tc's order
            text.push_str(&format!(" loss state {numbers}"));
        }
        Loss::GilbertElliott { p, r, h, k1 } => {
            let numbers = [p, r, u32::MAX - h, k1].map(percent).join(" ");
            text.push_str(&format!(" loss gemodel {numbers}"));
        }
    }
    if netem.ecn {
        text.push_str(" ecn");
    }
    text.push_str(&with_chance("duplicate", netem.duplicate));
    text.push_str(&with_chance("corrupt", netem.corrupt));
    text.push_str(&with_chance("reorder", netem.reorder));
    if netem.gap != 0 {
        text.push_str(&format!(" gap {}", netem.gap));
    }
    if let Some(slot) = netem.slot {
        let (least, most) = (microseconds(slot.min_delay_ns), microseconds(slot.max_delay_ns));
        text.push_str(&format!(" slot {least} {most}"));
        for (name, number) in [("packets", slot.max_packets), ("bytes", slot.max_bytes)] {
            if number != 0 {
                text.push_str(&format!(" {name} {number}"));
            }
        }
    }
    if let Some(seed) = netem.seed {
        text.push_str(&format!(" seed {seed}"));
    }
    text
}

/// Nothing for a chance that there is not.
fn with_chance(name: &str, chance: Chance) -> String {
    match (chance.probability, chance.correlation) {
        (0, _) => String::new(),
        (probability, 0) => format!(" {name} {}", percent(probability)),
        (probability, correlation) => format!(" {name} {} {}", percent(probability), percent(correlation)),
    }
}

/// Steps of 1 / (2^32 - 1) as `tc` reads them, fine enough for it to find the same step.
fn percent(steps: u32) -> String {
    format!("{:.9}%", f64::from(steps) * 100.0 / f64::from(u32::MAX))
}

/// A time as `tc` reads it: not every release knows nanoseconds.
fn microseconds(ns: u64) -> String {
    match (ns / 1000, ns % 1000) {
        (whole, 0) => format!("{whole}us"),
        (whole, rest) => format!("{whole}.{rest:03}us"),
    }
}
