//! What all have to know of the names of links.

/// The longest name of a link in bytes (`IFNAMSIZ` less the zero byte).
pub const NAME_BYTES: usize = 15;
