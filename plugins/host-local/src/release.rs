//! DEL: the addresses of the attachment become free.

use cni::{Call, Error};

use crate::config::Ipam;
use crate::owner::Owner;
use crate::store::Store;

/// Releases every address of the attachment in this network, whatever the ranges say today. What is not there is no error
/// (DEL-3).
pub(crate) fn del(call: &Call) -> Result<(), Error> {
    let Some(store) = Store::open(Ipam::read(call)?.directory(call))? else {
        return Ok(());
    };
    let owner = Owner::of(call);
    for owner in [owner.without_interface(), owner] {
        let addresses = store.addresses_of(&owner)?;
        if !addresses.is_empty() {
            store.release(&owner, &addresses)?;
        }
    }
    Ok(())
}
