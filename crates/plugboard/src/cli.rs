//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ipnetwork::IpNetwork;

use crate::known_plugins::SHAPER;

/// Patches network interfaces into containers and virtual machines: a runtime for CNI networks.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,
    /// How long each call of a plugin may take; then it is killed with what it has started
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..),
        global = true)]
    pub(crate) plugin_timeout: u32,
    /// Say more on stderr about what is done; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
TARGET is the network namespace of a container: a path, a name under /run/netns, or pid:N for the namespace of process N.

NETWORKS is a list such as 'walt-net,home-net[bw=100Mbps,lat=10ms]'. The interfaces are named in its order. bw is in Mbps or \
Gbps, lat in ms or us; both are those of what the container receives.

Exit status: 0 when all is done, 1 when something failed, 2 for a wrong command line, 128 and the signal's number for verify when \
it is interrupted. verify fails for a figure that is missed with --strict only.";

const VERIFY_HELP: &str = "\
A rate is kept within 1 % and a frame, a time within 0.05 ms and what chance explains, a share where its 95 % interval has what was \
asked. Beside what is missed stands what was seen meanwhile. JSON has rates in bit/s, times in ns, shares from 0 to 1.

  plugboard verify vn1 eth1
  plugboard verify --flows 8 --seconds 10 --strict vn1 eth1
  plugboard verify --json vn1 eth1";

fn shape_help() -> String {
    format!(
        "\
KEY is bw or lat as for attach, preset, or a key of {SHAPER}: download.KEY for what the container receives, upload.KEY for \
what it sends. A value of none takes a limit back, so that the configuration of the network counts again.

  plugboard shape vn1 eth1 bw=200Mbps lat=5ms
  plugboard shape vn1 eth1 upload.rate=10Mbit,download.loss=1%
  plugboard shape vn1 eth1 preset=lte
  plugboard shape vn1 eth1 bw=none"
    )
}

/// Where things are.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Directory of the network configurations [default: $NETCONFPATH, else /etc/cni/net.d]
    #[arg(long, value_name = "DIR", env = "CNI_CONF_DIR", global = true)]
    pub(crate) conf_dir: Option<PathBuf>,
    /// Directories of the plugins, separated by colons [default: that of plugboard itself if the plugins are installed
    /// with it, then /opt/cni/bin:/usr/lib/cni:/usr/libexec/cni]
    #[arg(long, value_name = "DIRS", env = "CNI_PATH", value_delimiter = ':', global = true)]
    pub(crate) plugin_dir: Vec<PathBuf>,
    /// Directory in which attachments are remembered, shared with other CNI runtimes
    #[arg(long, value_name = "DIR", default_value = "/var/lib/cni", global = true)]
    pub(crate) cache_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Attach a container to networks, one interface for each; all of them or none
    Attach(Attach),
    /// Take down everything that a container is attached to, also when its namespace is gone
    Detach(Detach),
    /// Compare what a container is attached to with what is there
    Check(Subject),
    /// Measure whether an interface carries what was asked of it
    ///
    /// Containers are attached to the interface's network for that time, without limits, and packets are sent between them and
    /// the interface: small ones for delay, jitter and loss, then as many as fit for the rate. That puts the full rate on the
    /// network for some seconds in each direction, and whoever uses it meanwhile will notice.
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
    /// Change the limits of an interface while it is in use, or print them
    ///
    /// Packets on their way are kept, and the interface with its addresses is not touched. The limits that are not named stay
    /// as they are.
    #[command(after_help = shape_help())]
    Shape(Shape),
    /// List all attachments
    Ls(Listing),
    /// Remove what belongs to no container any more
    ///
    /// Attachments whose namespace is gone are taken down. Then the plugins of each network are told which attachments
    /// are left, and remove whatever else they find of it: also that of containers which were attached without leaving a
    /// record in the cache directory.
    Gc(Gc),
    /// Say whether networks can take new attachments
    Status(Selection),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of a plugin's keys
    Man {
        /// The plugin; its page is plugboard-PLUGIN(7)
        #[arg(value_parser = manual::PLUGINS.map(|plugin| plugin.name))]
        plugin: Option<String>,
        /// Write the pages of all commands into this directory instead
        #[arg(long, value_name = "DIR", conflicts_with = "plugin")]
        dir: Option<PathBuf>,
    },
    /// Print a JSON Schema of configuration lists, by which an editor knows the keys of the plugins
    Schema,
}

/// The container that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// Path, name or pid:N of the container's network namespace
    pub(crate) target: String,
    /// Container ID [default: the name, the last part of the path, or pid-N]
    #[arg(long, value_name = "ID")]
    pub(crate) container_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// The networks, in the order of the interfaces
    pub(crate) networks: String,
    /// Network that must be among them
    #[arg(long, value_name = "NETWORK", env = "PLUGBOARD_PRIMARY", default_value = "walt-net")]
    pub(crate) primary: String,
    /// What the names of the interfaces begin with
    #[arg(long, value_name = "PREFIX", default_value = "eth")]
    pub(crate) ifname_prefix: String,
    /// Print the results as JSON
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) json: bool,
    /// Print the commands that would do it, and do nothing; any user may
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print the commands that would do it, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Print the commands that would do it, and whose it was, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// The interface
    pub(crate) interface: String,
    /// How long each figure is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) seconds: u16,
    /// TCP connections at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) flows: u16,
    /// Address at which the interface answers, where it has none that can be found: that of a machine behind a TAP device
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<IpAddr>,
    /// Address that a measuring container may use meanwhile: one of the interface's subnet that is free. Needed where IPv6 is
    /// off and the network gives no addresses
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    pub(crate) probe_address: Option<IpNetwork>,
    /// Fail when something asked is not kept
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Shape {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// The interface in the container
    pub(crate) interface: String,
    /// What to change; without any, the limits are printed
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) limits: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only this network
    pub(crate) network: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
