//! `plugboard`: attaches containers and virtual machines to CNI networks, and keeps track of them.
//!
//! It is a CNI runtime like libcni: it reads the same configurations, calls plugins the same way, and records attachments in
//! the same files, so that each can take down what the other has set up.

mod attach;
mod attachment;
mod cache;
mod census;
mod chain;
mod check;
mod cli;
mod completion;
mod conf_dir;
mod descendants;
mod detach;
mod document;
mod dry_run;
mod empty_namespace;
mod gc;
mod holders;
mod interrupt;
mod invocation;
mod known_plugins;
mod lac;
mod limits;
mod lock;
mod ls;
mod machine;
mod namespace;
mod negotiation;
mod network;
mod pages;
mod plan;
mod plugins;
mod ports;
mod primary;
mod problems;
mod remains;
mod remembered;
mod reservations;
mod runtime;
mod state;
mod status;
mod table;
mod target;
mod trust;
mod usage;
mod verify;
mod view;
mod wish;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Lac};
use document::{
    About::{Attachments, Networks},
    or_error,
};
use runtime::Runtime;

fn main() -> ExitCode {
    completion::answer();
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    let ready = if counts_signals(&cli.command) { interrupt::install() } else { Ok(()) };
    let exit = ready.and_then(|()| run(cli)).unwrap_or_else(|error| problems::report_error(&error));
    interrupt::status(exit)
}

/// What calls plugins must not leave them alone. verify has a way of its own.
fn counts_signals(command: &Command) -> bool {
    match command {
        Command::Attach(_)
        | Command::Detach(_)
        | Command::Check(_)
        | Command::Shape(_)
        | Command::Lac(Lac::Reload(_) | Lac::Rekey(_))
        | Command::Gc(_)
        | Command::Status(_) => true,
        Command::Verify(_)
        | Command::Ls(_)
        | Command::Lac(Lac::Ls(_) | Lac::Frr(_))
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Schema => false,
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::new(
        cli.places,
        Duration::from_secs(cli.plugin_timeout.into()),
        Duration::from_secs(cli.lock_timeout.into()),
    );
    match cli.command {
        Command::Attach(args) if args.dry_run => dry_run::attach(&args, &runtime),
        Command::Detach(args) if args.dry_run => dry_run::detach(&args, &runtime),
        Command::Gc(args) if args.dry_run => dry_run::gc(&args, &runtime),
        Command::Attach(args) => attach::run(&args, &runtime),
        Command::Detach(args) => or_error(args.json, Attachments, || detach::run(&args, &runtime)),
        Command::Check(args) => or_error(args.json, Attachments, || check::run(&args.subject, args.json, &runtime)),
        Command::Verify(args) => verify::run(&args, &runtime),
        Command::Shape(args) => or_error(args.json, Attachments, || limits::command::run(&args, &runtime)),
        Command::Ls(listing) => ls::run(&listing, &runtime),
        Command::Lac(Lac::Ls(listing)) => lac::ls::run(&listing),
        Command::Lac(Lac::Reload(args)) => lac::reload::run(&args, &runtime),
        Command::Lac(Lac::Rekey(args)) => lac::reload::rekey(&args, &runtime),
        Command::Lac(Lac::Frr(args)) => lac::frr::run(&args, &runtime),
        Command::Gc(args) => or_error(args.json, Attachments, || gc::run(&args, &runtime)),
        Command::Status(args) => or_error(args.json, Networks, || status::run(&args, &runtime)),
        Command::Completions { shell } => completion::print(shell),
        Command::Man { plugin, dir } => pages::pages(plugin.as_deref(), dir.as_deref()),
        Command::Schema => pages::schema(),
    }
}

/// Whether stderr shows colours: a terminal, unless `NO_COLOR` is set (<https://no-color.org>), as clap decides for its own.
fn has_colours() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_unwanted
}

/// Warnings always; with `-v` what is done, with `-vv` what is passed to and from plugins. `RUST_LOG` overrides both.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(has_colours())
        .with_target(false)
        // It would report a closed stderr on stderr, and panic.
        .log_internal_errors(false)
        .without_time()
        .init();
}
