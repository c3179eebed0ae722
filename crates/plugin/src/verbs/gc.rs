//! GC.

use attachment::{Lock, Session};
use cni::{Call, Command, Error};

use crate::call::{valid_attachments, without_if_impossible};
use crate::codes::all_of;
use crate::ipam::{Ipam, unreleased};
use crate::plugin::Plugin;

/// Removes what belongs to no valid attachment of this network (GC-1).
///
/// # Errors
/// Everything that could not be removed, after all else has been (GC-3).
pub(super) fn gc<P: Plugin>(call: &Call) -> Result<(), Error> {
    let valid = valid_attachments(call)?;
    let collected = attachment::collect(&mut Session::new(None), P::FINDERS, &call.config.name, &valid);
    let mut errors: Vec<Error> = collected.iter().map(P::error).collect();
    errors.extend(Ipam::find::<P>(call).map_err(unreleased).and_then(|ipam| release(call, ipam)).err());
    all_of(errors)
}

/// ADD waits for the IPAM plugin also when this process is killed.
fn release(call: &Call, ipam: Ipam<'_>) -> Result<(), Error> {
    if !ipam.is_there() {
        return Ok(());
    }
    let lock = without_if_impossible(call, Lock::of_collection(&call.config.name))?;
    ipam.under(lock.as_ref())?.run(Command::Gc, call)
}
