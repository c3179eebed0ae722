//! ADD: an address out of each range set of the network.

use cni::{Call, Dns, Error, Success};

use crate::allocate::allocate;
use crate::config::Ipam;
use crate::owner::Owner;
use crate::pool::Pool;
use crate::request::requested;
use crate::resolv_conf;
use crate::store::Store;

/// Takes the addresses. Everything that can be refused without the store is refused before it is opened.
pub(crate) fn add(call: &Call) -> Result<Success, Error> {
    let ipam = Ipam::read(call)?;
    ipam.tell_remarks(call);
    let pool = Pool::read(call, &ipam)?;
    let requested = requested(call, &pool)?;
    let routes = ipam.routes()?;
    let dns = ipam.resolv_conf().map_or(Ok(Dns::default()), resolv_conf::read)?;

    let store = Store::create(ipam.directory(call))?;
    let ips = allocate(&pool, &requested, &store, &Owner::of(call)).map_err(|error| {
        let place = format!("network {} in {}", call.config.name, store.directory().display());
        error.with_details(place)
    })?;
    Ok(Success { ips, routes, dns, ..Success::default() })
}
