//! GC.

use attachment::Session;
use cni::{Call, Command, Error};

use crate::call::valid_attachments;
use crate::codes::all_of;
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
    errors.extend(Ipam::find::<P>(call).and_then(|ipam| ipam.run(Command::Gc, call)).err());
    all_of(errors)
}
