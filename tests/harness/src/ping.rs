use crate::{Output, sh};

/// The summary that iputils' `ping` prints. The times are NaN when nothing came back, so that no comparison with them
/// holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ping {
    /// Requests sent; 0 when there was no route at all.
    pub sent: u32,
    /// Different requests answered.
    pub received: u32,
    /// Answers beyond the first to the same request.
    pub duplicates: u32,
    /// The shortest round trip, in ms.
    pub rtt_min_ms: f64,
    /// The mean round trip, in ms.
    pub rtt_avg_ms: f64,
    /// The longest round trip, in ms.
    pub rtt_max_ms: f64,
}

impl Ping {
    /// The command line of iputils' `ping` with these options.
    pub fn command(address: &str, options: &str) -> String {
        format!("LC_ALL=C ping -n -q {options} {address}")
    }

    /// Reads what such a command printed. Panics when it is no summary.
    pub fn read(output: &Output) -> Self {
        parse(output)
    }

    /// Every request was answered, and there was at least one.
    pub fn all_answered(&self) -> bool {
        self.sent > 0 && self.sent == self.received
    }
}

/// Pings `address` from the thread's host `count` times, 50 ms apart.
pub fn ping(address: &str, count: u32) -> Ping {
    ping_with(address, &format!("-c{count} -i.05 -W2"))
}

/// Pings `address` from the thread's host with the options of iputils' `ping`.
pub fn ping_with(address: &str, options: &str) -> Ping {
    Ping::read(&sh(&Ping::command(address, options)))
}

fn parse(output: &Output) -> Ping {
    let no_route = output.stderr.contains("unreachable");
    let text = &output.stdout;
    let count = |what: &str| {
        let before = text.split_once(what)?.0;
        before.rsplit([' ', '\n', '+']).next()?.parse().ok()
    };
    let sent = count(" packets transmitted");
    let Some(sent) = sent.or(no_route.then_some(0)) else { panic!("ping gave no summary: {output:?}") };
    let times: Vec<f64> = text
        .split_once("min/avg/max/mdev = ")
        .and_then(|(_, rest)| rest.split_once(' '))
        .map(|(times, _)| times.split('/').filter_map(|t| t.parse().ok()).collect())
        .unwrap_or_default();
    let time = |at: usize| times.get(at).copied().unwrap_or(f64::NAN);
    Ping {
        sent,
        received: count(" received").unwrap_or(0),
        duplicates: count(" duplicates").unwrap_or(0),
        rtt_min_ms: time(0),
        rtt_avg_ms: time(1),
        rtt_max_ms: time(2),
    }
}
