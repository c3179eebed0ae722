//! Keys of the configuration that nobody reads: misspelt, as a rule.

use crate::{Config, UnknownKey};

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
        let is_known = |key: &str| COMMON.contains(&key) || known.contains(&key) || key.starts_with("cni.dev/");
        let unknown = self.object.keys().filter(|key| !is_known(key));
        unknown.map(|key| UnknownKey { key: key.clone(), nearest: nearest(key, known) }).collect()
    }
}

fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let near = known.iter().chain(&COMMON).filter_map(|candidate| Some((distance(key, candidate)?, candidate)));
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
}
