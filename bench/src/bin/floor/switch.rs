//! Ports of Open vSwitch: the transactions, each in one write.

use std::io::{BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};
use serde_json::{Deserializer, Value, json};

/// Where the database is by default.
const SOCKET: &str = "/run/openvswitch/db.sock";
/// As long as the switch is waited for.
const PATIENCE_MS: u32 = 10_000;

/// A port of a bridge.
#[derive(Clone, Copy)]
pub(crate) struct Port<'a> {
    pub(crate) bridge: &'a str,
    /// The name of the device.
    pub(crate) name: &'a str,
    /// The switch makes the device, and gives it an address that ends with this one.
    pub(crate) made_for: Option<Ipv4Addr>,
}

/// A connection to the database.
pub(crate) struct Switch(BufReader<UnixStream>);

impl Switch {
    pub(crate) fn connect() -> Result<Self> {
        UnixStream::connect(SOCKET).map(BufReader::new).map(Self).context(SOCKET)
    }

    /// Makes a port, and waits until the switch has opened its device.
    pub(crate) fn add(&mut self, port: Port<'_>) -> Result<()> {
        let (is_bridge, is_it) = (json!([["name", "==", port.bridge]]), json!([["name", "==", port.name]]));
        let ids = json!(["map", [["owner", "floor"], ["network", port.bridge], ["interface", port.name]]]);
        let mut interface = json!({"name": port.name, "external_ids": ids});
        if let (Some(address), Value::Object(row)) = (port.made_for, &mut interface) {
            let [a, b, c, d] = address.octets();
            row.insert("type".to_owned(), json!("internal"));
            row.insert("mac".to_owned(), json!(format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")));
        }
        let change = json!([
            "Open_vSwitch",
            {"op": "wait", "timeout": 0, "table": "Bridge", "where": is_bridge, "columns": ["name"], "until": "==",
                "rows": [{"name": port.bridge}]},
            {"op": "insert", "table": "Interface", "uuid-name": "interface", "row": interface},
            {"op": "insert", "table": "Port", "uuid-name": "port",
                "row": {"name": port.name, "interfaces": ["named-uuid", "interface"], "external_ids": ids}},
            {"op": "mutate", "table": "Bridge", "where": is_bridge,
                "mutations": [["ports", "insert", ["set", [["named-uuid", "port"]]]]]},
            next_configuration(),
        ]);
        let question = json!([
            "Open_vSwitch",
            {"op": "wait", "timeout": PATIENCE_MS, "table": "Interface", "where": is_it, "columns": ["ofport"],
                "until": "!=", "rows": [{"ofport": ["set", []]}]},
            {"op": "select", "table": "Interface", "where": is_it, "columns": ["ofport", "error"]},
        ]);
        let [_, opened] = self.transact(&[change, question])?;
        match opened.pointer("/1/rows/0/ofport").and_then(Value::as_u64) {
            Some(_) => Ok(()),
            None => bail!("the switch has not opened {}: {opened}", port.name),
        }
    }

    /// Removes a port, which is looked up.
    pub(crate) fn remove(&mut self, port: Port<'_>) -> Result<()> {
        let is_it = json!([["name", "==", port.name]]);
        let [found] = self.transact(&[json!([
            "Open_vSwitch",
            {"op": "select", "table": "Port", "where": is_it, "columns": ["_uuid"]},
        ])])?;
        let id = found.pointer("/0/rows/0/_uuid").with_context(|| format!("there is no port {}", port.name))?;
        let is_bridge = json!([["name", "==", port.bridge]]);
        self.transact(&[json!([
            "Open_vSwitch",
            {"op": "mutate", "table": "Bridge", "where": is_bridge, "mutations": [["ports", "delete", ["set", [id]]]]},
            next_configuration(),
        ])])?;
        Ok(())
    }

    /// Runs transactions that are sent in one write.
    fn transact<const N: usize>(&mut self, transactions: &[Value; N]) -> Result<[Value; N]> {
        let mut text = Vec::new();
        for (id, transaction) in transactions.iter().enumerate() {
            serde_json::to_writer(&mut text, &json!({"id": id, "method": "transact", "params": transaction}))?;
        }
        self.0.get_mut().write_all(&text).context("ask the database")?;
        let mut results = [const { Value::Null }; N];
        let mut answers = Deserializer::from_reader(&mut self.0).into_iter::<Value>();
        for result in &mut results {
            let mut answer = answers.next().context("the database has closed the connection")??;
            *result = answer.get_mut("result").map(Value::take).unwrap_or_default();
            let operations = result.as_array().with_context(|| format!("no result: {answer}"))?;
            if let Some(refused) = operations.iter().find(|operation| operation.get("error").is_some()) {
                bail!("the database refuses: {refused}");
            }
        }
        Ok(results)
    }
}

/// Tells the switch to look.
fn next_configuration() -> Value {
    json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]})
}
