//! A member of a LAC that has a record.

use attachment::Identity;
use serde_json::{Value, json};

use super::wanted::{Wanted, peers, remotes};
use crate::cache::Entry;
use crate::conf_dir::ConfDir;
use crate::known_plugins::{KEY_FILE, OVERLAY, PEERS, REKEY, REMOTES};
use crate::network::{Network, Plugin};

/// An attachment, and what its plugin is to be called with for the present lists.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) entry: Entry,
    /// The record is in the directory that is written to.
    pub(super) is_own: bool,
    /// As it was at ADD, but for the lists.
    pub(super) network: Network,
    /// The record has other lists.
    pub(super) is_outdated: bool,
    /// Why the network's configuration as it is now does not count, if it does not.
    pub(super) unused: Option<Unused>,
}

/// Why a configuration does not count for a member that was attached before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unused {
    /// There is none, or none that can be read, and the record has a list.
    Missing,
    /// It is one without the plugin.
    OtherPlugins,
    /// It is of another LAC, in words.
    OtherLac(String),
    /// It is of none, and why.
    NoLac(String),
}

impl Unused {
    /// A sentence for people.
    pub(super) fn words(&self, network: &str, conf_dir: &ConfDir) -> String {
        let now = match self {
            Self::Missing => {
                return format!(
                    "no file in {conf_dir} that can be read configures network '{network}': the lists in the records of its \
                     members count"
                );
            }
            Self::OtherPlugins => format!("is configured without {OVERLAY} now"),
            Self::OtherLac(lac) => format!("is configured for {lac} now"),
            Self::NoLac(why) => format!("is configured for no LAC now: {why}"),
        };
        format!(
            "network '{network}' {now}; this does not count for members that were attached before: correct it, or detach them and \
             attach them again"
        )
    }
}

impl Member {
    /// `None` if its network is of another kind. Where it lists the other hosts, the list is the one of the network's configuration as it
    /// is now, if that is still of the same LAC; else that of the record. So is the list of those that are heard, or that there is none.
    /// Nothing else of the configuration counts: it may ask for what only a new attachment can have.
    pub(super) fn new(entry: Entry, is_own: bool, configured: &[Network]) -> Option<Self> {
        let mut network = Network::from_cache(&entry.config).ok()?;
        let recorded = network.plugins.iter_mut().find(|plugin| plugin.kind == OVERLAY)?;
        let (list, heard) = (remotes(recorded), peers(recorded));
        let (mut is_outdated, mut unused) = (false, None);
        let present = configured.iter().find(|network| network.name == entry.network);
        match (present, present.and_then(overlay)) {
            (None, _) => {
                let has_list = [&list, &heard].into_iter().any(|listed| matches!(listed, Some([Some(_), None])));
                unused = has_list.then_some(Unused::Missing);
            }
            (Some(_), None) => unused = Some(Unused::OtherPlugins),
            (Some(_), Some(present)) => match Wanted::of(present) {
                Err(why) => unused = Some(Unused::NoLac(why)),
                Ok(wanted) if Wanted::of(recorded).as_ref() != Ok(&wanted) => {
                    unused = Some(Unused::OtherLac(wanted.to_string()));
                }
                Ok(_) => {
                    if list.is_some() {
                        is_outdated = remotes(present) != list;
                        recorded.take_over(&REMOTES, present);
                    }
                    is_outdated |= peers(present) != heard;
                    recorded.take_over(&PEERS, present);
                    if is_encrypted(recorded) && is_encrypted(present) {
                        is_outdated |= recorded.key(KEY_FILE) != present.key(KEY_FILE);
                        recorded.take_over(&[KEY_FILE], present);
                    }
                }
            },
        }
        Some(Self { entry, is_own, network, is_outdated, unused })
    }

    pub(super) fn plugin(&self) -> Option<&Plugin> {
        overlay(&self.network)
    }

    /// Its LAC is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.plugin().is_some_and(is_encrypted)
    }

    /// Its network, whose plugin is to replace keys, and to hear the old ones for so many seconds still.
    pub(super) fn rekeying(&self, grace_seconds: u32) -> Network {
        let mut network = self.network.clone();
        if let Some(plugin) = network.plugins.iter_mut().find(|plugin| plugin.kind == OVERLAY) {
            plugin.set(REKEY, json!(grace_seconds));
        }
        network
    }

    pub(super) fn identity(&self) -> Identity {
        self.entry.identity()
    }

    /// Where its network has the other hosts, in words; `None` if it does not list them.
    pub(super) fn source(&self) -> Option<String> {
        self.plugin().and_then(remotes).and_then(|[list, file]| words(list, file))
    }

    /// Where its network has the hosts that are heard, in words; `None` if whoever sends is.
    pub(super) fn source_of_peers(&self) -> Option<String> {
        self.plugin().and_then(peers).and_then(|[list, file]| words(list, file))
    }
}

fn words(list: Option<Value>, file: Option<Value>) -> Option<String> {
    match file {
        Some(file) => Some(file.as_str().map_or_else(|| file.to_string(), str::to_owned)),
        None => list.map(|list| list.to_string()),
    }
}

fn is_encrypted(plugin: &Plugin) -> bool {
    plugin.key(KEY_FILE).is_some_and(keys::is_set)
}

