//! The rate of datagrams, of which more are offered than may pass.

use std::time::Duration;

use meter::Udp;
use shaping::Line;

use super::super::cpu::Usage;
use super::super::ends::{Pair, ip_and_udp};
use super::super::row::{Row, Unit};
use super::{ETHERNET_HEADER, LONGEST_SKIP, Loaded, SLICE, Tools, Way, asked_of, bit_s, patience};

/// What is offered to a line, as a multiple of its rate; and to one without a limit, in bit/s.
pub(in super::super) const OVERLOAD: f64 = 1.5;
pub(in super::super) const UNLIMITED: f64 = 100e6;

/// Above this rate in bit/s datagrams are sent in batches of so many: sending each by itself takes too much processor time.
const SINGLE: f64 = 1e9;
const SUPER_PACKET: u16 = 16;

/// Bytes of payload that one packet can have at most.
const MOST_IN_ONE: u16 = 65_000;

/// A stream has so many frames a second, where its rate allows.
const FRAMES_PER_SECOND: f64 = 50.0;

/// Bytes of payload of the smallest frame that is sent.
const LEAST_PAYLOAD: f64 = 64.0;

impl Way<'_> {
    pub(super) fn udp_row(&self, tools: &Tools<'_>) -> Row {
        let rate = self.line.rate.map(bit_s);
        let offered = rate.map_or(UNLIMITED, |rate| rate * OVERLOAD);
        let skip = burst_time(self.line, offered, tools.mtu).clamp(SLICE, LONGEST_SKIP);
        let headers = ip_and_udp(self.pair.to.address());
        let frame = u32::from(payload(offered, headers, tools.mtu).0) + headers + ETHERNET_HEADER;
        let (asked, chance) = asked_of(self.line, offered, frame, tools.duration());
        let what = match rate {
            Some(_) => "rate, UDP".to_owned(),
            None => format!("rate, UDP of {}", Unit::Rate.show(offered)),
        };
        let loaded = match self.udp(&self.pair, offered, skip, tools) {
            Ok(loaded) => loaded,
            Err(error) => return self.unmeasured(&what, asked, &error),
        };
        let got = loaded.throughput.layer2_bit_s_after(skip);
        let row = Row::rate(self.direction, &what, asked, got, chance);
        self.beside_others(row, &loaded, tools).explained(|row| {
            let mut reasons = tools.known();
            reasons.extend(self.capacity(row, tools, |pair| self.udp(pair, offered, SLICE, tools)));
            if let Some(sent) = loaded.throughput.offered_layer2_bit_s().filter(|sent| *sent < offered * 0.99) {
                reasons.push(format!("the sender reached only {}", Unit::Rate.show(sent)));
            }
            if let Some(dropped) = loaded.throughput.datagrams.map(|all| all.dropped_by_receiver).filter(|n| *n > 0) {
                reasons.push(format!("the measuring socket dropped {dropped}"));
            }
            reasons.extend(loaded.usage.and_then(Usage::reason));
            reasons.extend(self.burst_reason(row, offered, tools));
            reasons
        })
    }

    fn udp(&self, pair: &Pair, offered: f64, skip: Duration, tools: &Tools<'_>) -> Result<Loaded, meter::Error> {
        let (payload_bytes, layer2_bit_s) = payload(offered, ip_and_udp(pair.to.address()), tools.mtu);
        let duration = skip.saturating_add(tools.duration());
        let most = MOST_IN_ONE.checked_div(payload_bytes).unwrap_or_default().clamp(1, SUPER_PACKET);
        let per_packet = if offered > SINGLE { u8::try_from(most).unwrap_or(1) } else { 1 };
        let patience = patience(self.line);
        let request = Udp { payload_bytes, per_packet, layer2_bit_s, duration, slice: SLICE, patience };
        self.watch(tools, || meter::udp(&pair.from, &pair.to, request))
    }

    fn burst_reason(&self, row: &Row, offered: f64, tools: &Tools<'_>) -> Option<String> {
        let time = burst_time(self.line, offered, tools.mtu);
        let is_over = row.asked.is_some_and(|asked| row.got > asked);
        (is_over && time > LONGEST_SKIP)
            .then(|| format!("the burst passes on top of the rate for {:.0} s", time.as_secs_f64()))
    }
}

/// How long the bucket lets more than the rate pass, of what is offered.
pub(in super::super) fn burst_time(line: &Line, offered: f64, mtu: u32) -> Duration {
    let Some(rate) = line.rate else { return Duration::ZERO };
    let bucket = shaping::Tbf::new(rate, line.longest_delay(), line.burst_bytes, mtu).burst_bytes;
    let seconds = f64::from(bucket) * 8.0 / (offered - bit_s(rate)).max(1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).saturating_add(SLICE)
}

/// The payload of a datagram of a stream, in bytes, and the stream's rate in whole bit/s.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the first is within 16 bits, the second above 0"
)]
pub(in super::super) fn payload(offered: f64, headers: u32, mtu: u32) -> (u16, u64) {
    let most = f64::from(mtu.saturating_sub(headers).min(MOST_IN_ONE.into()));
    let payload = (offered / 8.0 / FRAMES_PER_SECOND - f64::from(headers + ETHERNET_HEADER)).min(most);
    (payload.max(LEAST_PAYLOAD) as u16, offered as u64)
}
