//! One call, from the environment to the exit status. The order of the checks is that of the reference's `skel`.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use cni::{Call, Command, Config, Environment, Error, Version, version_reply};

use crate::added::Added;
use crate::ancestors::is_own_descendant;
use crate::namespace::{Found, look_at};
use crate::streams::{note, print, read_stdin};
use crate::verbs::{Verb, Verbs};

/// An error, and the version in whose format it is printed.
struct Failure(Error, Version);

/// Runs one call: reads the environment and stdin, calls the verb, prints the result or the error as one JSON object.
#[must_use]
pub fn main(verbs: &Verbs) -> ExitCode {
    if env::var_os("CNI_COMMAND").is_none_or(|command| command.is_empty()) {
        introduce(verbs);
        return ExitCode::SUCCESS;
    }
    run(verbs).unwrap_or_else(|Failure(error, version)| {
        // If the error cannot be printed, the exit status says the rest.
        let _ = print(error.to_json(version));
        ExitCode::FAILURE
    })
}

/// ENV-14.
fn introduce(verbs: &Verbs) {
    note(format!(
        "CNI {} plugin {}\nCNI protocol versions supported: {}",
        verbs.name,
        env!("CARGO_PKG_VERSION"),
        Version::list()
    ));
}

fn run(verbs: &Verbs) -> Result<ExitCode, Failure> {
    let environment = Environment::read(verbs.reads_args, |name| env::var_os(name));
    let environment = environment.and_then(|found| known(verbs, found));
    let environment = environment.map_err(|error| {
        let version = read_stdin().map_or(Version::LATEST, |text| Config::version_of(&text));
        Failure(error, version)
    })?;
    let text = read_stdin().map_err(|error| Failure(error, Version::LATEST))?;
    if environment.command == Command::Version {
        let reply = version_reply(&text).map_err(|error| Failure(error, Version::LATEST))?;
        return Ok(printed(reply));
    }
    let config =
        Config::read(text.clone(), environment.command).map_err(|error| Failure(error, Config::version_of(&text)))?;
    let version = config.version;
    call_verb(verbs, Call { environment, config }).map_err(|error| Failure(error, version))
}

/// UPDATE is known to few plugins, and PRINT to none that only gives addresses.
fn known(verbs: &Verbs, environment: Environment) -> Result<Environment, Error> {
    match environment.command {
        _ if environment.is_printed && verbs.print.is_none() => Err(Command::unknown(Command::PRINT)),
        Command::Update if verbs.update.is_none() => Err(Command::unknown(Command::Update.as_str())),
        _ => Ok(environment),
    }
}

