//! `plugboard gc --dry-run`.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::script::Script;
use super::take_down;
use crate::chain::Chain;
use crate::cli::Gc;
use crate::gc::{self, Plan, Round};
use crate::network::Plugin;
use crate::problems::{self, Problem};
use crate::runtime::Runtime;

pub(crate) fn run(args: &Gc, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let survey = runtime.cache.survey_all()?;
    survey.refuse_closed()?;
    let Plan { stale, kept, networks, emptied, problems, .. } = gc::plan(args, runtime, &survey)?;
    let mut problems: Vec<Problem> = problems.into_iter().map(Problem::from).collect();
    let mut script = Script::default();
    for one in &kept {
        script.comment(format!("{} is kept: {}", one.title(), one.reason()));
    }
    for entry in &stale {
        problems.extend(take_down::print(entry, runtime, &mut script).into_iter().map(Problem::from));
    }
    for (network, valid) in networks {
        problems.extend(gc::go_round(&network, &valid, runtime, &mut script));
    }
    for file in &emptied {
        script.comment(format!("then {} is removed", file.path.display()));
    }
    script.print()?;
    Ok(problems::report(problems))
}

/// The plugins say what they would remove.
impl Round for Script {
    fn skip(&mut self, note: &str) {
        self.heading(note);
    }

    fn note(&mut self, note: &str) {
        self.heading(note);
    }

    fn ask(&mut self, chain: Chain<'_>, plugin: &Plugin, mut request: Map<String, Value>) -> Result<(), Problem> {
        self.heading(format!("leftovers on {}, found by {}", chain.network.name, plugin.kind));
        self.brief(&mut request);
        let printed = chain.print("GC", plugin, None, request).map_err(Problem::from)?;
        self.add(printed, None, str::to_owned).map_err(Problem::from)
    }
}
