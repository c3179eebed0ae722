//! DEL: frees the addresses of the attachment.

use cni::{Call, Error};
use plugin::Added;

use crate::config::Ipam;
use crate::owner::Owner;
use crate::store::Store;

/// Releases every address of the attachment in this network, whatever the ranges are now. If there is none, that is no
/// error (DEL-3). A file that names the container alone counts if there is none with the interface too.
pub(crate) fn del(call: &Call) -> Result<(), Error> {
    let Some(store) = Store::open(Ipam::directory_alone(call)?)? else {
        return Ok(());
    };
    let owner = Owner::of(call);
    if !release(&store, &owner)? {
        release(&store, &owner.without_interface())?;
    }
    Ok(())
}

/// Releases what an ADD has got whose result nobody gets. Addresses that the attachment had before, of other ranges, stay.
pub(crate) fn undo(call: &Call, added: &Added) -> Result<(), Error> {
    let Some(store) = Store::open(Ipam::directory_alone(call)?)? else {
        return Ok(());
    };
    let owner = Owner::of(call);
    let got: Vec<_> = added.result.ips.iter().map(|ip| ip.address.ip()).collect();
    let (own, earlier): (Vec<_>, Vec<_>) = store.addresses_of(&owner)?.into_iter().partition(|ip| got.contains(ip));
    if earlier.is_empty() {
        return store.release(&owner, &own);
    }
    // The index is left incomplete: its links are numbered.
    own.iter().map(|address| store.remove(*address)).fold(Ok(()), Result::and)
}

/// Whether there was something to release.
fn release(store: &Store, owner: &Owner) -> Result<bool, Error> {
    let addresses = store.addresses_of(owner)?;
    if addresses.is_empty() {
        return Ok(false);
    }
    store.release(owner, &addresses).map(|()| true)
}
