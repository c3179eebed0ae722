//! Lines as queues.

use attachment::{Device, Identity, Ifb, Object, Qdisc, Redirect, Side, Up};
use cni::Error;
use netlink::qdisc::netem::{self, Netem};
use netlink::qdisc::{self, Kind, Parent, Tbf};
use plugin::interface::Description;
use shape::Shape;
use shaping::{Chance, Line, Loss};

use crate::nic::Nic;

/// The handles of our queues: `pb` in ASCII and the number behind it. DEL removes no queue with another handle.
const FIRST: u16 = 0x7062;
const SECOND: u16 = 0x7063;

/// The queues that make a NIC's two directions as `shape` says. What the device sends is shaped on the device; what it
/// receives is sent through an ifb first, and shaped there.
///
/// # Errors
/// Code 7 for what the device's MTU does not allow.
pub(crate) fn queues(shape: &Shape, nic: &Nic) -> Result<Description, Error> {
    let (sent, received) =
        if nic.is_far_end { (&shape.download, &shape.upload) } else { (&shape.upload, &shape.download) };
    for (direction, line) in [("download", &shape.download), ("upload", &shape.upload)] {
        line.check_for(nic.mtu).map_err(|error| {
            let (key, device, mtu) = (error.key(), &nic.device, nic.mtu);
            Error::invalid_config(format!("{direction}.{key}: {error} (the MTU of {device} is {mtu})"))
        })?;
    }
    let mut objects = hung_on(&nic.device, sent, nic.mtu);
    if !received.is_empty() {
        let ifb = nic.ifb();
        let device = ifb.device();
        objects.push(Box::new(ifb));
        objects.extend(hung_on(&device, received, nic.mtu));
        objects.push(Box::new(Up { device: device.clone() }));
        objects.push(Box::new(Redirect { from: nic.device.clone(), to: device }));
    }
    Ok(objects)
}

/// The queues that make what `device` sends like `line`: netem at the root for all but the rate, and below it tbf for the
/// rate, so that a packet is delayed once and then waits for its turn on the line. With a rate alone, tbf alone.
fn hung_on(device: &Device, line: &Line, mtu: u32) -> Description {
    let mut objects: Description = Vec::new();
    let mut hang = |parent, handle, kind| {
        let qdisc = qdisc::Qdisc { parent, handle, kind };
        objects.push(Box::new(Qdisc { device: device.clone(), qdisc }));
    };
    let (mut parent, mut handle) = (Parent::Root, FIRST);
    if line.needs_netem() {
        hang(parent, handle, Kind::Netem(netem(line, mtu)));
        (parent, handle) = (Parent::Class(FIRST, 1), SECOND);
    }
    if let Some(rate) = line.rate {
        let queue = shaping::Tbf::new(rate, line.longest_delay(), line.burst_bytes, mtu);
        let tbf = Tbf {
            rate_bytes_per_s: queue.rate_bytes_per_s,
            burst_bytes: queue.burst_bytes,
            limit_bytes: queue.limit_bytes,
        };
        hang(parent, handle, Kind::Tbf(tbf));
    }
    objects
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
        rate_bytes_per_s: 0,
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

/// What DEL removes, whatever the limits were: the ifb, the redirection to it, and either queue of ours at the root of the
/// device. The one below goes with it.
pub(crate) fn remains(attachment: &Identity, name: &str, nic: Option<Nic>) -> Description {
    let Some(nic) = nic else {
        // The device may be gone, the namespace too. An ifb is found by its name, wherever it was made.
        let ifb = |side| -> Box<dyn Object> {
            Box::new(Ifb { identity: attachment.clone(), interface: name.to_owned(), side, mtu: 0 })
        };
        return vec![ifb(Side::Host), ifb(Side::Container)];
    };
    let root = |kind| -> Box<dyn Object> {
        let qdisc = qdisc::Qdisc { parent: Parent::Root, handle: FIRST, kind };
        Box::new(Qdisc { device: nic.device.clone(), qdisc })
    };
    let ifb = nic.ifb();
    let to = ifb.device();
    vec![
        root(Kind::Netem(Netem::default())),
        root(Kind::Tbf(Tbf { rate_bytes_per_s: 0, burst_bytes: 0, limit_bytes: 0 })),
        Box::new(ifb),
        Box::new(Redirect { from: nic.device, to }),
    ]
}
