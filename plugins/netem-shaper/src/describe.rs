//! The limits as queues.

use attachment::{Device, Object, Qdisc};
use cni::Error;
use netlink::link::Link;
use netlink::qdisc::{self, Kind, Netem, Parent, Tbf};
use shaping::{Delay, Limits};

/// The handles of our queues: `pb` in ASCII and the number behind it. DEL removes no queue with another handle.
const FIRST: u16 = 0x7062;
const SECOND: u16 = 0x7063;

/// The queues for `limits` on `link`: netem at the root for the delay, and below it tbf for the rate, so that a packet is
/// delayed once and then waits for its turn on the line. Without a delay, tbf alone.
///
/// # Errors
/// Code 7 for a limit beyond what the kernel can express.
pub(crate) fn queues(limits: &Limits, link: &Link) -> Result<Vec<Box<dyn Object>>, Error> {
    let mut objects: Vec<Box<dyn Object>> = Vec::new();
    let mut hang = |parent, handle, kind| {
        let qdisc = qdisc::Qdisc { parent, handle, kind };
        objects.push(Box::new(Qdisc { device: Device::host(&link.name), qdisc }));
    };
    let (mut parent, mut handle) = (Parent::Root, FIRST);
    if let Some(lat) = limits.lat {
        hang(parent, handle, Kind::Netem(netem(lat, limits, link.mtu)?));
        (parent, handle) = (Parent::Class(FIRST, 1), SECOND);
    }
    if let Some(bw) = limits.bw {
        let asked = shaping::Tbf::new(bw, limits.lat.unwrap_or(Delay::ZERO), link.mtu);
        let tbf = Tbf {
            rate_bytes_per_s: asked.rate_bytes_per_s,
            burst_bytes: asked.burst_bytes,
            limit_bytes: asked.limit_bytes,
        };
        hang(parent, handle, Kind::Tbf(tbf));
    }
    Ok(objects)
}

fn netem(lat: Delay, limits: &Limits, mtu: u32) -> Result<Netem, Error> {
    let asked = shaping::Netem::new(lat, limits.bw, mtu);
    let delay_ns = u64::try_from(asked.delay_ns)
        .map_err(|_| Error::invalid_config(format!("lat: {} ns is no delay", asked.delay_ns)))?;
    Ok(Netem { delay_ns, limit_packets: asked.limit_packets, ..Netem::default() })
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
