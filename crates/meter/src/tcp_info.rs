//! What the kernel knows of a connection: `struct tcp_info` in `include/uapi/linux/tcp.h`.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::{TcpWaits, socket};

const OPTIONS: usize = 5;
const SENDERS_MSS: usize = 16;
const TOTAL_RETRANSMITS: usize = 100;
const DATA_SEGMENTS_IN: usize = 152;
/// 64-bit numbers of microseconds: sending, and of that waiting for the receiver's window and for room to send from.
const BUSY: usize = 168;
const LIMITED_BY_RECEIVER: usize = 176;
const LIMITED_BY_SEND_BUFFER: usize = 184;
const BYTES: usize = 192;

const TIMESTAMPS: u8 = 1;
const TIMESTAMPS_BYTES: u32 = 12;
const HEADER_BYTES: u32 = 20;

/// Of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpInfo {
    /// The payload of a full segment that we send: the kernel's `mss_cache`, which leaves room for the options
    /// (`tcp_mtu_to_mss` in `net/ipv4/tcp_output.c`).
    pub(crate) segment_bytes: u32,
    /// The header of such a segment with its options.
    pub(crate) header_bytes: u32,
    /// Segments sent again.
    pub(crate) retransmits: u32,
    /// Segments with data that arrived, in order or not, once or again (since Linux 4.6).
    pub(crate) data_segments_in: u32,
    /// What it waited for (since Linux 4.10).
    pub(crate) waits: TcpWaits,
}

impl TcpInfo {
    pub(crate) fn of(connection: &impl AsFd) -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        socket::get(connection, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes)?;
        Ok(Self::read(&bytes))
    }

    fn read(bytes: &[u8; BYTES]) -> Self {
        let int = |at: usize| bytes.as_chunks().0.get(at / 4).copied().map(u32::from_ne_bytes).unwrap_or_default();
        let time = |at: usize| {
            let micros = bytes.as_chunks().0.get(at / 8).copied().map(u64::from_ne_bytes).unwrap_or_default();
            Duration::from_micros(micros)
        };
        let options = bytes.get(OPTIONS).copied().unwrap_or_default();
        Self {
            segment_bytes: int(SENDERS_MSS),
            header_bytes: HEADER_BYTES + if options & TIMESTAMPS == 0 { 0 } else { TIMESTAMPS_BYTES },
            retransmits: int(TOTAL_RETRANSMITS),
            data_segments_in: int(DATA_SEGMENTS_IN),
            waits: TcpWaits {
                busy: time(BUSY),
                for_receiver: time(LIMITED_BY_RECEIVER),
                for_send_buffer: time(LIMITED_BY_SEND_BUFFER),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_connection_over_loopback() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let info = TcpInfo::of(&connection).unwrap();
        assert!(info.segment_bytes > 500 && info.segment_bytes < 65_536, "{info:?}");
        assert!([20, 32].contains(&info.header_bytes) && info.retransmits == 0, "{info:?}");
    }
}
