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
    /// The attachment's network.
    pub(crate) network: &'a str,
}

impl<'a> Owner<'a> {
    /// Reads a comment; `None` for one that is not ours.
    pub(crate) fn read(comment: &'a str) -> Option<Self> {
        let (host_name, rest) = comment.split_once(' ')?;
        let (_, rest) = rest.split_once(" on ")?;
        let (network, _) = rest.split_once(" of ")?;
        Some(Self { host_name, network })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read_back() {
        let identity = Identity::new("home-net", "vn1", "eth1");
        assert_eq!(identity.comment(), "pbvd4zojfh5w7vp eth1 on home-net of vn1");
        let owner = Owner { host_name: "pbvd4zojfh5w7vp", network: "home-net" };
        assert_eq!(Owner::read(&identity.comment()), Some(owner));
        assert_eq!(Owner::read("somebody's"), None);
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
