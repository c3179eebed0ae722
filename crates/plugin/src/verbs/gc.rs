//! GC.

use attachment::{Lock, Session};
use cni::{Call, Command, Error};

use crate::call::valid_attachments;
use crate::codes::{all_of, from_attachment};
use crate::ipam::Ipam;
use crate::plugin::Plugin;

/// Removes what belongs to no valid attachment of this network (GC-1).
///
/// # Errors
/// Everything that could not be removed, after all else has been (GC-3).
pub(super) fn gc<P: Plugin>(call: &Call) -> Result<(), Error> {
    let valid = valid_attachments(call)?;
    let collected = attachment::collect(&mut Session::new(None), P::FINDERS, &call.config.name, &valid);
    let mut errors: Vec<Error> = collected.iter().map(P::error).collect();
    errors.extend(Ipam::find::<P>(call).and_then(|ipam| release(call, ipam)).err());
    all_of(errors)
}

/// ADD waits for the IPAM plugin also when this process is killed.
fn release(call: &Call, ipam: Ipam<'_>) -> Result<(), Error> {
    if !ipam.is_there() {
        return Ok(());
    }
    let lock = Lock::of_collection(&call.config.name).map_err(|error| from_attachment(&error))?;
    ipam.under(&lock)?.run(Command::Gc, call)
}
