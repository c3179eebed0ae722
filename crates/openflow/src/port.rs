//! Ports of a bridge.

use crate::Version;
use crate::bytes::Reader;

/// A port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its number, `ofport` of the interface.
    pub number: u32,
    /// The name of the interface.
    pub name: String,
}

/// The length of a description in 1.3, in bytes. In 1.4 it says its length itself.
const BYTES_IN_1_3: usize = 64;

/// Reads the next port of an answer (`struct ofp_port`); `None` if it is malformed.
pub(crate) fn read(reader: &mut Reader<'_>, version: Version) -> Option<Port> {
    let number = reader.u32()?;
    let length = usize::from(reader.u16()?);
    let length = if version == Version::V1_3 { BYTES_IN_1_3 } else { length };
    let mut entry = Reader(reader.take(length.checked_sub(6)?)?);
    entry.take(2 + 6 + 2)?;
    let name: [u8; 16] = entry.array()?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Some(Port { number, name: String::from_utf8_lossy(name.get(..end)?).into_owned() })
}
