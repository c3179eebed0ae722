//! CHECK: `prevResult` has the addresses of the call.
//!
//! The kernel is not asked. Whether the interface still has the addresses is for the plugin that made it to compare (CHK-3):
//! only that one knows whether they are on an interface of the container at all, or in a virtual machine.

use cni::{Call, Code, Error};
use plugin::codes::DIFFERENT;

use crate::add::result;

/// Every address of the call has to be in `prevResult`, with its gateway if it has one.
pub(crate) fn check(call: &Call) -> Result<(), Error> {
    let Some(previous) = &call.config.prev_result else {
        return Err(Error::invalid_config(format!("network {}: required prevResult missing", call.config.name)));
    };
    for wanted in result(call)?.ips {
        let different = |found: String| {
            Error::new(Code::Plugin(DIFFERENT), format!("{} of network {}: {found}", wanted.address, call.config.name))
        };
        let Some(found) = previous.ips.iter().find(|ip| ip.address == wanted.address) else {
            let found: Vec<String> = previous.ips.iter().map(|ip| ip.address.to_string()).collect();
            return Err(different(format!("prevResult has only [{}]", found.join(", "))));
        };
        if let Some(gateway) = wanted.gateway
            && found.gateway != wanted.gateway
        {
            let found = found.gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string());
            return Err(different(format!("its gateway is {gateway}, prevResult has {found}")));
        }
    }
    Ok(())
}
