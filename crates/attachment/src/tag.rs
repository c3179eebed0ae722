//! What the alias of a device says: whose it is, for people and for GC.

use netlink::link::Link;

use crate::identity::MARK;
use crate::{Identity, Moved};

/// What the alias of a device of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag<'a> {
    /// It belongs to an attachment of this network.
    Attachment {
        /// The network.
        network: &'a str,
        /// The container interface that it serves, where that is not the attachment's own.
        other: Option<&'a str>,
    },
    /// It is a device of the host that an attachment of this network has taken over; see [`Moved`](crate::Moved). It is given back,
    /// and never removed.
    Moved {
        /// The network.
        network: &'a str,
    },
    /// Attachments share it.
    Shared {
        /// By what: the name of their network, or what else they have in common, as in `lac 14789/1`; see [`Tag::shared`].
        by: &'a str,
        /// Of a bridge: the device of the host that is its port, and whose addresses it has.
        uplink: Option<&'a str>,
    },
}

impl<'a> Tag<'a> {
    /// Reads an alias; `None` for a device that is not ours.
    #[must_use]
    pub fn read(alias: &'a str) -> Option<Self> {
        let text = alias.strip_prefix(MARK)?;
        if let Some(text) = text.strip_prefix("shared by ") {
            // Neither a network's name nor a link's has a blank.
            return Some(match text.split_once(" over ") {
                Some((by, uplink)) => Self::Shared { by, uplink: Some(uplink) },
                None => Self::Shared { by: text, uplink: None },
            });
        }
        let (interface, text) = text.split_once(" on ")?;
        let (network, container) = text.split_once(" of ")?;
        if container.contains(' ') {
            return Some(Self::Moved { network }); // the container's ID has no blank
        }
        Some(Self::Attachment { network, other: interface.split_once(" for ").map(|(other, _)| other) })
    }

    /// The alias of a device that attachments share: those of a network, by its name, or others by what they have in common.
    /// That is a word and a blank before its value, which no network's name can be.
    #[must_use]
    pub fn shared(by: &str) -> String {
        format!("{MARK}shared by {by}")
    }

    /// The alias of a bridge that attachments share and that has `uplink` as a port.
    #[must_use]
    pub fn shared_over(by: &str, uplink: &str) -> String {
        format!("{MARK}shared by {by} over {uplink}")
    }

    /// It names a network. What is shared by something else has a blank in it, which no network's name has.
    #[must_use]
    pub fn is_of_network(self) -> bool {
        match self {
            Self::Attachment { .. } | Self::Moved { .. } => true,
            Self::Shared { by, .. } => !by.contains(' '),
        }
    }

    /// What a link's alias says; `None` for one that is not ours.
    #[must_use]
    pub fn of(link: &'a Link) -> Option<Self> {
        link.alias.as_deref().and_then(Self::read)
    }

    /// A device of a name that follows from an attachment is not that attachment's all the same: its alias says so. One without an
    /// alias of ours is: a user may have changed the alias.
    pub(crate) fn contradicts(link: &Link, alias: &str) -> bool {
        link.alias.as_deref().is_some_and(|found| found.starts_with(MARK) && found != alias)
    }

    /// Whether a device was made here.
    #[must_use]
    pub fn is_ours(link: &Link) -> bool {
        Tag::of(link).is_some()
    }

    /// Whether attachments share a device, which goes with the last of them.
    #[must_use]
    pub fn is_shared(link: &Link) -> bool {
        matches!(Tag::of(link), Some(Tag::Shared { .. }))
    }

    /// Whether an attachment has taken over a device of the host.
    #[must_use]
    pub fn is_moved(link: &Link) -> bool {
        matches!(Tag::of(link), Some(Tag::Moved { .. }))
    }

    /// Whether a device is an attachment's own, or was taken over by one.
    #[must_use]
    pub fn is_attachment(link: &Link) -> bool {
        matches!(Tag::of(link), Some(Tag::Attachment { .. } | Tag::Moved { .. }))
    }
}

