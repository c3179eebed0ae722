//! The identity of an attachment, and the names that are derived from it.
//!
//! DEL and GC find everything by these names: there is no state on disk. So they must never change between releases.

use netlink::Mac;
use netlink::link::{ALIAS_BYTES, NAME_BYTES};

use crate::Error;

/// Every alias of ours begins with it.
pub(crate) const MARK: &str = "plugboard: ";

/// The longest name of a network in bytes, so that an alias always has room for all of it.
const NETWORK_BYTES: usize = 128;

/// How hashes are written in names.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
pub(crate) const DIGITS: usize = 13;
/// How many of them are those of the network, in names that tell it.
const NETWORK_DIGITS: usize = 5;

/// Numbers of routing tables of attachments: people choose smaller ones, as the kernel's own are, and tools that read them into a
/// signed number take no larger ones.
const TABLES: std::ops::Range<u32> = 1 << 16..1 << 31;

/// The name of a link of the host that a network has: `prefix` and the network's name; or, where that is too long, a hash of it.
#[must_use]
pub fn network_link(prefix: &str, network: &str) -> String {
    let name = format!("{prefix}{network}");
    if name.len() <= NAME_BYTES {
        return name;
    }
    let hash = hash(["network", network]);
    format!("{prefix}{}", digits(hash, NAME_BYTES.saturating_sub(prefix.len()).min(DIGITS)))
}

/// An attachment: one interface of one container in one network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    network: String,
    container_id: String,
    if_name: String,
}

impl Identity {
    /// An attachment by its three parts.
    pub fn new(network: impl Into<String>, container_id: impl Into<String>, if_name: impl Into<String>) -> Self {
        Self { network: network.into(), container_id: container_id.into(), if_name: if_name.into() }
    }

    /// The attachment that an alias names. A long container ID may have been cut.
    pub(crate) fn named_by(alias: &str) -> Option<Self> {
        let (interface, rest) = alias.strip_prefix(MARK)?.split_once(" on ")?;
        let (network, container_id) = rest.split_once(" of ")?;
        (!interface.contains(' ')).then(|| Self::new(network, container_id, interface))
    }

    /// The attachment of the same container to the same network under another interface.
    #[must_use]
    pub fn beside(&self, interface: &str) -> Self {
        Self { if_name: interface.to_owned(), ..self.clone() }
    }

    /// Refuses what cannot be made, because its devices could not be found again.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the network's name is longer than 128 bytes.
    pub fn check(&self) -> Result<(), Error> {
        match self.network.len() {
            0..=NETWORK_BYTES => Ok(()),
            length => Err(Error::Invalid(format!(
                "the network's name has {length} bytes; at most {NETWORK_BYTES} fit into the alias of a device"
            ))),
        }
    }

    /// The name of the container interface.
    #[must_use]
    pub fn if_name(&self) -> &str {
        &self.if_name
    }

    /// The network's name.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The container's ID.
    #[must_use]
    pub fn container_id(&self) -> &str {
        &self.container_id
    }

    /// The name of the host interface: `pb` and 65 bits of a hash of all three parts, 15 bytes in all.
    #[must_use]
    pub fn host_name(&self) -> String {
        self.device_name("pb")
    }

    /// Whether a name has the form of [`Identity::host_name`].
    pub(crate) fn is_host_name(name: &str) -> bool {
        Self::has_form(name, "pb")
    }

    /// Whether a name has the form of one that an attachment gives its devices on the host.
    pub(crate) fn is_device_name(name: &str) -> bool {
        Self::has_form(name, "pb") || Self::has_form(name, "pi")
    }

    /// Whether a name has the form of those of the two ends of a line between a TAP device and a switch, which are both on the host.
    pub(crate) fn is_line_name(name: &str) -> bool {
        Self::has_form(name, "po") || Self::has_form(name, "pj")
    }

    fn has_form(name: &str, prefix: &str) -> bool {
        let is_digit = |byte: u8| ALPHABET.contains(&byte);
        name.strip_prefix(prefix).is_some_and(|hash| hash.len() == DIGITS && hash.bytes().all(is_digit))
    }

    /// The name of a device between the host interface and a TAP device in the container: as that of the host interface but
    /// for its second letter. It differs from all three parts, for it is a hash of them.
    #[must_use]
    pub fn joint_name(&self) -> String {
        self.device_name("pj")
    }

