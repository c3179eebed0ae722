//! Flows as they are wanted.

use std::fmt;

use crate::Match;
use crate::field::write_all;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The switch treats it as if there were no flows: it learns, knows VLANs, and forwards (`NORMAL`).
    Normal,
    /// It is dropped.
    Drop,
}

/// A flow: the first in its table, by priority, whose conditions a frame fulfils, says what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The table; frames begin in 0.
    pub table: u8,
    /// The highest wins.
    pub priority: u16,
    /// Whose it is.
    pub cookie: u64,
    /// All must be fulfilled; in any order, each field once.
    pub matches: Vec<Match>,
    /// What becomes of the frame.
    pub action: Action,
}

/// The port for frames that are treated as if there were no flows, and that for any port or group (`enum ofp_port_no`).
pub(crate) const NORMAL: u32 = 0xffff_fffa;
pub(crate) const ANY: u32 = 0xffff_ffff;
/// All tables (`OFPTT_ALL`).
pub(crate) const ALL_TABLES: u8 = 0xff;

/// The instruction to do actions at once (`OFPIT_APPLY_ACTIONS`), and the action to send a frame out by a port.
pub(crate) const APPLY_ACTIONS: u16 = 4;
pub(crate) const OUTPUT: u16 = 0;

const ADD: u8 = 0;
const DELETE: u8 = 3;
const NO_BUFFER: u32 = 0xffff_ffff;

impl Flow {
    pub(crate) fn sorted(&self) -> Vec<Match> {
        let mut matches = self.matches.clone();
        matches.sort_unstable();
        matches
    }

    /// Appends the body of the message that adds it (`struct ofp_flow_mod`).
    pub(crate) fn write_addition(&self, bytes: &mut Vec<u8>) {
        write_head(bytes, (self.cookie, 0), self.table, ADD, self.priority);
        write_all(bytes, &self.sorted());
        if self.action == Action::Normal {
            let [[a, b], [c, d]] = [APPLY_ACTIONS, OUTPUT].map(u16::to_be_bytes);
            bytes.extend([a, b, 0, 24, 0, 0, 0, 0, c, d, 0, 16]);
            bytes.extend(NORMAL.to_be_bytes());
            bytes.extend([0; 8]);
        }
    }
}

/// Appends the body of the message that deletes the flows of all tables whose cookie is `cookie` where the mask has ones.
pub(crate) fn write_deletion(bytes: &mut Vec<u8>, cookie: u64, mask: u64) {
    write_head(bytes, (cookie, mask), ALL_TABLES, DELETE, 0);
    write_all(bytes, &[]);
}

/// Without timeouts and flags.
fn write_head(bytes: &mut Vec<u8>, (cookie, mask): (u64, u64), table: u8, command: u8, priority: u16) {
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(mask.to_be_bytes());
    bytes.extend([table, command, 0, 0, 0, 0]);
    bytes.extend(priority.to_be_bytes());
    bytes.extend([NO_BUFFER, ANY, ANY].map(u32::to_be_bytes).as_flattened());
    bytes.extend([0; 4]);
}

/// What `ovs-ofctl add-flow` takes.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, priority, cookie, action, .. } = self;
        write!(f, "cookie={cookie:#x},table={table},priority={priority},")?;
        for field in self.sorted() {
            write!(f, "{field},")?;
        }
        write!(f, "actions={action}")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "NORMAL",
            Self::Drop => "drop",
        })
    }
}
