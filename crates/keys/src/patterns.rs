//! Patterns of texts for editors, in the language of JSON Schema. They are coarser than what reads the texts.

/// A hardware address, or nothing.
pub const MAC: &str = "^$|^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$|^[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}$|^[0-9A-Fa-f]{4}(\\.[0-9A-Fa-f]{4}){2}$";

/// An address, or nothing.
pub const ADDRESS: &str = "^[0-9A-Fa-f.:]*$";

/// An address or a network, with the length of its prefix.
pub const PREFIX: &str = "^[0-9A-Fa-f.:]+/[0-9]{1,3}$";

/// The name of a link.
pub const LINK: &str = "^[^/: ]{1,15}$";

/// The name of a network.
pub const NETWORK: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]*$";
