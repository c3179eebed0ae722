//! From the JSON object to the types of a plugin.

use keys::{Declared, FromJson, Names, Place, PluginKeys, Remark};
use serde_json::{Map, Value};

use crate::{Config, Dns, Error, Success, Version};

impl Config {
    /// The keys at the top level that a plugin knows, into their type.
    ///
    /// # Errors
    /// Code 7 with the path of the key (`vlanTrunk[0].id`), what was found and what is accepted.
    pub fn keys<T: Declared>(&self) -> Result<T, Error> {
        T::from_object(&self.object, &Place::Whole).map_err(Error::from)
    }

    /// The keys of the object `ipam`, into their type; `None` where there is none.
    ///
    /// # Errors
    /// As [`Config::keys`].
    pub fn ipam_keys<T: FromJson>(&self) -> Result<Option<T>, Error> {
        keys::member(&self.object, "ipam", &Place::Whole, false).map_err(Error::from)
    }

    /// The resolver settings under `dns` (CFG-5), if there are any: a list counts even where it is empty, as in the reference
    /// (`dnsConfSet`).
    ///
    /// # Errors
    /// Code 7 naming the member that is malformed.
    pub fn dns(&self) -> Result<Option<Dns>, Error> {
        let Some(dns) = keys::find(&self.object, "dns") else { return Ok(None) };
        let result = serde_json::json!({ "dns": dns });
        let read = Success::from_value(&result, Version::LATEST)?.dns;
        let is_there = |key| dns.as_object().is_some_and(|dns| keys::find(dns, key).is_some());
        let has_list = ["nameservers", "search", "options"].into_iter().any(is_there);
        Ok((has_list || !read.domain.is_empty()).then_some(read))
    }

    /// An object of `runtimeConfig`, for example `bandwidth` (CFG-8, CAP-1), into the plugin's own type. containerd hands over Go
    /// structures that name no JSON keys (`BandWidth` in `go-cni/types.go`), so that their members begin with a capital.
    ///
    /// # Errors
    /// Code 7 naming the capability (CAP-2).
    pub fn capability<T: FromJson>(&self, name: &str) -> Result<Option<T>, Error> {
        let place = Place::Named("runtimeConfig");
        let capabilities: Option<&Map<String, Value>> = match keys::find(&self.object, "runtimeConfig") {
            None => None,
            Some(Value::Object(capabilities)) => Some(capabilities),
            Some(other) => return Err(place.is_no("an object", other).into()),
        };
        let value = capabilities.map(|capabilities| keys::member(capabilities, name, &place, false));
        Ok(value.transpose()?.flatten())
    }

    /// A value of `args.cni` (CAP-3), into the plugin's own type. A value of another shape is an error (CAP-2); `args` of
    /// another shape are none of ours (CFG-4).
    ///
    /// # Errors
    /// Code 7 naming `args.cni.<name>`.
    pub fn arg<T: FromJson>(&self, name: &str) -> Result<Option<T>, Error> {
        let args = keys::find(&self.object, "args").and_then(Value::as_object);
        let cni = args.and_then(|args| keys::find(args, "cni")).and_then(Value::as_object);
        let value = cni.map(|cni| keys::member(cni, name, &Place::Named("args.cni"), false));
        Ok(value.transpose()?.flatten())
    }

    /// Remarks on the keys at the top level: those that neither `names` nor all plugins have, each with the nearest known
    /// one, and those in another letter case. Keys with the prefix `cni.dev/` are the
    /// protocol's, and those with `plugboard/` are what PRINT is told.
    #[must_use]
    pub fn remarks(&self, names: &[&'static Names]) -> Vec<Remark> {
        let common = [PluginKeys::NAMES, keys::ListKeys::NAMES];
        let mut remarks = keys::remarks(&self.object, &[&common, names].concat(), &Place::Whole);
        let is_expected = |key: &str| ["cni.dev/", "plugboard/"].iter().any(|prefix| key.starts_with(prefix));
        remarks.retain(|remark| !matches!(remark, Remark::Unknown { key, .. } if is_expected(key)));
        remarks
    }

    /// The same for the keys of the object `ipam`. Only for the IPAM plugin: its caller knows only `type`.
    #[must_use]
    pub fn ipam_remarks(&self, names: &'static Names) -> Vec<Remark> {
        let ipam = keys::find(&self.object, "ipam").and_then(Value::as_object);
        ipam.map(|ipam| keys::remarks(ipam, &[names], &Place::Named("ipam"))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Command};

    keys::keys! {
        /// Keys.
        #[object(others = told, example = "{}")]
        struct Keys {
            #[key("vlan")]
            vlan: Option<u16>,
            #[key("isGateway")]
            is_gateway: bool,
        }

        /// An IPAM plugin's.
        #[object(others = told, example = "{}")]
        struct Ipam {
            #[key("ranges")]
            ranges: Vec<Vec<Range>>,
        }

        /// A range.
        #[object(others = told, example = r#"{"subnet": "s"}"#)]
        struct Range {
            #[key("subnet", is_required = true)]
            subnet: String,
        }

        /// An object in which others are refused.
        #[object(others = told, example = "{}")]
        struct Outer {
            #[key("inner")]
            _inner: Inner,
        }

        /// It.
        #[object(others = refused, example = r#"{"delay": 1}"#)]
        struct Inner {
            #[key("delay")]
            _delay: u8,
            #[key("rate")]
            _rate: u8,
        }

        /// A capability.
        #[object(others = told, example = r#"{"rate": 1}"#)]
        struct Bandwidth {
            #[key("rate", is_required = true)]
            rate: u64,
        }
    }

    fn config(members: &str) -> Config {
        let text = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"t",{members}}}"#);
        Config::read(text.into_bytes(), Command::Add).unwrap()
    }

