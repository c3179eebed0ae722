//! Hierarchical token bucket (`net/sched/sch_htb.c`), which others make: how fast each of its classes may be at most.

use crate::attributes::{read_u32, read_u64, value_of};
use crate::{Error, Object, Request, Socket};

use super::redirect::{HANDLE_OFFSET, HEADER_BYTES, TCA_KIND, TCA_OPTIONS, header};
use netlink_packet_core::NLM_F_DUMP;

const RTM_NEWTCLASS: u16 = 40;
const RTM_GETTCLASS: u16 = 42;

const TCA_HTB_PARMS: u16 = 1;
const TCA_HTB_CEIL64: u16 = 7;

/// The ceiling's rate in `struct tc_htb_opt`: behind a `struct tc_ratespec`, and 8 bytes into another.
const CEIL_OFFSET: usize = 20;

/// A class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Its number, as `MAJOR:MINOR`.
    pub handle: (u16, u16),
    /// What may pass at most, in bytes per second.
    pub ceiling_bytes_per_s: u64,
}

/// The classes of device `index`: `tc class show dev INDEX`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn classes(socket: &mut Socket, index: u32) -> Result<Vec<Class>, Error> {
    let request = Request::raw(RTM_GETTCLASS, NLM_F_DUMP, header(index, 0, 0, 0));
    Ok(socket.dump("classes", &request)?.iter().filter_map(class).collect())
}

fn class(object: &Object) -> Option<Class> {
    let payload = &object.payload;
    let handle = read_u32(payload, HANDLE_OFFSET)?;
    let attributes = payload.get(HEADER_BYTES..).filter(|_| object.message_type == RTM_NEWTCLASS)?;
    let options = value_of(attributes, TCA_OPTIONS).filter(|_| value_of(attributes, TCA_KIND) == Some(b"htb\0"))?;
    let ceiling = match value_of(options, TCA_HTB_CEIL64) {
        Some(wide) => read_u64(wide)?,
        None => u64::from(read_u32(value_of(options, TCA_HTB_PARMS)?, CEIL_OFFSET)?),
    };
    Some(Class {
        handle: (u16::try_from(handle >> 16).ok()?, u16::try_from(handle & 0xffff).ok()?),
        ceiling_bytes_per_s: ceiling,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::append;

    fn object(options: &[(u16, &[u8])]) -> Object {
        let mut inner = Vec::new();
        options.iter().for_each(|(kind, value)| append(&mut inner, *kind, value));
        let mut payload = header(3, 0x1_fffe, 0, 0);
        append(&mut payload, TCA_KIND, b"htb\0");
        append(&mut payload, TCA_OPTIONS, &inner);
        Object { message_type: RTM_NEWTCLASS, payload }
    }

    /// As Linux 6.18 shows `class htb 1:fffe root rate 80Kbit ceil 10Mbit`, and one of 80 Gbit/s.
    #[test]
    fn the_ceiling_is_read() {
        let mut parameters = vec![0; 44];
        parameters[8..12].copy_from_slice(&10_000u32.to_ne_bytes());
        parameters[20..24].copy_from_slice(&1_250_000u32.to_ne_bytes());
        let handle = (1, 0xfffe);
        let found = class(&object(&[(TCA_HTB_PARMS, &parameters)]));
        assert_eq!(found, Some(Class { handle, ceiling_bytes_per_s: 1_250_000 }));
        parameters[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
        let wide = 10_000_000_000u64.to_ne_bytes();
        let found = class(&object(&[(TCA_HTB_PARMS, &parameters), (TCA_HTB_CEIL64, &wide)]));
        assert_eq!(found, Some(Class { handle, ceiling_bytes_per_s: 10_000_000_000 }));
        assert_eq!(class(&object(&[(TCA_HTB_PARMS, &[0; 23])])), None);
        assert_eq!(class(&object(&[])), None);
    }
}
