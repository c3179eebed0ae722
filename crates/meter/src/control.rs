//! What the kernel says about a datagram beside its payload: control messages as in `cmsg(3)`.

/// The length of a `struct cmsghdr`, whose first field is as long as a pointer.
const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 8;

/// The control messages that are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// When the kernel received the datagram, in nanoseconds of the wall clock; 0 when it did not say.
    pub arrival_ns: u64,
    /// The traffic class: DSCP in the upper six bits, ECN in the lower two.
    pub class: u8,
}

impl Control {
    /// Reads all messages of one datagram.
    pub(crate) fn read(mut bytes: &[u8]) -> Self {
        let mut control = Self::default();
        while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
            let length = word(header);
            let Some(data) = length.checked_sub(HEADER).and_then(|length| rest.get(..length)) else { break };
            control.take(int(header, WORD), int(header, WORD + 4), data);
            let Some(next) = length.checked_next_multiple_of(WORD).and_then(|next| bytes.get(next..)) else { break };
            bytes = next;
        }
        control
    }

    fn take(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                let seconds = u64::try_from(word(data)).unwrap_or_default();
                let nanoseconds = data.get(WORD..).map(word).and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
                self.arrival_ns = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => self.class = data.first().copied().unwrap_or_default(),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => self.class = int(data, 0).to_le_bytes()[0],
            _ => {}
        }
    }
}

fn word(bytes: &[u8]) -> usize {
    bytes.first_chunk().copied().map(usize::from_ne_bytes).unwrap_or_default()
}

fn int(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(i32::from_ne_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend([level.to_ne_bytes(), kind.to_ne_bytes()].concat());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    #[test]
    fn reads_time_and_class() {
        let time = [7usize.to_ne_bytes(), 5usize.to_ne_bytes()].concat();
        let bytes =
            [message(libc::IPPROTO_IP, libc::IP_TOS, &[3]), message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &time)];
        assert_eq!(Control::read(&bytes.concat()), Control { arrival_ns: 7_000_000_005, class: 3 });
        let bytes = message(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &2i32.to_ne_bytes());
        assert_eq!(Control::read(&bytes).class, 2);
    }

    #[test]
    fn lengths_that_make_no_sense_end_the_reading() {
        for length in [0, 1, HEADER - 1, HEADER + 9, usize::MAX] {
            let mut bytes = message(libc::IPPROTO_IP, libc::IP_TOS, &[3]);
            bytes[..WORD].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(Control::read(&bytes), Control::default(), "length {length}");
        }
        assert_eq!(Control::read(&[1; 5]), Control::default());
    }
}
