//! Whose an object is, for GC.

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
        let attachments: BTreeSet<Identity> = attachments.into_iter().collect();
        let host_names = attachments.iter().map(Identity::host_name).collect();
        Self { attachments, host_names }
    }
}
