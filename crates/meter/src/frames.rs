//! The frames of a stream, as they arrive at an interface.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, sockopt};

use crate::batch::Inbox;
use crate::curve::Curve;
use crate::payload::{self, GREETING};
use crate::{Error, Place, socket};

/// From `include/uapi/linux/if_packet.h`.
const PACKET_VNET_HDR: i32 = 15;

/// A `struct virtio_net_hdr` comes before the frame. Of what kind a super-packet is, and the payload of its segments, are
/// at these offsets.
const VNET_HEADER_BYTES: usize = 10;
const GSO_TYPE_OFFSET: usize = 1;
const GSO_SIZE_OFFSET: usize = 4;

/// Room for the headers of a frame: Ethernet (14), IP and TCP with options (60 each).
const ROOM: usize = VNET_HEADER_BYTES + 14 + 60 + 60 + 8;

const ETHERNET_BYTES: usize = 14;
const IPV6_BYTES: usize = 40;
const UDP_BYTES: usize = 8;

/// The frames of TCP and UDP that arrived while something was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// What had arrived when, in bytes at layer 2.
    pub curve: Curve,
    /// Frames that found no room in the socket, so that `curve` lacks them. A figure other than 0 says that this machine is too
    /// slow for the measurement.
    pub dropped: u64,
}

/// Counts the frames with data that arrive at `to`, by its interface, while `work` is done.
///
/// It sees what a queue before that interface let pass, whatever TCP makes of it: a segment counts when it arrives, and not
/// when one that was lost before it has been sent again. Frames without a payload (acknowledgements) and [`udp`]'s greeting do not
/// count. A super-packet counts as the frames that it stands for, as in a queue of the kernel (`qdisc_pkt_len_init` in
/// net/core/dev.c).
///
/// # Errors
/// `to` names no interface, or the packet socket could not be opened or used (root is needed).
///
/// [`udp`]: crate::udp()
pub fn frames<T>(to: &Place, work: impl FnOnce() -> T) -> Result<(T, Frames), Error> {
    let fd = to.enter(|| open(to))?;
    let is_over = AtomicBool::new(false);
    let (result, curve) = std::thread::scope(|scope| {
        let listening = std::thread::Builder::new()
            .spawn_scoped(scope, || listen(&fd, to, &is_over))
            .map_err(|error| Error::Thread(error.to_string()))?;
        let result = work();
        is_over.store(true, Ordering::Release);
        let curve = listening.join().unwrap_or_else(|_| Err(Error::Thread("the listener ended early".into())))?;
        Ok((result, curve))
    })?;
    Ok((result, Frames { curve, dropped: socket::dropped(&fd) }))
}

/// A packet socket that receives what the place's interface receives of its address's family.
fn open(to: &Place) -> Result<OwnedFd, Error> {
    let Some(interface) = to.interface() else {
        return Err(Error::Request("frames are counted at an interface; name it"));
    };
    let index = nix::net::if_::if_nametoindex(interface).map_err(|_| Error::NoInterface { place: to.to_string() })?;
    let protocol = if to.address().is_ipv4() { libc::ETH_P_IP } else { libc::ETH_P_IPV6 };
    // Without a protocol until it is bound, or it would receive from all interfaces.
    let fd = nix::sys::socket::socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|errno| to.failed("open a packet socket", errno.into()))?;
    setsockopt(&fd, sockopt::RcvBufForce, &socket::BUFFER_BYTES)
        .map_err(|errno| to.failed("set the receive buffer", errno.into()))?;
    socket::stamp_arrivals(&fd, to)?;
    socket::set(&fd, libc::SOL_PACKET, PACKET_VNET_HDR, 1)
        .map_err(|source| to.failed("ask for offloads of packets", source))?;
    bind(&fd, index, protocol).map_err(|source| to.failed("bind a packet socket", source))?;
    Ok(fd)
}

