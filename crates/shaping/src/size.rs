//! A number of bytes.

use crate::quantity::{Quantity, QuantityError};
use crate::restriction::Unit;

const SIZE: Quantity = Quantity {
    what: "size",
    units: &[
        Unit { name: "B", factor: 1 },
        Unit { name: "kB", factor: 1_000 },
        Unit { name: "MB", factor: 1_000_000 },
        Unit { name: "KiB", factor: 1 << 10 },
        Unit { name: "MiB", factor: 1 << 20 },
    ],
    example: "15000B, 64KiB or 1MB",
    finest: "1 byte",
    most: "2147483647B",
};

/// Reads a number of bytes with `B`, `kB`, `MB`, `KiB` or `MiB`: at most 2^31 - 1, which is what queues count to.
///
/// # Errors
/// Another form, a fraction of a byte, zero, or more.
pub fn parse_bytes(text: &str) -> Result<u32, QuantityError> {
    match SIZE.parse(text)? {
        0 => Err(SIZE.zero(text)),
        bytes => {
            u32::try_from(bytes).ok().filter(|bytes| i32::try_from(*bytes).is_ok()).ok_or_else(|| SIZE.too_large(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(parse_bytes("64KiB"), Ok(65_536));
        assert_eq!(parse_bytes("1.5kB"), Ok(1_500));
        assert_eq!(parse_bytes("2147483647B"), Ok(i32::MAX.unsigned_abs()));
        for text in ["", "64", "64k", "64kbit", "0B", "2147483648B", "1.5B"] {
            assert!(parse_bytes(text).unwrap_err().to_string().contains(&format!("'{text}'")));
        }
    }
}
