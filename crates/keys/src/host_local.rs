//! The keys of `host-local`, in the object `ipam`.

use std::path::PathBuf;

use crate::result::RouteKeys;
use crate::table::MANDATORY;
use crate::{Unread, keys, patterns};

keys! {
    /// Addresses from ranges, kept in files.
    #[object(others = told, example = r#"{"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]}"#)]
    pub struct HostLocalKeys {
        /// the plugin
        #[key("type", accepts = "`host-local`", example = r#""host-local""#)]
        pub kind: String,

        /// range sets; an attachment gets one address out of each. Also `runtimeConfig.ipRanges`
        #[key("ranges", accepts = "list of lists of ranges", example = r#"[[{"subnet": "10.1.2.0/24"}]]"#)]
        pub ranges: Vec<Vec<RangeKeys>>,

        /// the older form for a single range, with the three keys that follow; it is a set of its own before `ranges`
        #[key("subnet", pattern = patterns::PREFIX, accepts = "network", example = r#""10.1.2.0/24""#)]
        pub subnet: Option<String>,

        /// see `ranges[][].rangeStart`
        #[key("rangeStart", pattern = patterns::ADDRESS, accepts = "address", default = "the first", example = r#""10.1.2.10""#)]
        pub range_start: Option<String>,

        /// see `ranges[][].rangeEnd`
        #[key("rangeEnd", pattern = patterns::ADDRESS, accepts = "address", default = "the last", example = r#""10.1.2.99""#)]
        pub range_end: Option<String>,

        /// see `ranges[][].gateway`
        #[key("gateway", pattern = patterns::ADDRESS, accepts = "address", default = "the first of the subnet", example = r#""10.1.2.254""#)]
        pub gateway: Option<String>,

        /// a file with one range as a JSON object, read where neither the configuration nor the runtime gives a range
        #[key("rangeFromFile", accepts = "path", example = r#""/etc/cni/range.json""#)]
        pub range_from_file: Option<PathBuf>,

        /// routes of the result; `mtu` and what follows it since CNI 0.3.0
        #[key("routes", accepts = "list of routes", default = "none", example = r#"[{"dst": "0.0.0.0/0"}]"#)]
        pub routes: Unread<Vec<RouteKeys>>,

        /// a file in the form of `resolv.conf`, for the result's `dns`
        #[key("resolvConf", accepts = "path", default = "none", example = r#""/etc/resolv.conf""#)]
        pub resolv_conf: Option<PathBuf>,

        /// where allocations are kept, in a subdirectory for each network
        #[key("dataDir", accepts = "path", default = "`/var/lib/cni/networks`", example = r#""/run/networks""#)]
        pub data_dir: Option<PathBuf>,
    }

    /// Consecutive addresses of one subnet.
    #[object(others = told, example = r#"{"subnet": "10.1.2.0/24"}"#)]
    pub struct RangeKeys {
        /// the network, without host bits, at least a /30 or a /126
        #[key("subnet", pattern = patterns::PREFIX, accepts = "network", default = MANDATORY, example = r#""10.1.2.0/24""#)]
        pub subnet: Option<String>,

        /// the first address, inclusive
        #[key("rangeStart", pattern = patterns::ADDRESS, accepts = "address", default = "the first", example = r#""10.1.2.10""#)]
        pub range_start: Option<String>,

        /// the last address, inclusive
        #[key("rangeEnd", pattern = patterns::ADDRESS, accepts = "address", default = "the last, but for a broadcast address", example = r#""10.1.2.99""#)]
        pub range_end: Option<String>,

        /// the gateway: it is in the result, and no container gets it
        #[key("gateway", pattern = patterns::ADDRESS, accepts = "address", default = "the first of the subnet", example = r#""10.1.2.254""#)]
        pub gateway: Option<String>,
    }
}
