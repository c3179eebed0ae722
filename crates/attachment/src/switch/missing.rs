//! A bridge that is not there.

use crate::{Error, Remedy};

/// The bridge of an attachment is missing.
pub(crate) fn no_bridge_of(bridge: &str) -> Error {
    Error::Unusable {
        problem: format!("there is no bridge {bridge} in Open vSwitch"),
        remedy: Remedy::NoSwitchBridge { bridge: bridge.to_owned() },
    }
}
