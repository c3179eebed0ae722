//! ADD.

use attachment::{Creation, Description, Session};
use cni::{Call, Command, Error, Success};

use crate::added::Added;
use crate::call::{identity, open_namespace, serialise};
use crate::codes::{from_attachment, with_more_details};
use crate::ipam::{Ipam, Work, patience};
use crate::plugin::Plugin;
use crate::streams::tell_one;

/// # Errors
/// Whatever failed; then everything this call made is gone again, the delegate's addresses included.
pub(super) fn add<P: Plugin>(call: &Call) -> Result<Added, Error> {
    let identity = identity(call);
    identity.check().map_err(|error| from_attachment(&error))?;
    let alone = serialise(call, &identity)?;
    let mut plugin = P::read(call, identity)?;
    let namespace = open_namespace(call)?;
    let ipam = Ipam::find::<P>(call)?;
    if ipam.is_there() {
        // The IPAM plugin of a GC that was killed would release what it does not find in its old list.
        let waited = alone.await_collection(&call.config.name, patience(call));
        waited.map_err(|error| from_attachment(&error))?;
    }
    let ipam = ipam.under(Some(&alone))?;
    let mut session = Session::new(Some(namespace)).telling(tell_one);
    P::connect(call, &mut session)?;
    let result = added(&mut plugin, call, &ipam, &mut session);
    drop(ipam);
    Ok(Added { result: result?, alone: Some(alone) })
}

fn added<P: Plugin>(plugin: &mut P, call: &Call, ipam: &Ipam<'_>, session: &mut Session) -> Result<Success, Error> {
    let mut creation = Creation::new();
    // One scope from the first look at what is shared until all of it is made. The delegate is started in it, and
    // works on after it: it is never waited for with the lock held.
    let mut begin = |session: &mut Session| {
        let description = prepare(plugin, call, session)?;
        let work = if ipam.needs_the_nic() { Work::none() } else { ipam.start(Command::Add, call)? };
        Ok::<_, Error>((work, creation.make(session, description)))
    };
    let (mut work, made) = match P::SHARES {
        true => session.sharing(|session| Ok(begin(session))).map_err(|error| P::error(&error))?,
        false => begin(session),
    }?;
    let finished = made
        .map_err(|error| P::error(&error))
        .and_then(|()| finish(plugin, call, session, &mut creation, ipam, &mut work));
    finished.map_err(|error| {
        let mut undo = |session: &mut Session| creation.undo(session).iter().map(P::error).collect::<Vec<_>>();
        let mut release = || ipam.undo(&mut work, call).err();
        let also: Vec<Error> = match ipam.needs_the_nic() {
            true => release().into_iter().chain(undo(session)).collect(),
            false => undo(session).into_iter().chain(release()).collect(),
        };
        with_more_details(error, &also.into_iter().map(|error| error.msg).collect::<Vec<_>>())
    })
}

/// Surveys the host. Whatever is in the way is reported before the delegate runs: undoing a repeated ADD would release the
/// address of the first.
fn prepare<P: Plugin>(plugin: &mut P, call: &Call, session: &mut Session) -> Result<Description, Error> {
    plugin.survey(call, session)?;
    let description = plugin.describe()?;
    let error = |error| P::error(&error);
    description.check(P::FINDERS).map_err(error)?;
    attachment::refuse_existing(session, &description).map_err(error)?;
    Ok(description)
}

fn finish<P: Plugin>(
    plugin: &P,
    call: &Call,
    session: &mut Session,
    creation: &mut Creation,
    ipam: &Ipam<'_>,
    work: &mut Work,
) -> Result<Success, Error> {
    if ipam.needs_the_nic() {
        plugin.await_nic(session).map_err(|error| P::error(&error))?;
        *work = ipam.start(Command::Add, call)?;
    }
    let mut addressing = ipam.wait(work)?;
    if ipam.is_there() && addressing.ips.is_empty() {
        return Err(Error::invalid_config("the IPAM plugin returned no address"));
    }
    plugin.complete(call, &mut addressing)?;
    let description = plugin.addressing(&addressing);
    let error = |error| P::error(&error);
    description.check(P::FINDERS).map_err(error)?;
    creation.make(session, description).map_err(error)?;
    plugin.result(call, session, addressing)
}
