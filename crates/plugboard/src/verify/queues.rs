//! What the queues of an attachment counted meanwhile.

use std::path::Path;

use netlink::qdisc::{self, Statistics};
use netlink::{Socket, link};

/// The devices of an attachment that may have queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// On the host.
    pub(super) host: Vec<String>,
    /// In the container.
    pub(super) inside: Vec<String>,
}

/// The counters of all of them at a moment, each with the name of its device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counters(Vec<(String, Statistics)>);

impl Queues {
    /// Reads them. What is not there, or cannot be read, has counted nothing.
    pub(super) fn read(&self, container: &Path) -> Counters {
        let mut counters = Vec::new();
        if let Ok(mut socket) = Socket::open() {
            counters.extend(read(&mut socket, &self.host));
        }
        if let Ok(mut socket) = netlink::Namespace::open(container).and_then(|namespace| namespace.socket()) {
            counters.extend(read(&mut socket, &self.inside));
        }
        Counters(counters)
    }
}

fn read(socket: &mut Socket, devices: &[String]) -> Vec<(String, Statistics)> {
    let mut counters = Vec::new();
    for device in devices {
        let Ok(Some(link)) = link::find(socket, device) else { continue };
        let of_device = qdisc::statistics(socket, link.index).unwrap_or_default();
        counters.extend(of_device.into_iter().map(|statistics| (device.clone(), statistics)));
    }
    counters
}

impl Counters {
    /// The bytes at layer 2 that have left the busiest queue since.
    pub(super) fn most_passed(&self, now: &Self) -> u64 {
        let since = |(device, queue): &(String, Statistics)| {
            queue.bytes.saturating_sub(self.of(device, queue).map_or(0, |before| before.bytes))
        };
        now.0.iter().map(since).max().unwrap_or_default()
    }

    /// The packets that each queue has dropped since, where there are any: `tbf on pbxyz dropped 7 packets`.
    pub(super) fn drops(&self, now: &Self) -> Vec<String> {
        let since = |device: &str, queue: &Statistics| {
            queue.drops.wrapping_sub(self.of(device, queue).map_or(0, |before| before.drops))
        };
        let dropped = now.0.iter().map(|(device, queue)| (device, &queue.kind, since(device, queue)));
        dropped
            .filter(|(_, _, drops)| *drops > 0)
            .map(|(device, kind, drops)| format!("{kind} on {device} dropped {drops} packets"))
            .collect()
    }

    /// What this queue had counted.
    fn of(&self, device: &str, queue: &Statistics) -> Option<&Statistics> {
        let is_it = |(name, before): &&(String, Statistics)| {
            name == device && (&before.kind, before.handle) == (&queue.kind, queue.handle)
        };
        self.0.iter().find(is_it).map(|(_, before)| before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(drops: u32) -> Counters {
        let tbf = Statistics { kind: "tbf".to_owned(), handle: 0x7062, drops, ..Statistics::default() };
        Counters(vec![("pb1".to_owned(), tbf)])
    }

    #[test]
    fn the_busiest_queue_tells_what_passed() {
        let counters = |bytes: [u64; 2]| {
            let of = |(handle, bytes)| Statistics { kind: "tbf".to_owned(), handle, bytes, ..Statistics::default() };
            Counters([1, 2].into_iter().zip(bytes).map(|each| ("pb1".to_owned(), of(each))).collect())
        };
        assert_eq!(counters([1000, 5000]).most_passed(&counters([7000, 5100])), 6000);
        assert_eq!(Counters::default().most_passed(&counters([70, 80])), 80);
        assert_eq!(counters([1, 2]).most_passed(&Counters::default()), 0);
    }

    #[test]
    fn what_was_dropped_since_is_told() {
        assert_eq!(counters(3).drops(&counters(10)), ["tbf on pb1 dropped 7 packets"]);
        assert!(counters(3).drops(&counters(3)).is_empty());
        assert_eq!(Counters::default().drops(&counters(2)), ["tbf on pb1 dropped 2 packets"]);
    }
}
