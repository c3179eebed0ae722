//! Messages: a header of eight bytes, and a body.

use crate::bytes::Reader;

/// Types of messages (`enum ofptype`), the same in 1.3 and 1.4 where both have them.
pub(crate) mod kind {
    pub(crate) const HELLO: u8 = 0;
    pub(crate) const ERROR: u8 = 1;
    pub(crate) const ECHO_REQUEST: u8 = 2;
    pub(crate) const ECHO_REPLY: u8 = 3;
    pub(crate) const EXPERIMENTER: u8 = 4;
    pub(crate) const FLOW_MOD: u8 = 14;
    pub(crate) const MULTIPART_REQUEST: u8 = 18;
    pub(crate) const MULTIPART_REPLY: u8 = 19;
    pub(crate) const BARRIER_REQUEST: u8 = 20;
    pub(crate) const BARRIER_REPLY: u8 = 21;
    pub(crate) const BUNDLE_CONTROL: u8 = 33;
    pub(crate) const BUNDLE_ADD: u8 = 34;
}

pub(crate) const HEADER_BYTES: usize = 8;

/// What a message begins with. Its length follows from its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    /// The answers to a message have its number (`xid`).
    pub(crate) number: u32,
}

/// A message that has been received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
}

/// Appends a message. One that is longer than a message can be, 65,535 bytes, must not be sent.
pub(crate) fn append(bytes: &mut Vec<u8>, header: Header, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = bytes.len();
    bytes.extend([header.version, header.kind, 0, 0]);
    bytes.extend(header.number.to_be_bytes());
    body(bytes);
    let length = u16::try_from(bytes.len() - begin).unwrap_or(u16::MAX);
    if let Some(place) = bytes.get_mut(begin + 2..begin + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// The first message of what has been received: `Ok(None)` until it is whole.
///
/// # Errors
/// It says that it is shorter than its header.
pub(crate) fn first(received: &[u8]) -> Result<Option<Message>, String> {
    let mut reader = Reader(received);
    let (Some(version), Some(kind), Some(length), Some(number)) =
        (reader.u8(), reader.u8(), reader.u16(), reader.u32())
    else {
        return Ok(None);
    };
    let length = usize::from(length);
    let Some(body) = length.checked_sub(HEADER_BYTES) else {
        return Err(format!("a message says that it has {length} bytes, which is less than its header"));
    };
    let header = Header { version, kind, number };
    Ok(reader.take(body).map(|body| Message { header, body: body.to_vec() }))
}
