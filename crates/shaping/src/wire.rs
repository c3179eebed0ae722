//! What queues count in: bytes of packets, ticks of time.
//!
//! A packet counts with its Ethernet header (`qdisc_pkt_len_init` in net/core/dev.c), and without what only a wire has: preamble,
//! checksum and the gap between frames. A VLAN tag counts where it is in the frame, and not where the kernel keeps it beside
//! the packet for a device that inserts it.
//!
//! tbf could add bytes for a wire (`tc_ratespec.overhead`), but adds them once to a super-packet, which becomes dozens of
//! frames: the rate would depend on the sender's offloads.

/// Bytes of an Ethernet header with two VLAN tags (IEEE 802.1ad), which the kernel may count and the MTU does not.
pub(crate) const ETHERNET_HEADER: u64 = 14 + 2 * 4;

/// Bytes of the smallest frame that Ethernet knows, less its checksum, which no queue sees.
pub(crate) const SMALLEST_FRAME: u64 = 60;

/// Bytes of the largest super-packet that the stack hands down by default (`GSO_LEGACY_MAX_SIZE`), and of the largest IP
/// datagram.
const SUPER_PACKET: u64 = 65_536;

/// Bytes of headers at most that a segment of a super-packet carries: Ethernet with VLAN tags, IPv6, TCP with options.
const SEGMENT_HEADERS: u64 = ETHERNET_HEADER + 40 + 60;

/// The least MTU that IPv4 hosts must take; smaller ones would make the sums below meaningless.
const LEAST_MTU: u64 = 576;

/// The largest frame in bytes.
pub(crate) fn largest_frame(mtu: u32) -> u64 {
    u64::from(mtu).max(LEAST_MTU) + ETHERNET_HEADER
}

/// What a super-packet of the largest size counts in a queue, in bytes: the kernel adds the headers of every segment that
/// it will become (`qdisc_pkt_len_init` in net/core/dev.c).
pub(crate) fn super_packet(mtu: u32) -> u64 {
    let payload = largest_frame(mtu) - SEGMENT_HEADERS;
    SUPER_PACKET + SUPER_PACKET.div_ceil(payload) * SEGMENT_HEADERS
}

/// What flows at `bytes_per_second` in `nanoseconds`, in bytes, rounded up.
pub(crate) fn carried(bytes_per_second: u64, nanoseconds: u64) -> u64 {
    let bytes = (u128::from(bytes_per_second) * u128::from(nanoseconds)).div_ceil(1_000_000_000);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// At most the limit that tools print and kernels compare as a signed number.
pub(crate) fn capped(number: u64) -> u32 {
    u32::try_from(number.min(i32::MAX.unsigned_abs().into())).unwrap_or(i32::MAX.unsigned_abs())
}
