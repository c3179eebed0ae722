//! The owner of an object, for GC.

use std::collections::BTreeSet;

use crate::Identity;

/// The attachment that an object belongs to, as the object tells it.
pub enum Owner {
    /// By the name of its host interface, which identifies it by itself; see [`Identity::host_name`].
    HostName(String),
    /// By all three parts.
    Identity(Identity),
    /// By anything else.
    Whoever(Box<dyn Fn(&Identity) -> bool>),
}

impl Owner {
    pub(crate) fn is_among(&self, valid: &Valid) -> bool {
        match self {
            Self::HostName(name) => valid.host_names.contains(name),
            Self::Identity(identity) => valid.attachments.contains(identity),
            Self::Whoever(is_it) => valid.attachments.iter().any(is_it),
        }
    }
}

/// The attachments that GC keeps.
#[derive(Debug, Default)]
pub struct Valid {
    attachments: BTreeSet<Identity>,
    host_names: BTreeSet<String>,
}

impl FromIterator<Identity> for Valid {
    fn from_iter<I: IntoIterator<Item = Identity>>(attachments: I) -> Self {
        let mut valid = Self::default();
        // One by one: a set made of a list sorts that, at the price of 20 KiB of an executable.
        for attachment in attachments {
            valid.host_names.insert(attachment.host_name());
            valid.attachments.insert(attachment);
        }
        valid
    }
}
