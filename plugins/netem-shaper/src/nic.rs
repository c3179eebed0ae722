//! The interfaces to shape, and where their queues go.

use std::path::Path;

use attachment::{Device, Identity, Ifb, Session, Side};
use cni::{Call, Error, Interface, Success};
use netlink::link::Link;
use plugin::call::identity;
use plugin::codes::from_attachment;

/// A NIC of the container.
#[derive(Debug, Clone)]
pub(crate) struct Nic {
    /// The attachment of the call.
    pub(crate) attachment: Identity,
    /// Its own name, which may be another one than that of the call.
    pub(crate) name: String,
    /// The device with the queues: the host's end of the NIC, out of the container's reach; or the NIC itself where it has no
    /// other end.
    pub(crate) device: Device,
    /// The device sends what the NIC receives: it is the NIC's other end, or a TAP device. Otherwise it is the NIC itself.
    pub(crate) is_far_end: bool,
    /// That device's MTU in bytes.
    pub(crate) mtu: u32,
}

impl Nic {
    fn new(attachment: &Identity, name: &str, side: Side, link: Link) -> Self {
        Self {
            attachment: attachment.clone(),
            name: name.to_owned(),
            is_far_end: side == Side::Host || link.kind == "tun",
            device: Device { side, name: link.name },
            mtu: link.mtu,
        }
    }

    /// The loopback device of a namespace in which things are tried out. It stands for devices of all MTUs, so it has the least
    /// (RFC 791): a burst that is too small for it is too small for all.
    pub(crate) fn loopback() -> Self {
        let link = Link { name: "lo".to_owned(), mtu: 576, ..Link::default() };
        Self::new(&Identity::new("", "status", "lo"), "lo", Side::Host, link)
    }

    /// The device for what this one receives.
    pub(crate) fn ifb(&self) -> Ifb {
        Ifb { identity: self.attachment.clone(), interface: self.name.clone(), side: self.device.side }
    }

    /// Finds the devices behind all interfaces of a call.
    ///
    /// # Errors
    /// Code 7 naming the one that has none; the kernel cannot be asked.
    pub(crate) fn all(call: &Call, previous: &Success, session: &mut Session) -> Result<Vec<Self>, Error> {
        let names = shaping_keys::interfaces(call)?;
        let attachment = identity(call);
        let is_only = names.len() == 1;
        names
            .iter()
            .map(|name| {
                let found = Self::find(&attachment, name, previous, is_only, session)?;
                found.ok_or_else(|| missing(call, name, previous))
            })
            .collect()
    }

    /// Finds the device behind a NIC, whichever plugin made it: the one that this project names after the attachment; else the
    /// other end of the NIC's veth; else the one device of the host in `previous` that can be it, if the NIC `is_only`; else the
    /// NIC itself. `None` when there is none.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn find(
        attachment: &Identity,
        name: &str,
        previous: &Success,
        is_only: bool,
        session: &mut Session,
    ) -> Result<Option<Self>, Error> {
        let refused = |error| from_attachment(&error);
        let found = |side, link| Self::new(attachment, name, side, link);
        let own = Device::host(attachment.beside(name).host_name());
        if let Some(link) = session.find(&own).map_err(refused)? {
            return Ok(Some(found(Side::Host, link)));
        }
        if let Some(link) = promised(&own, previous, session) {
            return Ok(Some(found(Side::Host, link)));
        }
        let inside =
            if session.has_container() { session.find(&Device::container(name)).map_err(refused)? } else { None };
        if let Some(inside) = &inside
            && let Some(link) = other_end(inside, session).map_err(refused)?
        {
            return Ok(Some(found(Side::Host, link)));
        }
        let mut candidates = Vec::new();
        for interface in previous.interfaces.iter().filter(|interface| interface.sandbox.is_empty() && is_only) {
            candidates.extend(session.find(&Device::host(&interface.name)).map_err(refused)?);
        }
        candidates.retain(|link| link.kind == "tun" || (link.kind == "veth" && !session.has_container()));
        if candidates.len() == 1 {
            return Ok(candidates.pop().map(|link| found(Side::Host, link)));
        }
        // A veth has another end; if that is not on the host, its queues are not ours to set.
        let alone = inside.filter(|link| link.kind != "veth");
        Ok(alone.map(|link| found(Side::Container, link)))
    }
}

/// Where commands are printed: the host interface that an earlier plugin of the chain is going to make, as its result says.
fn promised(own: &Device, previous: &Success, session: &Session) -> Option<Link> {
    /// That of Ethernet, where the result does not tell (`ETH_DATA_LEN`).
    const MTU_BYTES: u32 = 1500;
    let is_it = |interface: &&Interface| interface.name == own.name && interface.sandbox.is_empty();
    let interface = previous.interfaces.iter().find(is_it).filter(|_| session.is_looking())?;
    Some(Link { name: own.name.clone(), mtu: interface.mtu.unwrap_or(MTU_BYTES), ..Link::default() })
}

/// The host's end of the veth whose other end is `inside`.
fn other_end(inside: &Link, session: &mut Session) -> Result<Option<Link>, attachment::Error> {
    let Some(peer) = inside.peer.filter(|_| inside.kind == "veth" && inside.is_peer_elsewhere) else {
        return Ok(None);
    };
    let found = session.find_index(Side::Host, peer)?;
    let is_other_end =
        |outside: &Link| outside.kind == "veth" && outside.is_peer_elsewhere && outside.peer == Some(inside.index);
    Ok(found.filter(is_other_end))
}

/// The error of a call that needs the device.
fn missing(call: &Call, if_name: &str, previous: &Success) -> Error {
    let on_host: Vec<&str> = previous
        .interfaces
        .iter()
        .filter(|interface| interface.sandbox.is_empty())
        .map(|interface| interface.name.as_str())
        .collect();
    Error::invalid_config(format!(
        "prevResult names no host interface for {if_name} in {}: it lists {}, none of which is the other end of its veth or a \
         TAP device, and the container has no such interface without one; put this plugin after one that makes a NIC, such \
         as bridge",
        call.environment.netns.as_deref().unwrap_or(Path::new("")).display(),
        if on_host.is_empty() { "none".to_owned() } else { on_host.join(", ") },
    ))
}
