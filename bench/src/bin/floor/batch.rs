//! Netlink messages, one behind the other.

use libc::{NLM_F_ACK, NLM_F_REQUEST};

const HEADER_BYTES: usize = 16;
const FLAGS_OFFSET: usize = 6;

/// Messages to be sent in one go.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    last: usize,
}

impl Batch {
    /// What `fill` appends.
    pub(crate) fn of(fill: impl FnOnce(&mut Self)) -> Self {
        let mut batch = Self::default();
        fill(&mut batch);
        batch
    }

    /// Appends a message: its fixed part is `body`, and `attributes` appends the rest.
    pub(crate) fn message(&mut self, kind: u16, flags: i32, body: &[u8], attributes: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.last = start;
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(low_half(NLM_F_REQUEST | flags));
        self.bytes.extend([0; 8]);
        self.bytes.extend(body);
        attributes(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.overwrite(start, &length.to_ne_bytes());
    }

    /// Appends an attribute.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |batch| batch.bytes.extend(value));
    }

    /// Appends an attribute that holds a name.
    pub(crate) fn name(&mut self, kind: u16, name: &str) {
        self.nest(kind, |batch| {
            batch.bytes.extend(name.as_bytes());
            batch.bytes.push(0);
        });
    }

    /// Appends an attribute whose value `inner` appends.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        inner(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.overwrite(start, &length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Appends bytes that are no attribute: the fixed part of a message within an attribute.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The bytes to send. The last message asks for an acknowledgement.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let at = self.last + FLAGS_OFFSET;
        if let Some(flags) = self.bytes.get(at..at + 2).and_then(|flags| flags.try_into().ok()) {
            let flags = i32::from(u16::from_ne_bytes(flags)) | NLM_F_ACK;
            self.overwrite(at, &low_half(flags));
        }
        self.bytes
    }

    fn overwrite(&mut self, offset: usize, value: &[u8]) {
        if let Some(space) = self.bytes.get_mut(offset..offset + value.len()) {
            space.copy_from_slice(value);
        }
    }
}

/// Flags are 16 bits wide on the wire and `int` in the headers.
fn low_half(flags: i32) -> [u8; 2] {
    u16::try_from(flags).unwrap_or_default().to_ne_bytes()
}

/// The error of an acknowledgement or a refusal: 0 or an errno; `None` for any other message.
pub(crate) fn answer(bytes: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(bytes.get(4..FLAGS_OFFSET)?.try_into().ok()?);
    let error = i32::from_ne_bytes(bytes.get(HEADER_BYTES..HEADER_BYTES + 4)?.try_into().ok()?);
    (i32::from(kind) == libc::NLMSG_ERROR).then_some(error.saturating_neg())
}
