//! Attributes as bytes: length, kind, value, padding to 4 (`struct nlattr`).

/// The bits of a kind that say how to read it, not what it is (`NLA_TYPE_MASK`).
const KIND_MASK: u16 = 0x3fff;

const HEADER_BYTES: usize = 4;

/// Says that an attribute holds attributes (`NLA_F_NESTED`).
const NESTED: u16 = 0x8000;

/// Appends an attribute.
pub fn append(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len().saturating_add(HEADER_BYTES)) else {
        return; // no attribute of ours is near 64 KiB
    };
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Appends an attribute that holds those which `fill` appends.
pub fn append_nested(bytes: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    append(bytes, NESTED | kind, &inner);
}

/// The kind and the value of each attribute, up to the first that is cut short.
pub fn iterate(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        let kind = read_u16(bytes, 2)? & KIND_MASK;
        let value = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the attribute of `kind`.
#[must_use]
pub fn value_of(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    iterate(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

/// A 16-bit number at `offset`.
#[must_use]
pub fn read_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset.checked_add(2)?)?.try_into().ok()?))
}

/// A 32-bit number at `offset`.
#[must_use]
pub fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
}

/// A 64-bit number that is all of `bytes`.
#[must_use]
pub fn read_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// A text that may end with a zero byte.
#[must_use]
pub fn read_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut bytes = Vec::new();
        append(&mut bytes, 3, b"br0\0");
        append(&mut bytes, 0x8000 | 18, b"x");
        append(&mut bytes, 4, &1500u32.to_ne_bytes());
        let found: Vec<_> = iterate(&bytes).collect();
        assert_eq!(found, [(3, b"br0\0".as_slice()), (18, b"x"), (4, &1500u32.to_ne_bytes())]);
        assert_eq!(value_of(&bytes, 4), Some(1500u32.to_ne_bytes().as_slice()));
        assert_eq!(read_text(b"br0\0"), "br0");
    }

    #[test]
    fn no_bytes_panic() {
        for bytes in [&[][..], &[0], &[0, 0, 0, 0], &[3, 0, 1, 0], &[9, 0, 1, 0, 1], &[255, 255, 255, 255]] {
            assert_eq!(iterate(bytes).count(), 0, "{bytes:?}");
        }
    }
}
