//! GC.

use attachment::{Lock, Session};
use cni::{Call, Command, Error};

use crate::call::{valid_attachments, without_if_impossible};
use crate::codes::all_of;
use crate::ipam::{Ipam, unreleased};
use crate::plugin::Plugin;
use crate::streams::tell;

/// Removes what belongs to no valid attachment of this network (GC-1).
///
/// # Errors
/// Everything that could not be removed, after all else has been (GC-3).
pub(super) fn gc<P: Plugin>(call: &Call) -> Result<(), Error> {
    let valid = valid_attachments(call)?;
    let mut session = Session::new(None);
    let mut errors: Vec<Error> = P::connect(call, &mut session).err().into_iter().collect();
    let collected = attachment::collect(&mut session, P::FINDERS, &call.config.name, &valid);
    errors.extend(collected.iter().map(P::error));
    tell(&mut session);
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
