//! What waits in the queues of a device (`TCA_STATS2`, `struct gnet_stats_queue`).

use netlink_packet_route::tc::{TcAttribute, TcStats2};

use super::{Qdisc, messages};
use crate::{Error, Socket};

/// A queueing discipline and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The queueing discipline.
    pub qdisc: Qdisc,
    /// Packets that wait in it. netem counts those in the queue below it too.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u32,
}

/// The queueing disciplines of one device with what they hold: `tc -s qdisc show dev INDEX`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn held(socket: &mut Socket, index: u32) -> Result<Vec<Held>, Error> {
    let messages = messages(socket, index)?;
    let held = messages.iter().filter_map(|message| {
        let qdisc = Qdisc::read(message)?;
        let queue = message.attributes.iter().find_map(|attribute| match attribute {
            TcAttribute::Stats2(list) => list.iter().find_map(|stats| match stats {
                TcStats2::Queue(queue) => Some(*queue),
                _ => None,
            }),
            _ => None,
        });
        let (packets, bytes) = queue.map_or((0, 0), |queue| (queue.qlen, queue.backlog));
        Some(Held { qdisc, packets, bytes })
    });
    Ok(held.collect())
}
