use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The columns that somebody configures, without those that `ovs-vswitchd` fills in; `vswitch.ovsschema`.
const TABLES: [(&str, &[&str]); 7] = [
    ("Open_vSwitch", &["bridges", "other_config", "external_ids"]),
    (
        "Bridge",
        &[
            "name",
            "datapath_type",
            "ports",
            "mirrors",
            "fail_mode",
            "protocols",
            "stp_enable",
            "rstp_enable",
            "mcast_snooping_enable",
            "flood_vlans",
            "other_config",
            "external_ids",
        ],
    ),
    (
        "Port",
        &[
            "name",
            "interfaces",
            "vlan_mode",
            "tag",
            "trunks",
            "cvlans",
            "qos",
            "mac",
            "protected",
            "bond_mode",
            "lacp",
            "other_config",
            "external_ids",
        ],
    ),
    (
        "Interface",
        &[
            "name",
            "type",
            "options",
            "mac",
            "mtu_request",
            "ofport_request",
            "ingress_policing_rate",
            "ingress_policing_burst",
            "ingress_policing_kpkts_rate",
            "ingress_policing_kpkts_burst",
            "other_config",
            "external_ids",
        ],
    ),
    (
        "Mirror",
        &[
            "name",
            "select_all",
            "select_src_port",
            "select_dst_port",
            "select_vlan",
            "output_port",
            "output_vlan",
            "snaplen",
            "external_ids",
        ],
    ),
    ("QoS", &["type", "queues", "other_config", "external_ids"]),
    ("Queue", &["dscp", "other_config", "external_ids"]),
];

type ById = HashMap<String, Value>;

/// All rows, by what runs a transaction.
pub(super) fn read(transact: impl FnOnce(&[Value]) -> Value) -> Value {
    let selects: Vec<Value> = TABLES
        .iter()
        .map(|(table, columns)| {
            let columns: Vec<&str> = columns.iter().copied().chain(["_uuid"]).collect();
            json!({"op": "select", "table": table, "where": [], "columns": columns})
        })
        .collect();
    let answer = transact(&selects);
    let rows = |place: usize| answer[place]["rows"].as_array().unwrap_or_else(|| panic!("no rows: {answer}"));
    let all: ById = (0..TABLES.len())
        .flat_map(rows)
        .map(|row| (row["_uuid"][1].as_str().unwrap_or_default().to_owned(), row.clone()))
        .collect();
    let tables = TABLES.iter().enumerate().map(|(place, (table, _))| {
        let mut rows: Vec<Value> = rows(place).iter().map(|row| whole(row, &all)).collect();
        rows.sort_by_key(Value::to_string);
        ((*table).to_owned(), Value::Array(rows))
    });
    Value::Object(tables.collect::<Map<_, _>>())
}

/// A row without its id.
fn whole(row: &Value, all: &ById) -> Value {
    let columns = row.as_object().into_iter().flatten().filter(|(column, _)| *column != "_uuid");
    Value::Object(columns.map(|(column, value)| (column.clone(), canonical(value, all))).collect())
}

/// A value of RFC 7047, section 5.1, without ids and without an order where there is none.
fn canonical(value: &Value, all: &ById) -> Value {
    let Some([kind, content]) = value.as_array().map(Vec::as_slice) else { return value.clone() };
    match (kind.as_str(), content) {
        (Some("uuid"), Value::String(id)) => match all.get(id) {
            Some(row) if row["name"].is_string() => row["name"].clone(),
            Some(row) => whole(row, all),
            None => json!("a row of another table"),
        },
        (Some("set"), Value::Array(members)) => {
            let mut members: Vec<Value> = members.iter().map(|member| canonical(member, all)).collect();
            members.sort_by_key(Value::to_string);
            Value::Array(members)
        }
        (Some("map"), Value::Array(pairs)) => Value::Object(
            pairs
                .iter()
                .map(|pair| {
                    let key = pair[0].as_str().map_or_else(|| pair[0].to_string(), str::to_owned);
                    (key, canonical(&pair[1], all))
                })
                .collect(),
        ),
        _ => value.clone(),
    }
}
