//! A network's configuration: a name, and the chain of plugins that attach a container to it. Keys may be in any letter
//! case, and `null` is not set. libcni does the same for the keys of plugins, but not for those of a list.

use anyhow::{Context, anyhow, bail};
use cni::Version;
use keys::find;
use serde_json::{Map, Value, json};

/// A network as configured. `object` is the list as libcni would read it.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) name: String,
    /// The versions to choose from, the newest first, never empty.
    pub(crate) versions: Vec<Version>,
    /// The plugins in the order of ADD.
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) disable_check: bool,
    pub(crate) disable_gc: bool,
    /// Whether plugins in files of their own belong to it too (`loadOnlyInlinedPlugins` says no).
    pub(crate) has_more_plugins: bool,
    object: Map<String, Value>,
}

/// A plugin of a chain.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    /// `type`.
    pub(crate) kind: String,
    object: Map<String, Value>,
}

/// The keys of a list, which libcni reads from a map and not from a structure.
const OF_LIST: [&str; 7] =
    ["name", "cniVersion", "cniVersions", "plugins", "disableCheck", "disableGC", "loadOnlyInlinedPlugins"];

/// Says which keys other runtimes would not read.
fn warn_of_other_spellings(object: &Map<String, Value>) {
    for name in OF_LIST {
        for key in object.keys().filter(|key| *key != name && keys::is_spelled(name, key)) {
            tracing::warn!(
                "the key '{key}' of a list is spelled '{name}': runtimes with libcni do not read it otherwise"
            );
        }
    }
}

impl Network {
    /// Reads a configuration list (`.conflist`).
    pub(crate) fn from_list(text: &[u8]) -> anyhow::Result<Self> {
        let object = read_object(text)?;
        warn_of_other_spellings(&object);
        let plugins = match find(&object, "plugins") {
            None => Vec::new(),
            Some(Value::Array(plugins)) => plugins.iter().map(Plugin::read).collect::<Result<_, _>>()?,
            Some(other) => bail!("'plugins' must be an array of objects, not {other}"),
        };
        Ok(Self {
            name: read_name(&object)?,
            versions: read_versions(&object)?,
            plugins,
            disable_check: read_flag(&object, "disableCheck")?,
            disable_gc: read_flag(&object, "disableGC")?,
            has_more_plugins: !read_flag(&object, "loadOnlyInlinedPlugins")?,
            object,
        })
    }

    /// Reads the configuration of a single plugin (`.conf`, `.json`) as a list of one.
    pub(crate) fn from_single(text: &[u8]) -> anyhow::Result<Self> {
        let object = read_object(text)?;
        if find(&object, "plugins").is_some() {
            bail!("it has 'plugins', so it is a list: its name must end in .conflist");
        }
        let mut list = Map::new();
        for key in ["name", "cniVersion"] {
            if let Some(value) = find(&object, key) {
                list.insert(key.to_owned(), value.clone());
            }
        }
        Ok(Self {
            name: read_name(&object)?,
            versions: read_versions(&object)?,
            plugins: vec![Plugin::read(&Value::Object(object))?],
            disable_check: false,
            disable_gc: false,
            has_more_plugins: false,
            object: list,
        })
    }

    /// Reads what a runtime has put into the cache: a list, or from libcni's older calls a single plugin.
    pub(crate) fn from_cache(text: &[u8]) -> anyhow::Result<Self> {
        let is_list = find(&read_object(text)?, "plugins").is_some();
        if is_list { Self::from_list(text) } else { Self::from_single(text) }
    }

    /// The newest of its versions.
    pub(crate) fn version(&self) -> Version {
        self.versions.first().copied().unwrap_or(Version::V0_1_0)
    }

    /// Settles on one version.
    pub(crate) fn settle(&mut self, version: Version) {
        self.versions = vec![version];
        keys::remove(&mut self.object, "cniVersions");
        set(&mut self.object, "cniVersion", json!(version.as_str()));
    }

    /// The list as JSON, for the cache: complete in itself, without plugins in other files.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut object = self.object.clone();
        let plugins = self.plugins.iter().map(|plugin| Value::Object(plugin.object.clone())).collect();
        set(&mut object, "plugins", Value::Array(plugins));
        set(&mut object, "loadOnlyInlinedPlugins", Value::Bool(true));
        Value::Object(object).to_string().into_bytes()
    }
}

