//! Mirrors for the port of an earlier plugin of the chain, as ovs-cni's plugins `ovs-cni-mirror-producer` and
//! `ovs-cni-mirror-consumer` set them up.

use attachment::{Description, Identity, Mirroring, OvsBridge, OvsMirror, OvsMirrored, Session};
use cni::{Call, Error, Success};
use keys::OvsPortKeys;
use plugin::call::previous;

use crate::call::Completed;
use crate::config;
use crate::port::is_there;

/// Mirrors for the port of an earlier plugin.
#[derive(Debug, Clone)]
pub(crate) struct Mirrored {
    identity: Identity,
    bridge: OvsBridge,
    mirrors: Vec<(OvsMirror, Mirroring)>,
    port: Option<String>,
    is_rehearsed: bool,
}

impl Mirrored {
    /// Whether the ports of a plugin of this type get the copies, if it is one for mirrors.
    pub(crate) fn is_output(call: &Call) -> Option<bool> {
        match call.config.kind.as_str() {
            "ovs-mirror-producer" | "ovs-cni-mirror-producer" => Some(false),
            "ovs-mirror-consumer" | "ovs-cni-mirror-consumer" => Some(true),
            _ => None,
        }
    }

    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(call: &Call, identity: Identity, is_output: bool) -> Result<Self, Error> {
        let completed = Completed::of(call)?;
        let bridge = completed.bridge().ok_or_else(|| Error::invalid_config("bridge is missing"))?;
        let keys: OvsPortKeys = completed.call.config.keys()?;
        let network = call.config.name.clone();
        let mirrors = config::mirrors(&keys.mirrors, Some(is_output), &bridge, &network)?;
        if mirrors.is_empty() {
            return Err(Error::invalid_config("mirrors is missing: name the mirrors that the port takes part in"));
        }
        let bridge = OvsBridge { name: bridge, network, datapath: None };
        Ok(Self { identity, bridge, mirrors, port: None, is_rehearsed: false })
    }

    /// # Errors
    /// Code 7 where there is no result, or no port.
    pub(crate) fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        let result = previous(call)?;
        self.port = port_of(result, &self.identity, session)?;
        match self.port {
            Some(_) => Ok(()),
            None => Err(Error::invalid_config(format!(
                "prevResult names no port of Open vSwitch; put {} after the plugin that makes it",
                call.config.kind
            ))),
        }
    }

    pub(crate) fn describe(&self) -> Description {
        let mut description = Description::new();
        if self.is_rehearsed {
            return description;
        }
        description.share(self.bridge.clone());
        for (mirror, part) in &self.mirrors {
            let (identity, port, mirror) = (self.identity.clone(), self.port.clone(), mirror.clone());
            description.share(mirror.clone()).own(OvsMirrored { identity, port, mirror, part: *part });
        }
        description
    }

    /// The mirrors that the configuration names, and the port's part in them.
    ///
    /// # Errors
    /// The database cannot be asked; what is wrong with the configuration.
    pub(crate) fn named(
        call: &Call,
        identity: &Identity,
        is_output: bool,
        session: &mut Session,
    ) -> Result<Description, Error> {
        // Without the names there is nothing to do: the port takes its part in mirrors with it.
        let Ok(mut mirrored) = Self::read(call, identity.clone(), is_output) else { return Ok(Description::new()) };
        if let Some(result) = &call.config.prev_result {
            mirrored.port = port_of(result, identity, session)?;
        }
        Ok(mirrored.describe())
    }

    /// # Errors
    /// Code 50.
    pub(crate) fn rehearse(&mut self, session: &mut Session) -> Result<(), Error> {
        self.is_rehearsed = true;
        is_there(&self.bridge, session).map(drop)
    }
}

/// The port of the attachment, which its result need not name: a TAP device may be joined to its port by a line. Of other plugins, such
/// as ovs-cni, the first interface of a result that is a port.
fn port_of(result: &Success, identity: &Identity, session: &mut Session) -> Result<Option<String>, Error> {
    let error = |error: attachment::Error| nic::error(&error);
    let own = session.switch().and_then(|switch| switch.port_of(identity)).map_err(error)?;
    if own.is_some() {
        return Ok(own);
    }
    for interface in &result.interfaces {
        if session.switch().and_then(|switch| switch.has_attached_port(&interface.name)).map_err(error)? {
            return Ok(Some(interface.name.clone()));
        }
    }
    Ok(None)
}
