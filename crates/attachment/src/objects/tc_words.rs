//! Queues in the words of `tc`, for people to compare and to copy.

use netlink::qdisc::netem::{Chance, LossModel};
use netlink::qdisc::{Kind, Netem};
use shaping::Distribution;

/// The parameters as `tc` writes them.
pub(super) fn parameters(kind: &Kind) -> String {
    match kind {
        Kind::Netem(netem) => impairments(netem),
        Kind::Tbf(tbf) => {
            format!("tbf rate {}bps burst {} limit {}", tbf.rate_bytes_per_s, tbf.burst_bytes, tbf.limit_bytes)
        }
        Kind::Other(name) => name.clone(),
    }
}

/// A command with the parameters, the table of delays included, which the kernel does not show. `tc` takes a table by the name
/// of a file in its directory: those of the distributions are there, one of one's own is written for the command.
pub(super) fn with_table(kind: &Kind, command: impl Fn(&str) -> String) -> String {
    let text = parameters(kind);
    let Kind::Netem(netem) = kind else { return command(&text) };
    if netem.table.is_empty() {
        return command(&text);
    }
    if let Some(name) = shipped(&netem.table) {
        return command(&format!("{text} distribution {name}"));
    }
    let entries: Vec<String> = netem.table.iter().map(ToString::to_string).collect();
    format!(
        "TC_LIB_DIR=$(mktemp -d) sh -ec 'echo {} > $TC_LIB_DIR/own.dist; {}; rm -r $TC_LIB_DIR'",
        entries.join(" "),
        command(&format!("{text} distribution own")),
    )
}

/// The name under which iproute2 has the table.
fn shipped(table: &[i16]) -> Option<&'static str> {
    let all = [
        ("normal", Distribution::Normal),
        ("pareto", Distribution::Pareto),
        ("paretonormal", Distribution::ParetoNormal),
    ];
    all.into_iter().find(|(_, own)| own.table().is_some_and(|own| own == table)).map(|(name, _)| name)
}

fn impairments(netem: &Netem) -> String {
    let mut text = format!("netem limit {} delay {}", netem.limit_packets, microseconds(netem.delay_ns));
    // tc up to 6.1 at least sends the correlation of duplicates only beside one of the delay.
    if netem.jitter_ns != 0 || netem.duplicate.correlation != 0 {
        let correlation = percent(netem.delay_correlation);
        text.push_str(&format!(" {} {correlation}", microseconds(netem.jitter_ns)));
    }
    match netem.loss {
        LossModel::Random(chance) => text.push_str(&with_chance("loss random", chance)),
        LossModel::States { p13, p31, p32, p14, p23 } => {
            let numbers = [p13, p31, p32, p23, p14].map(percent).join(" "); // in tc's order
            text.push_str(&format!(" loss state {numbers}"));
        }
        LossModel::GilbertElliott { p, r, h, k1 } => {
            let numbers = [p, r, u32::MAX - h, k1].map(percent).join(" ");
            text.push_str(&format!(" loss gemodel {numbers}"));
        }
    }
    if netem.ecn {
        text.push_str(" ecn");
    }
    text.push_str(&with_chance("duplicate", netem.duplicate));
    text.push_str(&with_chance("corrupt", netem.corrupt));
    text.push_str(&with_chance("reorder", netem.reorder));
    if netem.gap != 0 {
        text.push_str(&format!(" gap {}", netem.gap));
    }
    if let Some(slot) = netem.slot {
        let (least, most) = (microseconds(slot.min_delay_ns), microseconds(slot.max_delay_ns));
        text.push_str(&format!(" slot {least} {most}"));
        for (name, number) in [("packets", slot.max_packets), ("bytes", slot.max_bytes)] {
            if number != 0 {
                text.push_str(&format!(" {name} {number}"));
            }
        }
    }
    if netem.rate_bytes_per_s != 0 {
        text.push_str(&format!(" rate {}bps", netem.rate_bytes_per_s));
    }
    if let Some(seed) = netem.seed {
        text.push_str(&format!(" seed {seed}"));
    }
    text
}

/// Nothing for a chance that there is not.
fn with_chance(name: &str, chance: Chance) -> String {
    match (chance.probability, chance.correlation) {
        (0, _) => String::new(),
        (probability, 0) => format!(" {name} {}", percent(probability)),
        (probability, correlation) => format!(" {name} {} {}", percent(probability), percent(correlation)),
    }
}

/// Steps of 1 / (2^32 - 1) in percent: no more digits than `tc` needs to find the same step.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of u32::MAX, and `as` saturates")]
fn percent(steps: u32) -> String {
    let exact = f64::from(steps) * 100.0 / f64::from(u32::MAX);
    let is_same = |text: &String| {
        let read = text.parse().unwrap_or(f64::NAN) / 100.0 * f64::from(u32::MAX);
        read.round_ties_even() as u32 == steps
    };
    let text = (0..12).map(|digits| format!("{exact:.digits$}")).find(is_same);
    format!("{}%", text.unwrap_or_else(|| exact.to_string()))
}

/// A time as `tc` reads it: not every release knows nanoseconds.
fn microseconds(ns: u64) -> String {
    match (ns / 1000, ns % 1000) {
        (whole, 0) => format!("{whole}us"),
        (whole, rest) => format!("{whole}.{rest:03}us"),
    }
}
