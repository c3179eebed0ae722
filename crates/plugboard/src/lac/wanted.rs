//! Which LAC a plugin's configuration is for.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use attachment::LacId;
use keys::excerpt::quoted;
use keys::{LacMode, UdpPort, Vni};
use serde_json::Value;

use crate::known_plugins::{EVPN_PORT, LAC_PORT, LAC_VNI, PEERS, REMOTES};
use crate::network::Plugin;

/// A LAC as keys name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The url tells port and VNI along with all else. It is compared as it is written.
    Url(String),
    /// A group's address as the standard library writes it, or what is written in its place, quoted.
    Group(LacId, String),
    /// Whatever the remotes are.
    Remotes(LacId),
    /// Whatever BGP tells.
    Evpn(LacId),
}

impl Wanted {
    /// # Errors
    /// Why it is for none.
    pub(super) fn of(plugin: &Plugin) -> Result<Self, String> {
        let text = |key| {
            let text: Option<String> = plugin.read_key(key)?;
            Ok::<_, String>(text.filter(|text| !text.is_empty()))
        };
        if let Some(url) = text("url")? {
            return Ok(Self::Url(url));
        }
        let port = plugin.read_key("port")?.map(|UdpPort(port)| port);
        if plugin.read_key("mode")? == Some(LacMode::Evpn) {
            let vni = plugin.read_key::<Vni>("vni")?.ok_or("it is of mode evpn and has no vni")?;
            return Ok(Self::Evpn(LacId { port: port.unwrap_or(EVPN_PORT), vni: vni.0 }));
        }
        let port = port.unwrap_or(LAC_PORT);
        let vni = plugin.read_key("vni")?.map_or(LAC_VNI, |Vni(vni)| vni);
        let id = LacId { port, vni };
        match text("group")? {
            Some(group) => {
                let address = group.parse::<IpAddr>();
                Ok(Self::Group(id, address.map_or_else(|_| quoted(&group), |address| address.to_string())))
            }
            None if remotes(plugin).is_some() => Ok(Self::Remotes(id)),
            None => Err("it has neither group nor url nor remotes".to_owned()),
        }
    }
}

impl Display for Wanted {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(to, "the LAC of url {}", quoted(url)),
            Self::Group(id, group) => write!(to, "{} with group {group}", id.shared_by()),
            Self::Remotes(id) => write!(to, "{} with a list of remotes", id.shared_by()),
            Self::Evpn(id) => write!(to, "{} with what BGP tells", id.shared_by()),
        }
    }
}

/// A list, and the file with one.
pub(super) type Listed = [Option<Value>; 2];

/// Those of the other hosts, if there is either.
pub(super) fn remotes(plugin: &Plugin) -> Option<Listed> {
    listed(plugin, REMOTES)
}

/// Those of the hosts that are heard, if there is either.
pub(super) fn peers(plugin: &Plugin) -> Option<Listed> {
    listed(plugin, PEERS)
}

fn listed(plugin: &Plugin, keys: [&str; 2]) -> Option<Listed> {
    let is_set = |value: &&Value| {
        !matches!(value, Value::String(text) if text.is_empty()) && **value != Value::Array(Vec::new())
    };
    let found = keys.map(|key| plugin.key(key).filter(is_set).cloned());
    found.iter().any(Option::is_some).then_some(found)
}