    /// The name of the port of a switch where that is not the host interface itself, which is joined to it then: as that but for its
    /// second letter.
    pub(crate) fn port_name(&self) -> String {
        self.device_name("po")
    }

    /// The name of a device in the container's namespace until it has its alias and the name of the container interface. It tells
    /// the network: `pc`, 25 bits of a hash of that, and 40 bits of one of all three parts.
    #[must_use]
    pub fn interim_name(&self) -> String {
        let own = self.name("", "interim");
        format!("{}{}", Self::interim_prefix(&self.network), own.get(..DIGITS - NETWORK_DIGITS).unwrap_or_default())
    }

    /// Whether a name is an [`Identity::interim_name`] of an attachment to this network.
    pub(crate) fn is_interim_name(name: &str, network: &str) -> bool {
        Self::has_form(name, "pc") && name.starts_with(&Self::interim_prefix(network))
    }

    fn interim_prefix(network: &str) -> String {
        let mut prefix = Self::new(network, "", "").name("pc", "network of the interim");
        prefix.truncate(2 + NETWORK_DIGITS);
        prefix
    }

    /// The name of the ifb of what the device of a container interface receives, which may be another one than that of the
    /// attachment: a plugin may shape several in one call.
    #[must_use]
    pub fn ifb_name(&self, interface: &str) -> String {
        if interface == self.if_name {
            self.device_name("pi")
        } else {
            self.name("pi", &format!("device of {interface}"))
        }
    }

    /// The alias of that ifb. It tells the interface, so that GC can derive the name for each valid attachment.
    #[must_use]
    pub fn ifb_alias(&self, interface: &str) -> String {
        if interface == self.if_name {
            self.alias()
        } else {
            self.alias_for(&format!("{interface} for {}", self.if_name))
        }
    }

    fn device_name(&self, prefix: &str) -> String {
        self.name(prefix, "device")
    }

    fn name(&self, prefix: &str, role: &str) -> String {
        format!("{prefix}{}", digits(self.hash(role), DIGITS))
    }

    /// The hardware address of the container interface, the same at every ADD.
    #[must_use]
    pub fn container_mac(&self) -> Mac {
        self.mac("container interface")
    }

    /// The hardware address of the host interface.
    #[must_use]
    pub fn host_mac(&self) -> Mac {
        self.mac("host interface")
    }

    /// The hardware address of the device that [`Identity::joint_name`] names.
    #[must_use]
    pub fn joint_mac(&self) -> Mac {
        self.mac("joint")
    }

    /// The hardware address of the device that [`Identity::port_name`] names.
    pub(crate) fn port_mac(&self) -> Mac {
        self.mac("port")
    }

    /// What the cookies of flows of attachments have in common, and the bits of it: `pb` and a zero, in 24 bits.
    pub(crate) const COOKIES: (u64, u64) = (0x0070_6200 << 40, 0xff_ffff << 40);

    /// The cookie of its flows in Open vSwitch: 40 bits of a hash of all three parts.
    pub(crate) fn cookie(&self) -> u64 {
        let (mark, mask) = Self::COOKIES;
        let hash = self.hash("cookie") & u128::from(!mask);
        mark | u64::try_from(hash).unwrap_or_default()
    }

    /// The number of the attachment's routing table in its container: 31 bits of a hash of all three parts, at least 2^16.
    #[must_use]
    pub fn table(&self) -> u32 {
        let count = u128::from(TABLES.end - TABLES.start);
        u32::try_from(self.hash("table") % count).map_or(TABLES.start, |place| TABLES.start + place)
    }

    /// A number for the attachment's lock.
    pub(crate) fn number(&self) -> u64 {
        u64::try_from(self.hash("lock") & u128::from(u64::MAX)).unwrap_or_default()
    }

    fn mac(&self, role: &str) -> Mac {
        let [a, b, c, d, e, f, ..] = self.hash(role).to_le_bytes();
        Mac::local([a, b, c, d, e, f])
    }

    fn hash(&self, role: &str) -> u128 {
        hash([role, &self.network, &self.container_id, &self.if_name])
    }

    /// The alias of the host interface: who it serves, for people and for GC. A very long container ID is cut, because GC
    /// goes by the device's name.
    #[must_use]
    pub fn alias(&self) -> String {
        self.alias_for(&self.if_name)
    }

