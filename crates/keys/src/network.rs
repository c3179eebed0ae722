//! The keys that are not a plugin's own: those of a network, and those that runtimes and all plugins share.

use serde_json::{Map, Value};

use crate::from_json::FromJson;
use crate::place::{Place, Refusal};
use crate::result::DnsKeys;
use crate::table::{Form, MANDATORY};
use crate::{keys, patterns};

keys! {
    /// A network: a name, and the chain of plugins that attach a container to it.
    #[object(others = told, example = r#"{"cniVersion": "1.0.0", "name": "home-net", "plugins": [{"type": "bridge"}]}"#)]
    pub struct ListKeys {
        /// the version of the protocol, 0.1.0 to 1.1.0
        #[key("cniVersion", default = "0.1.0", example = r#""1.0.0""#)]
        pub cni_version: String,

        /// the versions of which the runtime may choose the newest that it knows
        #[key("cniVersions", example = r#"["1.0.0", "1.1.0"]"#)]
        pub cni_versions: Vec<String>,

        /// the network's name: letters, digits, `_`, `.` and `-`, the first a letter or digit
        #[key("name", pattern = patterns::NETWORK, default = MANDATORY, example = r#""home-net""#)]
        pub name: String,

        /// the plugins in the order of ADD
        #[key("plugins", example = r#"[{"type": "bridge"}]"#)]
        pub plugins: Vec<Map<String, Value>>,

        /// the runtime calls no plugin with CHECK
        #[key("disableCheck", default = "false", example = "true")]
        pub disable_check: bool,

        /// the runtime calls no plugin with GC
        #[key("disableGC", default = "false", example = "true")]
        pub disable_gc: bool,

        /// there are no plugins of this network in files of their own
        #[key("loadOnlyInlinedPlugins", default = "false", example = "true")]
        pub load_only_inlined_plugins: bool,
    }

    /// The keys that every plugin has beside its own.
    #[object(others = told, example = r#"{"type": "bridge"}"#)]
    pub struct PluginKeys {
        /// the plugin, by the name of its executable
        #[key("type", default = MANDATORY, example = r#""bridge""#)]
        pub kind: String,

        /// the network's name, which the runtime fills in
        #[key("name", example = r#""home-net""#)]
        pub name: String,

        /// the version of the protocol, which the runtime fills in
        #[key("cniVersion", default = "0.1.0", example = r#""1.0.0""#)]
        pub cni_version: String,

        /// the IPAM plugin by its `type`, and its keys; without it the NIC has no address
        #[key("ipam", accepts = "object", example = r#"{"type": "static", "addresses": [{"address": "10.1.2.3/24"}]}"#)]
        pub ipam: IpamKeys,

        /// resolver settings for the result, in place of those that IPAM returns
        #[key("dns", accepts = "object", example = r#"{"nameservers": ["10.1.2.1"]}"#)]
        pub dns: DnsKeys,

        /// what the container sends beyond its network carries an address of the host, where the plugin can do that
        #[key("ipMasq", default = "false", example = "true")]
        pub ip_masq: bool,

        /// whatever somebody wants a plugin to know; under `cni` are the network's own
        #[key("args", accepts = "object", example = r#"{"cni": {"mac": "02:00:00:00:00:01"}}"#)]
        pub args: ArgsKeys,

        /// which of its own arguments the runtime hands to the plugin, in `runtimeConfig`
        #[key("capabilities", accepts = "object", example = r#"{"mac": true}"#)]
        pub capabilities: Capabilities,

        /// what the runtime hands over
        #[key("runtimeConfig", accepts = "object", example = r#"{"mac": "02:00:00:00:00:01"}"#)]
        pub runtime_config: Map<String, Value>,

        /// the result of the plugin before, or of ADD; the runtime fills it in
        #[key("prevResult", accepts = "object", example = r#"{"cniVersion": "1.0.0", "interfaces": []}"#)]
        pub prev_result: Map<String, Value>,
    }

    /// An IPAM plugin.
    #[object(others = open, example = r#"{"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]}"#)]
    pub struct IpamKeys {
        /// the IPAM plugin, by the name of its executable
        #[key("type", example = r#""host-local""#)]
        pub kind: String,
    }

    /// Arguments.
    #[object(others = open, example = r#"{"cni": {"mac": "02:00:00:00:00:01"}}"#)]
    pub struct ArgsKeys {
        /// those of the network
        #[key("cni", accepts = "object", example = r#"{"mac": "02:00:00:00:00:01"}"#)]
        pub cni: Value,
    }

    /// The capabilities that the plugins here understand.
    #[object(others = open, example = r#"{"mac": true, "ips": true}"#)]
    pub struct CapabilityKeys {
        /// `bridge`: the NIC's hardware address
        #[key("mac", example = "true")]
        pub mac: bool,

        /// `host-local`, `static`: the addresses that are wanted
        #[key("ips", example = "true")]
        pub ips: bool,

        /// `host-local`: range sets before those of the configuration
        #[key("ipRanges", example = "true")]
        pub ip_ranges: bool,

        /// `netem-shaper`: all of its limits
        #[key("shaping", example = "true", is_ours = true)]
        pub shaping: bool,

        /// `netem-shaper`: rates and bursts
        #[key("bandwidth", example = "true")]
        pub bandwidth: bool,

        /// `portmap`: the published ports
        #[key("portMappings", example = "true")]
        pub port_mappings: bool,
    }
}

/// Which capabilities are asked for. Their names are not keys: runtimes distinguish letter case in them.
#[derive(Debug, Clone, Default)]
pub struct Capabilities(pub Map<String, Value>);

impl FromJson for Capabilities {
    const FORM: Form = CapabilityKeys::FORM;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        Map::from_json(value, place).map(Self)
    }
}
