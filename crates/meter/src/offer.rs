//! A stream of datagrams to somebody who takes no part in the measurement.

use std::net::IpAddr;
use std::time::Duration;

use crate::batch::Outbox;
use crate::throughput::ethernet_and_ip;
use crate::udp::{Schedule, UDP_HEADER_BYTES};
use crate::{Error, Place, Udp, clock, socket};

/// The port of what is thrown away (RFC 863).
const DISCARD: u16 = 9;

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// Datagrams.
    pub sent: u64,
    /// The bytes of each at layer 2, as a queue counts them.
    pub layer2_bytes: u32,
    /// The time from the first to the end of the last one's turn.
    pub sending: Duration,
}

impl Offered {
    /// Bits per second at layer 2.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of datagrams are more than there are")]
    pub fn layer2_bit_s(&self) -> f64 {
        self.sent as f64 * f64::from(self.layer2_bytes) * 8.0 / self.sending.as_secs_f64()
    }
}

/// Sends a stream to port 9 of `to`, as [`crate::udp()`] does, but with nobody there who counts: a virtual machine, whose device
/// counts what it took. That the machine says that nobody listens does no harm.
///
/// # Errors
/// A socket could not be opened or used (root is needed), or `request` makes no sense.
pub fn offer(from: &Place, to: IpAddr, request: Udp) -> Result<Offered, Error> {
    if request.layer2_bit_s == 0 || request.payload_bytes < 16 {
        return Err(Error::Request("a stream needs a rate above 0 and datagrams of at least 16 bytes"));
    }
    let sender = from.enter(|| socket::datagram_sender(from, to, DISCARD, 0))?;
    let headers = ethernet_and_ip(to.is_ipv4()) + UDP_HEADER_BYTES;
    let work = || {
        let (mut outbox, mut sent) = (Outbox::new(request.payload_bytes.into(), 1), 0u64);
        clock::be_punctual();
        let sending = Schedule::new(Udp { per_packet: 1, ..request }, headers).send(|count| {
            let first = u32::try_from(sent).unwrap_or_default();
            let now = outbox.send(&sender, first, count);
            let now = now.map_err(|source| from.failed(&format!("send datagrams to {to}"), source))?;
            sent = sent.saturating_add(u64::try_from(now).unwrap_or_default());
            Ok(())
        })?;
        Ok(Offered { sent, layer2_bytes: u32::from(request.payload_bytes) + headers, sending })
    };
    // On a thread of its own, which may be made punctual.
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().spawn_scoped(scope, work).map_err(|error| Error::Thread(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(Error::Thread("the sender ended early".into())))
    })
}
