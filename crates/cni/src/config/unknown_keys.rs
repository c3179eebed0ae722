//! Keys of the configuration that nobody reads: misspelt, as a rule.

use std::fmt;

use serde_json::{Map, Value};

use crate::Config;

/// A key that the plugin does not know. It reads as the sentence that a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key, with the path of its object: `isGatway`, `ipam.rnages`.
    pub key: String,
    /// The known key of the same object nearest to it, if one is near.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the unknown key {:?} is ignored", self.key)?;
        self.nearest.iter().try_for_each(|nearest| write!(f, "; did you mean {nearest:?}?"))
    }
}

/// What runtimes and all plugins share at the top level.
const COMMON: [&str; 15] = [
    "cniVersion",
    "cniVersions",
    "name",
    "type",
    "ipam",
    "dns",
    "args",
    "capabilities",
    "runtimeConfig",
    "prevResult",
    "disableCheck",
    "disableGC",
    "loadOnlyInlinedPlugins",
    "plugins",
    "ipMasq",
];

impl Config {
    /// The keys at the top level that are neither `known` nor common to all plugins (`cniVersion`, `cniVersions`, `name`,
    /// `type`, `ipam`, `dns`, `args`, `capabilities`, `runtimeConfig`, `prevResult`, `disableCheck`, `disableGC`,
    /// `loadOnlyInlinedPlugins`, `plugins`, `ipMasq`, and any with the prefix `cni.dev/`), each with the nearest known one.
    #[must_use]
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<UnknownKey> {
        let mut unknown = unknown_keys(&self.object, "", &[&COMMON, known].concat());
        unknown.retain(|unknown| !unknown.key.starts_with("cni.dev/"));
        unknown
    }

    /// The keys of the object `ipam` that are not `known`, each with the nearest known one. For the IPAM plugin: whoever
    /// delegates to it knows `type` only.
    #[must_use]
    pub fn unknown_ipam_keys(&self, known: &[&str]) -> Vec<UnknownKey> {
        let ipam = self.object.get("ipam").and_then(Value::as_object);
        ipam.map(|ipam| unknown_keys(ipam, "ipam.", known)).unwrap_or_default()
    }
}

fn unknown_keys(object: &Map<String, Value>, path: &str, known: &[&str]) -> Vec<UnknownKey> {
    let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
    unknown.map(|key| UnknownKey { key: format!("{path}{key}"), nearest: nearest(key, known) }).collect()
}

pub(super) fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let near = known.iter().filter_map(|candidate| Some((distance(key, candidate)?, candidate)));
    near.min().map(|(_, candidate)| (*candidate).to_owned())
}

/// How many letters to add, drop or replace; upper and lower case are the same. `None` if it is too many for a slip.
fn distance(key: &str, candidate: &str) -> Option<usize> {
    let limit = match candidate.len() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    if key.len().abs_diff(candidate.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=candidate.len()).collect();
    for (done, letter) in key.bytes().enumerate() {
        let (mut diagonal, mut left) = (done, done + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, other) in cells.zip(candidate.bytes()) {
            let replaced = diagonal + usize::from(!letter.eq_ignore_ascii_case(&other));
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    #[test]
    fn distances() {
        assert_eq!(distance("isGateway", "isGateway"), Some(0));
        assert_eq!(distance("isgateway", "isGateway"), Some(0));
        assert_eq!(distance("isGatway", "isGateway"), Some(1));
        assert_eq!(distance("vlna", "vlan"), Some(2));
        assert_eq!(distance("kitten", "sitting"), None);
        assert_eq!(distance("saturday", "sundays!"), None);
        assert_eq!(distance("", "abc"), None);
        assert_eq!(distance("nothing", "vlan"), None);
    }

    #[test]
    fn unknown_keys_come_with_the_nearest_known_one() {
        let text =
            br#"{"cniVersion":"1.1.0","name":"n","type":"bridge","isGatway":true,"vlan":1,"zzz":1,"capabilites":{},
            "cniVersions":["1.1.0"],"cni.dev/whatever":1,"ipam":{},"dns":{}}"#;
        let config = Config::read(text.to_vec(), Command::Add).unwrap();
        let nearest =
            |key: &str, nearest: Option<&str>| UnknownKey { key: key.to_owned(), nearest: nearest.map(str::to_owned) };
        assert_eq!(
            config.unknown_keys(&["vlan", "isGateway"]),
            [
                nearest("capabilites", Some("capabilities")),
                nearest("isGatway", Some("isGateway")),
                nearest("zzz", None)
            ]
        );
    }

    #[test]
    fn keys_of_the_outer_object_are_unknown_in_ipam() {
        let text =
            br#"{"cniVersion":"1.1.0","name":"n","type":"t","ipam":{"type":"i","rnages":1,"dns":{},"cni.dev/x":1}}"#;
        let config = Config::read(text.to_vec(), Command::Add).unwrap();
        let told: Vec<String> = config.unknown_ipam_keys(&["type", "ranges"]).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "the unknown key \"ipam.cni.dev/x\" is ignored",
                "the unknown key \"ipam.dns\" is ignored",
                "the unknown key \"ipam.rnages\" is ignored; did you mean \"ranges\"?"
            ]
        );
        let none = Config::read(br#"{"name":"n","type":"t"}"#.to_vec(), Command::Add).unwrap();
        assert_eq!(none.unknown_ipam_keys(&["type"]), []);
    }
}
