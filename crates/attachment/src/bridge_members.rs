//! The members of a bridge.

use netlink::link::{self, Link};
use netlink::vlan;

use crate::{Commons, Device, Error, Identity, Session, Side, Tag};

/// The attachments on a bridge: they share the bridge and everything attached to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgeMembers {
    /// The bridge's name.
    pub(crate) bridge: String,
}

impl BridgeMembers {
    /// Those whose gateway is this link of the host: their bridge, or a VLAN device on it.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn of_gateway(session: &mut Session, gateway: &Device) -> Result<Self, Error> {
        let below = match session.known(gateway)? {
            Some(link) if link.kind == vlan::KIND && link.peer_namespace.is_none() => link.peer,
            _ => None,
        };
        let bridge = match below {
            Some(index) => session.known_index(Side::Host, index)?.map(|bridge| bridge.name),
            None => None,
        };
        Ok(Self { bridge: bridge.unwrap_or_else(|| gateway.name.clone()) })
    }
}

impl Commons for BridgeMembers {
    fn name(&self) -> String {
        format!("members of bridge {}", self.bridge)
    }

    /// By an attachment; one that was made here also by a port of anybody else. What is itself shared by the same is no user but
    /// a part.
    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let found = session.find(&Device::host(&self.bridge))?;
        let Some(bridge) = found.filter(|link| link.kind == "bridge") else { return Ok(false) };
        let mut ports = link::ports(session.socket(Side::Host)?, bridge.index)
            .map_err(Error::refused(format!("list the ports of bridge {}", self.bridge)))?;
        ports.retain(|port| !session.gone().contains(&port.name));
        if ports.iter().any(Tag::is_attachment) {
            return Ok(true);
        }
        let Some(Tag::Shared { by, uplink }) = Tag::of(&bridge) else { return Ok(false) };
        let is_part = |port: &Link| {
            uplink == Some(port.name.as_str()) || matches!(Tag::of(port), Some(Tag::Shared { by: of, .. }) if of == by)
        };
        Ok(!ports.iter().all(is_part))
    }
}

/// The bridge that the host interface of an attachment is a port of.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Option<String>, Error> {
    let Some(index) = session.known(&Device::host(identity.host_name()))?.and_then(|link| link.master) else {
        return Ok(None);
    };
    Ok(session.known_index(Side::Host, index)?.map(|bridge| bridge.name))
}

/// The bridges that attachments of a network are on, or that were made for it or for what no network alone shares.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn of_network(session: &mut Session, network: &str) -> Result<Vec<String>, Error> {
    let links = session.host_links()?;
    let mut served: Vec<u32> = Vec::new();
    for link in &links {
        match Tag::of(link) {
            Some(Tag::Attachment { network: of, .. }) if of == network => served.extend(link.master),
            // The bridge itself, or the one below its gateway in a VLAN. What is shared by something else than a network may be
            // this one's too; whether it is used is asked before it is released.
            Some(tag @ Tag::Shared { by, .. }) if by == network || !tag.is_of_network() => {
                served.extend([Some(link.index), link.peer].into_iter().flatten());
            }
            _ => {}
        }
    }
    let bridges = links.iter().filter(|link| link.kind == "bridge" && served.contains(&link.index));
    Ok(bridges.map(|bridge| bridge.name.clone()).collect())
}
