//! The ports of a bridge of Open vSwitch, which share it.

use std::collections::BTreeSet;

use ovsdb::operation::{equals, includes, select};
use ovsdb::{Transaction, Uuid, value};

use crate::switch::{identity_of, is_of_shared, patched_bridge};
use crate::{Commons, Error, Session};

/// The ports of a bridge of Open vSwitch.
pub(super) struct OvsPorts {
    pub(super) bridge: String,
}

impl Commons for OvsPorts {
    fn name(&self) -> String {
        format!("ports of bridge {} of Open vSwitch", self.bridge)
    }

    /// A bridge that was made here is used by whoever has a port on it, beside itself and the patch that goes with it. What was made
    /// here for an operator's bridge is used by attachments.
    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let is_ours = [includes("external_ids", value::map([("owner", "plugboard")]))];
        let questions = [
            select("Bridge", &[equals("name", self.bridge.as_str())], &["ports", "external_ids"]),
            select("Port", &[equals("name", self.bridge.as_str())], &["_uuid"]),
            select("Port", &is_ours, &["_uuid", "external_ids"]),
        ];
        let action = format!("look up the ports of bridge {}", self.bridge);
        let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
        let Some(bridge) = results.rows(0).pop() else { return Ok(false) };
        let mut ports: BTreeSet<Uuid> = bridge.uuids("ports").into_iter().collect();
        let of_attachments = |ports: &BTreeSet<Uuid>| {
            let mut ours = results.rows(2).into_iter().filter(|row| identity_of(&row.map("external_ids")).is_some());
            ours.any(|row| row.uuid().is_some_and(|uuid| ports.contains(&uuid)))
        };
        if !is_of_shared(&bridge.map("external_ids")) {
            return Ok(of_attachments(&ports));
        }
        let patches = results.rows(2).into_iter().filter(|row| patched_bridge(&row.map("external_ids")).is_some());
        for row in results.rows(1).into_iter().chain(patches) {
            row.uuid().into_iter().for_each(|uuid| _ = ports.remove(&uuid));
        }
        Ok(!ports.is_empty())
    }
}
