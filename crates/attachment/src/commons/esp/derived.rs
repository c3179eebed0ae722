//! What follows from a key for one sender and one destination.

use std::net::IpAddr;

use hkdf::Hkdf;
use netlink::xfrm::{AUTHENTICATION_KEY_BYTES, CIPHER_KEY_BYTES, NewState, State, StateId};
use sha2::Sha512;

use crate::Secret;

/// What the keys are for; another use of the same file would have other keys.
const SALT: &[u8] = b"plugboard lac esp";

/// The least SPI that the kernel takes (RFC 4303, 2.1).
const LEAST_SPI: u32 = 256;

const SPI_BYTES: usize = 4;
const DERIVED_BYTES: usize = SPI_BYTES + CIPHER_KEY_BYTES + AUTHENTICATION_KEY_BYTES;

/// A sender and a destination of packets to a UDP port: each has keys of its own, so that none but the sender ever begins to count
/// with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) source: IpAddr,
    /// A host or a group.
    pub(crate) destination: IpAddr,
}

/// A key, of which what all ways have in common has been computed.
pub(super) struct Extracted(Hkdf<Sha512>);

impl Extracted {
    pub(super) fn new(key: &Secret) -> Self {
        Self(Hkdf::new(Some(SALT), key.bytes()))
    }
}

impl Way {
    /// That of a state.
    pub(super) fn of(state: &State) -> Self {
        Self { source: state.source, destination: state.id.destination }
    }
}

/// What a key gives for a [`Way`]: HKDF with SHA-512 (RFC 5869) over the port and both addresses.
pub(super) struct Derived {
    way: Way,
    port: u16,
    spi: u32,
    /// [`DERIVED_BYTES`] of them.
    bytes: Secret,
}

impl Derived {
    pub(super) fn new(key: &Extracted, port: u16, way: Way) -> Self {
        let mut about = port.to_be_bytes().to_vec();
        for address in [way.source, way.destination] {
            match address {
                IpAddr::V4(v4) => about.extend(v4.octets()),
                IpAddr::V6(v6) => about.extend(v6.octets()),
            }
        }
        let mut bytes = vec![0; DERIVED_BYTES];
        let expanded = key.0.expand(&about, &mut bytes);
        debug_assert!(expanded.is_ok(), "HKDF gives up to 255 hashes");
        let first = bytes.first_chunk().copied().map_or(0, u32::from_be_bytes);
        let spi = if first < LEAST_SPI { first.wrapping_add(LEAST_SPI) } else { first };
        Self { way, port, spi, bytes: Secret::new(bytes) }
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    pub(super) fn id(&self) -> StateId {
        StateId { destination: self.way.destination, spi: self.spi }
    }

    pub(super) fn state(&self, request_id: u32) -> NewState<'_> {
        let (cipher_key, authentication_key) = self
            .bytes
            .bytes()
            .get(SPI_BYTES..)
            .and_then(|keys| keys.split_at_checked(CIPHER_KEY_BYTES))
            .unwrap_or_default();
        NewState { id: self.id(), source: self.way.source, port: self.port, request_id, cipher_key, authentication_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(key: &[u8], port: u16, source: &str, destination: &str) -> (u32, Vec<u8>) {
        let way = Way { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
        let derived = Derived::new(&Extracted::new(&Secret::new(key.to_vec())), port, way);
        let state = derived.state(0);
        assert_eq!((state.cipher_key.len(), state.authentication_key.len()), (32, 32));
        (derived.spi, [state.cipher_key, state.authentication_key].concat())
    }

    /// Hosts with different releases hear each other.
    #[test]
    fn what_is_derived_never_changes() {
        let (spi, keys) = derived(b"secret", 14789, "192.0.2.1", "239.0.0.1");
        let hexadecimal: String = keys.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((format!("{spi:08x}"), hexadecimal), (EXPECTED.0.to_owned(), EXPECTED.1.to_owned()));
    }

    #[test]
    fn each_sender_and_destination_has_keys_of_its_own() {
        let all = [
            derived(b"one", 14789, "192.0.2.1", "192.0.2.2"),
            derived(b"one", 14789, "192.0.2.2", "192.0.2.1"),
            derived(b"one", 14789, "192.0.2.1", "239.0.0.1"),
            derived(b"one", 14790, "192.0.2.1", "192.0.2.2"),
            derived(b"two", 14789, "192.0.2.1", "192.0.2.2"),
            derived(b"one", 14789, "2001:db8::1", "2001:db8::2"),
        ];
        for (place, one) in all.iter().enumerate() {
            let rest = all.get(place + 1..).unwrap();
            assert!(rest.iter().all(|other| one.0 != other.0 && one.1 != other.1), "{one:?}");
        }
    }

    /// By another implementation of HKDF.
    const EXPECTED: (&str, &str) = (
        "6b9b975d",
        "c66d794bf7495e2a90dba9c9d8815a0cd21d28452bc8b0c9e101b7036803f1ef\
         7afd175b84277e9b6241e853313149d3c372b0463d4712cf246e98de99530b73",
    );
}
