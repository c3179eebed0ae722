//! Completion in a shell: commands and options by clap's engine, and with it what this host has: networks, containers, interfaces.
//!
//! The script of a shell calls `plugboard` again for each completion, with [`VARIABLE`] set.

mod bash;
mod candidates;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{CompleteEnv, Elvish, Fish, Powershell, Shells, Zsh};

use crate::cli::Cli;
use bash::Bash;
use candidates::{Candidates, Kind};

/// What is completed.
const COMMAND: &str = "plugboard";

/// The variable that names the shell which asks.
const VARIABLE: &str = "_PLUGBOARD_COMPLETE";

const SHELLS: Shells<'_> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// What zsh has to do where it loads the script as a function, at the first completion (zshcompsys(1), "Autoloaded files").
const ZSH_AUTOLOAD: &str = "[[ $funcstack[1] != _plugboard ]] || _clap_dynamic_completer_plugboard \"$@\"\n";

/// Answers a shell that asks, and ends the process then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(|| with_candidates(Cli::command())).var(VARIABLE).shells(SHELLS).complete();
}

/// Prints the script for a shell.
pub(crate) fn print(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    if let Some(completer) = SHELLS.completer(&shell.to_string()) {
        completer.write_registration(VARIABLE, COMMAND, COMMAND, COMMAND, &mut script)?;
    }
    if shell == Shell::Zsh {
        script.extend(ZSH_AUTOLOAD.as_bytes());
    }
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The command with what its arguments may be.
fn with_candidates(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command
        .mut_args(|arg| match kind(&name, arg.get_id().as_str()) {
            Some(kind) => arg_with(arg, kind),
            None => arg,
        })
        .mut_subcommands(with_candidates)
}

fn kind(command: &str, arg: &str) -> Option<Kind> {
    Some(match (command, arg) {
        ("attach", "target") => Kind::Namespace,
        (_, "target") => Kind::Container,
        ("attach" | "detach", "networks") => Kind::Networks,
        (_, "network" | "networks" | "primary") => Kind::Network,
        (_, "interface") | ("detach", "ifname") => Kind::Interface,
        (_, "limits") => Kind::Limit,
        ("attach", "publish") => Kind::Publication,
        _ => return None,
    })
}

fn arg_with(arg: Arg, kind: Kind) -> Arg {
    arg.add(ArgValueCompleter::new(move |current: &std::ffi::OsStr| {
        let text = current.to_string_lossy();
        if kind.may_be_path() && text.contains('/') {
            return PathCompleter::any().complete(current);
        }
        Candidates::look().of(kind, &text).into_iter().map(CompletionCandidate::new).collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_its_script() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            assert!(SHELLS.completer(&shell.to_string()).is_some(), "{shell}");
        }
    }

    #[test]
    fn the_command_stays_consistent() {
        with_candidates(Cli::command()).debug_assert();
    }
}
