//! A JSON Schema of networks with the plugins here, for editors (draft 2020-12).
//!
//! An editor distinguishes letter cases, which the plugins do not: it shows how a key is spelled. The plugins may still read what
//! it does not accept, with a note on stderr.

use keys::{Form, Key, ListKeys, MANDATORY, PluginKeys, Table};
use serde_json::{Map, Value, json};

use crate::plugin::{Manual, PLUGINS};

/// The schema of a configuration list.
#[must_use]
pub fn schema() -> Value {
    let mut list = object(&ListKeys::TABLE);
    list.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    list.insert("title".to_owned(), json!("A CNI network with the plugins of plugboard"));
    let mut definitions = Map::new();
    for manual in &PLUGINS {
        definitions.insert(manual.name.to_owned(), Value::Object(of_plugin(manual)));
    }
    let is_ipam = |manual: &&Manual| manual.object == "ipam";
    definitions
        .insert("plugin".to_owned(), chosen_by_type(&PLUGINS.iter().filter(|one| !is_ipam(one)).collect::<Vec<_>>()));
    definitions.insert("ipam".to_owned(), chosen_by_type(&PLUGINS.iter().filter(is_ipam).collect::<Vec<_>>()));
    if let Some(plugin) = definitions.get_mut("plugin").and_then(Value::as_object_mut) {
        plugin.insert("required".to_owned(), json!(["type"]));
    }
    if let Some(properties) = list.get_mut("properties").and_then(Value::as_object_mut)
        && let Some(plugins) = properties.get_mut("plugins").and_then(Value::as_object_mut)
    {
        plugins.insert("items".to_owned(), json!({"$ref": "#/$defs/plugin"}));
    }
    list.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(list)
}

/// An object that is one of these plugins by its `type`, or another one.
fn chosen_by_type(plugins: &[&Manual]) -> Value {
    let cases: Vec<Value> = plugins
        .iter()
        .map(|plugin| {
            json!({
                "if": {"properties": {"type": {"const": plugin.name}}, "required": ["type"]},
                "then": {"$ref": format!("#/$defs/{}", plugin.name)},
            })
        })
        .collect();
    json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}}, "allOf": cases})
}

fn of_plugin(manual: &Manual) -> Map<String, Value> {
    let is_ipam = manual.object == "ipam";
    let mut all: Vec<&Key> = manual.tables.iter().flat_map(|table| table.keys.iter()).collect();
    let common = PluginKeys::TABLE.keys.iter().filter(|_| !is_ipam);
    all.extend(
        common.filter(|common| manual.tables.iter().flat_map(|table| table.keys).all(|own| own.name != common.name)),
    );
    let mut schema = of_keys(&all);
    schema.insert("description".to_owned(), json!(manual.about));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !is_ipam {
        schema.insert("patternProperties".to_owned(), json!({"^cni\\.dev/": true}));
        if let Some(ipam) = schema.get_mut("properties").and_then(|properties| properties.get_mut("ipam")) {
            *ipam = json!({"description": "the IPAM plugin", "anyOf": [{"type": "null"}, {"$ref": "#/$defs/ipam"}]});
        }
    }
    schema
}

fn object(table: &Table) -> Map<String, Value> {
    let mut schema = of_keys(&table.keys.iter().collect::<Vec<_>>());
    schema.insert("description".to_owned(), json!(table.about));
    if !table.is_open {
        schema.insert("additionalProperties".to_owned(), json!(false));
        if !table.refuses_others {
            schema.insert("patternProperties".to_owned(), json!({"^cni\\.dev/": true}));
        }
    }
    schema
}

fn of_keys(keys: &[&Key]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), Value::Object(of_key(key)))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.default == MANDATORY).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// A key may be `null`, unless its object means nothing without it.
fn of_key(key: &Key) -> Map<String, Value> {
    let mut schema = of_form(&key.form);
    if !key.pattern.is_empty() {
        schema.insert("pattern".to_owned(), json!(key.pattern));
    }
    if key.default != MANDATORY {
        allow_null(&mut schema);
    }
    schema.insert("description".to_owned(), json!(key.meaning));
    if let Ok(default @ (Value::Bool(_) | Value::Number(_))) = serde_json::from_str(key.default) {
        schema.insert("default".to_owned(), default);
    }
    if let Ok(example) = serde_json::from_str::<Value>(key.example) {
        schema.insert("examples".to_owned(), json!([example]));
    }
    schema
}

fn of_form(form: &Form) -> Map<String, Value> {
    let schema = match form {
        Form::Bool => json!({"type": "boolean"}),
        Form::Number { from, to } => {
            // How large a number of JSON Schema can be is up to the editor: beyond 2^53 there is no use in stating the bound.
            let mut schema = json!({"type": "integer", "minimum": i64::try_from(*from).unwrap_or_default()});
            if let (Ok(most), Some(schema)) = (i64::try_from(*to), schema.as_object_mut()) {
                schema.insert("maximum".to_owned(), json!(most));
            }
            schema
        }
        Form::Text("") => json!({"type": "string"}),
        Form::Text(pattern) => json!({"type": "string", "pattern": pattern}),
        Form::Choice(words) => json!({"enum": words}),
        Form::List(entry) => json!({"type": "array", "items": of_form(entry)}),
        Form::Object(table) => return object(table),
        Form::Either(forms) => json!({"anyOf": forms.iter().map(of_form).collect::<Vec<_>>()}),
        Form::Any => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.extend([json!(""), Value::Null]);
    }
    if let Some(forms) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        forms.push(json!({"type": "null"}));
    }
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind, "null"]);
    }
}
