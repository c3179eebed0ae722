//! From the object to the types of a plugin.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::unknown_keys::nearest;
use crate::{Config, Dns, Error, Success, Version};

impl Config {
    /// The plugin's own keys, into the plugin's own type.
    ///
    /// # Errors
    /// Code 7 with the path of the key (`ipam.ranges[0]`: as far as serde tells), what was found and what is accepted.
    pub fn keys<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_path_to_error::deserialize(&self.object).map_err(|error| refused("", &error))
    }

    /// The resolver settings under `dns` (CFG-5).
    ///
    /// # Errors
    /// Code 7 naming the member that is malformed.
    pub fn dns(&self) -> Result<Dns, Error> {
        let Some(dns) = self.object.get("dns") else { return Ok(Dns::default()) };
        let result = serde_json::json!({ "dns": dns });
        Success::from_value(&result, Version::LATEST).map(|result| result.dns)
    }

    /// An object of `runtimeConfig`, for example `bandwidth` (CFG-8, CAP-1), into the plugin's own type.
    ///
    /// Its members may begin with a capital: containerd hands over Go structures that name no JSON keys (`BandWidth` in
    /// `go-cni/types.go`), which the reference plugins read because Go does not tell cases apart.
    ///
    /// # Errors
    /// Code 7 naming the capability (CAP-2).
    pub fn capability<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match self.object.get("runtimeConfig") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(capabilities)) => {
                let value = capabilities.get(name).map(named_as_in_json);
                member(value.as_ref(), &format!("runtimeConfig.{name}"))
            }
            Some(other) => Err(crate::members::unexpected("runtimeConfig", other, "an object")),
        }
    }

    /// A value of `args.cni` (CAP-3), into the plugin's own type. A value of another shape is an error (CAP-2); `args` of
    /// another shape are none of ours (CFG-4).
    ///
    /// # Errors
    /// Code 7 naming `args.cni.<name>`.
    pub fn arg<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let args = self.object.get("args").and_then(|args| args.get("cni"));
        member(args.and_then(|args| args.get(name)), &format!("args.cni.{name}"))
    }
}

/// The same with the first letters of all members' names small, as far as there is no such member already.
fn named_as_in_json(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(named_as_in_json).collect(),
        Value::Object(members) => {
            let small = |name: &String| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                let small: String = first.into_iter().chain(letters).collect();
                if members.contains_key(&small) { name.clone() } else { small }
            };
            members.iter().map(|(name, value)| (small(name), named_as_in_json(value))).collect()
        }
        other => other.clone(),
    }
}

fn member<T: DeserializeOwned>(value: Option<&Value>, path: &str) -> Result<Option<T>, Error> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    serde_path_to_error::deserialize(value).map(Some).map_err(|error| refused(path, &error))
}

fn refused(base: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    // The path of the outermost object is written as a dot.
    let inner = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let place = match (base, inner.as_str()) {
        ("", "") => "the configuration".to_owned(),
        (base, "") => base.to_owned(),
        ("", inner) => inner.to_owned(),
        (base, inner) if inner.starts_with('[') => format!("{base}{inner}"),
        (base, inner) => format!("{base}.{inner}"),
    };
    let reason = error.inner().to_string();
    Error::invalid_config(format!("{place}: {}", unknown_member(&reason).unwrap_or(reason)))
}

