//! What the configuration says. Its keys are in `crates/keys/src/static_addresses.rs`; `runtimeConfig.ips` and `args.cni.ips` are
//! read where the addresses are chosen.

use std::io::{self, Write};

use cni::{Call, Config, Dns, Error, Route, Success, Version};
use keys::{FromJson, Place, StaticKeys};
use serde_json::Value;

/// Reads the object `ipam` of a call.
///
/// # Errors
/// Code 7: it is missing or malformed.
pub(crate) fn ipam(call: &Call) -> Result<StaticKeys, Error> {
    call.config.ipam_keys()?.ok_or_else(|| {
        Error::invalid_config(format!("network {}: the configuration has no object `ipam`", call.config.name))
    })
}

/// The routes and the resolver settings of the result.
///
/// # Errors
/// Code 7 naming the entry.
pub(crate) fn routes_with_dns(ipam: &StaticKeys) -> Result<(Vec<Route>, Dns), Error> {
    let pairs = [("routes", &ipam.routes.0), ("dns", &ipam.dns.0)].into_iter();
    let object = pairs.filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect();
    let result = Success::read(&Value::Object(object), Version::LATEST, &Place::Named("ipam"))?;
    Ok((result.routes, result.dns))
}

/// Reports on stderr which keys of `ipam` are unknown, and which are spelled differently.
pub(crate) fn tell_remarks(config: &Config) {
    for remark in config.ipam_remarks(StaticKeys::NAMES) {
        // Without stderr there is nobody to tell.
        let _ = writeln!(io::stderr(), "static: network {:?}: {remark}", config.name);
    }
}