/// The plugin of a network that makes members of a LAC.
pub(super) fn overlay(network: &Network) -> Option<&Plugin> {
    network.plugins.iter().find(|plugin| plugin.kind == OVERLAY)
}

#[cfg(test)]
mod tests {
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
            assert_eq!(found.unused, configured.is_none().then_some(Unused::Missing));
            assert_eq!(found.plugin().unwrap().key("mtu"), recorded.get("mtu"), "all else is as it was at ADD");
        }
    }

    #[test]
    fn a_configuration_of_another_lac_does_not_count() {
        let recorded = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.2"]});
        let other = |words: &str| Unused::OtherLac(words.to_owned());
        for (configured, unused) in [
            (
                json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"], "vni": 2}),
                other("lac 14789/2 with a list of remotes"),
            ),
            (
                json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"], "port": 4789}),
                other("lac 4789/1 with a list of remotes"),
            ),
            (json!({"type": "vxlan-overlay", "group": "239.0.0.1"}), other("lac 14789/1 with group 239.0.0.1")),
            (
                json!({"type": "vxlan-overlay", "url": "vxvde://", "remotes": ["192.0.2.3"]}),
                other("the LAC of url \"vxvde://\""),
            ),
            (
                json!({"type": "vxlan-overlay", "remotes": []}),
                Unused::NoLac("it has neither group nor url nor remotes".to_owned()),
            ),
            (json!({"type": "bridge", "remotes": ["192.0.2.3"]}), Unused::OtherPlugins),
        ] {
            let found = member(&recorded, Some(&configured)).unwrap();
            assert_eq!(found.source().as_deref(), Some(r#"["192.0.2.2"]"#), "{configured}");
            assert_eq!((found.unused, found.is_outdated), (Some(unused), false), "{configured}");
        }
    }

    #[test]
    fn a_default_that_is_written_out_is_the_same_lac() {
        for keys in [
            json!({"vni": 1}),
            json!({"port": 14789}),
            json!({"port": 14789, "VNI": 1}),
            json!({"mode": "remotes"}),
            json!({"vni": null, "group": "", "url": ""}),
        ] {
            let mut written = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.3"]});
            written.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            let bare = json!({"type": "vxlan-overlay", "remotes": ["192.0.2.2"]});
            for (recorded, configured, list) in
                [(&bare, &written, r#"["192.0.2.3"]"#), (&written, &bare, r#"["192.0.2.2"]"#)]
            {
                let found = member(recorded, Some(configured)).unwrap();
                assert_eq!((found.source().as_deref(), found.is_outdated), (Some(list), true), "{keys}");
                assert_eq!(found.unused, None, "{keys}");
            }
        }
    }

    #[test]
    fn peers_are_those_of_the_present_configuration_in_every_mode() {
        for way in [json!({"group": "239.0.0.1"}), json!({"url": "vxvde://"}), json!({"remotes": ["192.0.2.2"]})] {
            let with = |keys: Value| {
                let mut plugin = json!({"type": "vxlan-overlay"});
                for object in [&way, &keys] {
                    plugin.as_object_mut().unwrap().extend(object.as_object().unwrap().clone());
                }
                plugin
            };
            let (none, one) = (with(json!({"peers": []})), with(json!({"peers": ["192.0.2.2"]})));
            let (two, file) = (with(json!({"peers": ["192.0.2.3"]})), with(json!({"peersFile": "/etc/peers"})));
            for (recorded, configured, source, is_outdated) in [
                (&one, None, Some(r#"["192.0.2.2"]"#), false),
                (&one, Some(&two), Some(r#"["192.0.2.3"]"#), true),
                (&one, Some(&one), Some(r#"["192.0.2.2"]"#), false),
                (&none, Some(&file), Some("/etc/peers"), true),
                (&file, Some(&file), Some("/etc/peers"), false),
                (&file, Some(&none), None, true),
                (&none, Some(&none), None, false),
            ] {
                let found = member(recorded, configured).unwrap();
                assert_eq!((found.source_of_peers().as_deref(), found.is_outdated), (source, is_outdated), "{way}");
            }
            assert_eq!(member(&one, None).unwrap().unused, Some(Unused::Missing));
        }
    }

    #[test]
    fn another_group_does_not_count_either() {
        let of = |key: &str, value: &str| json!({"type": "vxlan-overlay", key: value, "mtu": 1400});
        for (recorded, configured, is_same) in [
            (of("group", "239.0.0.1"), of("group", "239.0.0.1"), true),
            (of("group", "FF05::1"), of("group", "ff05:0::1"), true),
            (of("group", "239.0.0.1"), of("group", "239.0.0.2"), false),
            (of("url", "vxvde://239.0.0.1"), of("url", "vxvde://239.0.0.1"), true),
            (of("url", "vxvde://239.0.0.1"), of("url", "vxvde://239.0.0.1/vni=2"), false),
            (of("url", "vxvde://239.0.0.1"), of("remotes", "192.0.2.2"), false),
        ] {
            let found = member(&recorded, Some(&configured)).unwrap();
            assert_eq!(found.unused.is_none(), is_same, "{configured}: {:?}", found.unused);
        }
        assert_eq!(member(&of("group", "239.0.0.1"), None).unwrap().unused, None, "nothing of it was to count");
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