    #[test]
    fn a_key_that_is_not_known_comes_with_the_nearest() {
        let told = |members| config(members).keys::<Outer>().unwrap_err().msg;
        assert_eq!(
            told(r#""inner":{"dealy":1}"#),
            r#"inner.dealy: unknown key "dealy"; did you mean "delay"? Known keys: delay, rate"#
        );
        assert_eq!(told(r#""inner":{"zzz":1}"#), r#"inner.zzz: unknown key "zzz"; Known keys: delay, rate"#);
        config(r#""Inner":{"DELAY":1}"#).keys::<Outer>().unwrap();
    }

    #[test]
    fn keys_are_read_in_any_letter_case_and_others_ignored() {
        let members = r#""Vlan":7,"isgateway":true,"other":1,"IPAM":{"Type":"x","RANGES":[[{"Subnet":"s"}]]}"#;
        let config = config(members);
        let keys: Keys = config.keys().unwrap();
        assert_eq!((keys.vlan, keys.is_gateway), (Some(7), true));
        assert_eq!(config.ipam.as_deref(), Some("x"));
        assert_eq!(config.ipam_keys::<Ipam>().unwrap().unwrap().ranges[0][0].subnet, "s");
    }

    #[test]
    fn null_is_not_set() {
        let config = config(r#""vlan":null,"isGateway":null,"ipam":{"ranges":[null,[]]}"#);
        let keys: Keys = config.keys().unwrap();
        assert_eq!((keys.vlan, keys.is_gateway), (None, false));
        assert_eq!(config.ipam_keys::<Ipam>().unwrap().unwrap().ranges.len(), 2);
    }

    #[test]
    fn an_error_has_the_path_the_value_and_what_is_accepted() {
        for (members, msg) in [
            (r#""vlan":"x""#, r#"vlan is "x": it must be a number from 0 to 65535"#),
            (r#""vlan":70000"#, "vlan is 70000: it must be a number from 0 to 65535"),
            (r#""vlan":1.0"#, "vlan is 1.0: it must be a whole number from 0 to 65535"),
            (r#""isGateway":0"#, "isGateway is 0: it must be true or false"),
        ] {
            let error = config(members).keys::<Keys>().unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (Code::InvalidConfig, msg));
        }
        for (members, msg) in [
            (
                r#""ipam":{"ranges":[[],[{"subnet":1}]]}"#,
                "ipam.ranges[1][0].subnet is 1: it must be a string in quotes",
            ),
            (r#""ipam":{"ranges":[[{}]]}"#, "ipam.ranges[0][0]: subnet is missing"),
            (r#""ipam":{"ranges":[[7]]}"#, r#"ipam.ranges[0][0] is 7: it must be an object such as {"subnet": "s"}"#),
            (r#""ipam":{"ranges":[7]}"#, "ipam.ranges[0] is 7: it must be a list"),
        ] {
            assert_eq!(config(members).ipam_keys::<Ipam>().unwrap_err().msg, msg);
        }
        let error = config(r#""x":1"#).keys::<Bandwidth>().unwrap_err();
        assert_eq!(error.msg, "the configuration: rate is missing");
    }

    #[test]
    fn capabilities() {
        let read = |members: &str| {
            config(members).capability::<Bandwidth>("bandwidth").map(|bandwidth| bandwidth.map(|keys| keys.rate))
        };
        assert_eq!(read(r#""runtimeConfig":{"bandwidth":{"rate":5}}"#), Ok(Some(5)));
        assert_eq!(read(r#""RuntimeConfig":{"BandWidth":{"Rate":5}}"#), Ok(Some(5)));
        assert_eq!(read(r#""runtimeConfig":{"bandwidth":{"Rate":6,"rate":5,"":1}}"#), Ok(Some(5)));
        for none in
            [r#""x":1"#, r#""runtimeConfig":null"#, r#""runtimeConfig":{}"#, r#""runtimeConfig":{"bandwidth":null}"#]
        {
            assert_eq!(read(none), Ok(None));
        }
        for (members, path) in [
            (r#""runtimeConfig":{"bandwidth":[1,2]}"#, "runtimeConfig.bandwidth is [1,2]: "),
            (r#""runtimeConfig":{"bandwidth":{"rate":"5"}}"#, "runtimeConfig.bandwidth.rate is \"5\": "),
            (r#""runtimeConfig":7"#, "runtimeConfig is 7"),
        ] {
            let error = read(members).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.msg.starts_with(path), "{}", error.msg);
        }
    }

    #[test]
    fn resolver_settings_count_where_one_is_set() {
        let servers = |members| config(members).dns().map(|dns| dns.map(|dns| dns.nameservers));
        for none in [r#""x":1"#, r#""dns":null"#, r#""dns":{}"#, r#""dns":{"domain":"","search":null,"other":1}"#] {
            assert_eq!(servers(none), Ok(None), "{none}");
        }
        for empty in [r#""dns":{"Nameservers":[]}"#, r#""dns":{"options":[]}"#, r#""dns":{"domain":"a"}"#] {
            assert_eq!(servers(empty), Ok(Some(Vec::new())), "{empty}");
        }
        assert_eq!(servers(r#""dns":{"nameservers":["a"]}"#), Ok(Some(vec!["a".to_owned()])));
        assert!(servers(r#""dns":{"search":1}"#).unwrap_err().msg.contains("dns.search is 1"));
    }

    #[test]
    fn args() {
        let read = |members: &str| config(members).arg::<Vec<String>>("ips");
        assert_eq!(read(r#""args":{"cni":{"ips":["a"],"other":1}}"#), Ok(Some(vec!["a".to_owned()])));
        assert_eq!(read(r#""Args":{"CNI":{"IPs":["a",null]}}"#), Ok(Some(vec!["a".to_owned(), String::new()])));
        for none in [r#""args":null"#, r#""args":"x""#, r#""args":{"cni":5}"#, r#""args":{"cni":{"ips":null}}"#] {
            assert_eq!(read(none), Ok(None));
        }
        assert!(read(r#""args":{"cni":{"ips":"a"}}"#).unwrap_err().msg.starts_with("args.cni.ips is \"a\": "));
        assert!(read(r#""args":{"cni":{"ips":["a",1]}}"#).unwrap_err().msg.starts_with("args.cni.ips[1] is 1: "));
    }

    #[test]
    fn what_is_common_to_all_plugins_is_known() {
        let members = r#""isGatway":true,"vlan":1,"zzz":1,"capabilites":{},"Ipam":{"Type":"x","y":1},"cniVersions":["1.1.0"],
            "cni.dev/whatever":1,"dns":{"more":1},"args":{"x":1,"cni":{"y":1}},"runtimeConfig":{"MAC":""},"ipMasq":true"#;
        let told: Vec<String> = config(members).remarks(&[Keys::NAMES]).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                r#"the key "Ipam" is read as "ipam"; please spell it so"#,
                r#"the key "ipam.Type" is read as "type"; please spell it so"#,
                r#"the unknown key "capabilites" is ignored; did you mean "capabilities"?"#,
                r#"the unknown key "isGatway" is ignored; did you mean "isGateway"?"#,
                r#"the unknown key "zzz" is ignored"#,
            ]
        );
    }

    #[test]
    fn keys_of_the_outer_object_are_unknown_in_ipam() {
        let told = |members| {
            let remarks = config(members).ipam_remarks(Ipam::NAMES);
            remarks.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            told(r#""ipam":{"type":"i","rnages":1,"dns":{},"cni.dev/x":1,"ranges":[[{"subnt":1}]]}"#),
            [
                "the unknown key \"ipam.cni.dev/x\" is ignored",
                "the unknown key \"ipam.dns\" is ignored",
                "the unknown key \"ipam.ranges[0][0].subnt\" is ignored; did you mean \"subnet\"?",
                "the unknown key \"ipam.rnages\" is ignored; did you mean \"ranges\"?",
                "the unknown key \"ipam.type\" is ignored",
            ]
        );
        assert_eq!(told(r#""x":1"#), [""; 0]);
    }
}
