//! `lab`: one command on a full kernel. See the library.

use clap::Parser;
use lab::{Clock, Ending, Guest, default_cache};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::exit;
use std::time::Duration;

/// The guest could not be started.
const NOT_STARTED: i32 = 98;
/// The guest gave no status: its kernel died, or it ran over the limit.
const DIED: i32 = 99;

/// What `--features` runs.
const SELF_CHECK: &str = include_str!("self-check.sh");

/// Runs a command as root on Debian's kernel in QEMU, with a root made of this machine's own tools.
///
/// The command's output and exit status are this program's. It gets no input, terminal or network. Status 98: the guest
/// could not be started. Status 99: the guest died or ran over its limit; stderr says how.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Follow the machine's clock, on two CPUs, instead of a virtual clock that no load disturbs
    #[arg(long)]
    real_clock: bool,
    /// How long the guest may run
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
    /// The guest's memory; its files live there too
    #[arg(long, value_name = "MiB", default_value_t = 2048)]
    memory: u32,
    /// Take this machine's SRC, a file or a directory, into the guest as DEST; executables bring their libraries
    #[arg(long = "file", value_name = "DEST=SRC", value_parser = parse_file)]
    files: Vec<(PathBuf, PathBuf)>,
    /// Where the kernel and the root are kept [default: $PLUGBOARD_LAB_CACHE, ~/.cache/plugboard-lab]
    #[arg(long, value_name = "DIRECTORY")]
    cache: Option<PathBuf>,
    /// Check the features that the tests need, instead of running a command
    #[arg(long, conflicts_with = "command")]
    features: bool,
    /// The command and its arguments
    #[arg(last = true, required_unless_present = "features")]
    command: Vec<OsString>,
}

fn parse_file(argument: &str) -> Result<(PathBuf, PathBuf), String> {
    let (place, source) = argument.split_once('=').ok_or("expected DEST=SRC")?;
    if !place.starts_with('/') {
        return Err(format!("`{place}` is not an absolute path in the guest"));
    }
    Ok((place.into(), source.into()))
}

fn main() {
    let guest = guest(Options::parse());
    let status = match guest.run(&mut std::io::stdout(), &mut std::io::stderr()) {
        Ok((Ending::Status(status), _)) => status,
        Ok((Ending::Died(how), _)) => {
            eprintln!("lab: {how}");
            DIED
        }
        Err(error) => {
            eprintln!("lab: {error:#}");
            NOT_STARTED
        }
    };
    exit(status);
}

fn guest(options: Options) -> Guest {
    let mut guest = Guest::new(options.command, options.cache.unwrap_or_else(default_cache));
    guest.files.extend(options.files);
    if options.features {
        guest.command = ["bash", "-c", SELF_CHECK].map(OsString::from).to_vec();
    }
    guest.clock = if options.real_clock { Clock::Real } else { Clock::Virtual };
    guest.limit = Duration::from_secs(options.limit);
    guest.memory_mib = options.memory;
    guest
}
