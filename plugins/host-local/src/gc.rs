//! GC: frees the addresses of attachments that the runtime does not know.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cni::{AttachmentId, Call, Code, Error};

use crate::config::Ipam;
use crate::files::address_path;
use crate::owner::{Holder, Owner};
use crate::store::Store;

/// Releases every address of this network whose holder is not in the list (GC-1), and those that nobody holds. An
/// address whose file is unreadable is kept, and reported at the end: it may be in use.
///
/// An empty list makes every address stale. A list that is missing (GC-8) says nothing about any of them, and is
/// refused.
pub(crate) fn gc(call: &Call) -> Result<(), Error> {
    let directory = Ipam::directory_alone(call)?;
    let Some(valid) = &call.config.valid_attachments else {
        return Err(Error::invalid_config(format!(
            "network {}: the configuration has no `cni.dev/valid-attachments`; nothing is released, because without the \
             list every address would be; an empty list says that none is in use",
            call.config.name
        )));
    };
    let Some(store) = Store::open(directory)? else {
        return Ok(());
    };
    let mut stale: BTreeMap<Owner, Vec<IpAddr>> = BTreeMap::new();
    let mut has_debris = false;
    let mut is_unreadable = false;
    let mut result = Ok(());
    for (address, holder) in store.holders()? {
        match holder {
            Holder::Owner(owner) if is_valid(&owner, valid) => {}
            Holder::Owner(owner) => stale.entry(owner).or_default().push(address),
            Holder::Nobody => {
                has_debris = true;
                result = result.and(store.remove(address));
            }
            Holder::Unknown(cause) => result = result.and(Err(unknown_holder(&store, address, &cause))),
            Holder::Unreadable(cause) => {
                is_unreadable = true;
                result = result.and(Err(unknown_holder(&store, address, &cause)));
            }
        }
    }
    // The index may have links to the debris; and an address that cannot be read may be one of a stale attachment, whose links go.
    store.settle(!has_debris && !is_unreadable);
    for (owner, addresses) in stale {
        result = result.and(store.release(&owner, &addresses));
    }
    result
}

fn is_valid(owner: &Owner, valid: &[AttachmentId]) -> bool {
    valid.iter().any(|attachment| {
        attachment.container_id == owner.container_id
            && (attachment.if_name == owner.if_name || owner.if_name.is_empty())
    })
}

fn unknown_holder(store: &Store, address: IpAddr, cause: &str) -> Error {
    let path = address_path(store.directory(), address);
    Error::new(
        Code::Io,
        format!(
            "{}: cannot tell who holds this address: {cause}; remove the file if no container does",
            path.display()
        ),
    )
}
