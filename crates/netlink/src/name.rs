//! The limits of link names.

/// The longest name of a link in bytes (`IFNAMSIZ` less the zero byte).
pub const NAME_BYTES: usize = 15;
