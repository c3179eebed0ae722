//! The keys of the configuration.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cni::{Call, Error, Route, Success, Version};
use serde::Deserialize;
use serde_json::Value;

use crate::error::io_error;

/// Where the reference keeps its files, and so do we.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// The keys of `ipam`.
const KEYS: [&str; 10] = [
    "type",
    "ranges",
    "subnet",
    "rangeStart",
    "rangeEnd",
    "gateway",
    "rangeFromFile",
    "routes",
    "resolvConf",
    "dataDir",
];

/// The keys at the top level that the plugin reads itself. `runtimeConfig` and `args` are read where they are used:
/// `ipRanges` by the pool, `ips` by the requests.
#[derive(Debug, Deserialize)]
struct Keys {
    ipam: Option<Ipam>,
}

/// The object `ipam`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Ipam {
    /// Range sets: lists of ranges. An attachment gets one address out of each set. No default: one set at least has to
    /// be given, here, by `subnet`, or by the runtime.
    pub(crate) ranges: Option<Vec<Vec<RangeKeys>>>,

    /// The older way to give a single range, together with the next three keys; it makes a set of its own before
    /// `ranges`.
    pub(crate) subnet: Option<String>,
    /// See [`RangeKeys::range_start`].
    pub(crate) range_start: Option<String>,
    /// See [`RangeKeys::range_end`].
    pub(crate) range_end: Option<String>,
    /// See [`RangeKeys::gateway`].
    pub(crate) gateway: Option<String>,
    /// Path of a file with one range as a JSON object, which is read where neither the configuration nor the runtime gives
    /// a range. No default.
    pub(crate) range_from_file: Option<PathBuf>,

    /// Routes of the result: `[{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]`; from 1.1.0 on with `mtu`, `advmss`,
    /// `priority`, `table` and `scope`. No default.
    pub(crate) routes: Option<Value>,

    /// Path of a file in the form of `resolv.conf`; its name servers, domain, search list and options become the
    /// result's `dns`. No default.
    pub(crate) resolv_conf: Option<PathBuf>,

    /// Directory of the allocations, with a subdirectory for each network. Default: `/var/lib/cni/networks`.
    pub(crate) data_dir: Option<PathBuf>,
}

/// A range: consecutive addresses of one subnet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RangeKeys {
    /// The network, at least a /30 or a /126, without host bits: `10.1.2.0/24`. Mandatory.
    pub(crate) subnet: Option<String>,
    /// The first address, inclusive. Default: the one after the network's own, `10.1.2.1`.
    pub(crate) range_start: Option<String>,
    /// The last address, inclusive. Default: the last one of the network, without IPv4's broadcast address,
    /// `10.1.2.254`.
    pub(crate) range_end: Option<String>,
    /// The gateway; it is part of the result and is never given to a container. Default: the address after the
    /// network's own, `10.1.2.1`.
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

    /// The single range, if `subnet` is given.
    pub(crate) fn single_range(&self) -> Option<RangeKeys> {
        self.subnet.as_ref().map(|subnet| RangeKeys {
            subnet: Some(subnet.clone()),
            range_start: self.range_start.clone(),
            range_end: self.range_end.clone(),
            gateway: self.gateway.clone(),
        })
    }

    /// Whether the configuration itself gives no range.
    pub(crate) fn has_no_ranges(&self) -> bool {
        self.subnet.is_none() && self.ranges.as_ref().is_none_or(Vec::is_empty) && self.range_file().is_none()
    }

    fn range_file(&self) -> Option<&Path> {
        self.range_from_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// The range of `rangeFromFile`, if there is one.
    ///
    /// # Errors
    /// Code 5: the file cannot be read. Code 7: it has no range.
    pub(crate) fn range_from_file(&self) -> Result<Option<RangeKeys>, Error> {
        let Some(path) = self.range_file() else {
            return Ok(None);
        };
        let content = std::fs::read(path).map_err(|cause| io_error(path, "read it for ipam.rangeFromFile", &cause))?;
        serde_json::from_slice(&content).map(Some).map_err(|cause| {
            Error::invalid_config(format!(
                "ipam.rangeFromFile: {} is no range, such as {{\"subnet\": \"10.1.2.0/24\"}}: {cause}",
                path.display()
            ))
        })
    }

    /// The file to read resolver settings from.
    pub(crate) fn resolv_conf(&self) -> Option<&Path> {
        self.resolv_conf.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// Tells on stderr which keys of `ipam` nobody reads.
    pub(crate) fn tell_unused_keys(&self, call: &Call) {
        for unknown in call.config.unknown_ipam_keys(&KEYS) {
            note(call, &unknown.to_string());
        }
        if self.subnet.is_none() && (self.range_start.is_some() || self.range_end.is_some() || self.gateway.is_some()) {
            note(call, "ipam.rangeStart, ipam.rangeEnd and ipam.gateway are ignored without ipam.subnet");
        }
    }

    /// The directory of a network's allocations.
    pub(crate) fn directory(&self, call: &Call) -> PathBuf {
        let data_dir = self.data_dir.clone().filter(|path| !path.as_os_str().is_empty());
        data_dir.unwrap_or_else(|| DATA_DIR.into()).join(&call.config.name)
    }

    /// The routes of the result.
    ///
    /// # Errors
    /// Code 7 naming the route.
    pub(crate) fn routes(&self) -> Result<Vec<Route>, Error> {
        let Some(routes) = &self.routes else {
            return Ok(Vec::new());
        };
        let result = Value::Object([("routes".to_owned(), routes.clone())].into_iter().collect());
        Success::from_value(&result, Version::LATEST).map(|result| result.routes).map_err(|error| error.within("ipam"))
    }
}

/// A line on stderr; without stderr, nothing.
fn note(call: &Call, text: &str) {
    let _ = writeln!(io::stderr(), "host-local: network {:?}: {text}", call.config.name);
}
