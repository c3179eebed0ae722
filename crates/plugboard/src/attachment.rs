//! One interface of one container on one network.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// What identifies an attachment, and what a runtime says about it in every call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attachment {
    /// `CNI_CONTAINERID`.
    pub(crate) container_id: String,
    /// `CNI_IFNAME`.
    pub(crate) if_name: String,
    /// `CNI_NETNS`; `None` when the namespace is gone.
    pub(crate) netns: Option<PathBuf>,
    /// `CNI_ARGS`.
    pub(crate) args: Vec<(String, String)>,
    /// What plugins may find in `runtimeConfig`, if they declare the capability.
    pub(crate) capability_args: Map<String, Value>,
}
