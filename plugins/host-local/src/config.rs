//! The configuration. Its keys are in `crates/keys/src/host_local.rs`; `runtimeConfig` and `args` are read where they are used:
//! `ipRanges` by the pool, `ips` by the requests.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cni::{Call, Error, Route, Success, Version};
use keys::{FromJson, HostLocalKeys, Place, RangeKeys};
use serde_json::Value;

use crate::error::io_error;
use cni::regular;

/// Where the reference keeps its files, and where we keep ours.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// The longest file of a range that is read, in bytes.
const RANGE_FILE_BYTES: u64 = 1 << 20;

/// The object `ipam`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ipam(pub(crate) HostLocalKeys);

impl Ipam {
    /// Reads the object of a call.
    ///
    /// # Errors
    /// Code 7: it is missing or malformed.
    pub(crate) fn read(call: &Call) -> Result<Self, Error> {
        call.config.ipam_keys()?.map(Self).ok_or_else(|| no_ipam(call))
    }

    /// The single range, if `subnet` is given.
    pub(crate) fn single_range(&self) -> Option<RangeKeys> {
        self.0.subnet.as_ref().map(|subnet| RangeKeys {
            subnet: Some(subnet.clone()),
            range_start: self.0.range_start.clone(),
            range_end: self.0.range_end.clone(),
            gateway: self.0.gateway.clone(),
        })
    }

    /// Whether the configuration itself gives no range.
    pub(crate) fn has_no_ranges(&self) -> bool {
        self.0.subnet.is_none() && self.0.ranges.is_empty() && self.range_file().is_none()
    }

    fn range_file(&self) -> Option<&Path> {
        self.0.range_from_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// The range of `rangeFromFile`, if there is one.
    ///
    /// # Errors
    /// Code 5: the file cannot be read. Code 7: it has no range.
    pub(crate) fn range_from_file(&self) -> Result<Option<RangeKeys>, Error> {
        let Some(path) = self.range_file() else {
            return Ok(None);
        };
        let content = regular::read(path, RANGE_FILE_BYTES)
            .map_err(|cause| io_error(path, "read it for ipam.rangeFromFile", &cause))?;
        let refused = |cause: &dyn std::fmt::Display| {
            Error::invalid_config(format!(
                "ipam.rangeFromFile: {} is not a range such as {{\"subnet\": \"10.1.2.0/24\"}}: {cause}",
                path.display()
            ))
        };
        let value: Value = serde_json::from_slice(&content).map_err(|cause| refused(&cause))?;
        RangeKeys::from_json(&value, &Place::Named("its content")).map(Some).map_err(|cause| refused(&cause))
    }

    /// The file to read resolver settings from.
    pub(crate) fn resolv_conf(&self) -> Option<&Path> {
        self.0.resolv_conf.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// Reports on stderr which keys of `ipam` are unknown, and which are spelled differently.
    pub(crate) fn tell_remarks(&self, call: &Call) {
        for remark in call.config.ipam_remarks(HostLocalKeys::NAMES) {
            note(call, &remark.to_string());
        }
        let Self(keys) = self;
        if keys.subnet.is_none() && (keys.range_start.is_some() || keys.range_end.is_some() || keys.gateway.is_some()) {
            note(call, "ipam.rangeStart, ipam.rangeEnd and ipam.gateway are ignored without ipam.subnet");
        }
    }

    /// The directory of a network's allocations.
    pub(crate) fn directory(&self, call: &Call) -> PathBuf {
        directory(self.0.data_dir.clone(), call)
    }

    /// The same for a call that releases, and needs no other key: one that is malformed does not keep an address.
    ///
    /// # Errors
    /// Code 7: `ipam` is missing or no object, or `dataDir` is malformed.
    pub(crate) fn directory_alone(call: &Call) -> Result<PathBuf, Error> {
        let place = Place::Named("ipam");
        match keys::find(&call.config.object, "ipam") {
            None => Err(no_ipam(call)),
            Some(Value::Object(ipam)) => Ok(directory(keys::member(ipam, "dataDir", &place, false)?, call)),
            Some(other) => Err(place.is_no("an object", other).into()),
        }
    }

    /// The routes of the result.
    ///
    /// # Errors
    /// Code 7 naming the route.
    pub(crate) fn routes(&self) -> Result<Vec<Route>, Error> {
        let Some(routes) = &self.0.routes.0 else {
            return Ok(Vec::new());
        };
        let result = Value::Object([("routes".to_owned(), routes.clone())].into_iter().collect());
        Success::read(&result, Version::LATEST, &Place::Named("ipam")).map(|result| result.routes)
    }
}

fn no_ipam(call: &Call) -> Error {
    Error::invalid_config(format!("network {}: the configuration has no object `ipam`", call.config.name))
}

fn directory(data_dir: Option<PathBuf>, call: &Call) -> PathBuf {
    let data_dir = data_dir.filter(|path| !path.as_os_str().is_empty());
    data_dir.unwrap_or_else(|| DATA_DIR.into()).join(&call.config.name)
}

/// A line on stderr; without stderr, nothing.
fn note(call: &Call, text: &str) {
    let _ = writeln!(io::stderr(), "host-local: network {:?}: {text}", call.config.name);
}
