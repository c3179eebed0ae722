//! What the queues of an attachment counted meanwhile.

use std::path::Path;

use netlink::qdisc::{self, Statistics};
use netlink::{Socket, link};

use super::row::Direction;

/// The devices of an attachment that may have queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// On the host: what the container receives leaves them.
    pub(super) host: Vec<String>,
    /// In the container: what it sends leaves it.
    pub(super) inside: String,
    /// On either side, for the other direction than what is beside it.
    pub(super) ifb: String,
    /// On either side, between a TAP device and its switch: what the machine sends leaves it.
    pub(super) joint: String,
}

/// The counters of one queue at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counter {
    direction: Direction,
    device: String,
    statistics: Statistics,
}

/// The counters of all of them at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counters(Vec<Counter>);

impl Queues {
    /// Reads them. What is not there, or cannot be read, has counted nothing.
    pub(super) fn read(&self, container: &Path) -> Counters {
        let mut counters = Vec::new();
        if let Ok(mut socket) = Socket::open() {
            self.host.iter().for_each(|device| read(&mut socket, device, Direction::Download, &mut counters));
            read(&mut socket, &self.ifb, Direction::Upload, &mut counters);
            read(&mut socket, &self.joint, Direction::Upload, &mut counters);
        }
        if let Ok(mut socket) = netlink::Namespace::open(container).and_then(|namespace| namespace.socket()) {
            read(&mut socket, &self.inside, Direction::Upload, &mut counters);
            read(&mut socket, &self.ifb, Direction::Download, &mut counters);
            read(&mut socket, &self.joint, Direction::Upload, &mut counters);
        }
        Counters(counters)
    }
}

fn read(socket: &mut Socket, device: &str, direction: Direction, counters: &mut Vec<Counter>) {
    let Ok(Some(link)) = link::find(socket, device) else { return };
    let of_device = qdisc::statistics(socket, link.index).unwrap_or_default();
    let counter = |statistics| Counter { direction, device: device.to_owned(), statistics };
    counters.extend(of_device.into_iter().map(counter));
}

impl Counter {
    fn is_of_the_queue_of(&self, other: &Self) -> bool {
        (self.direction, &self.device) == (other.direction, &other.device)
            && (&self.statistics.kind, self.statistics.handle) == (&other.statistics.kind, other.statistics.handle)
    }
}

impl Counters {
    /// The bytes at layer 2 that have left the queues of a direction since: the most of any, for one may be below another.
    pub(super) fn passed(&self, direction: Direction, now: &Self) -> u64 {
        let since = |counter: &Counter| {
            counter.statistics.bytes.saturating_sub(self.of(counter).map_or(0, |before| before.bytes))
        };
        now.0.iter().filter(|counter| counter.direction == direction).map(since).max().unwrap_or_default()
    }

    /// The packets that each queue has dropped since, where there are any: `tbf on pbxyz dropped 7 packets`.
    pub(super) fn drops(&self, now: &Self) -> Vec<String> {
        let since = |counter: &Counter| {
            counter.statistics.drops.wrapping_sub(self.of(counter).map_or(0, |before| before.drops))
        };
        let dropped = now.0.iter().map(|counter| (counter, since(counter))).filter(|(_, drops)| *drops > 0);
        let told = |(Counter { device, statistics, .. }, drops): (&Counter, u32)| {
            format!("{} on {device} dropped {drops} packets", statistics.kind)
        };
        dropped.map(told).collect()
    }

    /// What the same queue had counted.
    fn of(&self, counter: &Counter) -> Option<&Statistics> {
        self.0.iter().find(|before| before.is_of_the_queue_of(counter)).map(|before| &before.statistics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(direction: Direction, handle: u16, bytes: u64, drops: u32) -> Counter {
        let statistics = Statistics { kind: "tbf".to_owned(), handle, bytes, drops, ..Statistics::default() };
        Counter { direction, device: "pb1".to_owned(), statistics }
    }

    fn dropped(drops: u32) -> Counters {
        Counters(vec![counter(Direction::Download, 0x7062, 0, drops)])
    }

    #[test]
    fn what_passed_in_a_direction_is_told() {
        let (down, up) = (Direction::Download, Direction::Upload);
        let counters = |[outer, inner, other]: [u64; 3]| {
            Counters(vec![counter(down, 1, outer, 0), counter(down, 2, inner, 0), counter(up, 1, other, 0)])
        };
        let (before, now) = (counters([1000, 5000, 0]), counters([7000, 5100, 9000]));
        assert_eq!((before.passed(down, &now), before.passed(up, &now)), (6000, 9000));
        assert_eq!(Counters::default().passed(down, &now), 7000);
        assert_eq!(now.passed(down, &Counters::default()), 0);
    }

    #[test]
    fn what_was_dropped_since_is_told() {
        assert_eq!(dropped(3).drops(&dropped(10)), ["tbf on pb1 dropped 7 packets"]);
        assert!(dropped(3).drops(&dropped(3)).is_empty());
        assert_eq!(Counters::default().drops(&dropped(2)), ["tbf on pb1 dropped 2 packets"]);
    }
}
