//! The attachments that have ports.

use ovsdb::operation::includes;
use ovsdb::value;

use super::ids::{OF_OURS, identity_of};
use crate::{Error, Identity, Session};

impl Session {
    /// All attachments that have ports in the switch.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) fn attached_ports(&mut self) -> Result<Vec<Identity>, Error> {
        let is_ours = [includes("external_ids", value::map([OF_OURS]))];
        let rows = self.switch()?.rows("list ports", "Port", &is_ours, &["external_ids"])?;
        Ok(rows.iter().filter_map(|row| identity_of(&row.map("external_ids"))).collect())
    }
}