/// What serde says of a key that an object does not have, with the nearest key that it has.
fn unknown_member(reason: &str) -> Option<String> {
    let (key, known) = reason.strip_prefix("unknown field `")?.split_once('`')?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let nearest = match nearest(key, &known) {
        Some(nearest) => format!("did you mean {nearest:?}? "),
        None => String::new(),
    };
    Some(format!("the key {key:?} is not known here; {nearest}There are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{Code, Command};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Keys {
        vlan: Option<u16>,
        #[serde(default)]
        is_gateway: bool,
        ipam: Option<Ipam>,
    }

    #[derive(Debug, Deserialize)]
    struct Ipam {
        ranges: Vec<Vec<Range>>,
    }

    #[derive(Debug, Deserialize)]
    struct Range {
        subnet: String,
    }

    #[derive(Debug, Deserialize)]
    struct Strict {
        #[serde(rename = "inner")]
        _inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "delay", default)]
        _delay: u8,
        #[serde(rename = "rate", default)]
        _rate: u8,
    }

    #[test]
    fn a_key_that_is_not_known_comes_with_the_nearest() {
        let told = |members| config(members).keys::<Strict>().unwrap_err().msg;
        let nearest = r#": the key "dealy" is not known here; did you mean "delay"? There are delay, rate"#;
        let msg = told(r#""inner":{"dealy":1}"#);
        assert!(msg.starts_with("inner") && msg.contains(nearest), "{msg}");
        let msg = told(r#""inner":{"zzz":1}"#);
        assert!(msg.contains(r#"the key "zzz" is not known here; There are delay, rate"#), "{msg}");
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Bandwidth {
        rate: u64,
    }

    fn config(members: &str) -> Config {
        let text = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"t",{members}}}"#);
        Config::read(text.into_bytes(), Command::Add).unwrap()
    }

    #[test]
    fn keys_are_read_and_others_ignored() {
        let members = r#""vlan":7,"isGateway":true,"other":1,"ipam":{"type":"x","ranges":[[{"subnet":"s"}]]}"#;
        let keys: Keys = config(members).keys().unwrap();
        assert_eq!((keys.vlan, keys.is_gateway), (Some(7), true));
        assert_eq!(keys.ipam.unwrap().ranges[0][0].subnet, "s");
    }

    #[test]
    fn an_error_has_the_path_the_value_and_what_is_accepted() {
        for (members, msg) in [
            (r#""vlan":"x""#, r#"vlan: invalid type: string "x", expected u16"#),
            (r#""vlan":70000"#, "vlan: invalid value: integer `70000`, expected u16"),
            (r#""isGateway":0"#, "isGateway: invalid type: integer `0`, expected a boolean"),
            (r#""ipam":{"ranges":[[],[{"subnet":1}]]}"#, "ipam.ranges[1][0].subnet: invalid type: integer `1`"),
            (r#""ipam":{"ranges":[[{}]]}"#, "ipam.ranges[0][0]: missing field `subnet`"),
        ] {
            let error = config(members).keys::<Keys>().unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.msg.starts_with(msg), "{}", error.msg);
        }
        let error = config(r#""x":1"#).keys::<Bandwidth>().unwrap_err();
        assert_eq!(error.msg, "the configuration: missing field `rate`");
    }

    #[test]
    fn capabilities() {
        let read = |members: &str| config(members).capability::<Bandwidth>("bandwidth");
        assert_eq!(read(r#""runtimeConfig":{"bandwidth":{"rate":5}}"#), Ok(Some(Bandwidth { rate: 5 })));
        assert_eq!(read(r#""runtimeConfig":{"bandwidth":{"Rate":5}}"#), Ok(Some(Bandwidth { rate: 5 })));
        assert_eq!(read(r#""runtimeConfig":{"bandwidth":{"Rate":6,"rate":5,"":1}}"#), Ok(Some(Bandwidth { rate: 5 })));
        let ranges = config(r#""runtimeConfig":{"ipRanges":[[{"RangeStart":"a","É":1}]]}"#);
        let ranges = ranges.capability::<Vec<Vec<Value>>>("ipRanges").unwrap().unwrap();
        assert_eq!(ranges[0][0], serde_json::json!({"rangeStart": "a", "É": 1}));
        for none in
            [r#""x":1"#, r#""runtimeConfig":null"#, r#""runtimeConfig":{}"#, r#""runtimeConfig":{"bandwidth":null}"#]
        {
            assert_eq!(read(none), Ok(None));
        }
        for (members, path) in [
            (r#""runtimeConfig":{"bandwidth":[1,2]}"#, "runtimeConfig.bandwidth: "),
            (r#""runtimeConfig":{"bandwidth":{"rate":"5"}}"#, "runtimeConfig.bandwidth.rate: "),
            (r#""runtimeConfig":7"#, "runtimeConfig is 7"),
        ] {
            let error = read(members).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.msg.starts_with(path), "{}", error.msg);
        }
    }

    #[test]
    fn args() {
        let read = |members: &str| config(members).arg::<Vec<String>>("ips");
        assert_eq!(read(r#""args":{"cni":{"ips":["a"],"other":1}}"#), Ok(Some(vec!["a".to_owned()])));
        for none in [r#""args":null"#, r#""args":"x""#, r#""args":{"cni":5}"#, r#""args":{"cni":{"ips":null}}"#] {
            assert_eq!(read(none), Ok(None));
        }
        assert!(read(r#""args":{"cni":{"ips":"a"}}"#).unwrap_err().msg.starts_with("args.cni.ips: "));
        assert!(read(r#""args":{"cni":{"ips":["a",1]}}"#).unwrap_err().msg.starts_with("args.cni.ips[1]: "));
    }
}
