//! A member of a LAC that has a record.

use attachment::Identity;
use serde_json::Value;

use crate::cache::Entry;
use crate::known_plugins::{LAC, OVERLAY, REMOTES};
use crate::network::{Network, Plugin};

/// An attachment, and what its plugin is to be called with for the present list.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) entry: Entry,
    /// The record is in the directory that is written to.
    pub(super) is_own: bool,
    /// As it was at ADD, but for the list.
    pub(super) network: Network,
    /// The record has another list.
    pub(super) is_outdated: bool,
}

impl Member {
    /// `None` if its network is of another kind. Where it lists the other hosts, the list is the one of the network's configuration as it
    /// is now, if that is still of the same LAC; else that of the record. Nothing else of the configuration counts: it may ask for what
    /// only a new attachment can have.
    pub(super) fn new(entry: Entry, is_own: bool, configured: &[Network]) -> Option<Self> {
        let mut network = Network::from_cache(&entry.config).ok()?;
        let recorded = network.plugins.iter_mut().find(|plugin| plugin.kind == OVERLAY)?;
        let list = remotes(recorded);
        let mut is_outdated = false;
        let present = configured.iter().find(|network| network.name == entry.network).and_then(overlay);
        if let Some(present) = present.filter(|present| LAC.iter().all(|key| present.key(key) == recorded.key(key)))
            && let (Some(list), Some(present_list)) = (list, remotes(present))
        {
            is_outdated = present_list != list;
            recorded.take_over(&REMOTES, present);
        }
        Some(Self { entry, is_own, network, is_outdated })
    }

    pub(super) fn plugin(&self) -> Option<&Plugin> {
        overlay(&self.network)
    }

    pub(super) fn identity(&self) -> Identity {
        self.entry.identity()
    }

    /// Where its network has the other hosts, in words; `None` if it does not list them.
    pub(super) fn source(&self) -> Option<String> {
        let [list, file] = self.plugin().and_then(remotes)?;
        match file {
            Some(file) => Some(file.as_str().map_or_else(|| file.to_string(), str::to_owned)),
            None => list.map(|list| list.to_string()),
        }
    }
}

fn overlay(network: &Network) -> Option<&Plugin> {
    network.plugins.iter().find(|plugin| plugin.kind == OVERLAY)
}

/// The list, and the file with one, if there is either.
fn remotes(plugin: &Plugin) -> Option<[Option<Value>; 2]> {
    let is_set = |value: &&Value| {
        !matches!(value, Value::String(text) if text.is_empty()) && **value != Value::Array(Vec::new())
    };
    let found = REMOTES.map(|key| plugin.key(key).filter(is_set).cloned());
    found.iter().any(Option::is_some).then_some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attachment::Attachment;

    fn network(plugin: &Value) -> Network {
        let list = json!({"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "other"}, plugin]});
        Network::from_list(list.to_string().as_bytes()).unwrap()
    }

    fn member(recorded: &Value, configured: Option<&Value>) -> Option<Member> {
        let entry = Entry {
            network: "lan".to_owned(),
            attachment: Attachment::default(),
            config: network(recorded).to_bytes(),
            result: None,
            namespace_id: None,
        };
        Member::new(entry, true, &configured.map(network).into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_list_is_the_one_of_the_present_configuration() {
        let one = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.2"], "mtu": 1400});
        let two = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"], "mtu": 1300});
        let file = json!({"type": "vxlan-overlay", "remotesFile": "/etc/hosts-of-lan", "remotes": []});
        for (recorded, configured, source, is_outdated) in [
            (&one, None, r#"["192.0.2.2"]"#, false),
            (&one, Some(&one), r#"["192.0.2.2"]"#, false),
            (&one, Some(&two), r#"["192.0.2.3"]"#, true),
            (&one, Some(&file), "/etc/hosts-of-lan", true),
            (&file, Some(&file), "/etc/hosts-of-lan", false),
        ] {
            let found = member(recorded, configured).unwrap();
            assert_eq!((found.source().as_deref(), found.is_outdated), (Some(source), is_outdated));
            assert_eq!(found.plugin().unwrap().key("mtu"), recorded.get("mtu"), "all else is as it was at ADD");
        }
    }

    #[test]
    fn a_configuration_of_another_lac_does_not_count() {
        let recorded = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.2"]});
        for configured in [
            json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"], "vni": 2}),
            json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"], "port": 4789}),
            json!({"type": "vxlan-overlay", "group": "239.0.0.1"}),
            json!({"type": "bridge", "remotes": ["192.0.2.3"]}),
        ] {
            let found = member(&recorded, Some(&configured)).unwrap();
            assert_eq!(found.source().as_deref(), Some(r#"["192.0.2.2"]"#), "{configured}");
        }
    }

    #[test]
    fn a_group_stays_a_group() {
        let recorded = json!({"type": "vxlan-overlay", "group": "239.0.0.1", "remotes": [], "remotesFile": ""});
        let configured = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"]});
        let found = member(&recorded, Some(&configured)).unwrap();
        assert_eq!((found.source(), found.is_outdated), (None, false));
        assert!(member(&json!({"type": "bridge", "remotes": ["192.0.2.2"]}), Some(&configured)).is_none());
    }
}
