//! ADD: the addresses of the call, with routes and resolver settings.

use cni::{Call, Error, Success};

use crate::addresses::addresses;
use crate::config::{ipam, routes_with_dns, tell_remarks};

/// The result of ADD.
pub(crate) fn add(call: &Call) -> Result<Success, Error> {
    tell_remarks(&call.config);
    result(call)
}

/// The result that ADD gives for this configuration.
///
/// # Errors
/// Code 4 or 7.
pub(crate) fn result(call: &Call) -> Result<Success, Error> {
    let ipam = ipam(call)?;
    let (routes, dns) = routes_with_dns(&ipam)?;
    Ok(Success { ips: addresses(call, &ipam)?, routes, dns, ..Success::default() })
}
