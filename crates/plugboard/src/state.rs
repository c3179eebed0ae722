//! What has become of an attachment.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::cache::Entry;
use crate::machine;
use crate::namespace;

/// The state of an attachment, as far as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// The interface is there.
    Attached,
    /// ADD has not come to its end.
    Incomplete,
    /// The namespace is gone, or another one is in its place; or, of a machine, the device.
    Gone,
    /// The namespace is there, and the interface is not.
    Missing,
    /// It cannot be told.
    Unknown,
}

impl State {
    /// Looks at the namespace, and where the interface is a device of the host, at that.
    pub(crate) fn of(entry: &Entry) -> Self {
        if entry.result.is_none() {
            return Self::Incomplete;
        }
        let of_device = || match entry.has_device() {
            Some(true) => Self::Attached,
            _ => Self::Unknown,
        };
        let Some(recorded) = &entry.attachment.netns else { return of_device() };
        if machine::is_one(recorded) {
            return if entry.is_stale() { Self::Gone } else { Self::Attached };
        }
        let Some(path) = entry.current().netns else { return Self::Gone };
        match namespace::interfaces_at(&path) {
            Ok(interfaces) if interfaces.contains(&entry.attachment.if_name) => Self::Attached,
            // A TAP device of the host is listed with the interface that the machine behind it has.
            Ok(_) if entry.has_tap() == Some(true) => Self::Attached,
            Ok(_) => Self::Missing,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::Unknown,
            Err(_) => Self::Gone,
        }
    }

    /// Nothing uses the attachment any more.
    pub(crate) fn is_dead(self) -> bool {
        matches!(self, Self::Incomplete | Self::Gone | Self::Missing)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attached => "attached",
            Self::Incomplete => "incomplete",
            Self::Gone => "gone",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        })
    }
}
