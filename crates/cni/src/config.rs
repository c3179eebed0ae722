//! The network configuration on stdin (CFG-1 to CFG-9).

use keys::Place;
use serde_json::{Map, Value};

use crate::json::Limit;
use crate::name::{objection_to_kind, objection_to_name};
use crate::{Code, Command, Error, Success, Version, excerpt};

mod for_plugins;
pub(crate) mod stdin;

/// An attachment as GC lists it (GC-2).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AttachmentId {
    /// `containerID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `ifname`.
    #[serde(rename = "ifname")]
    pub if_name: String,
}

/// The network configuration of a call.
#[derive(Debug, Clone)]
pub struct Config {
    /// `cniVersion`; 0.1.0 when missing (CFG-9).
    pub version: Version,
    /// `name` of the network; empty only for VERSION.
    pub name: String,
    /// `type` of the plugin; empty without one. It is for the runtime, which starts the plugin by it (CFG-1); programs that start one
    /// by themselves leave it out.
    pub kind: String,
    /// `ipam.type`; `None` without an `ipam` object, with an empty one, or with an empty type.
    pub ipam: Option<String>,
    /// `prevResult`, read in the format of `version` (ADD-4); only for ADD, DEL, CHECK
    /// and UPDATE.
    pub prev_result: Option<Success>,
    /// `cni.dev/valid-attachments`, else `cni.dev/attachments` (GC-2); `None` when both are missing, and for other commands
    /// than GC.
    pub valid_attachments: Option<Vec<AttachmentId>>,
    /// What is wrong with `ipam`, for DEL and GC: they remove what they can before they report it. For other commands it is an
    /// error of its own.
    pub ipam_objection: Option<Error>,
    /// What could not be read and the command does without: DEL needs `prevResult` and `type` for nothing that cannot be told
    /// otherwise (DEL-2, DEL-5).
    pub ignored: Vec<Error>,
    /// The whole object, as read.
    pub object: Map<String, Value>,
    /// The text of stdin, byte by byte, for the delegate (DLG-2).
    pub text: Vec<u8>,
}

impl Config {
    /// Reads the text of stdin for `command`.
    ///
    /// # Errors
    /// Code 6: not JSON, too large, or not an object (CFG-2). Code 1: a `cniVersion` that we do not speak (VER-5), or one that does not
    /// know the command (VER-7). Code 7: `name` is missing, or it, `type` or `ipam.type` has characters that are
    /// not allowed (CFG-3, CFG-6); `prevResult` or the list of attachments is malformed. DEL and GC need less, see
    /// [`Config::ignored`] and [`Config::ipam_objection`].
    pub fn read(text: Vec<u8>, command: Command) -> Result<Self, Error> {
        // ADD accepts half of what DEL does, which gets the result in addition.
        let limit = if command == Command::Add { Limit::SINGLE } else { Limit::DOUBLE };
        let object = stdin::object(&text, limit)?;
        let version = stdin::version_text(&object)?.map_or(Ok(Version::V0_1_0), str::parse)?;
        expect_known(command, version)?;
        let optional = command == Command::Version;
        let removes = matches!(command, Command::Del | Command::Gc);
        let name = named(&object, "name", optional, objection_to_name)?;
        let mut ignored = Vec::new();
        let kind = match kind_of(&object, "type") {
            Err(error) if removes => {
                ignored.push(error);
                None
            }
            kind => kind?,
        };
        let (ipam, ipam_objection) = match ipam(&object) {
            Err(error) if removes => (None, Some(error)),
            ipam => (ipam?, None),
        };
        let prev_result = match command {
            Command::Del => {
                let (result, objection) = what_can_be_read(&object, version);
                ignored.extend(objection);
                result
            }
            Command::Add | Command::Check | Command::Update => prev_result(&object, version)?,
            Command::Gc | Command::Status | Command::Version => None,
        };
        let valid_attachments = if command == Command::Gc { valid_attachments(&object)? } else { None };
        let kind = kind.unwrap_or_default();
        Ok(Self { version, name, kind, ipam, prev_result, valid_attachments, ipam_objection, ignored, object, text })
    }

    /// The version to use for an error about this text when [`Config::read`] failed: the text's own if we speak it, else
    /// the latest.
    #[must_use]
    pub fn version_of(text: &[u8]) -> Version {
        let Ok(object) = stdin::object(text, Limit::SINGLE) else { return Version::LATEST };
        match stdin::version_text(&object) {
            Ok(None) => Version::V0_1_0,
            Ok(Some(text)) => text.parse().unwrap_or(Version::LATEST),
            Err(_) => Version::LATEST,
        }
    }
}

