//! DEL.

use attachment::{Identity, Lock, Session};
use cni::{Call, Code, Command, Error};

use crate::added::Added;
use crate::call::{identity, open_namespace, serialise_if_possible};
use crate::codes::all_of;
use crate::ipam::{Ipam, unreleased};
use crate::plugin::Plugin;
use crate::streams::{note, tell};

/// Works without the namespace, without `prevResult`, after a failed or killed ADD, and repeatedly (DEL-3 to DEL-8).
///
/// # Errors
/// Everything that could not be removed, after all else has been.
pub(super) fn del<P: Plugin>(call: &Call) -> Result<(), Error> {
    let identity = identity(call);
    let alone = serialise_if_possible(call, &identity)?;
    remove::<P>(call, &identity, alone.as_ref())
}

/// Undoes an ADD whose result nobody gets. No other call has been at work since: all that the attachment has is of this ADD, which
/// would have refused to run beside an earlier one.
pub(super) fn undo<P: Plugin>(call: &Call, added: &Added) -> Result<(), Error> {
    let identity = identity(call);
    match &added.alone {
        Some(alone) => remove::<P>(call, &identity, Some(alone)),
        None => del::<P>(call),
    }
}

fn remove<P: Plugin>(call: &Call, identity: &Identity, alone: Option<&Lock>) -> Result<(), Error> {
    let ipam = Ipam::find::<P>(call);
    let speaks_through_the_nic = ipam.as_ref().is_ok_and(Ipam::needs_the_nic);
    let removed = || removed::<P>(call, identity);
    let released = || match ipam {
        Ok(ipam) => ipam.under(alone).and_then(|ipam| ipam.run(Command::Del, call)).err(),
        Err(error) => Some(unreleased(error)),
    };
    let mut errors = Vec::new();
    if speaks_through_the_nic {
        errors.extend(released());
        errors.extend(removed());
    } else {
        errors.extend(removed());
        // Its addresses may go at once to others, which would conflict with the rules and the NIC of this attachment.
        errors.extend(released());
    }
    all_of(errors)
}

/// Removes what is left, and returns what could not be. Where the namespace may not be entered, the host is cleaned (DEL-4): what is
/// in the namespace goes with it.
fn removed<P: Plugin>(call: &Call, identity: &Identity) -> Vec<Error> {
    let namespace = call.environment.netns.as_ref().and_then(|_| open_namespace(call).ok());
    let has_namespace = namespace.is_some();
    let errors = removed_from::<P>(call, identity, Session::new(namespace));
    match errors.iter().find(|error| error.code == Code::InvalidNamespace).filter(|_| has_namespace) {
        Some(closed) => {
            note(format!(
                "network {:?}: what is in the container's namespace is left: {}",
                call.config.name, closed.msg
            ));
            removed_from::<P>(call, identity, Session::new(None))
        }
        None => errors,
    }
}

fn removed_from<P: Plugin>(call: &Call, identity: &Identity, mut session: Session) -> Vec<Error> {
    let mut errors: Vec<Error> = P::connect(call, &mut session).err().into_iter().collect();
    let (mut left, failed) = attachment::of_attachment(&mut session, P::FINDERS, identity);
    errors.extend(failed.iter().map(P::error));
    match P::named(call, identity, &mut session) {
        Ok(named) => left.extend(named.into_items()),
        Err(error) => errors.push(error),
    }
    errors.extend(attachment::remove(&mut session, &left).iter().map(P::error));
    tell(&mut session);
    errors
}
