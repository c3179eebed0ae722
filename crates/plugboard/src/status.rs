//! `plugboard status`: can networks take new attachments?

use std::process::ExitCode;

use serde::Serialize;

use crate::chain::Chain;
use crate::cli::Status;
use crate::document::{self, About};
use crate::negotiation::{self, Newest};
use crate::network::Network;
use crate::problems::Problem;
use crate::runtime::Runtime;
use crate::table;

/// What is printed of a network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    network: String,
    state: State,
    /// The plugins that have no STATUS.
    unasked: Vec<String>,
}

/// What plugins say of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Ready,
    /// No plugin can be asked; all are installed.
    Unknown,
    NotReady,
}

pub(crate) fn run(args: &Status, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    for mut network in runtime.conf_dir.selected(&args.selection)? {
        let asked = ask(&mut network, runtime).unwrap_or_else(|problem| {
            rows.push([network.name.clone(), format!("not ready: {problem}")]);
            problems.push(problem.on(&network.name));
            Asked { network: network.name.clone(), state: State::NotReady, unasked: Vec::new() }
        });
        if asked.state != State::NotReady {
            rows.push([network.name, asked.in_words()]);
        }
        all.push(asked);
    }
    if args.json {
        document::print(About::Networks, &all, &problems)?;
    } else {
        table::print_lines(rows)?;
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Asked {
    fn in_words(&self) -> String {
        let unasked = self.unasked.join(", ");
        match self.state {
            State::Unknown => format!("not known: {unasked} has no STATUS; all plugins are installed"),
            _ if unasked.is_empty() => "ready".to_owned(),
            _ => format!("ready, as far as can be asked: {unasked} has no STATUS"),
        }
    }
}

/// Asks every plugin in order, until one is not ready, each in the newest version that it speaks.
fn ask(network: &mut Network, runtime: &Runtime) -> Result<Asked, Problem> {
    let readable = |error: anyhow::Error| Problem::new(format!("{error:#}"));
    negotiation::settle(network, &runtime.plugins).map_err(readable)?;
    let mut is_asked = false;
    let mut unasked = Vec::new();
    for plugin in &network.plugins {
        match negotiation::newest(network, plugin, "STATUS", &runtime.plugins).map_err(readable)? {
            Newest::Lacks(_) => unasked.push(plugin.kind.as_str()),
            Newest::Speaks(alone, left_out) => {
                let chain = Chain { network: &alone, plugins: &runtime.plugins };
                chain.status().map_err(Problem::from)?;
                is_asked = true;
                unasked.extend(left_out.and_then(|_| plugin.ipam()));
            }
        }
    }
    Ok(Asked {
        network: network.name.clone(),
        state: if is_asked { State::Ready } else { State::Unknown },
        unasked: unasked.into_iter().map(str::to_owned).collect(),
    })
}
