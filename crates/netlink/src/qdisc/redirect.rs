//! Redirection: sending what a device receives out of another (`net/sched/sch_ingress.c`, `cls_u32.c`, `act_mirred.c`).
//!
//! The classifier is u32 with a key that matches everything: matchall says the same more plainly and is not in every kernel.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};

use crate::attributes::{append, iterate, read_u32, value_of};
use crate::{Error, Object, Request, Socket};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
pub(super) const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
pub(super) const RTM_GETTFILTER: u16 = 46;

/// `TC_H_INGRESS`: where the qdisc of what comes in hangs, and the handle that it has.
const INGRESS_PARENT: u32 = 0xffff_fff1;
pub(super) const INGRESS: u32 = 0xffff_0000;

/// Preference 1 and all protocols (`ETH_P_ALL` in network order), as `tcm_info`.
const FIRST_OF_ALL: u32 = (1 << 16) | (3u16.to_be() as u32);

/// The length of a `struct tcmsg`.
pub(super) const HEADER_BYTES: usize = 20;
pub(super) const HANDLE_OFFSET: usize = 8;
const INFO_OFFSET: usize = 16;

pub(super) const TCA_KIND: u16 = 1;
pub(super) const TCA_OPTIONS: u16 = 2;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
pub(super) const TCA_ACT_KIND: u16 = 1;
pub(super) const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;

/// `struct tc_u32_sel` with one `struct tc_u32_key` of zeros, which every frame meets.
const SELECTOR_BYTES: usize = 32;
const TC_U32_TERMINAL: u8 = 1;

/// `struct tc_mirred`: the verdict, what the action does, and the device are at these offsets.
const MIRRED_BYTES: usize = 28;
const ACTION_OFFSET: usize = 8;
const EACTION_OFFSET: usize = 20;
const DEVICE_OFFSET: usize = 24;
const TC_ACT_STOLEN: u32 = 4;
const TCA_EGRESS_REDIR: u32 = 1;

/// `tc qdisc add dev INDEX ingress`.
#[must_use]
pub fn add_ingress(index: u32) -> Request {
    let mut payload = header(index, INGRESS, INGRESS_PARENT, 0);
    append(&mut payload, TCA_KIND, b"ingress\0");
    Request::raw(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, payload)
}

/// `tc qdisc del dev INDEX ingress`: its filters go with it.
#[must_use]
pub fn delete_ingress(index: u32) -> Request {
    Request::raw(RTM_DELQDISC, 0, header(index, INGRESS, INGRESS_PARENT, 0))
}

/// `tc filter add dev INDEX parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev TO`.
#[must_use]
pub fn add(index: u32, to: u32) -> Request {
    let mut payload = header(index, 0, INGRESS, FIRST_OF_ALL);
    append(&mut payload, TCA_KIND, b"u32\0");
    append(&mut payload, TCA_OPTIONS, &options(to));
    Request::raw(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, payload)
}

/// `tc filter del dev INDEX parent ffff: protocol all prio 1 handle HANDLE u32`.
#[must_use]
pub fn delete(index: u32, handle: u32) -> Request {
    let mut payload = header(index, handle, INGRESS, FIRST_OF_ALL);
    append(&mut payload, TCA_KIND, b"u32\0");
    Request::raw(RTM_DELTFILTER, 0, payload)
}

/// Whether device `index` has an ingress qdisc: `tc qdisc show dev INDEX ingress`.
///
/// # Errors
/// What the kernel says other than that there is none.
pub fn has_ingress(socket: &mut Socket, index: u32) -> Result<bool, Error> {
    let request = Request::raw(RTM_GETQDISC, 0, header(index, INGRESS, INGRESS_PARENT, 0));
    match socket.request(request) {
        Ok(_) => Ok(true),
        // The latter for a device that had one once (`tc_get_qdisc` in `net/sched/sch_api.c`).
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EINVAL)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A filter for what a device receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// The kernel's number for it.
    pub handle: u32,
    /// The device, by its index, to which everything is redirected; 0 for one that has gone, `None` if it does anything else.
    pub target: Option<u32>,
}

/// The filters for what device `index` receives: `tc filter show dev INDEX parent ffff:`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn filters(socket: &mut Socket, index: u32) -> Result<Vec<Filter>, Error> {
    let request = Request::raw(RTM_GETTFILTER, NLM_F_DUMP, header(index, 0, INGRESS, 0));
    Ok(socket.dump("filters", &request)?.iter().filter_map(filter).collect())
}

