//! IPsec in the kernel: states and policies of ESP in transport mode (`ip xfrm`, `net/xfrm/xfrm_user.c`, RFC 4303).
//!
//! The structures are those of `include/uapi/linux/xfrm.h`, on 64-bit kernels and programs alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use crate::attributes::{append, read_text, read_u16, read_u32, read_u64, value_of};
use crate::{Error, Object, Request, Socket};

const XFRM_MSG_NEWSA: u16 = 0x10;
const XFRM_MSG_DELSA: u16 = 0x11;
const XFRM_MSG_GETSA: u16 = 0x12;
const XFRM_MSG_NEWPOLICY: u16 = 0x13;
const XFRM_MSG_DELPOLICY: u16 = 0x14;
const XFRM_MSG_GETPOLICY: u16 = 0x15;
const XFRM_MSG_UPDSA: u16 = 0x1a;

const XFRMA_ALG_CRYPT: u16 = 2;
const XFRMA_ENCAP: u16 = 4;
const XFRMA_TMPL: u16 = 5;
const XFRMA_ALG_AUTH_TRUNC: u16 = 20;
const XFRMA_MARK: u16 = 21;
const XFRMA_SA_EXTRA_FLAGS: u16 = 24;
const XFRMA_OFFLOAD_DEV: u16 = 28;
const XFRMA_IF_ID: u16 = 31;

/// `XFRM_SA_XFLAG_OSEQ_MAY_WRAP` (Linux 5.8): without it a state stops after 2^32 packets, whether anybody looks at the numbers or not
/// (`xfrm_replay_overflow`).
const OSEQ_MAY_WRAP: u32 = 2;
/// `XFRM_INF`.
const UNLIMITED: u64 = u64::MAX;
const IPPROTO_ESP: u8 = 50;
const IPPROTO_UDP: u8 = 17;
const XFRM_MODE_TRANSPORT: u8 = 0;
const XFRM_POLICY_ALLOW: u8 = 0;
/// `XFRM_POLICY_OUT`; `XFRM_POLICY_IN` is 0.
const DIR_OUT: u8 = 1;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const ADDRESS_BYTES: usize = 16;
/// `struct xfrm_selector`.
const SELECTOR_BYTES: usize = 56;
/// `struct xfrm_lifetime_cfg` and `struct xfrm_lifetime_cur`.
const LIFETIME_BYTES: usize = 64;
const USED_BYTES: usize = 32;
/// `struct xfrm_usersa_info`.
const STATE_BYTES: usize = 224;
/// `struct xfrm_userpolicy_info`.
const POLICY_BYTES: usize = 168;
/// `alg_name` of `struct xfrm_algo` and `struct xfrm_algo_auth`.
const NAME_BYTES: usize = 64;

// `struct xfrm_selector`.
const SELECTOR_PORT: usize = 32;
const SELECTOR_FAMILY: usize = 40;
const SELECTOR_PREFIXES: usize = 42;
const SELECTOR_PROTOCOL: usize = 44;
// `struct xfrm_usersa_info`.
const STATE_ID: usize = SELECTOR_BYTES;
const STATE_SPI: usize = STATE_ID + ADDRESS_BYTES;
const STATE_PROTOCOL: usize = STATE_SPI + 4;
const STATE_SOURCE: usize = 80;
const STATE_LIFETIME: usize = 96;
const STATE_HARD_ADD: usize = STATE_LIFETIME + 5 * 8;
const STATE_ADDED: usize = STATE_LIFETIME + LIFETIME_BYTES + 2 * 8;
const STATE_REQUEST_ID: usize = 208;
const STATE_FAMILY: usize = 212;
const STATE_MODE: usize = 214;
const STATE_REPLAY_WINDOW: usize = 215;
const STATE_FLAGS: usize = 216;
// `struct xfrm_userpolicy_info`.
const POLICY_LIFETIME: usize = SELECTOR_BYTES;
const POLICY_PRIORITY: usize = SELECTOR_BYTES + LIFETIME_BYTES + USED_BYTES;
const POLICY_DIRECTION: usize = POLICY_PRIORITY + 8;
const POLICY_ACTION: usize = POLICY_DIRECTION + 1;
// `struct xfrm_user_tmpl`.
const TEMPLATE_BYTES: usize = 64;
const TEMPLATE_PROTOCOL: usize = ADDRESS_BYTES + 4;
const TEMPLATE_FAMILY: usize = 24;
const TEMPLATE_REQUEST_ID: usize = 44;
const TEMPLATE_MODE: usize = 48;
const TEMPLATE_ALGORITHMS: usize = 52;
// `struct xfrm_userpolicy_id`, `struct xfrm_usersa_id`.
const POLICY_ID_BYTES: usize = 64;
const POLICY_ID_DIRECTION: usize = SELECTOR_BYTES + 4;
const STATE_ID_BYTES: usize = 24;

