//! How long the flows of a port take.

use std::time::{Duration, Instant};

use netlink::Mac;
use openflow::Flow;
use openflow::guard::Guard;

use crate::open_vswitch::Switch;

const ROUNDS: usize = 201;

/// The most that ten flows may take on a fresh connection, on a busy machine: beyond it something waits that should not.
const LIMIT: Duration = Duration::from_millis(200);

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn flows_are_added_at_once() {
    let switch = Switch::new();
    let addresses = ["10.1.0.5", "fd00:1::5"].map(|text| text.parse().expect("an address"));
    let guard = |checks_mac, checks_addresses| {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        Guard { port: 1, cookie: 5, mac, addresses: &addresses, checks_mac, checks_addresses }.flows()
    };
    for (what, flows) in [("macspoofchk", guard(true, false)), ("both", guard(true, true))] {
        let mut times: [Vec<Duration>; 4] = Default::default();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut connection = switch.connect();
            times[0].push(start.elapsed());
            connection.add(&flows).expect("they are added");
            times[1].push(start.elapsed());
            let start = Instant::now();
            let found = connection.list(5, u64::MAX).expect("a list");
            times[2].push(start.elapsed());
            assert!(flows.iter().all(|flow: &Flow| found.iter().any(|found| found.is(flow))));
            let start = Instant::now();
            connection.delete(5, u64::MAX).expect("they are deleted");
            times[3].push(start.elapsed());
        }
        let [open, add, list, delete] = times.map(median);
        println!(
            "{what}, {} flows: open {open:?}, open and add {add:?}, list {list:?}, delete {delete:?}",
            flows.len()
        );
        assert!(add < LIMIT, "{what}: {add:?}");
    }
}
