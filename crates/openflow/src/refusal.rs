//! Errors of the switch, in words.

use std::fmt;

use crate::bytes::Reader;

/// An error message (`OFPT_ERROR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Its type, 0xffff for those of an experimenter.
    pub kind: u16,
    /// Its code; of an experimenter's error, the experimenter's type.
    pub code: u16,
    /// Whose error it is, where it is none of OpenFlow's own.
    pub experimenter: Option<u32>,
}

/// The type of an experimenter's errors.
const EXPERIMENTER: u16 = 0xffff;
/// The Open Networking Foundation, and its first error about bundles (extension 230).
const ONF: u32 = 0x4f4e_4600;
const ONF_BUNDLE: u16 = 2300;

const BUNDLE: u16 = 17;

/// The names of the types and codes that can answer to what is sent here (`enum ofp_error_type` and the enumerations of its codes).
const NAMES: &[(u16, &str, &[&str])] = &[
    (0, "OFPET_HELLO_FAILED", &["OFPHFC_INCOMPATIBLE", "OFPHFC_EPERM"]),
    (
        1,
        "OFPET_BAD_REQUEST",
        &[
            "OFPBRC_BAD_VERSION",
            "OFPBRC_BAD_TYPE",
            "OFPBRC_BAD_MULTIPART",
            "OFPBRC_BAD_EXPERIMENTER",
            "OFPBRC_BAD_EXP_TYPE",
            "OFPBRC_EPERM",
            "OFPBRC_BAD_LEN",
            "OFPBRC_BUFFER_EMPTY",
            "OFPBRC_BUFFER_UNKNOWN",
            "OFPBRC_BAD_TABLE_ID",
            "OFPBRC_IS_SLAVE",
            "OFPBRC_BAD_PORT",
            "OFPBRC_BAD_PACKET",
            "OFPBRC_MULTIPART_BUFFER_OVERFLOW",
        ],
    ),
    (
        2,
        "OFPET_BAD_ACTION",
        &[
            "OFPBAC_BAD_TYPE",
            "OFPBAC_BAD_LEN",
            "OFPBAC_BAD_EXPERIMENTER",
            "OFPBAC_BAD_EXP_TYPE",
            "OFPBAC_BAD_OUT_PORT",
            "OFPBAC_BAD_ARGUMENT",
            "OFPBAC_EPERM",
            "OFPBAC_TOO_MANY",
        ],
    ),
    (
        3,
        "OFPET_BAD_INSTRUCTION",
        &["OFPBIC_UNKNOWN_INST", "OFPBIC_UNSUP_INST", "OFPBIC_BAD_TABLE_ID", "OFPBIC_UNSUP_METADATA"],
    ),
    (
        4,
        "OFPET_BAD_MATCH",
        &[
            "OFPBMC_BAD_TYPE",
            "OFPBMC_BAD_LEN",
            "OFPBMC_BAD_TAG",
            "OFPBMC_BAD_DL_ADDR_MASK",
            "OFPBMC_BAD_NW_ADDR_MASK",
            "OFPBMC_BAD_WILDCARDS",
            "OFPBMC_BAD_FIELD",
            "OFPBMC_BAD_VALUE",
            "OFPBMC_BAD_MASK",
            "OFPBMC_BAD_PREREQ",
            "OFPBMC_DUP_FIELD",
            "OFPBMC_EPERM",
        ],
    ),
    (
        5,
        "OFPET_FLOW_MOD_FAILED",
        &[
            "OFPFMFC_UNKNOWN",
            "OFPFMFC_TABLE_FULL",
            "OFPFMFC_BAD_TABLE_ID",
            "OFPFMFC_OVERLAP",
            "OFPFMFC_EPERM",
            "OFPFMFC_BAD_TIMEOUT",
            "OFPFMFC_BAD_COMMAND",
            "OFPFMFC_BAD_FLAGS",
        ],
    ),
    (
        BUNDLE,
        "OFPET_BUNDLE_FAILED",
        &[
            "OFPBFC_UNKNOWN",
            "OFPBFC_EPERM",
            "OFPBFC_BAD_ID",
            "OFPBFC_BUNDLE_EXIST",
            "OFPBFC_BUNDLE_CLOSED",
            "OFPBFC_OUT_OF_BUNDLES",
            "OFPBFC_BAD_TYPE",
            "OFPBFC_BAD_FLAGS",
            "OFPBFC_MSG_BAD_LEN",
            "OFPBFC_MSG_BAD_XID",
            "OFPBFC_MSG_UNSUP",
            "OFPBFC_MSG_CONFLICT",
            "OFPBFC_MSG_TOO_MANY",
            "OFPBFC_MSG_FAILED",
            "OFPBFC_TIMEOUT",
            "OFPBFC_BUNDLE_IN_PROGRESS",
        ],
    ),
];

impl Refusal {
    /// Reads the body of an error message; `None` if it is too short.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let (kind, code) = (reader.u16()?, reader.u16()?);
        let experimenter = if kind == EXPERIMENTER { Some(reader.u32()?) } else { None };
        Some(Self { kind, code, experimenter })
    }

    /// The version of neither side is known to the other.
    pub(crate) fn is_about_versions(self) -> bool {
        self.kind == 0
    }

    /// The type and code that it would have in 1.4.
    fn in_1_4(self) -> (u16, u16) {
        match (self.experimenter, self.code.checked_sub(ONF_BUNDLE)) {
            (Some(ONF), Some(code)) => (BUNDLE, code),
            _ => (self.kind, self.code),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, code) = self.in_1_4();
        let Some((_, name, codes)) = NAMES.iter().find(|(number, ..)| *number == kind) else {
            return match self.experimenter {
                Some(experimenter) => write!(f, "error {code} of experimenter {experimenter:#x}"),
                None => write!(f, "error of type {kind}, code {code}"),
            };
        };
        match codes.get(usize::from(code)) {
            Some(code) => write!(f, "{name}, {code}"),
            None => write!(f, "{name}, code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_and_named() {
        let words = |body: &[u8]| Refusal::read(body).map(|refusal| refusal.to_string());
        assert_eq!(words(&[0, 4, 0, 9, 1, 2, 3]).as_deref(), Some("OFPET_BAD_MATCH, OFPBMC_BAD_PREREQ"));
        assert_eq!(words(&[0, 4, 0, 99]).as_deref(), Some("OFPET_BAD_MATCH, code 99"));
        assert_eq!(words(&[0, 17, 0, 13]).as_deref(), Some("OFPET_BUNDLE_FAILED, OFPBFC_MSG_FAILED"));
        let bundle = [255, 255, 0x09, 0x09, 0x4f, 0x4e, 0x46, 0];
        assert_eq!(words(&bundle).as_deref(), Some("OFPET_BUNDLE_FAILED, OFPBFC_MSG_FAILED"));
        assert_eq!(words(&[255, 255, 0, 2, 0, 0, 0x23, 0x20]).as_deref(), Some("error 2 of experimenter 0x2320"));
        assert_eq!(words(&[1, 0, 0, 0]).as_deref(), Some("error of type 256, code 0"));
        assert_eq!((words(&[0, 4, 0]), words(&[255, 255, 0, 2, 0, 0])), (None, None));
    }
}
