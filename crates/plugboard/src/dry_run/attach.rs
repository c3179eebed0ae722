//! `plugboard attach --dry-run`.

use std::process::ExitCode;

use serde_json::Value;

use super::addresses::Addresses;
use super::script::Script;
use super::take_down;
use crate::attach;
use crate::chain::Chain;
use crate::cli::Attach;
use crate::network::Plugin;
use crate::plan::{Nic, Place};
use crate::problems;
use crate::remembered::{self, Remembered};
use crate::runtime::Runtime;
use crate::target::Target;

/// The key that tells a plugin what its IPAM plugin gives.
const IPAM_RESULT: &str = "plugboard/ipam-result";

pub(crate) fn run(args: &Attach, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let configured = runtime.conf_dir.networks()?;
    let specs = attach::read(args, &configured)?;
    let recorded = runtime.cache.survey().map(|survey| survey.entries).unwrap_or_default();
    let target = Target::to_attach(&args.subject, &recorded)?;
    let (path, namespace) = target.look()?;
    let existing = namespace.as_ref().map_or_else(|| Ok(Vec::new()), |namespace| namespace.interfaces())?;
    let mut script = Script::default();
    let mut remembered = runtime.cache.entries().unwrap_or_else(|error| {
        script.comment(format!("{error:#}: it is not known whether the container is attached already"));
        Vec::new()
    });
    remembered.retain(|entry| entry.attachment.container_id == target.container_id);
    let remembered = Remembered::sort(remembered, &specs, args)?;
    for (entry, state) in &remembered.dead {
        script.comment(format!("{}: attach takes it down before", remembered::in_words(entry, *state)));
        let problems = take_down::print(entry, runtime, &mut script);
        if !problems.is_empty() {
            return Ok(problems::report(problems));
        }
    }
    let id = namespace.and_then(|namespace| namespace.id());
    let place = Place { target: &target, path: &path, id, existing, remembered: &remembered };
    let nics = match attach::plan(&specs, args, &place, &configured, runtime) {
        Ok(nics) => nics,
        Err(problems) => return attach::report(&problems),
    };
    let printed = nics.iter().try_for_each(|nic| {
        print(nic, runtime, !remembered.dead.is_empty(), &mut script)?;
        match target.machine().filter(|_| script.mentions(&path)) {
            Some(_) => Err(attach::not_for_machines(&nic.network.name, &nic.attachment.if_name)),
            None => Ok(()),
        }
    });
    match printed {
        Ok(()) => {
            script.print()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => Ok(problems::report([problem])),
    }
}

/// Asks the plugins in order, each with the result of the one before. One that cannot say what it does leaves the result as it
/// is.
fn print(nic: &Nic, runtime: &Runtime, has_remains: bool, script: &mut Script) -> Result<(), String> {
    let Nic { network, attachment, .. } = nic;
    let chain = Chain { network, plugins: &runtime.plugins };
    let mut result: Option<Value> = None;
    let mut is_unsure = has_remains;
    // Plugins behind the one that asks for them may print them, too.
    let mut known: Vec<Addresses> = Vec::new();
    for plugin in &network.plugins {
        script.heading(format!("{} on {}, by {}", attachment.if_name, network.name, plugin.kind));
        let addresses = Addresses::of(plugin, &attachment.if_name).unwrap_or_default();
        let mut request = chain.with_result(plugin, attachment, result.as_ref());
        script.brief(&mut request);
        if has_addresses(plugin)
            && let Ok(given) = addresses.result(network.version())
        {
            request.insert(IPAM_RESULT.to_owned(), given);
        }
        match chain.print("ADD", plugin, Some(attachment), request) {
            Ok(printed) => {
                is_unsure |= printed.is_none();
                let told = printed.as_ref().and_then(|printed| printed.result.clone());
                result = told.or(result);
                let remarks = addresses.remarks.iter().filter(|_| printed.is_some());
                remarks.for_each(|remark| script.comment(remark));
                known.push(addresses);
                let in_words = |line: &str| known.iter().fold(line.to_owned(), |line, one| one.in_words(&line));
                script.add(printed, attachment.netns.as_deref(), in_words)?;
            }
            // It depends on what the one before is going to make, or on what is going to be taken down.
            Err(failure) if is_unsure => {
                script.comment(format!("not known until what stands before has been done: {failure}"));
            }
            Err(failure) => return Err(failure.to_string()),
        }
    }
    Ok(())
}

fn has_addresses(plugin: &Plugin) -> bool {
    plugin.ipam().is_some()
}
