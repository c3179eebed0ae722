//! The error codes that are the project's own (ERR-4: 100 and above), as `docs/errors.md` lists them.

/// The kernel lacks a feature that the configuration needs.
pub const UNSUPPORTED_BY_KERNEL: u64 = 100;
/// An interface or device of that name exists already.
pub const EXISTS: u64 = 101;
/// Something that an operator made contradicts the configuration.
pub const CONFLICT: u64 = 102;
/// The kernel refused a step.
pub const REFUSED: u64 = 103;
/// CHECK found something different from what ADD made.
pub const DIFFERENT: u64 = 104;
/// `host-local`: the attachment holds an address of this range set already.
pub const DUPLICATE: u64 = 110;
