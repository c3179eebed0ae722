//! Whether the kernel has the queues, tried on a device that nobody uses.

use std::thread;

use attachment::{Creation, Device, Error, Kernel, Object, Qdisc};
use netlink::qdisc::{self, Kind, Netem, Parent, Tbf};
use nix::sched::{CloneFlags, unshare};
use shaping::Limits;

/// Puts the queues that `limits` need on the loopback device of a namespace that goes with the thread.
///
/// # Errors
/// [`Error::Unsupported`] naming the queue that the kernel lacks and how to get it.
pub(crate) fn probe(limits: Limits) -> Result<(), Error> {
    let tried = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| Error::System {
            action: "make a network namespace to try the queues in".to_owned(),
            source: errno.into(),
        })?;
        let netem = Kind::Netem(Netem { delay_ns: 1000, limit_packets: 1000 });
        let tbf = Kind::Tbf(Tbf { rate_bytes_per_s: 125_000, burst_bytes: 10_000, limit_bytes: 100_000 });
        let needed = [limits.lat.map(|_| netem), limits.bw.map(|_| tbf)];
        needed.into_iter().flatten().try_for_each(try_one)
    });
    tried.join().unwrap_or(Ok(()))
}

fn try_one(kind: Kind) -> Result<(), Error> {
    let mut kernel = Kernel::new(None);
    let mut creation = Creation::new();
    let qdisc = qdisc::Qdisc { parent: Parent::Root, handle: 1, kind };
    let object: Box<dyn Object> = Box::new(Qdisc { device: Device::host("lo"), qdisc });
    creation.make(&mut kernel, vec![object])?;
    creation.undo(&mut kernel).into_iter().next().map_or(Ok(()), Err)
}