/// The cipher: AES with 256 bits in CBC. Its initialization vectors are derived from a random number of the kernel's (`echainiv`), so
/// a key may be used again after the state has been made anew.
pub const CIPHER: &str = "cbc(aes)";
/// The length of its key in bytes.
pub const CIPHER_KEY_BYTES: usize = 32;
/// What authenticates packets: HMAC-SHA-256-128 (RFC 4868).
pub const AUTHENTICATION: &str = "hmac(sha256)";
/// The length of its key in bytes.
pub const AUTHENTICATION_KEY_BYTES: usize = 32;
/// The bits of it that a packet carries.
const AUTHENTICATION_BITS: u32 = 128;

// What ESP adds to a packet: SPI and sequence number, initialization vector, padding to blocks with its length and the next header,
// and the authentication (RFC 4303, 2).
const ESP_HEADER_BYTES: u32 = 8;
const VECTOR_BYTES: u32 = 16;
const BLOCK_BYTES: u32 = 16;
const TRAILER_BYTES: u32 = 2;

/// How many bytes of a payload fit into a packet's `room` behind its IP header, in bytes, once ESP has taken its part.
#[must_use]
pub fn payload_in(room_bytes: u32) -> u32 {
    let sealed = room_bytes.saturating_sub(ESP_HEADER_BYTES + VECTOR_BYTES + AUTHENTICATION_BITS / 8);
    (sealed / BLOCK_BYTES * BLOCK_BYTES).saturating_sub(TRAILER_BYTES)
}

impl Socket {
    /// Opens a socket for IPsec in the calling thread's namespace.
    ///
    /// # Errors
    /// [`Error::System`] with `EPROTONOSUPPORT` when the kernel has no `xfrm_user`.
    pub fn open_xfrm() -> Result<Self, Error> {
        Self::of(libc::NETLINK_XFRM, &[libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK])
    }
}

/// What names a state of ESP: the kernel has one for each destination and SPI, whatever its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateId {
    /// Where packets go: a host or a group.
    pub destination: IpAddr,
    /// The Security Parameters Index, at least 256.
    pub spi: u32,
}

impl StateId {
    /// `ip xfrm state delete dst DESTINATION proto esp spi SPI`.
    #[must_use]
    pub fn delete(&self) -> Request {
        let mut payload = vec![0; STATE_ID_BYTES];
        put(&mut payload, 0, &padded(self.destination));
        put(&mut payload, ADDRESS_BYTES, &self.spi.to_be_bytes());
        put(&mut payload, ADDRESS_BYTES + 4, &family(self.destination).to_ne_bytes());
        put(&mut payload, ADDRESS_BYTES + 6, &[IPPROTO_ESP]);
        Request::raw(XFRM_MSG_DELSA, 0, payload)
    }
}

/// A state of ESP in transport mode to make: [`CIPHER`] with [`AUTHENTICATION`], without a replay window, whose sequence number may
/// wrap. It is for UDP from its source to a port of its destination alone: ESP does not authenticate addresses, so the kernel compares
/// them with this selector (RFC 4301, 5.2).
pub struct NewState<'a> {
    /// Its name.
    pub id: StateId,
    /// Where packets come from.
    pub source: IpAddr,
    /// The UDP port that they go to.
    pub port: u16,
    /// What policies ask for.
    pub request_id: u32,
    /// [`CIPHER_KEY_BYTES`] bytes.
    pub cipher_key: &'a [u8],
    /// [`AUTHENTICATION_KEY_BYTES`] bytes.
    pub authentication_key: &'a [u8],
}