    /// Who it serves, in words of people.
    pub(crate) fn words(&self) -> String {
        format!("{} on {} of {}", self.if_name, self.network, self.container_id)
    }

    fn alias_for(&self, interface: &str) -> String {
        let mut alias = format!("{MARK}{interface} on {} of {}", self.network, self.container_id);
        let mut end = alias.len().min(ALIAS_BYTES);
        while !alias.is_char_boundary(end) {
            end -= 1;
        }
        alias.truncate(end);
        alias
    }
}

/// FNV-1a with 128 bits: short, and stable over releases of Rust, which the hashers of `std` are not.
fn hash<const N: usize>(parts: [&str; N]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = BASIS;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash ^ (hash >> 64) // the low bits of FNV mix least
}

pub(crate) fn digits(mut hash: u128, count: usize) -> String {
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        let digit = usize::try_from(hash & 31).unwrap_or_default();
        text.push(ALPHABET.get(digit).map_or('a', |byte| char::from(*byte)));
        hash >>= 5;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(network: &str, container: &str, interface: &str) -> Identity {
        Identity::new(network, container, interface)
    }

    /// Devices of an earlier release must be found by a later one.
    #[test]
    fn names_never_change() {
        let vn1 = identity("home-net", "vn1", "eth1");
        assert_eq!(vn1.host_name(), "pbvd4zojfh5w7vp");
        assert_eq!(vn1.container_mac().to_string(), "26:37:56:27:d8:ba");
        assert_eq!(vn1.joint_name(), "pjvd4zojfh5w7vp");
        assert_eq!(vn1.ifb_name("eth1"), "pivd4zojfh5w7vp");
        assert_eq!(vn1.ifb_alias("eth1"), vn1.alias());
        assert_eq!(vn1.ifb_name("eth2"), "pitt3k26gzvme3a");
        assert_eq!(vn1.ifb_alias("eth2"), "plugboard: eth2 for eth1 on home-net of vn1");
        assert_eq!(vn1.host_mac().to_string(), "42:38:63:8b:1b:bb");
        assert_eq!(vn1.alias(), "plugboard: eth1 on home-net of vn1");
        assert_eq!(vn1.interim_name(), "pcmdwuelggaawzu");
        assert_eq!(network_link("br-", "home-net-0001"), "br-hpl3ubrtgjif");
        assert_eq!(network_link("br-", "home-net-001"), "br-home-net-001");
        assert_eq!(vn1.table(), 1_323_837_894);
    }

    #[test]
    fn tables_are_far_from_the_numbers_of_people() {
        let tables: std::collections::BTreeSet<u32> =
            (0..1000).map(|number| identity("home-net", "vn1", &format!("eth{number}")).table()).collect();
        assert!(tables.len() == 1000 && tables.iter().all(|table| TABLES.contains(table)), "{tables:?}");
    }

    #[test]
    fn an_interim_name_tells_the_network() {
        let name = identity("home-net", "vn1", "eth1").interim_name();
        assert_eq!(name.len(), 15);
        assert!(Identity::is_interim_name(&name, "home-net") && !Identity::is_interim_name(&name, "walt-net"));
        for other in [identity("home-net", "vn1", "eth2"), identity("home-net", "vn2", "eth1")] {
            assert_ne!(other.interim_name(), name);
            assert!(Identity::is_interim_name(&other.interim_name(), "home-net"));
        }
        assert!(!Identity::is_interim_name(&identity("home-net", "vn1", "eth1").host_name(), "home-net"));
    }

    #[test]
    fn every_part_counts_and_no_two_parts_run_together() {
        let names: std::collections::BTreeSet<_> = [
            identity("a", "b", "c"),
            identity("ab", "", "c"),
            identity("a", "bc", ""),
            identity("a", "b", "d"),
            identity("a", "d", "c"),
            identity("d", "b", "c"),
        ]
        .iter()
        .map(Identity::host_name)
        .collect();
        assert_eq!(names.len(), 6);
        assert!(names.iter().all(|name| name.len() == 15));
    }

    #[test]
    fn an_overlong_network_is_refused() {
        assert!(identity(&"n".repeat(129), "c", "eth0").check().is_err());
        assert!(identity(&"n".repeat(128), "c", "eth0").check().is_ok());
    }
}
