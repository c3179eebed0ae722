//! What is in a datagram: its sequence number three times over, so that it survives a flipped bit, and a known pattern.

/// The least that a datagram carries.
pub(crate) const LEAST_BYTES: usize = 16;

/// The most: what fits into an IPv4 packet.
pub(crate) const MOST_BYTES: usize = 65_507;

/// The sequence number of those that only find out whether the path is there.
pub(crate) const GREETING: u32 = u32::MAX;

const FILL: u8 = 0x5a;
const COPIES: usize = 3;
const NUMBERS: usize = COPIES * 4;

/// A datagram's payload without its number.
pub(crate) fn blank(bytes: usize) -> Vec<u8> {
    vec![FILL; bytes]
}

/// Writes the number.
pub(crate) fn number(payload: &mut [u8], sequence: u32) {
    for copy in payload.chunks_exact_mut(4).take(COPIES) {
        copy.copy_from_slice(&sequence.to_be_bytes());
    }
}

/// The number that at least two of the copies agree on.
pub(crate) fn sequence(payload: &[u8]) -> Option<u32> {
    let numbers: &[u8; NUMBERS] = payload.first_chunk()?;
    let [a, b, c, ..] = numbers.as_chunks::<4>().0 else { return None };
    let agreed = if a == b || a == c {
        a
    } else if b == c {
        b
    } else {
        return None;
    };
    Some(u32::from_be_bytes(*agreed))
}

/// Whether a bit differs from what was sent.
pub(crate) fn is_corrupted(payload: &[u8]) -> bool {
    let (numbers, pattern) = payload.split_at_checked(NUMBERS).unwrap_or((payload, &[]));
    let mut copies = numbers.chunks(4);
    let first = copies.next();
    copies.any(|copy| Some(copy) != first) || pattern.iter().any(|byte| *byte != FILL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_seen_and_the_number_survives_it() {
        let mut payload = blank(40);
        number(&mut payload, 0x0102_0304);
        assert!(!is_corrupted(&payload));
        for bit in 0..payload.len() * 8 {
            let mut flipped = payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(is_corrupted(&flipped), "bit {bit}");
            assert_eq!(sequence(&flipped), Some(0x0102_0304), "bit {bit}");
        }
    }

    #[test]
    fn what_is_too_short_has_no_number() {
        assert_eq!(sequence(&[1; 11]), None);
        assert_eq!(sequence(&[]), None);
        assert!(!is_corrupted(&[]));
    }
}