impl NewState<'_> {
    /// `ip xfrm state add …`.
    #[must_use]
    pub fn create(&self) -> Request {
        Request::raw(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, self.payload(0))
    }

    fn payload(&self, hard_expiry_seconds: u64) -> Vec<u8> {
        let mut payload = selector(self.source.into(), self.id.destination.into(), self.port);
        payload.resize(STATE_BYTES, 0);
        put(&mut payload, STATE_ID, &padded(self.id.destination));
        put(&mut payload, STATE_SPI, &self.id.spi.to_be_bytes());
        put(&mut payload, STATE_PROTOCOL, &[IPPROTO_ESP]);
        put(&mut payload, STATE_SOURCE, &padded(self.source));
        put_no_limits(&mut payload, STATE_LIFETIME);
        put(&mut payload, STATE_HARD_ADD, &hard_expiry_seconds.to_ne_bytes());
        put(&mut payload, STATE_REQUEST_ID, &self.request_id.to_ne_bytes());
        put(&mut payload, STATE_FAMILY, &family(self.source).to_ne_bytes());
        put(&mut payload, STATE_MODE, &[XFRM_MODE_TRANSPORT]);
        append(
            &mut payload,
            XFRMA_ALG_AUTH_TRUNC,
            &algorithm(AUTHENTICATION, self.authentication_key, Some(AUTHENTICATION_BITS)),
        );
        append(&mut payload, XFRMA_ALG_CRYPT, &algorithm(CIPHER, self.cipher_key, None));
        append(&mut payload, XFRMA_SA_EXTRA_FLAGS, &OSEQ_MAY_WRAP.to_ne_bytes());
        payload
    }
}

/// Without the keys.
impl std::fmt::Debug for NewState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewState({} to {}, spi {:#x})", self.source, self.id.destination, self.id.spi)
    }
}

/// `struct xfrm_algo`, or `struct xfrm_algo_auth` with the length that a packet carries.
fn algorithm(name: &str, key: &[u8], truncated_bits: Option<u32>) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(NAME_BYTES, 0);
    bytes.extend(u32::try_from(key.len() * 8).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(truncated_bits.into_iter().flat_map(u32::to_ne_bytes));
    bytes.extend(key);
    bytes
}

/// A state that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its name.
    pub id: StateId,
    /// Where packets come from.
    pub source: IpAddr,
    /// The UDP port that they go to.
    pub port: u16,
    /// What policies ask for.
    pub request_id: u32,
    /// It is as [`NewState`] makes them, as far as the kernel tells whatever the keys are.
    pub is_as_made: bool,
    /// When it was made, in seconds since 1970 by the kernel's clock.
    pub added_seconds: u64,
    /// How long after that the kernel removes it; `None` for never.
    pub expires_after: Option<Duration>,
}

impl State {
    /// Has the kernel remove it so many seconds after `now`, which is in seconds since 1970; `None` if it does so by then. What it sends
    /// and receives with stays as it is: `xfrm_state_update` takes no keys over, but wants to see some.
    ///
    /// The kernel counts from when a state was made, by the time of day. If that has been set back since, the state would be there for
    /// longer, and is removed at once.
    #[must_use]
    pub fn expire(&self, now_seconds: u64, after: Duration) -> Option<Request> {
        let Some(age) = now_seconds.checked_sub(self.added_seconds).filter(|_| !after.is_zero()) else {
            return Some(self.id.delete());
        };
        let expiry = age.saturating_add(after.as_secs()).max(1);
        if self.expires_after.is_some_and(|earlier| earlier.as_secs() <= expiry) {
            return None;
        }
        let none = [0; CIPHER_KEY_BYTES];
        let same = NewState {
            id: self.id,
            source: self.source,
            port: self.port,
            request_id: self.request_id,
            cipher_key: &none,
            authentication_key: &none,
        };
        Some(Request::raw(XFRM_MSG_UPDSA, 0, same.payload(expiry)))
    }

