//! What a device of the host was before an attachment took it over. Its alias carries that, and nothing else does.

use std::fmt;

use ipnetwork::IpNetwork;
use netlink::Mac;
use netlink::link::{ALIAS_BYTES, Link};

use crate::Identity;
use crate::identity::MARK;

/// What a device was on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// The inode of the host's namespace. Containers of other hosts can be reached from here, such as those of a container that runs
    /// containers, and the names of networks are the same there.
    pub namespace: Option<u64>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Its hardware address, if it has one of Ethernet.
    pub mac: Option<Mac>,
    /// It was administratively up.
    pub is_up: bool,
    /// Its addresses.
    pub addresses: Vec<IpNetwork>,
    /// The alias that it had.
    pub alias: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.namespace.map_or(Ok(()), |inode| write!(f, " in {inode}"))?;
        write!(f, " mtu {}", self.mtu)?;
        self.mac.map_or(Ok(()), |mac| write!(f, " mac {mac}"))?;
        f.write_str(if self.is_up { " up" } else { "" })?;
        self.addresses.iter().try_for_each(|address| write!(f, " {address}"))?;
        // The last, because anything may be in it.
        self.alias.as_ref().map_or(Ok(()), |alias| write!(f, " alias {alias}"))
    }
}

impl Origin {
    fn read(text: &str) -> Option<Self> {
        let (name, mut rest) = next_word(text)?;
        let mut origin = Self { name: name.to_owned(), ..Self::default() };
        while let Some((word, after)) = next_word(rest) {
            let value = || next_word(after);
            rest = match word {
                "in" => {
                    let (inode, rest) = value()?;
                    origin.namespace = Some(inode.parse().ok()?);
                    rest
                }
                "mtu" => {
                    let (mtu, rest) = value()?;
                    origin.mtu = mtu.parse().ok()?;
                    rest
                }
                "mac" => {
                    let (mac, rest) = value()?;
                    origin.mac = Some(mac.parse().ok()?);
                    rest
                }
                "alias" => {
                    origin.alias = Some(after.to_owned());
                    ""
                }
                "up" => {
                    origin.is_up = true;
                    after
                }
                address => {
                    origin.addresses.push(address.parse().ok()?);
                    after
                }
            };
        }
        (origin.mtu > 0).then_some(origin)
    }
}

fn next_word(text: &str) -> Option<(&str, &str)> {
    (!text.is_empty()).then(|| text.split_once(' ').unwrap_or((text, "")))
}

/// What the alias of a device that an attachment has taken over says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved<'a> {
    /// The container interface.
    pub interface: &'a str,
    /// The network.
    pub network: &'a str,
    /// The container's ID, which may be cut, and empty.
    pub container_id: &'a str,
    /// [`Identity::host_name`] of the attachment.
    pub host_name: &'a str,
    /// The host's seal, if it has one.
    pub seal: Option<&'a str>,
    /// What it was on the host.
    pub origin: Origin,
}

impl<'a> Moved<'a> {
    /// Reads an alias; `None` for that of any other device.
    #[must_use]
    pub fn read(alias: &'a str) -> Option<Self> {
        let (interface, rest) = alias.strip_prefix(MARK)?.split_once(" on ")?;
        let (network, rest) = rest.split_once(" of ")?;
        let (container_id, rest) = rest.split_once(" as ")?;
        let (host_name, origin) = rest.split_once(", was ")?;
        let (host_name, seal) = match host_name.split_once('/') {
            Some((host_name, seal)) => (host_name, Some(seal)),
            None => (host_name, None),
        };
        Some(Self { interface, network, container_id, host_name, seal, origin: Origin::read(origin)? })
    }

    /// What a link's alias says; `None` for a link that no attachment has taken over.
    #[must_use]
    pub fn of(link: &'a Link) -> Option<Self> {
        link.alias.as_deref().and_then(Self::read)
    }

    /// It is of this attachment: the name that is derived from all of its identity says so.
    #[must_use]
    pub fn is_of(&self, identity: &Identity) -> bool {
        self.host_name == identity.host_name()
    }
}

