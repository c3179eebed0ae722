//! Files among the records that cannot be read, or not completely.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::anyhow;
use cni::{Success, Version, objection_to_interface, objection_to_name, regular};
use serde_json::Value;

use super::document;
use super::entry::Entry;
use super::file::Untrusted;
use super::result;
use crate::attachment::Attachment;

/// A file that is empty, cut, of another form, or closed to us. What it is about may be told from its name.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    /// Why it cannot be read.
    pub(crate) why: String,
    /// The caller lacks the permission.
    pub(crate) is_closed: bool,
    /// It is a directory: that of another runtime, unless it has the name of a record.
    pub(crate) is_directory: bool,
    /// The result of ADD: libcni before 0.8 records nothing else.
    result: Option<Value>,
}

/// What a file may be about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reading {
    pub(crate) network: String,
    pub(crate) container_id: String,
    pub(crate) if_name: String,
}

impl Unreadable {
    pub(super) fn new(path: PathBuf, error: &anyhow::Error) -> Self {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let is_trusted = !error.is::<Untrusted>();
        let text = is_trusted.then(|| regular::read(&path, document::LONGEST_BYTES).ok()).flatten();
        let result = text
            .filter(|text| cni::refuse_excess(text).is_ok())
            .and_then(|text| serde_json::from_slice(&text).ok())
            .filter(is_result);
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
        let is_closed = kind == Some(io::ErrorKind::PermissionDenied);
        Self { path, why: format!("{error:#}"), is_closed, is_directory, result }
    }

    /// As an error, for those who need to read it.
    pub(crate) fn error(&self) -> anyhow::Error {
        anyhow!("cannot read {}: {}", self.path.display(), self.why)
    }

    fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// What its name, `NETWORK-CONTAINER-INTERFACE`, may say, given the networks. All three may have dashes.
    pub(crate) fn readings<'a>(&self, networks: impl IntoIterator<Item = &'a str>) -> Vec<Reading> {
        let name = self.name();
        let inside = self.interfaces();
        let mut readings = Vec::new();
        for network in networks {
            let Some(rest) = name.strip_prefix(network).and_then(|rest| rest.strip_prefix('-')) else { continue };
            for (place, _) in rest.match_indices('-') {
                let (container_id, if_name) = (&rest[..place], &rest[place + 1..]);
                if objection_to_name(container_id).is_none()
                    && objection_to_interface(if_name).is_none()
                    && (inside.is_empty() || inside.iter().any(|one| one == if_name))
                {
                    readings.push(Reading {
                        network: network.to_owned(),
                        container_id: container_id.to_owned(),
                        if_name: if_name.to_owned(),
                    });
                }
            }
        }
        readings.sort();
        readings.dedup();
        readings
    }

    /// What its name may say about a container, whatever its network.
    pub(crate) fn readings_about(&self, container_id: &str) -> Vec<Reading> {
        let name = self.name();
        let middle = format!("-{container_id}-");
        let networks: Vec<&str> = name.match_indices(&middle).map(|(place, _)| &name[..place]).collect();
        let is_one =
            |reading: &Reading| reading.container_id == container_id && objection_to_name(&reading.network).is_none();
        self.readings(networks).into_iter().filter(is_one).collect()
    }

    /// The entry for one of its readings, with the configuration that the network has now: none is recorded.
    pub(crate) fn entry(&self, reading: &Reading, config: Vec<u8>) -> Entry {
        let attachment = Attachment {
            container_id: reading.container_id.clone(),
            if_name: reading.if_name.clone(),
            netns: self.result.as_ref().and_then(|result| result::sandbox(result, &reading.if_name)).map(PathBuf::from),
            ..Attachment::default()
        };
        Entry { network: reading.network.clone(), attachment, config, result: self.result.clone(), namespace_id: None }
    }

    /// It has the result of ADD and nothing else, as libcni wrote it before 0.8.
    pub(crate) fn is_of_old_libcni(&self) -> bool {
        self.result.is_some()
    }

    /// The interfaces of the container, where the result names them.
    fn interfaces(&self) -> Vec<String> {
        let inside = self.result.iter().flat_map(result::in_sandboxes);
        inside.filter_map(|(interface, _)| Some(interface.get("name")?.as_str()?.to_owned())).collect()
    }
}

/// A record has a `kind`, and a result has not.
fn is_result(value: &Value) -> bool {
    let version = value.get("cniVersion").and_then(Value::as_str).and_then(|text| text.parse::<Version>().ok());
    value.get("kind").is_none() && version.is_some_and(|version| Success::from_value(value, version).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unreadable(name: &str, result: Option<Value>) -> Unreadable {
        Unreadable {
            path: format!("/nowhere/{name}").into(),
            why: String::new(),
            is_closed: false,
            is_directory: false,
            result,
        }
    }

    fn told(readings: &[Reading]) -> Vec<String> {
        let words = |reading: &Reading| format!("{} {} {}", reading.network, reading.container_id, reading.if_name);
        readings.iter().map(words).collect()
    }

    #[test]
    fn a_name_says_what_it_can() {
        let file = unreadable("lan-a-b-eth0", None);
        assert_eq!(told(&file.readings(["lan", "lan-a", "wan"])), ["lan a b-eth0", "lan a-b eth0", "lan-a b eth0"]);
        assert_eq!(told(&file.readings_about("b")), ["lan-a b eth0"]);
        assert_eq!(told(&file.readings_about("a-b")), ["lan a-b eth0"]);
        let result = json!({"cniVersion": "0.4.0", "interfaces": [{"name": "v1"},
            {"name": "eth0", "sandbox": "/run/netns/x"}]});
        assert!(is_result(&result) && !is_result(&json!({})) && !is_result(&json!({"kind": "cniCacheV2"})));
        let file = unreadable("lan-a-b-eth0", Some(result));
        assert_eq!(told(&file.readings(["lan"])), ["lan a-b eth0"]);
        let [reading] = file.readings(["lan"]).try_into().unwrap();
        assert_eq!(file.entry(&reading, Vec::new()).attachment.netns, Some("/run/netns/x".into()));
        for name in ["foreign", "lan-eth0", "lan--eth0", "lan-c1-"] {
            assert_eq!(unreadable(name, None).readings(["lan"]), [], "{name}");
        }
    }
}