pub(super) fn header(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    let mut bytes = vec![0; 4]; // the family, and padding
    for number in [index, handle, parent, info] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

fn options(to: u32) -> Vec<u8> {
    let mut mirred = vec![0; MIRRED_BYTES];
    for (offset, number) in [(ACTION_OFFSET, TC_ACT_STOLEN), (EACTION_OFFSET, TCA_EGRESS_REDIR), (DEVICE_OFFSET, to)] {
        if let Some(space) = mirred.get_mut(offset..offset + 4) {
            space.copy_from_slice(&number.to_ne_bytes());
        }
    }
    let nested = |kind, value: &[u8]| {
        let mut bytes = Vec::new();
        append(&mut bytes, kind, value);
        bytes
    };
    let mut action = nested(TCA_ACT_KIND, b"mirred\0");
    append(&mut action, TCA_ACT_OPTIONS, &nested(TCA_MIRRED_PARMS, &mirred));
    let first = nested(1, &action);

    let mut selector = vec![TC_U32_TERMINAL, 0, 1]; // flags, shift, number of keys
    selector.resize(SELECTOR_BYTES, 0);
    let mut options = nested(TCA_U32_ACT, &first);
    append(&mut options, TCA_U32_SEL, &selector);
    options
}

/// Reads a filter; `None` for the tables of numbers that u32 shows beside its filters, and for the head of each preference.
fn filter(object: &Object) -> Option<Filter> {
    let payload = &object.payload;
    let (handle, info) = (read_u32(payload, HANDLE_OFFSET)?, read_u32(payload, INFO_OFFSET)?);
    let attributes = payload.get(HEADER_BYTES..).filter(|_| object.message_type == RTM_NEWTFILTER)?;
    let is_u32 = value_of(attributes, TCA_KIND) == Some(b"u32\0");
    let has_selector =
        value_of(attributes, TCA_OPTIONS).is_some_and(|options| value_of(options, TCA_U32_SEL).is_some());
    if handle == 0 || (is_u32 && !has_selector) {
        return None;
    }
    Some(Filter { handle, target: target(attributes).filter(|_| info == FIRST_OF_ALL) })
}

/// Where the first action of a u32 filter redirects to, if that is what it does to all frames.
fn target(attributes: &[u8]) -> Option<u32> {
    let options = value_of(attributes, TCA_OPTIONS).filter(|_| value_of(attributes, TCA_KIND) == Some(b"u32\0"))?;
    let selector = value_of(options, TCA_U32_SEL)?;
    // Behind the flags and the numbers of a key: its mask and value.
    let is_for_all = selector.get(4..)?.iter().all(|byte| *byte == 0);
    let (_, action) = iterate(value_of(options, TCA_U32_ACT)?).next()?;
    let mirred = value_of(value_of(action, TCA_ACT_OPTIONS)?, TCA_MIRRED_PARMS)?;
    let redirects = read_u32(mirred, EACTION_OFFSET)? == TCA_EGRESS_REDIR;
    read_u32(mirred, DEVICE_OFFSET).filter(|_| is_for_all && redirects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes_to(to: u32) -> Vec<u8> {
        let mut attributes = Vec::new();
        append(&mut attributes, TCA_KIND, b"u32\0");
        append(&mut attributes, TCA_OPTIONS, &options(to));
        attributes
    }

    /// The options as iproute2 6.1 sends them for `u32 match u32 0 0 action mirred egress redirect dev` with the index 2.
    #[test]
    fn the_options_are_those_of_tc() {
        let mut expected = vec![0x38, 0, 7, 0, 0x34, 0, 1, 0, 0x0b, 0, 1, 0];
        expected.extend(b"mirred\0\0");
        expected.extend([0x24, 0, 2, 0, 0x20, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
        expected.extend([0x24, 0, 5, 0, 1, 0, 1, 0]);
        expected.resize(expected.len() + 28, 0);
        assert_eq!(options(2), expected);
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(target(&attributes_to(7)), Some(7));
        let object = |handle, info| {
            let payload = [header(3, handle, INGRESS, info), attributes_to(7)].concat();
            filter(&Object { message_type: RTM_NEWTFILTER, payload })
        };
        assert_eq!(object(0x8000_0800, FIRST_OF_ALL), Some(Filter { handle: 0x8000_0800, target: Some(7) }));
        assert_eq!(object(0x8000_0800, FIRST_OF_ALL + (1 << 16)).unwrap().target, None, "of another preference");
        assert_eq!(object(0, FIRST_OF_ALL), None);
    }

    #[test]
    fn no_cut_panics() {
        let bytes = attributes_to(7);
        for end in 0..bytes.len() {
            let _ = target(&bytes[..end]);
        }
    }
}
