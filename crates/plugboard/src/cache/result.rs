//! What a result of ADD tells of the container.

use serde_json::Value;

/// The interfaces of the container in a result of ADD, each with the path of its namespace.
pub(super) fn in_sandboxes(result: &Value) -> impl Iterator<Item = (&Value, &str)> {
    let interfaces = result.get("interfaces").and_then(Value::as_array).into_iter().flatten();
    interfaces.filter_map(|interface| {
        let path = interface.get("sandbox")?.as_str().filter(|path| !path.is_empty())?;
        Some((interface, path))
    })
}

/// The path of the namespace of an interface in a result of ADD.
pub(super) fn sandbox<'a>(result: &'a Value, if_name: &str) -> Option<&'a str> {
    let mut found = in_sandboxes(result);
    found.find(|(interface, _)| interface.get("name").and_then(Value::as_str) == Some(if_name)).map(|(_, path)| path)
}
