//! ovs-cni's flat file: keys for all networks of a host.

use std::io;
use std::path::{Path, PathBuf};

use cni::Error;
use keys::{Map, Value};

/// Where it is, beside `configuration_path`.
const FILES: [&str; 2] = ["/etc/kubernetes/cni/net.d/ovs.d/ovs.conf", "/etc/cni/net.d/ovs.d/ovs.conf"];

/// As much as is read, in bytes.
const LIMIT_BYTES: u64 = 1 << 20;

/// Adds the keys of the first file that exists to an object that does not have them.
///
/// # Errors
/// Code 7 for a file that cannot be read.
pub(crate) fn complete(object: &mut Map<String, Value>) -> Result<(), Error> {
    let named = keys::find(object, "configuration_path").and_then(Value::as_str).filter(|path| !path.is_empty());
    let files = named.map(PathBuf::from).into_iter().chain(FILES.map(PathBuf::from));
    for file in files {
        match cni::regular::read(&file, LIMIT_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(objection(&file, &error.to_string())),
            Ok(text) => return add(object, &file, &text),
        }
    }
    Ok(())
}

fn add(object: &mut Map<String, Value>, file: &Path, text: &[u8]) -> Result<(), Error> {
    let found =
        serde_json::from_slice::<Map<String, Value>>(text).map_err(|reason| objection(file, &reason.to_string()))?;
    for (key, value) in found {
        if keys::find(object, &key).is_none_or(is_unset) {
            keys::remove(object, &key);
            object.insert(key, value);
        }
    }
    Ok(())
}

/// Go cannot tell what is not set from the zero of its type.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => false,
    }
}

fn objection(file: &Path, reason: &str) -> Error {
    Error::invalid_config(format!("{}: {reason}", file.display()))
}