    /// `None` for other protocols, and for what stands for a state that a daemon is to negotiate (`XFRM_STATE_ACQ`), which has no SPI.
    fn read(object: &Object) -> Option<Self> {
        let payload = object.payload.get(..STATE_BYTES).filter(|_| object.message_type == XFRM_MSG_NEWSA)?;
        if payload.get(STATE_PROTOCOL) != Some(&IPPROTO_ESP) {
            return None;
        }
        let is_ipv6 = read_u16(payload, STATE_FAMILY)? == AF_INET6;
        let number = |offset: usize| payload.get(offset..offset + 8).and_then(read_u64);
        let attributes = object.payload.get(STATE_BYTES..)?;
        let name = |kind| value_of(attributes, kind).and_then(|value| Some(read_text(value.get(..NAME_BYTES)?)));
        let bits = |kind, offset| value_of(attributes, kind).and_then(|value| read_u32(value, offset));
        let id = StateId {
            destination: address(payload, STATE_ID, is_ipv6)?,
            spi: payload.get(STATE_SPI..STATE_SPI + 4)?.try_into().ok().map(u32::from_be_bytes)?,
        };
        if id.spi == 0 {
            return None;
        }
        let (source, port) = (address(payload, STATE_SOURCE, is_ipv6)?, read_port(payload)?);
        let is_limited = (0..4).any(|place| number(STATE_LIFETIME + place * 8) != Some(UNLIMITED));
        let has = |kind| value_of(attributes, kind).is_some();
        let is_as_made = payload.get(STATE_MODE) == Some(&XFRM_MODE_TRANSPORT)
            && payload.get(STATE_FLAGS) == Some(&0)
            && payload.get(..SELECTOR_BYTES) == Some(&selector(source.into(), id.destination.into(), port))
            && !is_limited
            && ![XFRMA_ENCAP, XFRMA_MARK, XFRMA_OFFLOAD_DEV, XFRMA_IF_ID].into_iter().any(has)
            && payload.get(STATE_REPLAY_WINDOW) == Some(&0)
            && name(XFRMA_ALG_CRYPT).as_deref() == Some(CIPHER)
            && name(XFRMA_ALG_AUTH_TRUNC).as_deref() == Some(AUTHENTICATION)
            && bits(XFRMA_ALG_AUTH_TRUNC, NAME_BYTES + 4) == Some(AUTHENTICATION_BITS)
            && bits(XFRMA_SA_EXTRA_FLAGS, 0).is_some_and(|flags| flags & OSEQ_MAY_WRAP != 0);
        Some(Self {
            id,
            source,
            port,
            request_id: read_u32(payload, STATE_REQUEST_ID)?,
            is_as_made,
            added_seconds: number(STATE_ADDED)?,
            expires_after: number(STATE_HARD_ADD).filter(|seconds| *seconds != 0).map(Duration::from_secs),
        })
    }
}

/// All states of ESP.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn states(socket: &mut Socket) -> Result<Vec<State>, Error> {
    socket.expect_large_objects();
    let objects = socket.dump("the states of IPsec", &Request::list(XFRM_MSG_GETSA, Vec::new()))?;
    Ok(objects.iter().filter_map(State::read).collect())
}

/// Which way packets go that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Into the host.
    In,
    /// Out of it.
    Out,
}

impl Direction {
    /// As `ip xfrm policy` has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// A policy: packets of UDP to a port pass by ESP in transport mode alone, by states of this request ID. Those that have come, or would
/// go, in another way are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which way.
    pub direction: Direction,
    /// Where packets come from.
    pub source: IpNetwork,
    /// Where they go.
    pub destination: IpNetwork,
    /// The UDP port that they go to.
    pub port: u16,
    /// What the states have.
    pub request_id: u32,
}

impl Policy {
    /// `ip xfrm policy add dir DIRECTION src SOURCE dst DESTINATION proto udp dport PORT priority 0 tmpl proto esp mode transport reqid
    /// REQUEST_ID`. No other policy comes before it.
    #[must_use]
    pub fn create(&self) -> Request {
        let mut payload = self.selector();
        payload.resize(POLICY_BYTES, 0);
        put_no_limits(&mut payload, POLICY_LIFETIME);
        put(&mut payload, POLICY_DIRECTION, &[self.number(), XFRM_POLICY_ALLOW]);
        append(&mut payload, XFRMA_TMPL, &self.template());
        Request::raw(XFRM_MSG_NEWPOLICY, NLM_F_CREATE | NLM_F_EXCL, payload)
    }

