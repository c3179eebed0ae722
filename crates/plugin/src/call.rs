//! What every verb needs of a call.

use std::path::Path;

use attachment::{Identity, Lock, Valid};
use cni::{Call, Error, Success};
use netlink::Namespace;

use crate::codes::from_attachment;
use crate::ipam::patience;
use crate::streams::note;

/// Who the attachment of a call is.
#[must_use]
pub fn identity(call: &Call) -> Identity {
    let environment = &call.environment;
    Identity::new(&call.config.name, &environment.container_id, &environment.if_name)
}

/// Waits until no other call is at work on the attachment, nor a delegate that a killed one has left behind: a runtime that gave
/// up on an ADD may call DEL, or ADD again, while the first one still runs.
///
/// # Errors
/// Code 5; code 11 after [`patience`].
pub(crate) fn serialise(call: &Call, identity: &Identity) -> Result<Lock, Error> {
    Lock::of_attachment(identity, patience(call)).map_err(|error| from_attachment(&error))
}

/// The same for a removal, which is done without the lock where it cannot be made, on a file system that is read-only or full:
/// whoever makes something needs it, and fails.
///
/// # Errors
/// Code 11 after [`patience`].
pub(crate) fn serialise_if_possible(call: &Call, identity: &Identity) -> Result<Option<Lock>, Error> {
    without_if_impossible(call, Lock::of_attachment(identity, patience(call)))
}

/// A lock for a removal, or none.
///
/// # Errors
/// Somebody else has it.
pub(crate) fn without_if_impossible(call: &Call, lock: Result<Lock, attachment::Error>) -> Result<Option<Lock>, Error> {
    match lock {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ attachment::Error::System { .. }) => {
            note(format!(
                "network {:?}: {} without a lock: {error}",
                call.config.name,
                call.environment.command.as_str()
            ));
            Ok(None)
        }
        Err(error) => Err(from_attachment(&error)),
    }
}

/// Opens the container's namespace.
///
/// # Errors
/// Code 8 when there is none at the path.
pub fn open_namespace(call: &Call) -> Result<Namespace, Error> {
    let path = call.environment.netns.as_deref().unwrap_or(Path::new(""));
    Namespace::open(path).map_err(|error| from_attachment(&attachment::Error::Namespace(error)))
}

/// The result of the plugins before, or of ADD (ADD-5, CHK-2).
///
/// # Errors
/// Code 7 without one.
pub fn previous(call: &Call) -> Result<&Success, Error> {
    call.config
        .prev_result
        .as_ref()
        .ok_or_else(|| Error::invalid_config("prevResult is missing: the runtime must pass the result of ADD"))
}

/// The attachments to keep. A missing list is refused: if it counted as an empty one, it would remove everything (GC-8).
pub(crate) fn valid_attachments(call: &Call) -> Result<Valid, Error> {
    let Some(valid) = &call.config.valid_attachments else {
        return Err(Error::invalid_config(
            "cni.dev/valid-attachments is missing: GC needs the list of attachments to keep; an empty list keeps none",
        ));
    };
    Ok(valid.iter().map(|id| Identity::new(&call.config.name, &id.container_id, &id.if_name)).collect())
}
