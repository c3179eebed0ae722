//! Lines as queues.

use attachment::{Device, Ifb, Remedy, ShapedDevice};
use cni::Error;
use netlink::qdisc::netem::{self, Netem};
use netlink::qdisc::{self, Kind, Parent, Tbf};
use plugin::codes::from_attachment;
use shaping::{Chance, Line, Loss};
use shaping_keys::Shape;

use crate::nic::Nic;

/// The handles of our queues: `pb` in ASCII for netem, and the number behind it for tbf. With handles of their own, one can
/// take the place of the other in one step. DEL removes no queue with another handle.
const NETEM: u16 = 0x7062;
const TBF: u16 = 0x7063;

/// The queues that make a NIC's two directions as `shape` says. What the device sends is shaped on the device; what it receives is
/// sent through an ifb first, and shaped there, unless a device behind it sends that on. Where an earlier release has put queues,
/// there are none.
///
/// # Errors
/// Code 7 for what the device's MTU does not allow; code 102 for limits of what a port of Open vSwitch receives.
pub(crate) fn of_nic(shape: &Shape, nic: &Nic) -> Result<Vec<ShapedDevice>, Error> {
    let (sent, received) =
        if nic.is_far_end { (&shape.download, &shape.upload) } else { (&shape.upload, &shape.download) };
    for (direction, line) in [("download", &shape.download), ("upload", &shape.upload)] {
        line.check_for(nic.mtu).map_err(|error| {
            let (key, device, mtu) = (error.key(), &nic.device, nic.mtu);
            Error::invalid_config(format!("{direction}.{key}: {error} (the MTU of {device} is {mtu})"))
        })?;
    }
    let (sent, received) = (tree(sent, nic.mtu), tree(received, nic.mtu));
    if nic.is_port && !received.is_empty() {
        return Err(not_on_a_port(&nic.device));
    }
    let none = || none_on(nic, &nic.device);
    let mut all = match &nic.joint {
        None => vec![ShapedDevice { sent, received, ..none() }],
        Some(joint) => vec![ShapedDevice { sent, ..none() }, ShapedDevice { sent: received, ..none_on(nic, joint) }],
    };
    all.extend(nic.former.iter().map(|former| none_on(nic, former)));
    Ok(all)
}

/// `ovs-vswitchd` takes it away when the link changes, as it does when a machine opens its device: it takes any ingress queue for
/// its own policing (`netdev_linux_set_policing`).
fn not_on_a_port(device: &Device) -> Error {
    from_attachment(&attachment::Error::Conflict {
        object: device.to_string(),
        want: "a redirection for limits of the upload there".to_owned(),
        have: "is a port of Open vSwitch, which removes it when the machine opens the device".to_owned(),
        remedy: Remedy::Act(
            "use \"tapNamespace\": \"container\" of ovs-port, whose devices there are no ports, or its ingress_policing_rate in the \
             place of upload"
                .to_owned(),
        ),
    })
}

/// A NIC without queues: what DEL makes of it, whatever the limits were.
pub(crate) fn none_of(nic: &Nic) -> Vec<ShapedDevice> {
    let devices = [Some(&nic.device), nic.joint.as_ref(), nic.former.as_ref()];
    devices.into_iter().flatten().map(|device| none_on(nic, device)).collect()
}

fn none_on(nic: &Nic, device: &Device) -> ShapedDevice {
    let ifb = Ifb { identity: nic.attachment.clone(), interface: nic.name.clone(), side: device.side };
    ShapedDevice { device: device.clone(), ifb, handles: vec![NETEM, TBF], sent: Vec::new(), received: Vec::new() }
}

/// The queues that make what a device sends like `line`: netem at the root for all but the rate, and below it tbf for the
/// rate, so that a packet is delayed once and then waits for its turn on the line. With a rate alone, tbf alone.
fn tree(line: &Line, mtu: u32) -> Vec<qdisc::Qdisc> {
    let bucket = line.rate.map(|rate| shaping::Tbf::new(rate, line.longest_delay(), line.burst_bytes, mtu));
    let mut queues = Vec::new();
    let mut parent = Parent::Root;
    if line.needs_netem() {
        queues.push(qdisc::Qdisc { parent, handle: NETEM, kind: Kind::Netem(netem(line, bucket, mtu)) });
        parent = Parent::Class(NETEM, 1);
    }
    if let Some(bucket) = bucket {
        let tbf = Tbf {
            rate_bytes_per_s: bucket.rate_bytes_per_s,
            burst_bytes: bucket.burst_bytes,
            limit_bytes: bucket.limit_bytes,
        };
        queues.push(qdisc::Qdisc { parent, handle: TBF, kind: Kind::Tbf(tbf) });
    }
    queues
}

fn netem(line: &Line, below: Option<shaping::Tbf>, mtu: u32) -> Netem {
    let limit = || shaping::netem_limit(line.longest_delay(), below, mtu);
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
            max_packets: below_most(slot.max_packets),
            max_bytes: below_most(slot.max_bytes),
        }),
        seed: line.seed,
        rate_bytes_per_s: 0,
    }
}

/// netem keeps these in a signed number, whose largest it takes for no limit, as it does 0 (`get_slot`).
fn below_most(number: u32) -> u32 {
    if number >= i32::MAX.unsigned_abs() { 0 } else { number }
}

fn chance(chance: Chance) -> netem::Chance {
    netem::Chance { probability: chance.probability.steps(), correlation: chance.correlation.steps() }
}

/// The kernel counts what is *not* lost in the bad state of Gilbert and Elliott.
fn loss(loss: Loss) -> netem::LossModel {
    match loss {
        Loss::Random(random) => netem::LossModel::Random(chance(random)),
        Loss::States { p13, p31, p32, p23, p14 } => netem::LossModel::States {
            p13: p13.steps(),
            p31: p31.steps(),
            p32: p32.steps(),
            p14: p14.steps(),
            p23: p23.steps(),
        },
        Loss::GilbertElliott { p, r, bad, good } => {
            netem::LossModel::GilbertElliott { p: p.steps(), r: r.steps(), h: u32::MAX - bad.steps(), k1: good.steps() }
        }
    }
}