fn call_verb(verbs: &Verbs, call: Call) -> Result<ExitCode, Error> {
    if verbs.attaches {
        refuse_to_be_delegate(verbs, &call)?;
    }
    tell_ignored(verbs, &call);
    if call.environment.is_printed {
        let print = verbs.print.ok_or_else(|| Command::unknown(Command::PRINT))?;
        if call.environment.command == Command::Add {
            tell_remarks(verbs, &call.config);
        }
        return print(&call)?.to_json(call.config.version).map(printed);
    }
    match call.environment.command {
        Command::Add => return add(verbs, call),
        Command::Del => del(verbs, call)?,
        Command::Check => check(verbs, verbs.check, &call)?,
        Command::Update => match verbs.update {
            Some(update) => check(verbs, update, &call)?,
            None => return Err(Command::unknown(Command::Update.as_str())),
        },
        Command::Gc => (verbs.gc)(&call)?,
        Command::Status => (verbs.status)(&call)?,
        Command::Version => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A plugin that makes or shapes interfaces gives no addresses. As the IPAM plugin of one of ours, under another name or by way of
/// others, it would start a chain without end, and wait for the lock of its own caller.
///
/// Who starts it may have cleaned the environment. Calls that wait for the attachment's lock go no further then; for the others it is
/// looked who has started it.
fn refuse_to_be_delegate(verbs: &Verbs, call: &Call) -> Result<(), Error> {
    let (environment, name) = (&call.environment, verbs.name);
    let reason = if let Some(by) = &environment.delegated_by {
        format!("as the IPAM plugin of {by}, or by one that {by} calls ({} is set)", Environment::DELEGATED_BY)
    } else if call.config.ipam.is_some()
        && matches!(environment.command, Command::Check | Command::Gc | Command::Status)
        && is_own_descendant()
    {
        format!("by the same {name}, or by an IPAM plugin of it")
    } else {
        return Ok(());
    };
    Err(Error::invalid_config(format!(
        "{name} is called {reason}, but gives no addresses: ipam.type must name an IPAM plugin, such as host-local"
    )))
}

/// What the call's namespace is to the plugin. One that makes no interface never enters it: programs that only want addresses name
/// whatever they like, such as `/dev/null`.
fn namespace_of(verbs: &Verbs, call: &Call) -> Found {
    if verbs.attaches { look_at(&call.environment) } else { Found::Usable }
}

/// The plugin's own namespace is refused before anything is done; the reference refuses it after the work (ENV-16).
fn add(verbs: &Verbs, call: Call) -> Result<ExitCode, Error> {
    match namespace_of(verbs, &call) {
        Found::Usable => {}
        Found::Own(error) | Found::Unusable(error) => return Err(error),
    }
    tell_remarks(verbs, &call.config);
    let added = (verbs.add)(&call)?;
    match added.result.to_json(call.config.version).map(print) {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => {
            note(format!("{}: cannot write the result to stdout: {error}", verbs.name));
            undo(verbs, call, &added);
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            undo(verbs, call, &added);
            Err(error)
        }
    }
}

/// Undoes an ADD whose result nobody gets.
fn undo(verbs: &Verbs, mut call: Call, added: &Added) {
    call.environment.command = Command::Del;
    if let Err(error) = (verbs.undo)(&call, added) {
        note(format!("{}: cannot undo the ADD: {error}", verbs.name));
    }
}

/// A namespace that is gone does not keep the rest from being removed (DEL-4). Neither does the plugin's own: a process ID in
/// the path may be another process's by now. It is left alone, and reported at the end (ENV-16).
fn del(verbs: &Verbs, mut call: Call) -> Result<(), Error> {
    let found = namespace_of(verbs, &call);
    if !matches!(found, Found::Usable) {
        call.environment.netns = None;
    }
    (verbs.del)(&call)?;
    match found {
        Found::Usable | Found::Unusable(_) => Ok(()),
        Found::Own(error) => Err(error),
    }
}

/// CHECK, or UPDATE, which is called as CHECK is.
fn check(verbs: &Verbs, verb: Verb, call: &Call) -> Result<(), Error> {
    match namespace_of(verbs, call) {
        Found::Usable | Found::Own(_) => verb(call),
        Found::Unusable(error) => Err(error),
    }
}

/// What could not be read, and is done without.
fn tell_ignored(verbs: &Verbs, call: &Call) {
    let of_config = call.config.ignored.iter().map(|error| &error.msg);
    for objection in of_config.chain(&call.environment.args_objection) {
        note(format!("{}: network {:?}: ignored: {objection}", verbs.name, call.config.name));
    }
}

/// Only for the plugin that the configuration names, also by the name of a link to it: a delegate is given all the keys of its caller
/// (DLG-2).
fn tell_remarks(verbs: &Verbs, config: &Config) {
    if config.kind != verbs.name && !is_executed_as(&config.kind) {
        return;
    }
    for remark in config.remarks(verbs.keys) {
        note(format!("{}: network {:?}: {remark}", verbs.name, config.name));
    }
}

fn is_executed_as(name: &str) -> bool {
    env::args_os().next().is_some_and(|path| Path::new(&path).file_name() == Some(name.as_ref()))
}

fn printed(line: String) -> ExitCode {
    if print(line).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