fn bind(fd: &OwnedFd, index: u32, protocol: i32) -> std::io::Result<()> {
    // SAFETY: zero is a valid value of every field.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = u16::try_from(protocol).unwrap_or_default().to_be();
    address.sll_ifindex = i32::try_from(index).unwrap_or_default();
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
    // SAFETY: the address is one of a packet socket, of the length that is stated, and lives until the call returns.
    let status = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
    if status < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes what arrives until it is over and nothing is left.
fn listen(fd: &OwnedFd, to: &Place, is_over: &AtomicBool) -> Result<Curve, Error> {
    let mut inbox = Inbox::new(ROOM);
    let mut curve = Curve::default();
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let received = inbox.receive_beginnings(fd, |packet, length, control| {
            if let Some(bytes) = layer2_bytes(packet, length) {
                curve.arrive(control.arrival_ns, bytes);
            }
        });
        match received {
            Ok(0) if was_over => return Ok(curve),
            Ok(_) => {}
            // The interface was set down meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
            Err(source) => return Err(to.failed("receive frames", source)),
        }
    }
}

/// What a frame of which `packet` is the beginning, and which is `length` bytes long with the offloads before it, counts at layer
/// 2. `None` for one without data.
fn layer2_bytes(packet: &[u8], length: usize) -> Option<u64> {
    let byte = |at: usize| packet.get(VNET_HEADER_BYTES + at).copied();
    let (protocol, ip_bytes) = match byte(ETHERNET_BYTES)? >> 4 {
        4 => (byte(ETHERNET_BYTES + 9)?, usize::from(byte(ETHERNET_BYTES)? & 15) * 4),
        6 => (byte(ETHERNET_BYTES + 6)?, IPV6_BYTES),
        _ => return None,
    };
    let transport = ETHERNET_BYTES + ip_bytes;
    let headers = match i32::from(protocol) {
        libc::IPPROTO_TCP => transport + usize::from(byte(transport + 12)? >> 4) * 4,
        libc::IPPROTO_UDP => transport + UDP_BYTES,
        _ => return None,
    };
    let frame = length.checked_sub(VNET_HEADER_BYTES)?;
    let payload = frame.checked_sub(headers).filter(|payload| *payload > 0)?;
    let is_udp = i32::from(protocol) == libc::IPPROTO_UDP;
    if is_udp && payload::sequence(packet.get(VNET_HEADER_BYTES + headers..)?) == Some(GREETING) {
        return None;
    }
    let segment = u16::from_ne_bytes([*packet.get(GSO_SIZE_OFFSET)?, *packet.get(GSO_SIZE_OFFSET + 1)?]);
    let is_super = *packet.get(GSO_TYPE_OFFSET)? != 0 && segment > 0;
    let segments = if is_super { payload.div_ceil(segment.into()) } else { 1 };
    u64::try_from(payload + segments * headers).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(protocol: i32, gso_size: u16) -> Vec<u8> {
        let mut packet = vec![0, u8::from(gso_size > 0)];
        packet.extend([0; 2]);
        packet.extend(gso_size.to_ne_bytes());
        packet.extend([0; 4 + ETHERNET_BYTES]);
        packet.push(0x45);
        packet.extend([0; 8]);
        packet.push(u8::try_from(protocol).unwrap());
        packet.extend([0; 10 + 12]);
        packet.push(0x80); // TCP with 12 bytes of options
        packet.resize(ROOM, 0);
        packet
    }

    #[test]
    fn a_frame_counts_with_its_headers() {
        assert_eq!(layer2_bytes(&packet(libc::IPPROTO_TCP, 0), VNET_HEADER_BYTES + 1514), Some(1514));
        assert_eq!(layer2_bytes(&packet(libc::IPPROTO_UDP, 0), VNET_HEADER_BYTES + 60), Some(60));
    }

    #[test]
    fn a_super_packet_counts_as_its_segments() {
        // Two full segments of 1448 bytes and one of 100.
        let length = VNET_HEADER_BYTES + 66 + 2 * 1448 + 100;
        assert_eq!(layer2_bytes(&packet(libc::IPPROTO_TCP, 1448), length), Some(2 * 1514 + 166));
    }

    #[test]
    fn what_has_no_data_does_not_count() {
        assert_eq!(layer2_bytes(&packet(libc::IPPROTO_TCP, 0), VNET_HEADER_BYTES + 66), None);
        assert_eq!(layer2_bytes(&packet(libc::IPPROTO_ICMP, 0), VNET_HEADER_BYTES + 1514), None);
        let packet = packet(libc::IPPROTO_TCP, 0);
        for end in 0..VNET_HEADER_BYTES + 47 {
            assert_eq!(layer2_bytes(&packet[..end], 1524), None, "{end}");
        }
    }
}
