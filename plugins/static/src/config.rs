//! The keys of the configuration.

use std::io::{self, Write};

use cni::{Call, Config, Dns, Error, Route, Success, Version};
use serde::Deserialize;
use serde_json::Value;

/// The keys of `ipam`.
const KEYS: [&str; 4] = ["type", "addresses", "routes", "dns"];

/// The keys at the top level that the plugin reads itself. `runtimeConfig.ips` and `args.cni.ips` are read where the
/// addresses are chosen.
#[derive(Debug, Deserialize)]
struct Keys {
    ipam: Option<Ipam>,
}

/// The object `ipam`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ipam {
    /// The addresses of the interface. Default: none.
    pub(crate) addresses: Option<Vec<AddressKeys>>,

    /// Routes of the result: `[{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]`; from 1.1.0 on with `mtu`, `advmss`,
    /// `priority`, `table` and `scope`. Default: none.
    pub(crate) routes: Option<Value>,

    /// Resolver settings of the result: `nameservers`, `domain`, `search`, `options`. Default: none.
    pub(crate) dns: Option<Value>,
}

/// An address of the interface.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AddressKeys {
    /// The address with its prefix length: `10.1.2.3/24`. Mandatory.
    pub(crate) address: Option<String>,
    /// The gateway of its network. Default: none.
    pub(crate) gateway: Option<String>,
}

impl Ipam {
    /// Reads the object of a call.
    ///
    /// # Errors
    /// Code 7: it is missing or malformed.
    pub(crate) fn read(call: &Call) -> Result<Self, Error> {
        call.config.keys::<Keys>()?.ipam.ok_or_else(|| {
            Error::invalid_config(format!("network {}: the configuration has no object `ipam`", call.config.name))
        })
    }

    /// The routes and the resolver settings of the result.
    ///
    /// # Errors
    /// Code 7 naming the entry.
    pub(crate) fn routes_with_dns(&self) -> Result<(Vec<Route>, Dns), Error> {
        let pairs = [("routes", &self.routes), ("dns", &self.dns)].into_iter();
        let object = pairs.filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect();
        let result =
            Success::from_value(&Value::Object(object), Version::LATEST).map_err(|error| error.within("ipam"))?;
        Ok((result.routes, result.dns))
    }
}

/// Tells on stderr which keys of `ipam` nobody reads.
pub(crate) fn tell_unknown_keys(config: &Config) {
    for unknown in config.unknown_ipam_keys(&KEYS) {
        // Without stderr there is nobody to tell.
        let _ = writeln!(io::stderr(), "static: network {:?}: {unknown}", config.name);
    }
}
