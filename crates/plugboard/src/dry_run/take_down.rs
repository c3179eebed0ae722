//! `plugboard detach --dry-run`.

use std::process::ExitCode;

use cni::Version;

use super::script::Script;
use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Detach;
use crate::detach;
use crate::problems;
use crate::remains::{self, Remains};
use crate::runtime::Runtime;

pub(crate) fn run(args: &Detach, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    runtime.cache.survey()?.refuse_closed()?;
    let target = remains::target(&args.subject, runtime)?;
    let path = if target.machine().is_some() { None } else { target.look().ok().map(|(path, _)| path) };
    let remains = Remains::of(&target, path.as_deref(), runtime)?;
    let Remains { entries, unresolved, files, undecided } = remains.only(args, &target, &runtime.conf_dir)?;
    let mut script = Script::default();
    if entries.is_empty() && unresolved.is_empty() && undecided.is_empty() {
        script.comment(format!("container {} is not attached to any network", target.container_id));
    }
    let mut problems: Vec<String> = entries.iter().rev().flat_map(|entry| print(entry, runtime, &mut script)).collect();
    match args.force {
        true => files.iter().for_each(|file| script.comment(format!("then {} is removed", file.display()))),
        false => problems.extend(unresolved.iter().map(|problem| format!("{problem}, or use --force"))),
    }
    problems.extend(undecided);
    script.print()?;
    Ok(problems::report(problems))
}

/// Asks the plugins in reverse order, each with the result of ADD. Returns what went wrong.
pub(super) fn print(entry: &Entry, runtime: &Runtime, script: &mut Script) -> Vec<String> {
    let network = match detach::configuration(entry, runtime) {
        Ok(network) => network,
        Err(error) => return vec![format!("network '{}': the remembered configuration: {error:#}", entry.network)],
    };
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    let attachment = entry.current();
    let result = entry.result.as_ref().filter(|_| network.version() >= Version::V0_4_0);
    let mut problems = Vec::new();
    for plugin in network.plugins.iter().rev() {
        let (if_name, container) = (&attachment.if_name, &attachment.container_id);
        script.heading(format!("{if_name} on {} of {container}, by {}", network.name, plugin.kind));
        let mut request = chain.with_result(plugin, &attachment, result);
        script.brief(&mut request);
        let printed = chain.print("DEL", plugin, Some(&attachment), request).map_err(|failure| failure.to_string());
        let netns = attachment.netns.as_deref();
        problems.extend(printed.and_then(|printed| script.add(printed, netns, str::to_owned)).err());
    }
    script.comment(format!("then {} is removed", runtime.cache.path(entry).display()));
    problems
}