impl Identity {
    /// The alias of a device of the host that this attachment takes over, as in `plugboard: eth1 on home-net of vn1 as
    /// pbvd4zojfh5w7vp/SEAL, was enp3s0 in 4026531833 mtu 1500 mac 52:54:00:12:34:56 up`. A long container ID is cut. `None` if it
    /// does not fit all the same.
    #[must_use]
    pub fn moved_alias(&self, origin: &Origin, seal: &str) -> Option<String> {
        let start = format!("{MARK}{} on {} of ", self.if_name(), self.network());
        let end = format!(" as {}/{seal}, was {origin}", self.host_name());
        let room = ALIAS_BYTES.checked_sub(start.len() + end.len())?;
        let id = self.container_id();
        let cut = (0..=room.min(id.len())).rev().find_map(|length| id.get(..length)).unwrap_or_default();
        Some(start + cut + &end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::BLANK;

    fn enp3s0() -> Origin {
        Origin {
            name: "enp3s0".to_owned(),
            namespace: Some(4_026_531_833),
            mtu: 1500,
            mac: Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])),
            is_up: true,
            ..Origin::default()
        }
    }

    /// Those of an earlier release must be read by a later one.
    #[test]
    fn the_alias_never_changes() {
        let vn1 = Identity::new("home-net", "vn1", "eth1");
        let alias = "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp/SEAL, was enp3s0 in 4026531833 mtu 1500 \
                     mac 52:54:00:12:34:56 up";
        assert_eq!(vn1.moved_alias(&enp3s0(), "SEAL").as_deref(), Some(alias));
        let read = Moved::read(alias).unwrap();
        assert_eq!((read.network, read.container_id, read.interface), ("home-net", "vn1", "eth1"));
        assert!(read.is_of(&vn1) && !read.is_of(&vn1.beside("eth2")));
        assert_eq!((read.origin, read.seal), (enp3s0(), Some("SEAL")));
    }

    #[test]
    fn all_that_a_device_was_is_read_back() {
        let vn1 = Identity::new("home-net", "vn1", "eth1");
        let addresses = ["192.0.2.7/24", "2001:db8::7/64"].map(|address| address.parse().unwrap());
        let alias = Some("to the roof, was up as mtu 9 alias x on y of z".to_owned());
        for origin in [
            enp3s0(),
            Origin { is_up: false, mac: None, namespace: None, mtu: 9000, ..enp3s0() },
            Origin { addresses: addresses.to_vec(), ..enp3s0() },
            Origin { addresses: addresses.to_vec(), alias, name: "a,was".to_owned(), ..enp3s0() },
        ] {
            let written = vn1.moved_alias(&origin, BLANK).unwrap();
            assert_eq!(Moved::read(&written).map(|moved| moved.origin), Some(origin), "{written}");
        }
    }

    #[test]
    fn a_long_container_id_is_cut_and_what_does_not_fit_is_refused() {
        let long = Identity::new("n".repeat(115), "é".repeat(150), "an-interface-15");
        let longest = Origin { name: "fifteen-letters".to_owned(), mtu: 65535, ..enp3s0() };
        let alias = long.moved_alias(&longest, BLANK).unwrap();
        assert!(alias.len() <= ALIAS_BYTES && alias.len() >= ALIAS_BYTES - 1, "{alias}");
        let read = Moved::read(&alias).unwrap();
        assert!(read.is_of(&long) && read.origin == longest && read.network == long.network());
        let addresses = vec!["2001:db8:1234:5678:9abc:def0:1234:5678/64".parse().unwrap()];
        assert_eq!(long.moved_alias(&Origin { addresses, ..longest.clone() }, BLANK), None);
        assert_eq!(Identity::new("n".repeat(128), "c", "an-interface-15").moved_alias(&longest, BLANK), None);
    }

    #[test]
    fn other_aliases_are_no_moved_devices() {
        let vn1 = Identity::new("home-net", "vn1", "eth1");
        for alias in [
            "",
            "somebody's",
            &vn1.alias(),
            &vn1.ifb_alias("eth2"),
            "plugboard: shared by home-net",
            "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp, was ",
            "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp, was enp3s0",
            "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp, was enp3s0 mtu x",
            "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp/SEAL, was enp3s0 in mtu 1500",
            "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp, was enp3s0 mtu 1500 mac",
            "plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp, was enp3s0 mtu 1500 down",
        ] {
            assert_eq!(Moved::read(alias), None, "{alias}");
        }
    }
}
