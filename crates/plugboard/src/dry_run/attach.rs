//! `plugboard attach --dry-run`.

use std::process::ExitCode;

use serde_json::Value;

use super::addresses::Addresses;
use super::script::Script;
use crate::attach::{self, Remembered};
use crate::chain::Chain;
use crate::cli::Attach;
use crate::network::Plugin;
use crate::plan::{Nic, Place};
use crate::problems;
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
    let existing = namespace.map_or_else(|| Ok(Vec::new()), |namespace| namespace.interfaces())?;
    let mut script = Script::default();
    let mut remembered = runtime.cache.entries().unwrap_or_else(|error| {
        script.comment(format!("{error:#}: it is not known whether the container is attached already"));
        Vec::new()
    });
    remembered.retain(|entry| entry.attachment.container_id == target.container_id);
    let Remembered { living, dead } = Remembered::sort(remembered, &specs, args);
    for (entry, state) in &dead {
        script.comment(format!("{}: attach takes it down before", attach::remains(entry, *state)));
    }
    let place = Place { target: &target, path: &path, existing: &existing, remembered: &living };
    let nics = match attach::plan(&specs, args, &place, &configured, runtime) {
        Ok(nics) => nics,
        Err(problems) => return attach::report(&problems),
    };
    match nics.iter().try_for_each(|nic| print(nic, runtime, &mut script)) {
        Ok(()) => {
            script.print()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => Ok(problems::report([problem])),
    }
}

/// Asks the plugins in order, each with the result of the one before. One that cannot say what it does leaves the result as it
/// is.
fn print(nic: &Nic, runtime: &Runtime, script: &mut Script) -> Result<(), String> {
    let Nic { network, attachment, .. } = nic;
    let chain = Chain { network, plugins: &runtime.plugins };
    let mut result: Option<Value> = None;
    let mut is_unsure = false;
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
                script.add(printed, attachment.netns.as_deref(), |line| addresses.in_words(line))?;
            }
            // It depends on what the one before is going to make.
            Err(failure) if is_unsure => {
                script.comment(format!("not known until the plugins before it have run: {failure}"));
            }
            Err(failure) => return Err(failure.to_string()),
        }
    }
    Ok(())
}

fn has_addresses(plugin: &Plugin) -> bool {
    plugin.ipam().is_some()
}
