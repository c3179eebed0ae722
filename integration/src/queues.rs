//! Where queues that shape are.

use harness::{Namespace, sh};

/// Each as `DEVICE KIND`, in order.
fn queues(text: &str) -> Vec<String> {
    let word = |line: &str, after: &str| {
        line.split_once(after).and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default().to_owned()
    };
    let shaping = text.lines().filter(|line| ["tbf", "netem", "ingress"].iter().any(|kind| line.contains(kind)));
    let mut all: Vec<String> = shaping.map(|line| format!("{} {}", word(line, "dev "), word(line, "qdisc "))).collect();
    all.sort();
    all
}

/// Those on the host.
#[must_use]
pub fn on_host() -> Vec<String> {
    queues(&sh("tc qdisc show").ok())
}

/// Those in a container.
#[must_use]
pub fn inside(ns: &Namespace) -> Vec<String> {
    queues(&ns.sh("tc qdisc show").ok())
}
