//! One message to the kernel.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;

use crate::Error;

/// What came back for one request: the object, where the kernel returned one.
pub type Answer = Result<Option<Object>, Error>;

/// An object as the kernel sent it. Reading all of a link with the library takes 35 us, most of it for counters and settings
/// that nobody asked for; so each kind decides how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `RTM_NEWLINK` and so on.
    pub(crate) message_type: u16,
    /// What follows the header.
    pub(crate) payload: Vec<u8>,
}

impl Object {
    /// All of it, read by the library; `None` if it cannot.
    pub(crate) fn decode(&self) -> Option<RouteNetlinkMessage> {
        let mut header = NetlinkHeader::default();
        header.message_type = self.message_type;
        RouteNetlinkMessage::deserialize(&header, &self.payload).ok()
    }
}

/// One message to the kernel.
#[derive(Debug, Clone)]
pub struct Request {
    message: RouteNetlinkMessage,
    flags: u16,
    /// The kernel answers with an object; otherwise only if asked for an acknowledgement, or when it refuses.
    is_question: bool,
}

impl Request {
    /// Asks for one object.
    #[must_use]
    pub fn get(message: RouteNetlinkMessage) -> Self {
        Self { message, flags: NLM_F_REQUEST, is_question: true }
    }

    /// Changes or removes an object that exists.
    #[must_use]
    pub fn change(message: RouteNetlinkMessage) -> Self {
        Self { message, flags: NLM_F_REQUEST, is_question: false }
    }

    /// Makes an object that must not exist yet (`NLM_F_CREATE | NLM_F_EXCL`).
    #[must_use]
    pub fn create(message: RouteNetlinkMessage) -> Self {
        Self { message, flags: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, is_question: false }
    }

    /// Asks for a whole table.
    #[must_use]
    pub fn dump(message: RouteNetlinkMessage) -> Self {
        Self { message, flags: NLM_F_REQUEST | NLM_F_DUMP, is_question: true }
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
        let mut header = NetlinkHeader::default();
        header.flags = self.flags;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(self.message));
        message.finalize();
        let start = buffer.len();
        let end = start + message.buffer_len();
        buffer.resize(end.next_multiple_of(4), 0);
        if let Some(space) = buffer.get_mut(start..end) {
            message.serialize(space);
        }
    }
}
