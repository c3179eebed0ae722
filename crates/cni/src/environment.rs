//! The environment of a call: `CNI_COMMAND` and its companions (ENV-1 to ENV-17).

use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Args, Error};

/// The operation asked for (ENV-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Add,
    Del,
    Check,
    Gc,
    Status,
    Version,
}

impl Command {
    /// The word in `CNI_COMMAND`.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
}

/// The environment of a call, validated for its command.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: Command,
    /// `CNI_CONTAINERID`; empty for GC, STATUS and VERSION.
    pub container_id: String,
    /// `CNI_NETNS`; `None` when unset or empty, which only DEL, GC, STATUS and VERSION allow.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`; empty for GC, STATUS and VERSION.
    pub if_name: String,
    /// `CNI_ARGS`.
    pub args: Args,
    /// `CNI_PATH`, split at colons, in order.
    pub path: Vec<PathBuf>,
    /// `CNI_NETNS_OVERRIDE` is `1` or `true`: the container's namespace may be the plugin's own (ENV-16).
    pub netns_override: bool,
}

impl Environment {
    /// Reads and validates the variables that the command needs. `variable` looks one up.
    ///
    /// # Errors
    /// Code 4; one message names every variable that is missing, else every one that is invalid (ENV-3, ENV-15).
    pub fn read(_variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        todo!()
    }
}
