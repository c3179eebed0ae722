//! Bundles: messages that a switch follows all or none of.

use crate::Version;
use crate::message::{Header, append, kind};

/// Steps of a bundle (`enum ofp_bundle_ctrl_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Open = 0,
    Commit = 4,
    Discard = 6,
}

/// All or none, in this order (`enum ofp_bundle_flags`).
const ATOMIC_AND_ORDERED: u16 = 3;

/// The experimenter whose extension 230 has the bundles of 1.4 for 1.3, and its types of their two messages.
const ONF: u32 = 0x4f4e_4600;
const ONF_CONTROL: u32 = 2300;
const ONF_ADD: u32 = 2301;

/// A bundle of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bundle {
    pub(crate) version: Version,
    pub(crate) id: u32,
}

impl Bundle {
    /// Appends a step, with the number of its message.
    pub(crate) fn write_step(self, bytes: &mut Vec<u8>, step: Step, number: u32) {
        append(bytes, self.header(kind::BUNDLE_CONTROL, number), |bytes| {
            self.write_head(bytes, ONF_CONTROL);
            bytes.extend([0, step as u8]);
            bytes.extend(ATOMIC_AND_ORDERED.to_be_bytes());
        });
    }

    /// Appends a message that is to be followed with the bundle: a message of the same number in a message. False if it is longer
    /// than a message can be.
    #[must_use]
    pub(crate) fn write_part(
        self,
        bytes: &mut Vec<u8>,
        kind: u8,
        number: u32,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let begin = bytes.len();
        append(bytes, self.header(kind::BUNDLE_ADD, number), |bytes| {
            self.write_head(bytes, ONF_ADD);
            bytes.extend([0, 0]);
            bytes.extend(ATOMIC_AND_ORDERED.to_be_bytes());
            append(bytes, Header { version: self.version.number(), kind, number }, body);
        });
        u16::try_from(bytes.len() - begin).is_ok()
    }

    /// The type of the message that answers to a step.
    pub(crate) fn answer_kind(self) -> u8 {
        self.header(kind::BUNDLE_CONTROL, 0).kind
    }

    fn header(self, kind: u8, number: u32) -> Header {
        let kind = if self.version == Version::V1_3 { kind::EXPERIMENTER } else { kind };
        Header { version: self.version.number(), kind, number }
    }

    fn write_head(self, bytes: &mut Vec<u8>, experimental: u32) {
        if self.version == Version::V1_3 {
            bytes.extend([ONF, experimental].map(u32::to_be_bytes).as_flattened());
        }
        bytes.extend(self.id.to_be_bytes());
    }
}
