//! Allocation: one address out of each range set.

use std::net::IpAddr;

use cni::{Error, IpConfig};
use ipnetwork::IpNetwork;
use serde_json::Map;

use crate::error::{DUPLICATE, NO_ADDRESS};
use crate::free::Candidates;
use crate::owner::Owner;
use crate::pool::Pool;
use crate::range::Range;
use crate::reservation::Reservation;
use crate::set::RangeSet;
use crate::store::Store;

/// Takes one address out of each set, the one in `requested` where there is one. All or none.
///
/// # Errors
/// [`NO_ADDRESS`], [`DUPLICATE`], or code 5; nothing has been taken then.
pub(crate) fn allocate(
    pool: &Pool,
    requested: &[Option<IpAddr>],
    store: &Store,
    owner: &Owner,
) -> Result<Vec<IpConfig>, Error> {
    let mut held = store.addresses_of(owner)?;
    let mut reservation = Reservation::begin(store, owner, held.len())?;
    held.extend(store.addresses_of(&owner.without_interface())?);
    let mut ips = Vec::with_capacity(pool.sets().len());
    for (index, (set, requested)) in pool.sets().iter().zip(requested).enumerate() {
        let in_set = |error: Error| error.within(&format!("failed to allocate for range {index}"));
        refuse_duplicate(set, &held, owner).map_err(in_set)?;
        let (address, range) = match requested {
            Some(address) => take(set, *address, &mut reservation),
            None => take_any(set, Candidates::new(pool, set, index, store.directory(), store.maps()), &mut reservation),
        }
        .map_err(in_set)?;
        store.set_last_reserved(index, address)?;
        ips.push(ip_config(address, range)?);
    }
    reservation.keep();
    Ok(ips)
}

fn refuse_duplicate(set: &RangeSet, held: &[IpAddr], owner: &Owner) -> Result<(), Error> {
    match held.iter().find(|address| set.range_of(**address).is_some()) {
        None => Ok(()),
        Some(address) => Err(Error::new(
            DUPLICATE,
            format!(
                "{address} has been allocated to {}, duplicate allocation is not allowed: its interface {} needs a DEL \
                 first",
                owner.container_id, owner.if_name
            ),
        )),
    }
}

fn take<'a>(set: &'a RangeSet, address: IpAddr, reservation: &mut Reservation) -> Result<(IpAddr, &'a Range), Error> {
    match set.range_of(address) {
        Some(range) if reservation.take(address)? => Ok((address, range)),
        range => {
            let why =
                if range.is_some() { reservation.holder(address).words() } else { "it is not part of that".to_owned() };
            let msg = format!("requested IP address {address} is not available in range set {set}: {why}");
            Err(Error::new(NO_ADDRESS, msg))
        }
    }
}

fn take_any<'a>(
    set: &RangeSet,
    candidates: impl Iterator<Item = (IpAddr, &'a Range)>,
    reservation: &mut Reservation,
) -> Result<(IpAddr, &'a Range), Error> {
    for (address, range) in candidates {
        if reservation.take(address)? {
            return Ok((address, range));
        }
    }
    let msg = format!(
        "no IP addresses available in range set: {set}: containers have all of them; configure more, or have those of containers \
         that are gone released (`plugboard gc`, or GC of another runtime)"
    );
    Err(Error::new(NO_ADDRESS, msg))
}

fn ip_config(address: IpAddr, range: &Range) -> Result<IpConfig, Error> {
    let address = IpNetwork::new(address, range.subnet.prefix())
        .map_err(|cause| Error::invalid_config(format!("subnet {}: {cause}", range.subnet)))?;
    Ok(IpConfig { address, gateway: Some(range.gateway), interface: None, extra: Map::new() })
}
