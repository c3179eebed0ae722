//! The rate of TCP.

use std::path::Path;
use std::time::Duration;

use meter::{Tcp, Throughput};

use super::super::cpu::Usage;
use super::super::ends::Pair;
use super::super::row::Row;
use super::{ETHERNET_HEADER, LEAST_SKIP, LONGEST_SKIP, Loaded, SLICE, Tools, Way, bit_s};

/// The round trips after which TCP has reached its rate.
const START_ROUND_TRIPS: f64 = 10.0;

/// A share of the time for which TCP waited that explains a gap.
const WAITED: f64 = 0.1;

impl Way<'_> {
    pub(super) fn tcp_row(&self, round_trip: Duration, tools: &Tools<'_>) -> Row {
        let asked = self.line.rate.map(bit_s);
        let skip = round_trip.mul_f64(START_ROUND_TRIPS).clamp(LEAST_SKIP, LONGEST_SKIP);
        let what = match tools.flows {
            1 => "rate, TCP".to_owned(),
            flows => format!("rate, {flows} x TCP"),
        };
        let loaded = match self.tcp(&self.pair, skip, round_trip, tools) {
            Ok(loaded) => loaded,
            Err(error) if self.harms_tcp() => {
                let row = Row::rate(self.direction, &what, asked, f64::NAN, 0.0);
                return row.not_judged(format!("it could not be measured under the other limits: {error}"));
            }
            Err(error) => return self.unmeasured(&what, asked, &error),
        };
        let measured = &loaded.throughput;
        let frame = tools.bit_s_of(tools.mtu.saturating_add(ETHERNET_HEADER));
        let row = Row::rate(self.direction, &what, asked, measured.layer2_bit_s_after(skip), frame);
        if asked.is_some() && self.harms_tcp() && row.got < asked.unwrap_or_default() {
            let mut told =
                format!("TCP slows down under the other limits: {} segments sent again", measured.retransmits);
            told.extend(self.super_packets());
            return row.not_judged(told);
        }
        self.beside_others(row, &loaded, tools).explained(|row| {
            let mut reasons = tools.known();
            reasons.extend(self.capacity(row, tools, |pair| self.tcp(pair, LEAST_SKIP, round_trip, tools)));
            reasons.extend(self.waits(measured, asked.unwrap_or_default(), round_trip));
            reasons.extend(loaded.usage.and_then(Usage::reason));
            if measured.retransmits > 0 {
                reasons.push(format!("{} segments were sent again", measured.retransmits));
            }
            reasons
        })
    }

    fn tcp(
        &self,
        pair: &Pair,
        skip: Duration,
        round_trip: Duration,
        tools: &Tools<'_>,
    ) -> Result<Loaded, meter::Error> {
        let patience = round_trip.saturating_mul(4).saturating_add(Duration::from_secs(5));
        let duration = skip.saturating_add(tools.duration());
        let request = Tcp { flows: tools.flows, duration, slice: SLICE, patience };
        self.watch(tools, || meter::tcp(&pair.from, &pair.to, request))
    }

    /// Losses and packets out of order tell TCP to slow down.
    fn harms_tcp(&self) -> bool {
        let line = self.line;
        !line.loss.is_none()
            || !line.jitter.is_zero()
            || line.slot.is_some()
            || [line.corrupt, line.reorder, line.duplicate].iter().any(|chance| !chance.probability.is_never())
    }

    /// Whether the sender hands down several segments as one packet.
    fn super_packets(&self) -> Option<String> {
        let (path, name) = &self.sender;
        let offloads = netlink::Namespace::open(path).and_then(|sender| sender.within(|| netlink::offload::read(name)));
        let offloads = offloads.and_then(|offloads| offloads).ok()?;
        offloads
            .tcp
            .then(|| format!("; {name} hands down up to 64 KiB in one packet (TSO), which is delayed and lost as one"))
    }

    fn waits(&self, measured: &Throughput, asked: f64, round_trip: Duration) -> Vec<String> {
        let Some(waits) = measured.tcp_waits else { return Vec::new() };
        let share = |time: Duration| time.as_secs_f64() / waits.busy.as_secs_f64();
        let needed = asked / 8.0 * round_trip.as_secs_f64();
        let told = |whose: &str, time: Duration, key: &str, path: &Path| {
            let most = most_memory(path, key).map(|bytes| format!(" ({key}: {bytes:.0} bytes at most)"));
            (share(time) > WAITED).then(|| {
                format!(
                    "TCP waited for {whose}{} in {:.0} % of the time; rate times round trip are {needed:.0} bytes",
                    most.unwrap_or_default(),
                    share(time) * 100.0
                )
            })
        };
        let receiver = told("the receiver's window", waits.for_receiver, "tcp_rmem", &self.receiver);
        let sender = told("the sender's buffer", waits.for_send_buffer, "tcp_wmem", &self.sender.0);
        receiver.into_iter().chain(sender).collect()
    }
}

/// The largest buffer that the kernel gives a connection in a namespace (tcp(7)).
fn most_memory(path: &Path, key: &str) -> Option<f64> {
    let namespace = netlink::Namespace::open(path).ok()?;
    let text = namespace.within(|| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{key}"))).ok()?.ok()?;
    text.split_whitespace().nth(2)?.parse().ok()
}
