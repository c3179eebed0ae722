//! The addresses of a NIC, as its port tells them.

use ovsdb::operation::{includes, mutate};
use ovsdb::value;
use serde_json::Value;

use crate::switch::{Change, for_switch, of_attachment, vsctl};
use crate::{Difference, Error, Identity, Kind, Object, Session, Stage};

/// It goes with the port.
static KIND: Kind = Kind::of_a_link("addresses of a port of Open vSwitch");

/// The entry that ovn-kubernetes has for them.
const ENTRY: &str = "ip_addresses";

/// The addresses of a NIC in `external_ids` of its interface, which are not known yet when the port is made.
#[derive(Debug, Clone)]
pub struct OvsAddresses {
    /// The attachment.
    pub identity: Identity,
    /// The interface's name.
    pub interface: String,
    /// The addresses, each with the length of its prefix.
    pub addresses: Vec<String>,
}

impl OvsAddresses {
    fn is_its(&self) -> [Value; 1] {
        [includes("external_ids", value::map(of_attachment(&self.identity)))]
    }

    fn text(&self) -> String {
        self.addresses.join(",")
    }
}

impl Object for OvsAddresses {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Ready
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let entry = value::map([(ENTRY, self.text())]);
        let operations = vec![mutate("Interface", &self.is_its(), "external_ids", "insert", entry)];
        let place = session.place();
        session.switch()?.collect(place, Change { operations, ..Change::default() });
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let action = format!("look up interface {}", self.interface);
        let rows = session.switch()?.rows(&action, "Interface", &self.is_its(), &["external_ids"])?;
        let have = rows.first().and_then(|row| row.entry("external_ids", ENTRY)).unwrap_or("none");
        let label = format!("interface {} of Open vSwitch, external_ids:{ENTRY}", self.interface);
        Ok(if have == self.text() { Vec::new() } else { vec![Difference::new(label, self.text(), have)] })
    }

    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![vsctl(&format!("set interface {} external_ids:{ENTRY}='\"{}\"'", self.interface, self.text()))]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        for_switch(session, self.commands())
    }
}
