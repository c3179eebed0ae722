//! What a port does in a mirror of its bridge.

use ovsdb::operation::{equals, includes, mutate, wait_until_equal};
use ovsdb::{Row, Uuid, value};
use serde_json::Value;

use crate::switch::{Change, for_switch, of_attachment, vsctl, word};
use crate::{Difference, Error, Identity, Kind, Object, OvsMirror, Remedy, Session, Stage};

/// With the port go all references to it.
static KIND: Kind = Kind::of_a_link("port in a mirror");

/// The part that a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mirroring {
    /// Its frames are copied.
    Source {
        /// Those that the switch receives from it.
        ingress: bool,
        /// Those that the switch sends to it.
        egress: bool,
    },
    /// The copies go out by it. It is the only one, and gets no other frames.
    Output,
}

/// A port in a mirror.
#[derive(Debug, Clone)]
pub struct OvsMirrored {
    /// The attachment.
    pub identity: Identity,
    /// The port's name, where an earlier plugin of the chain has made it; without one it is the attachment's own.
    pub port: Option<String>,
    /// The mirror.
    pub mirror: OvsMirror,
    /// The port's part in it.
    pub part: Mirroring,
}

impl OvsMirrored {
    fn label(&self) -> String {
        format!("mirror {} of bridge {}", self.mirror.name, self.mirror.bridge)
    }

    fn taken(&self) -> Error {
        Error::Conflict {
            object: self.label(),
            want: "this port as its output".to_owned(),
            have: "has another one".to_owned(),
            remedy: Remedy::act("use another mirror, or remove the other container"),
        }
    }

    fn columns(&self) -> Vec<&'static str> {
        match self.part {
            Mirroring::Source { ingress, egress } => {
                let columns = [(ingress, "select_src_port"), (egress, "select_dst_port")];
                columns.into_iter().filter_map(|(is_asked, column)| is_asked.then_some(column)).collect()
            }
            Mirroring::Output => vec!["output_port"],
        }
    }

    fn uuid(&self, session: &mut Session) -> Result<Option<Uuid>, Error> {
        let is_it = match &self.port {
            Some(name) => equals("name", name.as_str()),
            None => includes("external_ids", value::map(of_attachment(&self.identity))),
        };
        let rows = session.switch()?.rows("look up the port to be mirrored", "Port", &[is_it], &["_uuid"])?;
        Ok(rows.first().and_then(Row::uuid))
    }

    fn mutations(&self, mirror: &Row, mutator: &str, port: &Uuid) -> Vec<Value> {
        let Some(mirror) = mirror.uuid() else { return Vec::new() };
        let is_it = [Value::Array(vec!["_uuid".into(), "==".into(), value::uuid(&mirror)])];
        let mutation = |column: &str| mutate("Mirror", &is_it, column, mutator, value::set([value::uuid(port)]));
        self.columns().into_iter().map(mutation).collect()
    }
}

impl Object for OvsMirrored {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    /// After the port.
    fn stage(&self) -> Stage {
        Stage::Ready
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    /// A mirror has one output.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let has_output = self.mirror.row(session)?.is_some_and(|row| !row.uuids("output_port").is_empty());
        if self.part == Mirroring::Output && has_output { Err(self.taken()) } else { Ok(()) }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        session.flush()?;
        let missing = |what: String| Error::Missing(what);
        let port = self.uuid(session)?.ok_or_else(|| missing(format!("the port for {}", self.label())))?;
        let mirror = self.mirror.row(session)?.ok_or_else(|| missing(self.label()))?;
        let operations = self.mutations(&mirror, "insert", &port);
        let guard = mirror.uuid().filter(|_| self.part == Mirroring::Output).map(|mirror| {
            let is_it = [equals("_uuid", value::uuid(&mirror))];
            let none = serde_json::json!({"output_port": value::set::<Value>([])});
            (wait_until_equal("Mirror", &is_it, &["output_port"], &[none], 0), self.taken())
        });
        let guards = guard.into_iter().collect();
        let place = session.place();
        session.switch()?.collect(place, Change { guards, operations, awaited: None });
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let (port, mirror) = (self.uuid(session)?, self.mirror.row(session)?);
        let (Some(port), Some(mirror)) = (port, mirror) else { return Ok(vec![Difference::missing(label)]) };
        let is_missing = |column: &&str| !mirror.uuids(column).contains(&port);
        let columns = self.columns();
        let difference = |column: &str| Difference::missing(format!("{label}, the port in {column}"));
        Ok(columns.into_iter().filter(is_missing).map(difference).collect())
    }

    /// From all parts that it may take.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let (Some(port), Some(mirror)) = (self.uuid(session)?, self.mirror.row(session)?) else { return Ok(()) };
        let operations = self.mutations(&mirror, "delete", &port);
        session.switch()?.change(&format!("take the port out of {}", self.label()), operations).map(drop)
    }

    fn commands(&self) -> Vec<String> {
        let port = self.port.clone().unwrap_or_else(|| self.identity.host_name());
        let add = |column: &str| format!(" -- add mirror {} {column} @p", word(&self.mirror.name));
        let parts: String = self.columns().into_iter().map(add).collect();
        vec![vsctl(&format!("--id=@p get port {port}{parts}"))]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        for_switch(session, self.commands())
    }
}
