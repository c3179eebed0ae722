//! Policing of what a device receives (`net/sched/act_police.c`), which others make: whatever is too fast is dropped.

use netlink_packet_core::NLM_F_DUMP;

use crate::attributes::{iterate, read_u32, read_u64, value_of};
use crate::{Error, Object, Request, Socket};

use super::redirect::{
    HEADER_BYTES, INGRESS, RTM_GETTFILTER, RTM_NEWTFILTER, TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_KIND, TCA_OPTIONS, header,
};

const TCA_MATCHALL_ACT: u16 = 2;
const TCA_BASIC_ACT: u16 = 3;
const TCA_POLICE_TBF: u16 = 1;
const TCA_POLICE_RATE64: u16 = 8;

/// The rate in `struct tc_police`: behind five numbers, and 8 bytes into a `struct tc_ratespec`.
const RATE_OFFSET: usize = 28;

/// The rates, in bytes per second, to which filters of the kinds matchall and basic police what device `index` receives:
/// `tc filter show dev INDEX ingress`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn rates(socket: &mut Socket, index: u32) -> Result<Vec<u64>, Error> {
    let request = Request::raw(RTM_GETTFILTER, NLM_F_DUMP, header(index, 0, INGRESS, 0));
    Ok(socket.dump("filters", &request)?.iter().flat_map(of_filter).collect())
}

fn of_filter(object: &Object) -> Vec<u64> {
    let attributes = object.payload.get(HEADER_BYTES..).filter(|_| object.message_type == RTM_NEWTFILTER);
    let actions = attributes.and_then(|attributes| {
        let list = match value_of(attributes, TCA_KIND)? {
            b"matchall\0" => TCA_MATCHALL_ACT,
            b"basic\0" => TCA_BASIC_ACT,
            _ => return None,
        };
        value_of(value_of(attributes, TCA_OPTIONS)?, list)
    });
    actions.into_iter().flat_map(iterate).filter_map(|(_, action)| rate(action)).collect()
}

fn rate(action: &[u8]) -> Option<u64> {
    let options = value_of(action, TCA_ACT_OPTIONS).filter(|_| value_of(action, TCA_ACT_KIND) == Some(b"police\0"))?;
    match value_of(options, TCA_POLICE_RATE64) {
        Some(wide) => read_u64(wide),
        None => read_u32(value_of(options, TCA_POLICE_TBF)?, RATE_OFFSET).map(u64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::append;

    fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&mut bytes, kind, value);
        bytes
    }

    fn filter(kind: &[u8], list: u16) -> Object {
        let mut parameters = vec![0; 56];
        parameters[28..32].copy_from_slice(&1_250_000u32.to_ne_bytes());
        let mut action = nested(TCA_ACT_KIND, b"police\0");
        append(&mut action, TCA_ACT_OPTIONS, &nested(TCA_POLICE_TBF, &parameters));
        let mut payload = header(3, 1, INGRESS, 0);
        append(&mut payload, TCA_KIND, kind);
        append(&mut payload, TCA_OPTIONS, &nested(list, &nested(1, &action)));
        Object { message_type: RTM_NEWTFILTER, payload }
    }

    #[test]
    fn the_rate_is_read() {
        assert_eq!(of_filter(&filter(b"matchall\0", TCA_MATCHALL_ACT)), [1_250_000]);
        assert_eq!(of_filter(&filter(b"basic\0", TCA_BASIC_ACT)), [1_250_000]);
        assert_eq!(of_filter(&filter(b"flower\0", TCA_BASIC_ACT)), [0u64; 0]);
    }

    #[test]
    fn no_cut_panics() {
        let whole = filter(b"basic\0", TCA_BASIC_ACT);
        for end in 0..whole.payload.len() {
            let cut = Object { payload: whole.payload[..end].to_vec(), ..whole };
            assert!(of_filter(&cut).len() <= 1);
        }
    }
}
