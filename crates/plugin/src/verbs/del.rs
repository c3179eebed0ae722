//! DEL.

use attachment::Session;
use cni::{Call, Command, Error};

use crate::call::{identity, open_namespace, serialise};
use crate::codes::all_of;
use crate::ipam::Ipam;
use crate::plugin::Plugin;
use crate::streams::tell;

/// Works without the namespace, without `prevResult`, after a failed or killed ADD, and repeatedly (DEL-3 to DEL-8).
///
/// # Errors
/// Everything that could not be removed, after all else has been.
pub(super) fn del<P: Plugin>(call: &Call) -> Result<(), Error> {
    let identity = identity(call);
    let _alone = serialise(&identity)?;
    let namespace = call.environment.netns.as_ref().and_then(|_| open_namespace(call).ok());
    let mut session = Session::new(namespace);
    let (mut left, failed) = attachment::of_attachment(&mut session, P::FINDERS, &identity);
    let mut errors: Vec<Error> = failed.iter().map(P::error).collect();
    match P::named(call, &identity, &mut session) {
        Ok(named) => left.extend(named.into_items()),
        Err(error) => errors.push(error),
    }
    let ipam = Ipam::find::<P>(call);
    let speaks_through_the_nic = ipam.as_ref().is_ok_and(Ipam::needs_the_nic);
    let removed = |session: &mut Session| attachment::remove(session, &left).iter().map(P::error).collect::<Vec<_>>();
    let released = || ipam.and_then(|ipam| ipam.run(Command::Del, call)).err();
    if speaks_through_the_nic {
        errors.extend(released());
        errors.extend(removed(&mut session));
    } else {
        errors.extend(removed(&mut session));
        // Its addresses may go at once to others, which would conflict with the rules and the NIC of this attachment.
        errors.extend(released());
    }
    tell(&mut session);
    all_of(errors)
}
