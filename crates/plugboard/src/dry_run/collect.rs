//! `plugboard gc --dry-run`.

use std::process::ExitCode;

use super::script::Script;
use super::take_down;
use crate::chain::{Chain, Valid};
use crate::cli::Gc;
use crate::gc::{self, Plan};
use crate::negotiation::{self, Newest};
use crate::network::Network;
use crate::problems;
use crate::runtime::Runtime;

pub(crate) fn run(args: &Gc, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let survey = runtime.cache.survey_all()?;
    survey.refuse_closed()?;
    let Plan { stale, kept, networks, spent, mut problems, .. } = gc::plan(args, runtime, &survey)?;
    let mut script = Script::default();
    for one in &kept {
        script.comment(format!("{} is kept: {}", one.title(), one.reason()));
    }
    for entry in &stale {
        problems.extend(take_down::print(entry, runtime, &mut script));
    }
    for (network, valid) in networks {
        problems.extend(print(&network, &valid, runtime, &mut script));
    }
    for file in &spent {
        script.comment(format!("then {} is removed", file.path.display()));
    }
    script.print()?;
    Ok(problems::report(problems))
}

/// Asks the plugins of a network what they would remove, given the attachments that are left.
fn print(network: &Network, valid: &Valid, runtime: &Runtime, script: &mut Script) -> Vec<String> {
    if network.disable_gc {
        script.heading(format!("network {}: nothing is removed (disableGC)", network.name));
        return Vec::new();
    }
    let mut problems = Vec::new();
    for plugin in &network.plugins {
        let alone = match negotiation::newest(network, plugin, "GC", &runtime.plugins) {
            Ok(Newest::Lacks(note)) => {
                script.heading(note);
                continue;
            }
            Ok(Newest::Speaks(alone, note)) => {
                note.iter().for_each(|note| script.comment(note));
                alone
            }
            Err(error) => {
                problems.push(format!("{error:#}"));
                continue;
            }
        };
        script.heading(format!("leftovers on {}, found by {}", network.name, plugin.kind));
        let chain = Chain { network: &alone, plugins: &runtime.plugins };
        for plugin in &alone.plugins {
            let mut request = chain.with_valid(plugin, valid);
            script.brief(&mut request);
            let printed = chain.print("GC", plugin, None, request).map_err(|failure| failure.to_string());
            problems.extend(printed.and_then(|printed| script.add(printed, None, str::to_owned)).err());
        }
    }
    problems
}