/// VER-7.
fn expect_known(command: Command, version: Version) -> Result<(), Error> {
    let since = match command {
        Command::Add | Command::Del | Command::Version | Command::Update => Version::V0_1_0,
        Command::Check => Version::V0_4_0,
        Command::Gc | Command::Status => Version::V1_1_0,
    };
    if version >= since {
        return Ok(());
    }
    Err(Error::new(
        Code::IncompatibleVersion,
        format!("config version does not allow {}: cniVersion is {version}, {since} is needed", command.as_str()),
    ))
}

fn named(
    object: &Map<String, Value>,
    key: &str,
    optional: bool,
    objection: fn(&str) -> Option<&'static str>,
) -> Result<String, Error> {
    match keys::find(object, key) {
        None if optional => Ok(String::new()),
        None => Err(missing(key)),
        Some(value) => checked(value, key, objection).map(str::to_owned),
    }
}

fn missing(key: &str) -> Error {
    Error::invalid_config(format!("the configuration has no \"{key}\""))
}

/// The `type` of an object, at this path. An empty text counts as none, as in Go.
fn kind_of(object: &Map<String, Value>, path: &str) -> Result<Option<String>, Error> {
    match keys::find(object, "type") {
        None => Ok(None),
        Some(Value::String(kind)) if kind.is_empty() => Ok(None),
        Some(kind) => checked(kind, path, objection_to_kind).map(|kind| Some(kind.to_owned())),
    }
}

fn checked<'a>(value: &'a Value, path: &str, objection: fn(&str) -> Option<&'static str>) -> Result<&'a str, Error> {
    let objection = match value {
        Value::String(text) => match objection(text) {
            None => return Ok(text),
            Some(objection) => objection,
        },
        _ => "it must be a string in quotes",
    };
    Err(Error::invalid_config(format!("{path} is {}: {objection}", excerpt::shown(value))))
}

fn ipam(object: &Map<String, Value>) -> Result<Option<String>, Error> {
    match keys::find(object, "ipam") {
        None => Ok(None),
        Some(Value::Object(ipam)) => kind_of(ipam, "ipam.type"),
        Some(other) => Err(Place::Named("ipam").is_no("an object with the key \"type\"", other).into()),
    }
}

fn prev_result(object: &Map<String, Value>, version: Version) -> Result<Option<Success>, Error> {
    let value = keys::find(object, "prevResult");
    value.map(|value| Success::read(value, version, &Place::Named("prevResult"))).transpose()
}

/// The same for DEL: of a result that is damaged, or has the format of another version, the interfaces, which have the same form
/// since 0.3.0; and what is wrong with it.
fn what_can_be_read(object: &Map<String, Value>, version: Version) -> (Option<Success>, Option<Error>) {
    let error = match prev_result(object, version) {
        Ok(result) => return (result, None),
        Err(error) => error,
    };
    let result = keys::find(object, "prevResult").and_then(Value::as_object);
    let interfaces = result.and_then(|result| keys::find(result, "interfaces"));
    let salvaged = interfaces.map(|interfaces| serde_json::json!({ "interfaces": interfaces }));
    (salvaged.and_then(|salvaged| Success::from_value(&salvaged, Version::LATEST).ok()), Some(error))
}

fn valid_attachments(object: &Map<String, Value>) -> Result<Option<Vec<AttachmentId>>, Error> {
    let list = ["cni.dev/valid-attachments", "cni.dev/attachments"]
        .into_iter()
        .find_map(|key| keys::find(object, key).map(|list| (key, list)));
    let Some((key, list)) = list else { return Ok(None) };
    let place = Place::Named(key);
    let entries = keys::entries(list, &place)?.iter().enumerate();
    entries.map(|(index, entry)| attachment(entry, &Place::Entry(&place, index))).collect::<Result<_, _>>().map(Some)
}

/// An ID that is missing is refused: what is not known to be valid is removed.
fn attachment(entry: &Value, place: &Place<'_>) -> Result<AttachmentId, Error> {
    let example = r#"{"containerID": "c1", "ifname": "eth0"}"#;
    let object = keys::object(entry, place, example, &keys::Names::NONE, false)?;
    let text = |name| Ok::<_, keys::Refusal>(keys::member(object, name, place, true)?.unwrap_or_default());
    Ok(AttachmentId { container_id: text("containerID")?, if_name: text("ifname")? })
}

#[cfg(test)]
mod tests;