impl Plugin {
    pub(crate) fn from_bytes(text: &[u8]) -> anyhow::Result<Self> {
        Self::read(&Value::Object(read_object(text)?))
    }

    pub(crate) fn read(value: &Value) -> anyhow::Result<Self> {
        let object = value.as_object().ok_or_else(|| anyhow!("a plugin must be an object, not {value}"))?;
        match find(object, "type").and_then(Value::as_str) {
            Some(kind) if !kind.is_empty() => Ok(Self { kind: kind.to_owned(), object: object.clone() }),
            _ => bail!("a plugin has no 'type': {value}"),
        }
    }

    /// Whether it asks for the capability arguments of this name (CFG-8).
    pub(crate) fn has_capability(&self, name: &str) -> bool {
        let capabilities = find(&self.object, "capabilities").and_then(Value::as_object);
        // They are entries of a map, whose names Go does tell by their letter case.
        capabilities.and_then(|all| all.get(name)).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The type of its IPAM plugin.
    pub(crate) fn ipam(&self) -> Option<&str> {
        find(find(&self.object, "ipam")?.as_object()?, "type")?.as_str()
    }

    /// It makes an internal port of Open vSwitch: a NIC without a host's end.
    pub(crate) fn makes_internal_port(&self) -> bool {
        ["nic", "interface_type"].iter().any(|key| find(&self.object, key).and_then(Value::as_str) == Some("internal"))
    }

    /// The types of the plugins that it may call in turn: whatever has a `type` inside its configuration, as `ipam` does, and the
    /// `delegate` of meta plugins.
    pub(crate) fn delegates(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.object.values().for_each(|value| find_types(value, &mut found));
        found
    }

    /// Leaves a key out, however it is spelled.
    pub(crate) fn remove(&mut self, key: &str) {
        keys::remove(&mut self.object, key);
    }

    /// Leaves out of an object of its configuration all but one member.
    pub(crate) fn keep_only(&mut self, member: &str, key: &str) {
        let Some(object) = find(&self.object, key).and_then(Value::as_object) else { return };
        let kept = find(object, member).map(|value| (member.to_owned(), value.clone()));
        set(&mut self.object, key, kept.into_iter().collect());
    }

    /// Has these keys as `other` has them, and lacks those that it lacks.
    pub(crate) fn take_over(&mut self, keys: &[&str], other: &Self) {
        for key in keys {
            self.remove(key);
            if let Some(value) = other.key(key) {
                self.object.insert((*key).to_owned(), value.clone());
            }
        }
    }

    /// Has this key so.
    pub(crate) fn set(&mut self, key: &str, value: Value) {
        set(&mut self.object, key, value);
    }

    /// Makes it ask for the capability arguments of this name.
    pub(crate) fn ask_for_capability(&mut self, name: &str) {
        let capabilities = find(&self.object, "capabilities").and_then(Value::as_object).cloned();
        let mut capabilities = capabilities.unwrap_or_default();
        capabilities.insert(name.to_owned(), json!(true));
        set(&mut self.object, "capabilities", Value::Object(capabilities));
    }

    /// A key of its own configuration.
    pub(crate) fn key(&self, name: &str) -> Option<&Value> {
        find(&self.object, name)
    }

    /// A key of its own configuration, read as its plugin does. `None` where it is not set.
    ///
    /// # Errors
    /// What is wrong with its value.
    pub(crate) fn read_key<T: keys::FromJson>(&self, name: &str) -> Result<Option<T>, String> {
        keys::member(&self.object, name, &keys::Place::Whole, false).map_err(|refusal| refusal.to_string())
    }

    /// The configuration that it is called with: with name and version of its network, with those of `capability_args` that it
    /// asks for as `runtimeConfig`, and without `capabilities` (CFG-8).
    pub(crate) fn request(&self, network: &Network, capability_args: &Map<String, Value>) -> Map<String, Value> {
        let mut request = self.object.clone();
        keys::remove(&mut request, "capabilities");
        set(&mut request, "name", json!(network.name));
        set(&mut request, "cniVersion", json!(network.version().as_str()));
        let wanted: Map<_, _> =
            capability_args.clone().into_iter().filter(|(name, _)| self.has_capability(name)).collect();
        if !wanted.is_empty() {
            set(&mut request, "runtimeConfig", Value::Object(wanted));
        }
        request
    }
}

fn read_object(text: &[u8]) -> anyhow::Result<Map<String, Value>> {
    cni::refuse_excess(text).map_err(|excess| anyhow!("it {excess}"))?;
    serde_json::from_slice(text).context("it is not a JSON object")
}

/// Sets a key in the place of whatever spelling of it there is.
fn set(object: &mut Map<String, Value>, key: &str, value: Value) {
    keys::remove(object, key);
    object.insert(key.to_owned(), value);
}

/// CFG-3.
fn read_name(object: &Map<String, Value>) -> anyhow::Result<String> {
    let name = find(object, "name").and_then(Value::as_str).unwrap_or_default();
    match cni::objection_to_name(name) {
        None => Ok(name.to_owned()),
        Some(objection) => bail!("'name' is '{name}': {objection}"),
    }
}

/// `cniVersion` and `cniVersions` together (VER-9). Versions in a list that we do not speak are skipped.
fn read_versions(object: &Map<String, Value>) -> anyhow::Result<Vec<Version>> {
    let single = match find(object, "cniVersion") {
        None => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(other) => bail!("'cniVersion' must be a string, not {other}"),
    };
    let mut versions: Vec<Version> = match find(object, "cniVersions") {
        None => vec![single.filter(|text| !text.is_empty()).unwrap_or("0.1.0").parse().map_err(readable)?],
        Some(Value::Array(list)) => {
            let all = list.iter().filter_map(Value::as_str).chain(single);
            all.filter_map(|text| text.parse().ok()).collect()
        }
        Some(other) => bail!("'cniVersions' must be an array of strings, not {other}"),
    };
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.dedup();
    if versions.is_empty() {
        bail!("none of its 'cniVersions' is supported; the newest that is: {}", Version::LATEST);
    }
    Ok(versions)
}

fn readable(error: cni::Error) -> anyhow::Error {
    anyhow!(error.msg)
}

/// libcni takes these flags as strings too.
fn read_flag(object: &Map<String, Value>, key: &str) -> anyhow::Result<bool> {
    match find(object, key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => bail!("'{key}' must be true or false, not {other}"),
    }
}

fn find_types<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            let kind = find(object, "type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
            found.extend(kind);
            object.values().for_each(|value| find_types(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| find_types(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &Value) -> anyhow::Result<Network> {
        Network::from_list(value.to_string().as_bytes())
    }

    #[test]
    fn of_several_versions_the_newest_that_we_speak_comes_first() {
        let network = list(&json!({"name": "a", "cniVersions": ["0.4.0", "9.9.9", "1.0.0"], "plugins": []})).unwrap();
        assert_eq!(network.versions, [Version::V1_0_0, Version::V0_4_0]);
        assert!(list(&json!({"name": "a", "cniVersions": ["9.9.9"]})).is_err());
        assert!(list(&json!({"name": "a", "cniVersion": "9.9.9"})).is_err());
        assert_eq!(list(&json!({"name": "a"})).unwrap().version(), Version::V0_1_0);
    }

    #[test]
    fn a_plugin_gets_what_it_asks_for_and_not_its_capabilities() {
        let network = list(&json!({"name": "a", "cniVersion": "1.0.0", "plugins": [
            {"type": "x", "mtu": 9000, "capabilities": {"mac": true, "ips": false}}]}))
        .unwrap();
        let args = json!({"mac": "02:00:00:00:00:01", "ips": ["10.0.0.1"], "dns": {}});
        let request = network.plugins[0].request(&network, args.as_object().unwrap());
        assert_eq!(
            Value::Object(request),
            json!({"name": "a", "cniVersion": "1.0.0", "type": "x", "mtu": 9000,
                "runtimeConfig": {"mac": "02:00:00:00:00:01"}})
        );
        assert!(!network.plugins[0].request(&network, &Map::new()).contains_key("runtimeConfig"));
    }

    #[test]
    fn keys_are_read_in_any_letter_case_and_null_is_not_set() {
        let network = list(
            &json!({"Name": "a", "CniVersion": "1.0.0", "cniVersions": null, "DisableCheck": true, "disablegc": true,
            "LoadOnlyInlinedPlugins": true, "Plugins": [
            {"Type": "x", "CNIVersion": "0.3.1", "Capabilities": {"mac": true}, "IPAM": {"TYPE": "y"}, "MTU": null}]}),
        )
        .unwrap();
        assert_eq!((network.name.as_str(), network.version()), ("a", Version::V1_0_0));
        assert!(network.disable_check && network.disable_gc && !network.has_more_plugins);
        let mut plugin = network.plugins[0].clone();
        assert_eq!((plugin.kind.as_str(), plugin.ipam()), ("x", Some("y")));
        assert!(plugin.has_capability("mac") && plugin.key("mtu").is_none());
        let request = plugin.request(&network, json!({"mac": "m"}).as_object().unwrap());
        assert_eq!(
            Value::Object(request),
            json!({"Type": "x", "name": "a", "cniVersion": "1.0.0", "IPAM": {"TYPE": "y"}, "MTU": null,
                "runtimeConfig": {"mac": "m"}})
        );
        plugin.ask_for_capability("shaping");
        assert!(plugin.has_capability("mac") && plugin.has_capability("shaping"));
        plugin.remove("ipam");
        assert_eq!(plugin.ipam(), None);
        let again = Network::from_cache(&network.to_bytes()).unwrap();
        assert_eq!(again.plugins.len(), 1);
        assert!(Network::from_single(br#"{"NAME":"a","TYPE":"x"}"#).is_ok());
    }

    #[test]
    fn keys_are_taken_over_however_they_are_spelled() {
        let mut plugin = Plugin::read(&json!({"type": "x", "REMOTES": ["a"], "remotesFile": "/f", "mtu": 1})).unwrap();
        let other = Plugin::read(&json!({"type": "y", "Remotes": ["b"], "mtu": 2})).unwrap();
        plugin.take_over(&["remotes", "remotesFile"], &other);
        assert_eq!(Value::Object(plugin.object), json!({"type": "x", "remotes": ["b"], "mtu": 1}));
    }

    #[test]
    fn plugins_of_plugins_are_found_at_any_depth() {
        let plugin = Plugin::read(&json!({"type": "x", "IPAM": {"Type": "y"}, "n": 1,
            "delegate": {"type": "z", "delegates": [{"type": "w", "ipam": {"type": ""}}]}}));
        let mut found = plugin.unwrap().delegates().into_iter().map(str::to_owned).collect::<Vec<_>>();
        found.sort();
        assert_eq!(found, ["w", "y", "z"]);
    }

    #[test]
    fn what_the_cache_holds_reads_back() {
        let mut network = Network::from_single(br#"{"name":"a","cniVersion":"0.4.0","type":"x","k":1}"#).unwrap();
        network.plugins.push(Plugin::read(&json!({"type": "y"})).unwrap());
        network.settle(Version::V0_3_1);
        let again = Network::from_cache(&network.to_bytes()).unwrap();
        assert_eq!(again.name, "a");
        assert_eq!(again.versions, [Version::V0_3_1]);
        assert_eq!(again.plugins.iter().map(|plugin| plugin.kind.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(again.to_bytes(), network.to_bytes());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, problem) in [
            ("[]", "not a JSON object"),
            (r#"{"plugins":[]}"#, "'name' is ''"),
            (r#"{"name":"../a"}"#, "'name' is '../a'"),
            (r#"{"name":"a","plugins":{}}"#, "'plugins' must be an array"),
            (r#"{"name":"a","plugins":[{"type":""}]}"#, "no 'type'"),
            (r#"{"name":"a","disableCheck":"perhaps"}"#, "'disableCheck' must be true or false"),
        ] {
            let error = format!("{:#}", Network::from_list(text.as_bytes()).unwrap_err());
            assert!(error.contains(problem), "{error}");
        }
        assert!(Network::from_single(br#"{"name":"a","plugins":[]}"#).unwrap_err().to_string().contains(".conflist"));
    }
}
