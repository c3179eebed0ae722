//! What passes the NICs of hosts, byte by byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harness::Namespace;
use tests::udp::Repeated;
use tests::{Frames, Packet};

/// A payload that must never be seen in clear.
pub(super) const MARK: [u8; 16] = *b"\xfe\xednot in clear\xba\xbe";

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const IGMP: u8 = 2;
const ESP: u8 = 50;
const ICMPV6: u8 = 58;
const ETHERNET_BYTES: usize = 14;

/// What passes a NIC from when this is made, looked at as it passes.
pub(super) struct Wire {
    name: String,
    frames: Arc<Frames>,
    found: Arc<Mutex<Found>>,
    watching: Repeated,
}

/// What has passed.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Packets of ESP, fragments counted, in either direction.
    pub(super) esp: u32,
    /// Fragments among them.
    pub(super) fragments: u32,
    /// What is neither ESP nor what hosts need to find each other: ARP, IGMP, and of ICMPv6 MLD and neighbour discovery. How often each was seen.
    pub(super) other: BTreeMap<String, u32>,
    /// Frames that have [`MARK`] in them.
    pub(super) marked: u32,
}

impl Wire {
    pub(super) fn watch(host: &Namespace, nic: &str) -> Self {
        let frames = Frames::open(host, nic).unwrap_or_else(|error| panic!("{nic} of {}: {error}", host.name));
        frames.keep(64 << 20);
        let (frames, found) = (Arc::new(frames), Arc::default());
        let (source, sink): (_, Arc<Mutex<Found>>) = (Arc::clone(&frames), Arc::clone(&found));
        let watching = Repeated::start(move || {
            let mut found = sink.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(frame) = source.next() {
                found.see(&frame);
            }
            drop(found);
            std::thread::sleep(Duration::from_millis(2));
        });
        Self { name: host.name.clone(), frames, found, watching }
    }

    /// What has passed until now.
    pub(super) fn end(self) -> Found {
        let Self { name, frames, found, watching } = self;
        drop(watching);
        let mut found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(frame) = frames.next() {
            found.see(&frame);
        }
        assert_eq!(frames.lost(), 0, "{name}: nothing has passed unseen");
        found
    }
}

impl Found {
    fn see(&mut self, frame: &[u8]) {
        self.marked += u32::from(frame.windows(MARK.len()).any(|bytes| bytes == MARK));
        match Packet::parse(frame) {
            Some(packet) if packet.protocol == ESP => {
                self.esp += 1;
                self.fragments += u32::from(packet.is_fragment);
            }
            Some(packet) if is_of_hosts(&packet) => {}
            None if frame.get(12..ETHERNET_BYTES) == Some(&ETHERTYPE_ARP) => {}
            Some(packet) => self.count(format!(
                "{} to {}, protocol {}, ports {:?}",
                packet.from,
                packet.to,
                packet.protocol,
                packet.udp_ports()
            )),
            None => self.count(format!("{:02x?}", frame.get(..ETHERNET_BYTES))),
        }
    }

    fn count(&mut self, what: String) {
        *self.other.entry(what).or_default() += 1;
    }

    /// Fails unless all was ESP and there was some, and nothing was marked.
    #[track_caller]
    pub(super) fn is_sealed(&self) {
        assert!(self.esp > 0 && self.marked == 0 && self.other.is_empty(), "{self:#?}");
    }
}

/// IGMP; RFC 4861, RFC 2710 and RFC 3810: what hosts say to each other and to routers.
fn is_of_hosts(packet: &Packet) -> bool {
    match packet.protocol {
        IGMP => true,
        ICMPV6 => matches!(packet.payload.first(), Some(130..=136 | 143)),
        _ => false,
    }
}
