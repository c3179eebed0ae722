//! Comments of elements: whose they are.
//!
//! DEL and GC find everything by them, so they must never change between releases.

use nftables::COMMENT_BYTES;

use crate::Identity;

impl Identity {
    /// The comment of the attachment's elements: `HOST-INTERFACE IF on NETWORK of CONTAINER`. The name of the host interface
    /// identifies the attachment by itself, and GC needs the network: the container ID is cut to what `nft` accepts.
    #[must_use]
    pub fn comment(&self) -> String {
        let network = format!("{} {} on {} of ", self.host_name(), self.if_name(), self.network());
        let room = COMMENT_BYTES.saturating_sub(network.len());
        let container: String = self.container_id().chars().take(room).collect(); // it is ASCII
        network + &container
    }
}

/// What a comment of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    /// The attachment's host interface.
    pub(crate) host_name: &'a str,
    /// The attachment's container interface.
    pub(crate) if_name: &'a str,
    /// The attachment's network.
    pub(crate) network: &'a str,
    /// The container's ID, or its beginning.
    pub(crate) container: &'a str,
}

impl<'a> Owner<'a> {
    /// Reads a comment; `None` for one that is not ours.
    pub(crate) fn read(comment: &'a str) -> Option<Self> {
        let (host_name, rest) = comment.split_once(' ')?;
        let (if_name, rest) = rest.split_once(" on ")?;
        let (network, container) = rest.split_once(" of ")?;
        Some(Self { host_name, if_name, network, container })
    }
}

impl Identity {
    /// Whether the comment is of another attachment of the same container. The name of the host interface tells that: it is a hash of
    /// all, and of the container's ID the comment may have the beginning only.
    pub(crate) fn is_beside(&self, comment: &str) -> bool {
        Owner::read(comment).is_some_and(|owner| {
            Self::new(owner.network, self.container_id(), owner.if_name).host_name() == owner.host_name
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read_back() {
        let identity = Identity::new("home-net", "vn1", "eth1");
        assert_eq!(identity.comment(), "pbvd4zojfh5w7vp eth1 on home-net of vn1");
        let owner = Owner { host_name: "pbvd4zojfh5w7vp", if_name: "eth1", network: "home-net", container: "vn1" };
        assert_eq!(Owner::read(&identity.comment()), Some(owner));
        assert_eq!(Owner::read("somebody's"), None);
    }

    #[test]
    fn a_container_is_known_by_its_host_interfaces() {
        let long = "n".repeat(110);
        let own = Identity::new("home-net", "ab".repeat(32), "eth0");
        for network in ["home-net", &long] {
            assert!(own.is_beside(&Identity::new(network, "ab".repeat(32), "eth1").comment()), "{network}");
            assert!(!own.is_beside(&Identity::new(network, "ab".repeat(31), "eth1").comment()), "{network}");
        }
        assert!(!own.is_beside("somebody's"));
    }

    #[test]
    fn the_container_is_cut_and_the_network_is_not() {
        let comment = Identity::new("n".repeat(64), "c".repeat(300), "eth1").comment();
        assert_eq!(comment.len(), COMMENT_BYTES);
        let network = "n".repeat(128);
        let comment = Identity::new(&network, "c", "eth1").comment();
        assert_eq!(Owner::read(&comment).map(|owner| owner.network), Some(network.as_str()));
    }
}
