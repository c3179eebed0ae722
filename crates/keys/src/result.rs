//! Parts of a result that a configuration can give.

use crate::table::MANDATORY;
use crate::{keys, patterns};

keys! {
    /// A route.
    #[object(others = open, example = r#"{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}"#)]
    pub struct RouteKeys {
        /// the destination
        #[key("dst", pattern = patterns::PREFIX, accepts = "network", default = MANDATORY, example = r#""0.0.0.0/0""#)]
        pub dst: String,

        /// the next hop
        #[key("gw", pattern = patterns::ADDRESS, accepts = "address", default = "the gateway of the address", example = r#""10.1.2.1""#)]
        pub gw: String,

        /// the MTU of the path; since CNI 0.3.0, as those that follow
        #[key("mtu", accepts = "bytes", default = "the device's", example = "1400")]
        pub mtu: Option<u32>,

        /// the largest TCP segment that is announced
        #[key("advmss", accepts = "bytes", default = "from the MTU", example = "1360")]
        pub advmss: Option<u32>,

        /// the metric: of two routes with one destination the lower counts
        #[key("priority", accepts = "number", default = "the kernel's", example = "100")]
        pub priority: Option<u32>,

        /// the routing table
        #[key("table", accepts = "number", default = "main", example = "100")]
        pub table: Option<u32>,

        /// the scope by its number: 0 everywhere, 253 the link, 254 the host
        #[key("scope", accepts = "0 to 255", default = "from the gateway", example = "253")]
        pub scope: Option<u8>,
    }

    /// Resolver settings.
    #[object(others = open, example = r#"{"nameservers": ["10.1.2.1"]}"#)]
    pub struct DnsKeys {
        /// addresses of name servers, the preferred first
        #[key("nameservers", accepts = "list of addresses", default = "none", example = r#"["10.1.2.1"]"#)]
        pub nameservers: Vec<String>,

        /// the local domain
        #[key("domain", default = "none", example = r#""home.example""#)]
        pub domain: String,

        /// the domains in which short names are looked for
        #[key("search", accepts = "list of domains", default = "none", example = r#"["home.example"]"#)]
        pub search: Vec<String>,

        /// options of the resolver
        #[key("options", accepts = "list of texts", default = "none", example = r#"["ndots:5"]"#)]
        pub options: Vec<String>,
    }
}
