//! The ports of a bridge of Open vSwitch, which share it.

use std::collections::BTreeSet;

use ovsdb::operation::{equals, includes, select};
use ovsdb::{Transaction, Uuid, value};

use crate::switch::{OF_OURS, PATCH_OF, identity_of, is_of_shared};
use crate::{Commons, Error, Session};

/// The ports of a bridge of Open vSwitch.
pub(super) struct OvsPorts {
    pub(super) bridge: String,
}

impl Commons for OvsPorts {
    fn name(&self) -> String {
        format!("ports of bridge {} of Open vSwitch", self.bridge)
    }

    /// A bridge that was made here is used by whoever has a port on it, beside itself and the patches that go with it. What was made
    /// here for an operator's bridge is used by attachments; where that is nothing, nobody needs to know.
    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let gone = session.gone_ports()?;
        let ours =
            |ids: &[(&'static str, &str)]| includes("external_ids", value::map([OF_OURS].iter().chain(ids).copied()));
        let is_patch = [ours(&[(PATCH_OF, &self.bridge)])];
        let questions = [
            select("Bridge", &[equals("name", self.bridge.as_str())], &["ports", "external_ids"]),
            select("Port", &[equals("name", self.bridge.as_str())], &["_uuid"]),
            select("Port", &is_patch, &["_uuid"]),
        ];
        let action = format!("look up the ports of bridge {}", self.bridge);
        let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
        let Some(bridge) = results.rows(0).pop() else { return Ok(false) };
        let mut ports: BTreeSet<Uuid> = bridge.uuids("ports").into_iter().filter(|port| !gone.contains(port)).collect();
        let patches = results.rows(2);
        if is_of_shared(&bridge.map("external_ids")) {
            for row in results.rows(1).iter().chain(&patches) {
                row.uuid().into_iter().for_each(|uuid| _ = ports.remove(&uuid));
            }
            return Ok(!ports.is_empty());
        }
        if patches.is_empty() {
            return Ok(true);
        }
        let rows = session.switch()?.rows(&action, "Port", &[ours(&[])], &["_uuid", "external_ids"])?;
        let mut of_attachments = rows.iter().filter(|row| identity_of(&row.map("external_ids")).is_some());
        Ok(of_attachments.any(|row| row.uuid().is_some_and(|uuid| ports.contains(&uuid))))
    }
}
