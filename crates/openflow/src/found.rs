//! Flows as a bridge has them.

use std::fmt;

use crate::bytes::Reader;
use crate::field::read_all;
use crate::flow::{ALL_TABLES, ANY, APPLY_ACTIONS, NORMAL, OUTPUT};
use crate::{Action, Flow, Match};

/// A flow of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFlow {
    /// The table.
    pub table: u8,
    /// The highest wins.
    pub priority: u16,
    /// Whose it is.
    pub cookie: u64,
    /// How many frames it has decided about. The switch counts them late, after up to a second.
    pub packets: u64,
    /// Its conditions, sorted.
    pub matches: Vec<Match>,
    /// How many more conditions it has that are not known here.
    pub unknown_matches: usize,
    /// What becomes of the frame; `None` for what is not known here.
    pub action: Option<Action>,
}

impl FoundFlow {
    /// It is just what is wanted.
    #[must_use]
    pub fn is(&self, flow: &Flow) -> bool {
        self.unknown_matches == 0
            && (self.table, self.priority, self.cookie) == (flow.table, flow.priority, flow.cookie)
            && self.action == Some(flow.action)
            && self.matches == flow.sorted()
    }
}

/// As `ovs-ofctl` would, with `...` for what is not known here.
impl fmt::Display for FoundFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, priority, cookie, .. } = self;
        write!(f, "cookie={cookie:#x},table={table},priority={priority},")?;
        for field in &self.matches {
            write!(f, "{field},")?;
        }
        if self.unknown_matches > 0 {
            f.write_str("...,")?;
        }
        match self.action {
            Some(action) => write!(f, "actions={action}"),
            None => f.write_str("actions=..."),
        }
    }
}

/// Appends the question for the flows of all tables whose cookie is `cookie` where the mask has ones
/// (`struct ofp_flow_stats_request`).
pub(crate) fn write_question(bytes: &mut Vec<u8>, cookie: u64, mask: u64) {
    bytes.extend([ALL_TABLES, 0, 0, 0]);
    bytes.extend([ANY, ANY, 0].map(u32::to_be_bytes).as_flattened());
    bytes.extend([cookie, mask].map(u64::to_be_bytes).as_flattened());
    crate::field::write_all(bytes, &[]);
}

/// Reads the next flow of an answer (`struct ofp_flow_stats`); `None` if it is malformed.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<FoundFlow> {
    let length = usize::from(reader.u16()?);
    let mut entry = Reader(reader.take(length.checked_sub(2)?)?);
    let table = entry.u8()?;
    entry.take(1 + 4 + 4)?;
    let priority = entry.u16()?;
    entry.take(2 + 2 + 2 + 4)?;
    let (cookie, packets) = (entry.u64()?, entry.u64()?);
    entry.take(8)?;
    let (matches, unknown_matches) = read_all(&mut entry)?;
    let action = read_action(entry);
    Some(FoundFlow { table, priority, cookie, packets, matches, unknown_matches, action })
}

/// The only one of the instructions; none is to drop.
fn read_action(mut instructions: Reader<'_>) -> Option<Action> {
    if instructions.0.is_empty() {
        return Some(Action::Drop);
    }
    let (kind, length) = (instructions.u16()?, usize::from(instructions.u16()?));
    let mut actions = Reader(instructions.take(length.checked_sub(4)?)?);
    actions.take(4)?;
    let (action, length, port) = (actions.u16()?, actions.u16()?, actions.u32()?);
    actions.take(8)?;
    let is_alone = instructions.0.is_empty() && actions.0.is_empty();
    (is_alone && (kind, action, length, port) == (APPLY_ACTIONS, OUTPUT, 16, NORMAL)).then_some(Action::Normal)
}
