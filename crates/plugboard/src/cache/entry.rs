//! The record of an attachment.

use std::path::Path;

use ::attachment::Identity;
use serde_json::Value;

use crate::attachment::Attachment;
use crate::holders::Holders;
use crate::namespace;

/// An attachment as remembered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) network: String,
    /// With the namespace's path as it was at ADD.
    pub(crate) attachment: Attachment,
    /// The network's configuration as it was at ADD.
    pub(crate) config: Vec<u8>,
    /// The result of ADD; `None` if ADD has not finished.
    pub(crate) result: Option<Value>,
    /// What told the namespace from others; `None` when another runtime has made the attachment.
    pub(crate) namespace_id: Option<String>,
}

impl Entry {
    /// Which attachment it is.
    pub(crate) fn identity(&self) -> Identity {
        let Attachment { container_id, if_name, .. } = &self.attachment;
        Identity::new(&self.network, container_id, if_name)
    }

    /// The attachment as it is now. If its path (of a process as a rule) is gone, or leads to another namespace, where nothing is ours
    /// to take down, its namespace may live on by somebody else: that one's path then, and none if the namespace is gone.
    pub(crate) fn current(&self) -> Attachment {
        let netns = match &self.attachment.netns {
            Some(_) if self.is_stale() => self.namespace_id.as_deref().and_then(|id| Holders::look().path_of(id)),
            path => path.clone(),
        };
        Attachment { netns, ..self.attachment.clone() }
    }

    /// The entry with its namespace, which is at `path` if the entry does not name it: libcni before 1.2 names none.
    pub(crate) fn in_namespace(mut self, path: &Path) -> Self {
        self.attachment.netns.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Whether both are about the same interface of the same container on the same network.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.attachment, &other.attachment);
        self.network == other.network && ours.container_id == theirs.container_id && ours.if_name == theirs.if_name
    }

    /// Whether the namespace is known to be gone.
    pub(crate) fn is_stale(&self) -> bool {
        let netns = self.attachment.netns.as_deref();
        netns.is_some_and(|path| namespace::is_gone(path, self.namespace_id.as_deref()))
    }
}
