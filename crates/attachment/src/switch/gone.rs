//! Ports that count as gone while commands are printed.

use std::collections::BTreeSet;

use ovsdb::{Row, Uuid};

use crate::{Error, Session};

/// Before the names of such ports among those of links, which have no colon.
const PREFIX: &str = "ovs-port:";

impl Session {
    /// The commands that remove this port have been printed: from here on it counts as gone.
    pub(crate) fn count_port_as_gone(&mut self, name: &str) {
        self.count_as_gone(format!("{PREFIX}{name}"));
    }

    /// The rows of ports that count as gone; none where nothing is printed.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) fn gone_ports(&mut self) -> Result<BTreeSet<Uuid>, Error> {
        let names: BTreeSet<String> =
            self.gone().iter().filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned).collect();
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows = self.switch()?.rows("list ports", "Port", &[], &["_uuid", "name"])?;
        let is_gone = |row: &&Row| row.text("name").is_some_and(|name| names.contains(name));
        Ok(rows.iter().filter(is_gone).filter_map(Row::uuid).collect())
    }
}
