//! What queueing disciplines have counted (`include/uapi/linux/gen_stats.h`).

use crate::attributes::{iterate, read_text, read_u32, read_u64, value_of};
use crate::{Error, Object, Request, Socket};

const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;

/// The length of a `struct tcmsg`; the device's index and the handle are at these offsets.
const HEADER_BYTES: usize = 20;
const INDEX_OFFSET: usize = 4;
const HANDLE_OFFSET: usize = 8;

const TCA_KIND: u16 = 1;
const TCA_STATS2: u16 = 7;
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;

/// The counters of one queueing discipline, since it was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Its name, as in `tc qdisc add … NAME`.
    pub kind: String,
    /// The major number of its handle; 0 for one that the kernel made by itself.
    pub handle: u16,
    /// Bytes that have left it.
    pub bytes: u64,
    /// Packets that have left it, a super-packet by its segments.
    pub packets: u32,
    /// Packets that wait in it.
    pub waiting_packets: u32,
    /// Bytes that wait in it.
    pub waiting_bytes: u32,
    /// Packets that it has dropped, on purpose or for lack of room.
    pub drops: u32,
}

impl Statistics {
    fn read(object: &Object, index: u32) -> Option<Self> {
        let payload = object.payload.as_slice();
        if object.message_type != RTM_NEWQDISC || read_u32(payload, INDEX_OFFSET)? != index {
            return None;
        }
        let major = read_u32(payload, HANDLE_OFFSET)? >> 16;
        let mut statistics = Self { handle: u16::try_from(major).ok()?, ..Self::default() };
        for (kind, value) in iterate(payload.get(HEADER_BYTES..)?) {
            match kind {
                TCA_KIND => statistics.kind = read_text(value),
                TCA_STATS2 => statistics.read_counters(value)?,
                _ => {}
            }
        }
        Some(statistics)
    }

    fn read_counters(&mut self, counters: &[u8]) -> Option<()> {
        if let Some(basic) = value_of(counters, TCA_STATS_BASIC) {
            self.bytes = read_u64(basic.get(..8)?)?;
            self.packets = read_u32(basic, 8)?;
        }
        if let Some(queue) = value_of(counters, TCA_STATS_QUEUE) {
            self.waiting_packets = read_u32(queue, 0)?;
            self.waiting_bytes = read_u32(queue, 4)?;
            self.drops = read_u32(queue, 8)?;
        }
        Some(())
    }
}

/// The counters of all queueing disciplines of one device: `tc -s qdisc show dev INDEX`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn statistics(socket: &mut Socket, index: u32) -> Result<Vec<Statistics>, Error> {
    let mut header = vec![0; HEADER_BYTES];
    if let Some(place) = header.get_mut(INDEX_OFFSET..HANDLE_OFFSET) {
        place.copy_from_slice(&index.to_ne_bytes());
    }
    let objects = socket.dump("queueing disciplines", &Request::list(RTM_GETQDISC, header))?;
    Ok(objects.iter().filter_map(|object| Statistics::read(object, index)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{append, append_nested};

    fn object() -> Object {
        let mut payload = vec![0; HEADER_BYTES];
        payload[INDEX_OFFSET] = 7;
        payload[HANDLE_OFFSET..HANDLE_OFFSET + 4].copy_from_slice(&0x7062_0000u32.to_ne_bytes());
        append(&mut payload, TCA_KIND, b"tbf\0");
        append_nested(&mut payload, TCA_STATS2, |inner| {
            let basic: Vec<u8> = [3_000_000_000u64.to_ne_bytes().as_slice(), &9u32.to_ne_bytes(), &[0; 4]].concat();
            append(inner, TCA_STATS_BASIC, &basic);
            let queue: Vec<u8> = [1u32, 1514, 5, 0, 2].iter().flat_map(|number| number.to_ne_bytes()).collect();
            append(inner, TCA_STATS_QUEUE, &queue);
        });
        Object { message_type: RTM_NEWQDISC, payload }
    }

    #[test]
    fn counters_are_read() {
        let wanted = Statistics {
            kind: "tbf".to_owned(),
            handle: 0x7062,
            bytes: 3_000_000_000,
            packets: 9,
            waiting_packets: 1,
            waiting_bytes: 1514,
            drops: 5,
        };
        assert_eq!(Statistics::read(&object(), 7), Some(wanted));
        assert_eq!(Statistics::read(&object(), 8), None, "of another device");
    }

    #[test]
    fn no_cut_panics() {
        let whole = object();
        for end in 0..whole.payload.len() {
            let cut = Object { message_type: RTM_NEWQDISC, payload: whole.payload[..end].to_vec() };
            let _ = Statistics::read(&cut, 7);
        }
    }
}
