//! One message to the kernel.

use std::fmt;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;

use crate::Error;

/// The length of a `struct nlmsghdr`.
pub(crate) const HEADER_BYTES: usize = 16;

/// What came back for one request: the object, where the kernel returned one.
pub type Answer = Result<Option<Object>, Error>;

/// An object as the kernel sent it. Reading all of a link with the library takes 35 us, most of it for counters and settings
/// that nobody asked for; so each kind decides how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `RTM_NEWLINK` and so on.
    pub message_type: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Object {
    /// All of it, read by the library as what `message_type` is; `None` if it is something else, or cannot be read. The library's own
    /// look at the type would bring the readers of all types into every executable, a fifth of its size.
    pub(crate) fn decode<M: Parseable<[u8]>>(&self, message_type: u16) -> Option<M> {
        if self.message_type == message_type { M::parse(&self.payload).ok() } else { None }
    }
}

/// One message to the kernel.
#[derive(Debug, Clone)]
pub struct Request {
    body: Body,
    flags: u16,
    /// The kernel answers with an object; otherwise only if asked for an acknowledgement, or when it refuses.
    is_question: bool,
}

/// What follows the header.
#[derive(Clone)]
enum Body {
    /// A message of rtnetlink.
    Route(RouteNetlinkMessage),
    /// Bytes that the library has no type for, or that came from the kernel and go back to it.
    Raw { message_type: u16, payload: Vec<u8> },
}

/// Bytes are not shown: they may be keys.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(message) => message.fmt(f),
            Self::Raw { message_type, payload } => write!(f, "{} bytes of type {message_type}", payload.len()),
        }
    }
}

impl From<RouteNetlinkMessage> for Body {
    fn from(message: RouteNetlinkMessage) -> Self {
        Self::Route(message)
    }
}

impl Request {
    /// Asks for one object.
    #[must_use]
    pub fn get(message: RouteNetlinkMessage) -> Self {
        Self { body: message.into(), flags: NLM_F_REQUEST, is_question: true }
    }

    /// A message as bytes, with `flags` beside `NLM_F_REQUEST`.
    #[must_use]
    pub fn raw(message_type: u16, flags: u16, payload: Vec<u8>) -> Self {
        Self { body: Body::Raw { message_type, payload }, flags: NLM_F_REQUEST | flags, is_question: false }
    }

    /// Asks for one object in bytes.
    #[must_use]
    pub fn question(message_type: u16, payload: Vec<u8>) -> Self {
        Self { is_question: true, ..Self::raw(message_type, 0, payload) }
    }

    /// Asks for a whole table in bytes.
    #[must_use]
    pub fn list(message_type: u16, payload: Vec<u8>) -> Self {
        Self { is_question: true, ..Self::raw(message_type, NLM_F_DUMP, payload) }
    }

    /// Changes or removes an object that exists.
    #[must_use]
    pub fn change(message: RouteNetlinkMessage) -> Self {
        Self { body: message.into(), flags: NLM_F_REQUEST, is_question: false }
    }

    /// Makes an object that must not exist yet (`NLM_F_CREATE | NLM_F_EXCL`).
    #[must_use]
    pub fn create(message: RouteNetlinkMessage) -> Self {
        Self { body: message.into(), flags: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, is_question: false }
    }

    /// Makes an object beside those like it (`NLM_F_CREATE | NLM_F_APPEND`).
    #[must_use]
    pub fn create_beside(message: RouteNetlinkMessage) -> Self {
        Self { body: message.into(), flags: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND, is_question: false }
    }

    /// Makes an object, in the place of the one that is there (`NLM_F_CREATE | NLM_F_REPLACE`).
    #[must_use]
    pub fn replace(message: RouteNetlinkMessage) -> Self {
        Self { body: message.into(), flags: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, is_question: false }
    }

    /// Asks for a whole table.
    #[must_use]
    pub fn dump(message: RouteNetlinkMessage) -> Self {
        Self { body: message.into(), flags: NLM_F_REQUEST | NLM_F_DUMP, is_question: true }
    }

    /// Makes sure that something comes back: an object, or an acknowledgement.
    pub(crate) fn answered(&mut self) {
        if !self.is_question {
            self.flags |= NLM_F_ACK;
        }
    }

    /// Whether an object comes back.
    pub(crate) fn is_question(&self) -> bool {
        self.is_question
    }

    /// Appends the message's bytes to `buffer`, padded to the alignment of netlink.
    pub(crate) fn append(self, sequence: u32, buffer: &mut Vec<u8>) {
        let message = match self.body {
            Body::Route(message) => message,
            Body::Raw { message_type, payload } => {
                let length = u32::try_from(HEADER_BYTES + payload.len()).unwrap_or(u32::MAX);
                buffer.extend(length.to_ne_bytes());
                buffer.extend(message_type.to_ne_bytes());
                buffer.extend(self.flags.to_ne_bytes());
                buffer.extend(sequence.to_ne_bytes());
                buffer.extend([0; 4]); // the sender's port: the kernel knows it
                buffer.extend(payload);
                buffer.resize(buffer.len().next_multiple_of(4), 0);
                return;
            }
        };
        let mut header = NetlinkHeader::default();
        header.flags = self.flags;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        message.finalize();
        let start = buffer.len();
        let end = start + message.buffer_len();
        buffer.resize(end.next_multiple_of(4), 0);
        if let Some(space) = buffer.get_mut(start..end) {
            message.serialize(space);
        }
    }
}