impl Identity {
    /// The link tells that it is somebody else's than this container's NIC of this name: its alias is that of another attachment,
    /// or of something that attachments share. The network may be another one. A link without an alias of ours tells nothing.
    #[must_use]
    pub fn disowns(&self, link: &Link) -> bool {
        match Tag::of(link) {
            Some(Tag::Attachment { network, other: None }) => {
                let its_own = Self::new(network, self.container_id(), self.if_name());
                link.alias.as_deref() != Some(&its_own.alias())
            }
            Some(Tag::Moved { network }) => {
                let its_own = Self::new(network, self.container_id(), self.if_name());
                !Moved::of(link).is_some_and(|moved| moved.is_of(&its_own))
            }
            Some(_) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink::link::ALIAS_BYTES;

    use super::*;
    use crate::Origin;

    fn identity(network: &str, container: &str, interface: &str) -> Identity {
        Identity::new(network, container, interface)
    }

    #[test]
    fn aliases_are_read_back() {
        let alias = identity("home-net", "vn1", "eth1").alias();
        assert_eq!(Tag::read(&alias), Some(Tag::Attachment { network: "home-net", other: None }));
        let alias = identity(&"n".repeat(128), &"c".repeat(300), "eth1").alias();
        assert_eq!(alias.len(), ALIAS_BYTES);
        assert_eq!(Tag::read(&alias), Some(Tag::Attachment { network: &"n".repeat(128), other: None }));
        let alias = identity(&"n".repeat(128), &"c".repeat(300), "an-interface-15").ifb_alias("another-one-015");
        let (network, other) = ("n".repeat(128), Some("another-one-015"));
        assert_eq!(Tag::read(&alias), Some(Tag::Attachment { network: &network, other }));
        assert_eq!(Tag::read(&Tag::shared("home-net")), Some(Tag::Shared { by: "home-net", uplink: None }));
        let long = "n".repeat(128);
        let alias = Tag::shared_over(&long, "enp101s0f0np0.2");
        assert!(alias.len() <= ALIAS_BYTES);
        assert_eq!(Tag::read(&alias), Some(Tag::Shared { by: &long, uplink: Some("enp101s0f0np0.2") }));
        let lac = Tag::shared_over("lac 14789/1", "eth1");
        assert_eq!(Tag::read(&lac), Some(Tag::Shared { by: "lac 14789/1", uplink: Some("eth1") }));
        assert!(!Tag::read(&lac).unwrap().is_of_network() && Tag::read(&Tag::shared("net")).unwrap().is_of_network());
        assert_eq!(Tag::read("somebody's"), None);
        let origin = Origin { name: "enp3s0".to_owned(), mtu: 1500, ..Origin::default() };
        let alias = identity("home-net", "vn1", "eth1").moved_alias(&origin, "SEAL").unwrap();
        assert_eq!(Tag::read(&alias), Some(Tag::Moved { network: "home-net" }));
        // Whatever somebody has made of it, it is nothing to be removed.
        assert_eq!(Tag::read(&alias.replace("mtu", "")), Some(Tag::Moved { network: "home-net" }));
    }

    #[test]
    fn an_alias_of_another_container_or_interface_disowns_a_link() {
        let of = |alias: Option<&str>| Link { alias: alias.map(str::to_owned), ..Link::default() };
        let vn1 = identity("home-net", "vn1", "eth1");
        let disowned = |alias: &str| vn1.disowns(&of(Some(alias)));
        let origin = Origin { name: "enp3s0".to_owned(), mtu: 1500, ..Origin::default() };
        let moved = |identity: Identity| identity.moved_alias(&origin, "SEAL").unwrap();
        assert!(!disowned(&moved(vn1.clone())) && !disowned(&moved(identity("walt-net", "vn1", "eth1"))));
        for alias in [&vn1.alias(), &identity("walt-net", "vn1", "eth1").alias(), "somebody's", ""] {
            assert!(!disowned(alias), "{alias}");
        }
        for alias in [
            &identity("home-net", "vn2", "eth1").alias(),
            &identity("home-net", "vn1", "eth2").alias(),
            &vn1.ifb_alias("eth2"),
            &Tag::shared("home-net"),
            &moved(identity("home-net", "vn2", "eth1")),
            &moved(vn1.beside("eth2")),
        ] {
            assert!(disowned(alias), "{alias}");
            assert!(Tag::contradicts(&of(Some(alias)), &vn1.alias()), "{alias}");
        }
        assert!(!vn1.disowns(&of(None)) && !Tag::contradicts(&of(None), &vn1.alias()));
    }
}