    fn template(&self) -> Vec<u8> {
        let mut template = vec![0; TEMPLATE_BYTES];
        put(&mut template, TEMPLATE_PROTOCOL, &[IPPROTO_ESP]);
        put(&mut template, TEMPLATE_FAMILY, &family(self.source.ip()).to_ne_bytes());
        put(&mut template, TEMPLATE_REQUEST_ID, &self.request_id.to_ne_bytes());
        put(&mut template, TEMPLATE_MODE, &[XFRM_MODE_TRANSPORT]);
        put(&mut template, TEMPLATE_ALGORITHMS, &[u8::MAX; 12]);
        template
    }

    /// `ip xfrm policy delete dir DIRECTION src SOURCE dst DESTINATION proto udp dport PORT`.
    #[must_use]
    pub fn delete(&self) -> Request {
        let mut payload = self.selector();
        payload.resize(POLICY_ID_BYTES, 0);
        put(&mut payload, POLICY_ID_DIRECTION, &[self.number()]);
        Request::raw(XFRM_MSG_DELPOLICY, 0, payload)
    }

    fn selector(&self) -> Vec<u8> {
        selector(self.source, self.destination, self.port)
    }

    fn number(&self) -> u8 {
        match self.direction {
            Direction::In => 0,
            Direction::Out => DIR_OUT,
        }
    }

    /// One that [`Policy::create`] could have made; `None` for all others.
    fn read(object: &Object) -> Option<Self> {
        let payload = object.payload.get(..POLICY_BYTES).filter(|_| object.message_type == XFRM_MSG_NEWPOLICY)?;
        let direction = match payload.get(POLICY_DIRECTION)? {
            0 => Direction::In,
            &DIR_OUT => Direction::Out,
            _ => return None,
        };
        let is_ipv6 = read_u16(payload, SELECTOR_FAMILY)? == AF_INET6;
        let [to, from, ..] = payload.get(SELECTOR_PREFIXES..)? else { return None };
        let attributes = object.payload.get(POLICY_BYTES..)?;
        let template = value_of(attributes, XFRMA_TMPL).filter(|all| all.len() == TEMPLATE_BYTES)?;
        let policy = Self {
            direction,
            source: IpNetwork::new(address(payload, ADDRESS_BYTES, is_ipv6)?, *from).ok()?,
            destination: IpNetwork::new(address(payload, 0, is_ipv6)?, *to).ok()?,
            port: read_port(payload)?,
            request_id: read_u32(template, TEMPLATE_REQUEST_ID)?,
        };
        let is_ours = payload.get(..SELECTOR_BYTES) == Some(&policy.selector())
            && payload.get(POLICY_PRIORITY..POLICY_PRIORITY + 4) == Some(&[0; 4])
            && payload.get(POLICY_ACTION..POLICY_ACTION + 2) == Some(&[XFRM_POLICY_ALLOW, 0])
            && template == policy.template()
            && ![XFRMA_MARK, XFRMA_IF_ID].into_iter().any(|kind| value_of(attributes, kind).is_some());
        is_ours.then_some(policy)
    }
}

/// The policies of the kind that [`Policy::create`] makes.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn policies(socket: &mut Socket) -> Result<Vec<Policy>, Error> {
    socket.expect_large_objects();
    let objects = socket.dump("the policies of IPsec", &Request::list(XFRM_MSG_GETPOLICY, Vec::new()))?;
    Ok(objects.iter().filter_map(Policy::read).collect())
}

/// `struct xfrm_selector`: UDP to a port.
fn selector(source: IpNetwork, destination: IpNetwork, port: u16) -> Vec<u8> {
    let mut selector = vec![0; SELECTOR_BYTES];
    put(&mut selector, 0, &padded(destination.ip()));
    put(&mut selector, ADDRESS_BYTES, &padded(source.ip()));
    put(&mut selector, SELECTOR_PORT, &port.to_be_bytes());
    put(&mut selector, SELECTOR_PORT + 2, &u16::MAX.to_be_bytes());
    put(&mut selector, SELECTOR_FAMILY, &family(source.ip()).to_ne_bytes());
    put(&mut selector, SELECTOR_PREFIXES, &[destination.prefix(), source.prefix()]);
    put(&mut selector, SELECTOR_PROTOCOL, &[IPPROTO_UDP]);
    selector
}

