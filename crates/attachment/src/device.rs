//! A link by its name and side.

use std::fmt;

/// Whose network an object is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The namespace that the plugin runs in.
    Host,
    /// The container's.
    Container,
}

/// A link by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it is.
    pub side: Side,
    /// Its name there.
    pub name: String,
}

impl Device {
    /// A link of the host.
    pub fn host(name: impl Into<String>) -> Self {
        Self { side: Side::Host, name: name.into() }
    }

    /// A link of the container.
    pub fn container(name: impl Into<String>) -> Self {
        Self { side: Side::Container, name: name.into() }
    }

    /// The beginning of an equivalent command on the device's side: `ip` or `ip -n CONTAINER`.
    pub(crate) fn tool(&self, tool: &str) -> String {
        match self.side {
            Side::Host => tool.to_owned(),
            Side::Container => format!("{tool} -n CONTAINER"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Host => f.write_str(&self.name),
            Side::Container => write!(f, "{} in the container", self.name),
        }
    }
}
