//! The keys of `static`, in the object `ipam`.

use crate::result::{DnsKeys, RouteKeys};
use crate::{Unread, keys, patterns};

keys! {
    /// Addresses as configured.
    #[object(others = told, example = r#"{"type": "static", "addresses": [{"address": "10.1.2.3/24"}]}"#)]
    pub struct StaticKeys {
        /// the plugin
        #[key("type", accepts = "`static`", example = r#""static""#)]
        pub kind: String,

        /// the addresses of the NIC; also `runtimeConfig.ips`, `args.cni.ips`, `IP=` in `CNI_ARGS`
        #[key("addresses", accepts = "list of addresses", default = "none", example = r#"[{"address": "10.1.2.3/24"}]"#)]
        pub addresses: Vec<AddressKeys>,

        /// routes of the result; `mtu` and what follows it since CNI 0.3.0
        #[key("routes", accepts = "list of routes", default = "none", example = r#"[{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]"#)]
        pub routes: Unread<Vec<RouteKeys>>,

        /// resolver settings of the result
        #[key("dns", accepts = "object", example = r#"{"nameservers": ["10.1.2.1"]}"#)]
        pub dns: Unread<DnsKeys>,
    }

    /// An address of the NIC.
    #[object(others = told, example = r#"{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}"#)]
    pub struct AddressKeys {
        /// the address; without one, `gateway` counts for addresses that come with the call
        #[key("address", pattern = patterns::PREFIX, accepts = "address with prefix", default = "none", example = r#""10.1.2.3/24""#)]
        pub address: Option<String>,

        /// the gateway of its network; `GATEWAY=` in `CNI_ARGS` for the addresses of `IP=`
        #[key("gateway", pattern = patterns::ADDRESS, accepts = "address", default = "none", example = r#""10.1.2.1""#)]
        pub gateway: Option<String>,
    }
}
