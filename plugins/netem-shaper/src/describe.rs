//! Lines as queues.

use attachment::{Device, Object, Qdisc};
use cni::Error;
use netlink::link::Link;
use netlink::qdisc::netem::{self, Netem};
use netlink::qdisc::{self, Kind, Parent, Tbf};
use shaping::{Chance, Line, Loss};

/// The handles of our queues: `pb` in ASCII and the number behind it. DEL removes no queue with another handle.
const FIRST: u16 = 0x7062;
const SECOND: u16 = 0x7063;

/// The queues that make what `link` sends like `line`: netem at the root for all but the rate, and below it tbf for the rate,
/// so that a packet is delayed once and then waits for its turn on the line. With a rate alone, tbf alone.
///
/// # Errors
/// Code 7 for what the device's MTU does not allow.
pub(crate) fn queues(line: &Line, link: &Link) -> Result<Vec<Box<dyn Object>>, Error> {
    line.check_for(link.mtu).map_err(|error| Error::invalid_config(format!("{}: {error}", link.name)))?;
    let mut objects: Vec<Box<dyn Object>> = Vec::new();
    let mut hang = |parent, handle, kind| {
        let qdisc = qdisc::Qdisc { parent, handle, kind };
        objects.push(Box::new(Qdisc { device: Device::host(&link.name), qdisc }));
    };
    let (mut parent, mut handle) = (Parent::Root, FIRST);
    if line.needs_netem() {
        hang(parent, handle, Kind::Netem(netem(line, link.mtu)));
        (parent, handle) = (Parent::Class(FIRST, 1), SECOND);
    }
    if let Some(rate) = line.rate {
        let queue = shaping::Tbf::new(rate, line.longest_delay(), line.burst_bytes, link.mtu);
        hang(
            parent,
            handle,
            Kind::Tbf(Tbf {
                rate_bytes_per_s: queue.rate_bytes_per_s,
                burst_bytes: queue.burst_bytes,
                limit_bytes: queue.limit_bytes,
            }),
        );
    }
    Ok(objects)
}

fn netem(line: &Line, mtu: u32) -> Netem {
    let limit = || shaping::netem_limit(line.longest_delay(), line.rate, mtu);
    Netem {
        delay_ns: line.delay.nanoseconds(),
        jitter_ns: line.jitter.nanoseconds(),
        delay_correlation: line.delay_correlation.steps(),
        table: line.distribution.table().unwrap_or_default(),
        limit_packets: line.limit_packets.unwrap_or_else(limit),
        loss: loss(line.loss),
        ecn: line.ecn,
        duplicate: chance(line.duplicate),
        corrupt: chance(line.corrupt),
        reorder: chance(line.reorder),
        gap: if line.reorder.probability.is_never() { 0 } else { line.gap.unwrap_or(1) },
        slot: line.slot.map(|slot| netem::Slot {
            min_delay_ns: slot.min_delay.nanoseconds(),
            max_delay_ns: slot.max_delay.nanoseconds(),
            max_packets: slot.max_packets,
            max_bytes: slot.max_bytes,
        }),
        seed: line.seed,
    }
}

fn chance(chance: Chance) -> netem::Chance {
    netem::Chance { probability: chance.probability.steps(), correlation: chance.correlation.steps() }
}

/// The kernel counts what is *not* lost in the bad state of Gilbert and Elliott.
fn loss(loss: Loss) -> netem::Loss {
    match loss {
        Loss::Random(random) => netem::Loss::Random(chance(random)),
        Loss::States { p13, p31, p32, p23, p14 } => netem::Loss::States {
            p13: p13.steps(),
            p31: p31.steps(),
            p32: p32.steps(),
            p14: p14.steps(),
            p23: p23.steps(),
        },
        Loss::GilbertElliott { p, r, bad, good } => {
            netem::Loss::GilbertElliott { p: p.steps(), r: r.steps(), h: u32::MAX - bad.steps(), k1: good.steps() }
        }
    }
}

/// What DEL looks for, whatever the limits were: either queue of ours at the root. The one below goes with it.
pub(crate) fn any_queue(link: &Link) -> Vec<Box<dyn Object>> {
    let root = |kind| -> Box<dyn Object> {
        let qdisc = qdisc::Qdisc { parent: Parent::Root, handle: FIRST, kind };
        Box::new(Qdisc { device: Device::host(&link.name), qdisc })
    };
    vec![
        root(Kind::Netem(Netem::default())),
        root(Kind::Tbf(Tbf { rate_bytes_per_s: 0, burst_bytes: 0, limit_bytes: 0 })),
    ]
}
