//! DEL.

use attachment::{Identity, Lock, Session};
use cni::{Call, Command, Error};

use crate::added::Added;
use crate::call::{identity, open_namespace, serialise};
use crate::codes::all_of;
use crate::ipam::Ipam;
use crate::plugin::Plugin;

/// Works without the namespace, without `prevResult`, after a failed or killed ADD, and repeatedly (DEL-3 to DEL-8).
///
/// # Errors
/// Everything that could not be removed, after all else has been.
pub(super) fn del<P: Plugin>(call: &Call) -> Result<(), Error> {
    let identity = identity(call);
    let alone = serialise(call, &identity)?;
    remove::<P>(call, &identity, &alone)
}

/// Undoes an ADD whose result nobody gets. No other call has been at work since: all that the attachment has is of this ADD, which
/// would have refused to run beside an earlier one.
pub(super) fn undo<P: Plugin>(call: &Call, added: &Added) -> Result<(), Error> {
    let identity = identity(call);
    match &added.alone {
        Some(alone) => remove::<P>(call, &identity, alone),
        None => del::<P>(call),
    }
}

fn remove<P: Plugin>(call: &Call, identity: &Identity, alone: &Lock) -> Result<(), Error> {
    let namespace = call.environment.netns.as_ref().and_then(|_| open_namespace(call).ok());
    let mut session = Session::new(namespace);
    let (mut left, failed) = attachment::of_attachment(&mut session, P::FINDERS, identity);
    let mut errors: Vec<Error> = failed.iter().map(P::error).collect();
    match P::named(call, identity, &mut session) {
        Ok(named) => left.extend(named.into_items()),
        Err(error) => errors.push(error),
    }
    let ipam = Ipam::find::<P>(call);
    let speaks_through_the_nic = ipam.as_ref().is_ok_and(Ipam::needs_the_nic);
    let removed = |session: &mut Session| attachment::remove(session, &left).iter().map(P::error).collect::<Vec<_>>();
    let released = || ipam.and_then(|ipam| ipam.under(alone)?.run(Command::Del, call)).err();
    if speaks_through_the_nic {
        errors.extend(released());
        errors.extend(removed(&mut session));
    } else {
        errors.extend(removed(&mut session));
        // Its addresses may go at once to others, which would conflict with the rules and the NIC of this attachment.
        errors.extend(released());
    }
    all_of(errors)
}
