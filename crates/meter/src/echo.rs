//! Echo requests and replies of ICMP (RFC 792) and ICMPv6 (RFC 4443).

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
const HEADER: usize = 8;

/// The payload of iputils' `ping`.
const PAYLOAD: usize = 56;

/// An echo's identity, and its number in 32 bits: ICMP's own has 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) identity: u16,
    pub(crate) sequence: u32,
}

impl Echo {
    /// The request's bytes from the ICMP header on. The kernel fills in ICMPv6's checksum.
    pub(crate) fn request(self, is_ipv4: bool) -> Vec<u8> {
        let [.., high, low] = self.sequence.to_be_bytes();
        let kind = if is_ipv4 { REQUEST_V4 } else { REQUEST_V6 };
        let identity = self.identity.to_be_bytes();
        let mut bytes = vec![kind, 0, 0, 0, identity[0], identity[1], high, low];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.resize(HEADER + PAYLOAD, 0);
        if is_ipv4 {
            let sum = checksum(&bytes).to_be_bytes();
            bytes.splice(2..4, sum);
        }
        bytes
    }

    /// Reads a reply as a raw socket receives it: with the IP header over IPv4, without over IPv6.
    pub(crate) fn read_reply(packet: &[u8], is_ipv4: bool) -> Option<Self> {
        let header = if is_ipv4 { usize::from(packet.first()? & 0xf) * 4 } else { 0 };
        let kind = if is_ipv4 { REPLY_V4 } else { REPLY_V6 };
        let (icmp, payload) = packet.get(header..)?.split_at_checked(HEADER)?;
        let [found, 0, _, _, identity @ .., _, _] = icmp else { return None };
        let identity = u16::from_be_bytes(*identity.first_chunk()?);
        let sequence = u32::from_be_bytes(*payload.first_chunk()?);
        (*found == kind).then_some(Self { identity, sequence })
    }
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        _ => pair.first().map(|high| u32::from(*high) << 8).unwrap_or_default(),
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo { identity: 0x1234, sequence: 0x0007_0001 };

    #[test]
    fn a_request_has_a_checksum_that_adds_up() {
        let request = ECHO.request(true);
        assert_eq!((request.len(), request[0], &request[4..8]), (64, 8, &[0x12, 0x34, 0, 1][..]));
        assert_eq!(checksum(&request), 0);
    }

    #[test]
    fn a_reply_is_read_and_anything_else_is_not() {
        let mut packet = vec![0x45; 20];
        packet.extend(ECHO.request(true));
        assert_eq!(Echo::read_reply(&packet, true), None, "a request");
        packet[20] = 0;
        assert_eq!(Echo::read_reply(&packet, true), Some(ECHO));
        for length in 0..32 {
            assert_eq!(Echo::read_reply(&packet[..length], true), None);
        }
        let mut packet = ECHO.request(false);
        packet[0] = 129;
        assert_eq!(Echo::read_reply(&packet, false), Some(ECHO));
    }
}
