//! CHECK: the attachment holds the addresses that `prevResult` says.

use std::net::IpAddr;

use cni::{Call, Code, Error};
use plugin::codes::DIFFERENT;

use crate::config::Ipam;
use crate::owner::Owner;
use crate::pool::Pool;
use crate::store::Store;

/// Compares the addresses of `prevResult` that are of our ranges with those that the attachment holds.
pub(crate) fn check(call: &Call) -> Result<(), Error> {
    let ipam = Ipam::read(call)?;
    let pool = Pool::read(call, &ipam)?;
    let Some(previous) = &call.config.prev_result else {
        return Err(Error::invalid_config(format!("network {}: required prevResult missing", call.config.name)));
    };
    let owner = Owner::of(call);
    let held = held(&ipam, call, &owner)?;
    let wanted = previous.ips.iter().map(|ip| ip.address.ip()).filter(|ip| pool.set_of(*ip).is_some());
    let missing: Vec<IpAddr> = wanted.clone().filter(|address| !held.contains(address)).collect();
    if held.is_empty() || !missing.is_empty() || wanted.count() == 0 {
        return Err(Error::new(
            Code::Plugin(DIFFERENT),
            format!(
                "failed to find addresses added by container {} for interface {} in {}: prevResult has {} of \
                 this network, the files have {}",
                owner.container_id,
                owner.if_name,
                ipam.directory(call).display(),
                list(previous.ips.iter().map(|ip| ip.address.ip()).filter(|ip| pool.set_of(*ip).is_some())),
                list(held.iter().copied()),
            ),
        ));
    }
    Ok(())
}

fn held(ipam: &Ipam, call: &Call, owner: &Owner) -> Result<Vec<IpAddr>, Error> {
    let Some(store) = Store::open(ipam.directory(call))? else {
        return Ok(Vec::new());
    };
    let mut held = store.addresses_of(owner)?;
    held.extend(store.addresses_of(&owner.without_interface())?);
    Ok(held)
}

fn list(addresses: impl Iterator<Item = IpAddr>) -> String {
    let texts: Vec<String> = addresses.map(|address| address.to_string()).collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}
