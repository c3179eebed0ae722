//! PRINT, an extension of ours: what another command would do, as commands for people. It changes nothing, takes no lock and runs
//! no delegate, so that anybody may call it.

use std::path::Path;

use attachment::{Description, Session};
use cni::{Call, Code, Command, Error, Success};

use crate::call::{identity, valid_attachments};
use crate::codes::{all_of, from_attachment};
use crate::ipam::Ipam;
use crate::namespace::open_if_allowed;
use crate::plugin::Plugin;
use crate::printed::{GONE, IPAM_RESULT, MADE, Printed, names};
use crate::verbs::status::example;

/// # Errors
/// Those of the command itself, as far as they are known before anything is done.
pub(super) fn print<P: Plugin>(call: &Call) -> Result<Printed, Error> {
    match call.environment.command {
        Command::Add => add::<P>(call),
        Command::Gc => gc::<P>(call),
        _ => del::<P>(call),
    }
}

/// As ADD goes, with each part printed instead of made.
fn add<P: Plugin>(call: &Call) -> Result<Printed, Error> {
    let identity = identity(call);
    identity.check().map_err(|error| from_attachment(&error))?;
    let mut plugin = P::read(call, identity)?;
    let namespace = open_if_allowed(&call.environment)?;
    let mut commands: Vec<String> =
        if namespace.is_none() { vec![closed(call, "which counts as empty")] } else { Vec::new() };
    let ipam = Ipam::find::<P>(call)?;
    let mut session = Session::looking(namespace, Vec::new());
    P::connect(call, &mut session)?;
    let mut made = names(call, MADE);
    plugin.survey(call, &mut session)?;
    let mut print = |session: &mut Session, description: &Description| {
        description
            .check(P::FINDERS)
            .and_then(|()| attachment::refuse_existing(session, description))
            .and_then(|()| attachment::missing_commands(session, description, &mut made))
            .map_err(|error| P::error(&error))
    };
    commands.extend(print(&mut session, &plugin.describe()?)?);
    let mut addressing = given(call)?.unwrap_or_else(|| example(call, ipam.is_there()));
    plugin.complete(call, &mut addressing)?;
    let addressed = print(&mut session, &plugin.addressing(&addressing))?;
    if let Some(kind) = call.config.ipam.as_ref().filter(|_| ipam.is_there()) {
        commands.push(format!("# with addresses from {kind} (not called in a dry run):"));
    }
    commands.extend(addressed);
    let result = plugin.result(call, &mut session, addressing)?;
    Ok(Printed { commands, result: Some(result), made, gone: Vec::new() })
}

/// What IPAM gives, as far as the caller knows that.
fn given(call: &Call) -> Result<Option<Success>, Error> {
    let given = call.config.object.get(IPAM_RESULT).filter(|given| !given.is_null());
    given
        .map(|given| Success::from_value(given, call.config.version))
        .transpose()
        .map_err(|error| error.within(IPAM_RESULT))
}

/// As DEL goes.
fn del<P: Plugin>(call: &Call) -> Result<Printed, Error> {
    let identity = identity(call);
    let namespace = open_if_allowed(&call.environment);
    let mut commands = Vec::new();
    if matches!(namespace, Ok(None)) && call.environment.netns.is_some() {
        commands.push(closed(call, "so that what is to be removed there is not printed"));
    }
    let mut session = Session::looking(namespace.ok().flatten(), names(call, GONE));
    let mut errors: Vec<Error> = P::connect(call, &mut session).err().into_iter().collect();
    let (mut left, mut failed) = attachment::of_attachment(&mut session, P::FINDERS, &identity);
    let named = P::named(call, &identity, &mut session);
    match named {
        Ok(named) => left.extend(named.into_items()),
        Err(error) => errors.push(error),
    }
    let (printed, more) = attachment::removal_commands(&mut session, &left);
    commands.extend(printed);
    failed.extend(more);
    errors.extend(released::<P>(call, "this attachment", &mut commands).err());
    ended::<P>(&session, commands, &failed, errors)
}

/// As GC goes.
fn gc<P: Plugin>(call: &Call) -> Result<Printed, Error> {
    let valid = valid_attachments(call)?;
    let mut session = Session::looking(None, names(call, GONE));
    P::connect(call, &mut session)?;
    let (mut commands, failed) = attachment::collection_commands(&mut session, P::FINDERS, &call.config.name, &valid);
    let errors = released::<P>(call, "attachments that are gone", &mut commands).err();
    ended::<P>(&session, commands, &failed, errors.into_iter().collect())
}

fn ended<P: Plugin>(
    session: &Session,
    commands: Vec<String>,
    failed: &[attachment::Error],
    mut errors: Vec<Error>,
) -> Result<Printed, Error> {
    // What only root may see has been said in a comment.
    errors.extend(failed.iter().filter(|error| !error.is_forbidden()).map(P::error));
    all_of(errors)?;
    Ok(Printed { commands, gone: session.gone().to_vec(), ..Printed::default() })
}

/// # Errors
/// `ipam` is invalid. An IPAM plugin that is missing does not keep the rest from being printed.
fn released<P: Plugin>(call: &Call, of: &str, commands: &mut Vec<String>) -> Result<(), Error> {
    let Some(kind) = call.config.ipam.as_ref().filter(|_| P::HAS_IPAM) else { return Ok(()) };
    match Ipam::find::<P>(call) {
        Ok(_) => commands.push(format!("# then {kind} takes back the addresses of {of}")),
        Err(error) if error.code == Code::InvalidConfig => return Err(error),
        Err(error) => commands.push(format!("# then {kind} would take back the addresses of {of}, but: {}", error.msg)),
    }
    Ok(())
}

fn closed(call: &Call, consequence: &str) -> String {
    let path = call.environment.netns.as_deref().unwrap_or(Path::new("")).display();
    format!("# this user may not enter {path}, {consequence}")
}