fn read_port(selector: &[u8]) -> Option<u16> {
    selector.get(SELECTOR_PORT..SELECTOR_PORT + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// Limits by bytes and packets are written out where there are none; those by time are 0.
fn put_no_limits(payload: &mut [u8], offset: usize) {
    (0..4).for_each(|place| put(payload, offset + place * 8, &UNLIMITED.to_ne_bytes()));
}

fn put(payload: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(place) = payload.get_mut(offset..offset + value.len()) {
        place.copy_from_slice(value);
    }
}

/// `xfrm_address_t`.
fn padded(address: IpAddr) -> Vec<u8> {
    let mut bytes = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    bytes.resize(ADDRESS_BYTES, 0);
    bytes
}

fn address(payload: &[u8], offset: usize, is_ipv6: bool) -> Option<IpAddr> {
    let bytes: [u8; ADDRESS_BYTES] = payload.get(offset..offset + ADDRESS_BYTES)?.try_into().ok()?;
    let [a, b, c, d, ..] = bytes;
    Some(if is_ipv6 { Ipv6Addr::from(bytes).into() } else { Ipv4Addr::from([a, b, c, d]).into() })
}

fn family(address: IpAddr) -> u16 {
    if address.is_ipv6() { AF_INET6 } else { AF_INET }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ip xfrm state` and `ip xfrm policy` of iproute2 read and write them: the lengths are the kernel's (`xfrm_msg_min`).
    #[test]
    fn states_are_read_as_they_are_written() {
        for (source, destination) in [("192.0.2.1", "239.0.0.1"), ("2001:db8::1", "2001:db8::2")] {
            let id = StateId { destination: destination.parse().unwrap(), spi: 0x1234_5678 };
            let (source, request_id) = (source.parse().unwrap(), 0x706c_39c5);
            let key = [7; 32];
            let new = NewState { id, source, port: 14789, request_id, cipher_key: &key, authentication_key: &key };
            let object = Object { message_type: XFRM_MSG_NEWSA, payload: new.payload(90) };
            let expected = State {
                id,
                source,
                port: 14789,
                request_id,
                is_as_made: true,
                added_seconds: 0,
                expires_after: Some(Duration::from_secs(90)),
            };
            assert_eq!(State::read(&object), Some(expected));
            for end in 0..object.payload.len() {
                let cut = Object { message_type: XFRM_MSG_NEWSA, payload: object.payload[..end].to_vec() };
                let _ = State::read(&cut); // no bytes panic
            }
            assert!(!format!("{new:?} {:?}", new.create()).contains("7, 7"), "the keys are printed");
        }
    }

    #[test]
    fn a_state_expires_at_the_earliest_time_that_was_said() {
        let id = StateId { destination: "192.0.2.1".parse().unwrap(), spi: 0x1234_5678 };
        let source = "192.0.2.2".parse().unwrap();
        for (added, expires_after, now, after, expected) in [
            (1000, None, 1100, 60, Some((XFRM_MSG_UPDSA, 160))),
            (1000, Some(200), 1100, 60, Some((XFRM_MSG_UPDSA, 160))),
            (1000, Some(160), 1100, 60, None),
            (1000, Some(120), 1100, 60, None),
            (1000, Some(120), 1100, 0, Some((XFRM_MSG_DELSA, 0))),
            // The clock was set when the state was there, forward and back.
            (0, None, 1_800_000_000, 60, Some((XFRM_MSG_UPDSA, 1_800_000_060))),
            (1_800_000_000, None, 1000, 60, Some((XFRM_MSG_DELSA, 0))),
        ] {
            let expires_after = expires_after.map(Duration::from_secs);
            let state =
                State { id, source, port: 1, request_id: 1, is_as_made: true, added_seconds: added, expires_after };
            let found = state.expire(now, Duration::from_secs(after)).map(|request| {
                let mut bytes = Vec::new();
                request.append(1, &mut bytes);
                let kind = read_u16(&bytes, 4).unwrap();
                let expiry = bytes.get(crate::request::HEADER_BYTES + STATE_HARD_ADD..).and_then(|rest| rest.get(..8));
                (kind, if kind == XFRM_MSG_UPDSA { expiry.and_then(read_u64).unwrap() } else { 0 })
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_was_changed_is_not_as_it_was_made() {
        let id = StateId { destination: "192.0.2.1".parse().unwrap(), spi: 0x1234_5678 };
        let key = [7; 32];
        let source = "192.0.2.2".parse().unwrap();
        let new = NewState { id, source, port: 14789, request_id: 1, cipher_key: &key, authentication_key: &key };
        let payload = new.payload(0);
        let is_as_made =
            |payload: Vec<u8>| State::read(&Object { message_type: XFRM_MSG_NEWSA, payload }).map(|s| s.is_as_made);
        assert_eq!(is_as_made(payload.clone()), Some(true));
        let mut larval = payload.clone();
        larval[STATE_SPI..STATE_SPI + 4].fill(0);
        assert_eq!(is_as_made(larval), None);
        for place in [
            0,
            ADDRESS_BYTES,
            SELECTOR_PREFIXES,
            SELECTOR_PROTOCOL,
            STATE_LIFETIME,
            STATE_MODE,
            STATE_REPLAY_WINDOW,
            STATE_FLAGS,
        ] {
            let mut changed = payload.clone();
            changed[place] ^= 1;
            assert_eq!(is_as_made(changed), Some(false), "{place}");
        }
        for kind in [XFRMA_ENCAP, XFRMA_MARK, XFRMA_IF_ID, XFRMA_OFFLOAD_DEV] {
            let mut changed = payload.clone();
            append(&mut changed, kind, &[1; 8]);
            assert_eq!(is_as_made(changed), Some(false), "attribute {kind}");
        }
        let any: IpNetwork = "0.0.0.0/0".parse().unwrap();
        let policy = Policy { direction: Direction::In, source: any, destination: any, port: 14789, request_id: 1 };
        let mut bytes = Vec::new();
        policy.create().append(1, &mut bytes);
        let payload = bytes[crate::request::HEADER_BYTES..].to_vec();
        let read = |payload: Vec<u8>| Policy::read(&Object { message_type: XFRM_MSG_NEWPOLICY, payload });
        assert_eq!(read(payload.clone()), Some(policy));
        let template = POLICY_BYTES + 4;
        for place in [
            SELECTOR_PORT + 2,
            SELECTOR_PROTOCOL,
            POLICY_PRIORITY,
            POLICY_ACTION,
            template + TEMPLATE_PROTOCOL,
            template + TEMPLATE_MODE,
            template + TEMPLATE_MODE + 2, // optional
            template + TEMPLATE_ALGORITHMS,
        ] {
            let mut changed = payload.clone();
            changed[place] ^= 1;
            assert_eq!(read(changed), None, "{place}");
        }
        let mut marked = payload;
        append(&mut marked, XFRMA_MARK, &[1; 8]);
        assert_eq!(read(marked), None);
    }

    #[test]
    fn policies_are_read_as_they_are_written() {
        for (direction, source, destination) in
            [(Direction::In, "0.0.0.0/0", "0.0.0.0/0"), (Direction::Out, "2001:db8::1/128", "::/0")]
        {
            let policy = Policy {
                direction,
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                port: 14789,
                request_id: 0x706c_39c5,
            };
            let mut bytes = Vec::new();
            policy.create().append(1, &mut bytes);
            let payload = bytes[crate::request::HEADER_BYTES..].to_vec();
            let object = |payload: &[u8]| Object { message_type: XFRM_MSG_NEWPOLICY, payload: payload.to_vec() };
            assert_eq!(Policy::read(&object(&payload)), Some(policy));
            for end in 0..payload.len() {
                let _ = Policy::read(&object(&payload[..end])); // no bytes panic
            }
        }
    }

    #[test]
    fn what_fits_beside_esp() {
        // A packet of 1500 bytes over IPv4: 1480 behind its header, of which 40 are ESP's.
        assert_eq!(payload_in(1480), 1438);
        assert_eq!(payload_in(1460), 1406);
        assert_eq!(payload_in(39), 0);
        for room in 0..3000 {
            let payload = payload_in(room);
            let packet = |payload: u32| 8 + 16 + (payload + 2).div_ceil(16) * 16 + 16;
            assert!(payload == 0 || packet(payload) <= room, "{room}");
            assert!(packet(payload + 1) > room, "{room}");
        }
    }
}
