//! ADD: the addresses of the call, with routes and resolver settings.

use cni::{Call, Error, Success};

use crate::addresses::addresses;
use crate::config::{Ipam, tell_unknown_keys};

/// The result of ADD.
pub(crate) fn add(call: &Call) -> Result<Success, Error> {
    tell_unknown_keys(&call.config);
    result(call)
}

/// The result that ADD gives for this configuration.
///
/// # Errors
/// Code 4 or 7.
pub(crate) fn result(call: &Call) -> Result<Success, Error> {
    let ipam = Ipam::read(call)?;
    let (routes, dns) = ipam.routes_with_dns()?;
    Ok(Success { ips: addresses(call, &ipam)?, routes, dns, ..Success::default() })
}
