//! User data: what `nft` stores with an object to show it as it was written: kind, length and value in a byte each
//! (libnftnl's `udata.h`).

use crate::datatype::ByteOrder;

/// The longest comment in bytes that `nft` itself accepts (`NFTNL_UDATA_COMMENT_MAXLEN` less the zero byte).
pub const COMMENT_BYTES: usize = 127;

/// The kind of a comment, for a rule and for an element (`NFTNL_UDATA_RULE_COMMENT`, `NFTNL_UDATA_SET_ELEM_COMMENT`).
const COMMENT: u8 = 0;
/// `NFTNL_UDATA_SET_KEYBYTEORDER` and `NFTNL_UDATA_SET_DATABYTEORDER`.
const KEY_BYTE_ORDER: u8 = 0;
const DATA_BYTE_ORDER: u8 = 1;

/// A comment as user data. One beyond 254 bytes, which no length tells, is cut.
pub(crate) fn comment(comment: &str) -> Vec<u8> {
    let mut text: Vec<u8> = comment.bytes().take(usize::from(u8::MAX) - 1).collect();
    text.push(0);
    let mut value = vec![COMMENT, u8::try_from(text.len()).unwrap_or(u8::MAX)];
    value.extend(text);
    value
}

/// The comment in the user data of a rule or an element.
pub(crate) fn read_comment(mut bytes: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = bytes {
        let (value, tail) = rest.split_at_checked(usize::from(*length))?;
        if *kind == COMMENT {
            return Some(netlink::attributes::read_text(value));
        }
        bytes = tail;
    }
    None
}

/// How the bytes of a set's keys are ordered, and those of its values where it has any.
pub(crate) fn byte_orders(keys: ByteOrder, values: Option<ByteOrder>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_order(&mut bytes, KEY_BYTE_ORDER, keys);
    if let Some(values) = values {
        put_order(&mut bytes, DATA_BYTE_ORDER, values);
    }
    bytes
}

/// What a part of a set's key is taken from, as `nft` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `iifname`.
    Iifname,
    /// `ip saddr`.
    Ipv4Source,
    /// `ip6 saddr`.
    Ipv6Source,
    /// `udp dport`.
    UdpDestination,
    /// `@th,OFFSET,LENGTH`: raw bytes of the transport header and behind it, both numbers in bits.
    Transport(u32, u32),
}

const KIND: u8 = 0;
const DATA: u8 = 1;

impl Source {
    /// An expression: its kind and what makes it up (`expr_ops` in nft's `src/expression.c`, `payload.c` and `meta.c`).
    fn expression(self) -> Vec<u8> {
        const META: u32 = 9;
        const META_IIFNAME: u32 = 6;
        match self {
            Self::Iifname => expression(META, &number(KIND, META_IIFNAME)),
            // Protocol and field (`enum proto_desc_id`, `iphdr_fields`, `ip6hdr_fields` and `udphdr_fields`).
            Self::Ipv4Source => payload(&[12, 11]),
            Self::Ipv6Source => payload(&[13, 8]),
            Self::UdpDestination => payload(&[6, 2]),
            // They are of no protocol and no field, and counted from `PROTO_BASE_TRANSPORT_HDR`.
            Self::Transport(offset, length) => payload(&[0, 0, 3, offset, length]),
        }
    }
}

/// The key of a set whose parts are taken from these.
pub(crate) fn typeof_parts(sources: &[Source]) -> Vec<u8> {
    const KEY_TYPEOF: u8 = 3;
    const CONCATENATION: u32 = 13;
    let parts: Vec<u8> = (0..).zip(sources).flat_map(|(place, source)| value(place, &source.expression())).collect();
    value(KEY_TYPEOF, &expression(CONCATENATION, &parts))
}

fn payload(parts: &[u32]) -> Vec<u8> {
    const PAYLOAD: u32 = 7;
    let parts: Vec<u8> = (0..).zip(parts).flat_map(|(place, part)| number(place, *part)).collect();
    expression(PAYLOAD, &parts)
}

fn expression(kind: u32, data: &[u8]) -> Vec<u8> {
    [number(KIND, kind), value(DATA, data)].concat()
}

fn number(kind: u8, number: u32) -> Vec<u8> {
    value(kind, &number.to_ne_bytes())
}

fn value(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![kind, u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
    all.extend(bytes);
    all
}

fn put_order(bytes: &mut Vec<u8>, kind: u8, order: ByteOrder) {
    bytes.extend([kind, 4]);
    bytes.extend((order as u32).to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nft 1.0.6 sends for `typeof iifname . @th,208,48`.
    #[test]
    #[cfg(target_endian = "little")]
    fn raw_bytes_are_told_as_nft_tells_them() {
        let expected = b"\x03\x40\x00\x04\x0d\0\0\0\x01\x38\x00\x0e\x00\x04\x09\0\0\0\x01\x06\x00\x04\x06\0\0\0\x01\x26\x00\x04\x07\0\0\0\
            \x01\x1e\x00\x04\0\0\0\0\x01\x04\0\0\0\0\x02\x04\x03\0\0\0\x03\x04\xd0\0\0\0\x04\x04\x30\0\0\0";
        assert_eq!(typeof_parts(&[Source::Iifname, Source::Transport(208, 48)]), expected);
    }

    #[test]
    fn comments_are_read_back_among_others() {
        let bytes = comment("of vn1");
        assert_eq!(bytes, *b"\x00\x07of vn1\0");
        assert_eq!(read_comment(&bytes).as_deref(), Some("of vn1"));
        let behind = [&[9, 2, 1, 1][..], &bytes].concat();
        assert_eq!(read_comment(&behind).as_deref(), Some("of vn1"));
        for cut in [&[][..], &[0], &[0, 9, b'x'], &[9, 1, 0]] {
            assert_eq!(read_comment(cut), None, "{cut:?}");
        }
    }
}
