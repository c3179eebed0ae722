//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ipnetwork::IpNetwork;
use netlink::Mac;
use shaping::Ip;

use crate::known_plugins::SHAPER;
use crate::ports::Publication;

/// Patches network interfaces into containers and virtual machines: a runtime for CNI networks.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,
    /// How long each call of a plugin may take before it is killed, along with the processes it started
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..),
        global = true)]
    pub(crate) plugin_timeout: u32,
    /// How long to wait for another command that is at work on the same container, or on the records
    #[arg(long, value_name = "SECONDS", default_value_t = 300, global = true)]
    pub(crate) lock_timeout: u32,
    /// Print more on stderr; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
TARGET is a container as `plugboard ls` lists it, or a network namespace: a path, a name under /run/netns, or pid:N for that of \
process N. The beginning of a container's ID is enough if no other begins so. vm:NAME is a virtual machine whose NICs are TAP \
devices of the host.

NETWORKS is a list such as 'walt-net,home-net[bw=100Mbps,lat=10ms]'. The interfaces are named in this order. bw is in Mbps or \
Gbps, lat in ms or us; both apply to what the container receives. preset=NAME, ip=ADDRESS and mac=ADDRESS may stand there, too.

Exit status: 0 on success, 1 when something failed, 2 for a wrong command line, 128 plus the signal's number when it was \
interrupted by one. verify fails because of a missed figure only with --strict.";

const VERIFY_HELP: &str = "\
A rate is kept if it is within 1 % and one frame, a time within 0.05 ms and what chance explains, a share if its 95 % interval \
contains what was asked for. A missed figure is printed with what was observed meanwhile. JSON has rates in bit/s, times in \
ns, shares from 0 to 1.

  plugboard verify vn1 eth1
  plugboard verify --flows 8 --seconds 10 --strict vn1 eth1
  plugboard verify --json vn1 eth1";

fn shape_help() -> String {
    format!(
        "\
KEY is bw or lat as for attach, preset, or a key of {SHAPER}: download.KEY for what the container receives, upload.KEY for \
what it sends. The value none removes a limit, so that the network's configuration applies again.

  plugboard shape vn1 eth1 bw=200Mbps lat=5ms
  plugboard shape vn1 eth1 upload.rate=10Mbit,download.loss=1%
  plugboard shape vn1 eth1 preset=lte
  plugboard shape vn1 eth1 bw=none"
    )
}

/// Where things are.
#[derive(Debug, Default, Args)]
pub(crate) struct Places {
    /// Directory of the network configurations [default: $NETCONFPATH, else /etc/cni/net.d]
    #[arg(long, value_name = "DIR", env = "CNI_CONF_DIR", global = true)]
    pub(crate) conf_dir: Option<PathBuf>,
    /// Directories of the plugins, separated by colons [default: that of plugboard itself if the plugins are installed
    /// with it, then /opt/cni/bin:/usr/lib/cni:/usr/libexec/cni]
    #[arg(long, value_name = "DIRS", env = "CNI_PATH", value_delimiter = ':', global = true)]
    pub(crate) plugin_dir: Vec<PathBuf>,
    /// Use plugins and configurations although others than root and the caller can change them, or their directories
    #[arg(long, global = true)]
    pub(crate) trust_dirs: bool,
    /// Directory of the records of attachments, shared with other CNI runtimes; gc also reads those of further ones, and of
    /// /var/lib/cni and /var/lib/cni/multus
    #[arg(long, value_name = "DIR", default_value = "/var/lib/cni", global = true)]
    pub(crate) cache_dir: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Attach a container to networks with one interface each; either to all of them or to none
    ///
    /// A container that is attached already gets further interfaces. What is recorded of it although its namespace is gone is taken
    /// down before.
    Attach(Attach),
    /// Remove the attachments of a container, all or some, even if its namespace is gone
    Detach(Detach),
    /// Compare the attachments of a container with the state of the kernel
    Check(Check),
    /// Measure whether an interface keeps the limits that were asked for
    ///
    /// Containers without limits are attached to the interface's network for the time being, and packets are sent between them
    /// and the interface: small ones for delay, jitter and loss, then as many as fit for the rate. This loads the network with
    /// the full rate for some seconds in each direction, which its other users will notice.
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
    /// Change the limits of an interface while it is in use, or print them
    ///
    /// Packets in flight are kept, and the interface and its addresses are not touched. Limits that are not named stay as they
    /// are.
    #[command(after_help = shape_help())]
    Shape(Shape),
    /// List all attachments
    Ls(Listing),
    /// Local Area Clouds: networks that hosts have in common, by vxlan-overlay
    #[command(subcommand)]
    Lac(Lac),
    /// Remove what no longer belongs to any container
    ///
    /// Attachments whose namespace is gone are removed. Then the plugins of each network are told which attachments are left,
    /// and remove everything else that they find of the network. An interface that somebody uses stays, with or without a
    /// record, and is named.
    Gc(Gc),
    /// Tell whether networks can take new attachments
    Status(Status),
    /// Print the completion script for a shell
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
    /// Print a JSON Schema of configuration lists, from which an editor knows the keys of the plugins
    Schema,
}

/// The container that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// The container, its network namespace as a path, a name or pid:N, or vm:NAME
    pub(crate) target: String,
    /// Container ID [default: the name, the last part of the path, pid-N, or vm-NAME]
    #[arg(long, value_name = "ID")]
    pub(crate) container_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// The networks, in the order of the interfaces
    pub(crate) networks: String,
    /// Network that must be in the list; '' for none [default: walt-net, if there is such a network]
    #[arg(long, value_name = "NETWORK", env = "PLUGBOARD_PRIMARY")]
    pub(crate) primary: Option<String>,
    /// Prefix of the interfaces' names [default: eth]
    #[arg(long, value_name = "PREFIX", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) ifname_prefix: Option<String>,
    /// Name of the interface, if there is a single network
    #[arg(long, value_name = "NAME", conflicts_with = "ifname_prefix")]
    pub(crate) ifname: Option<String>,
    /// Address that the interface is to have, if there is a single network; once for each family
    #[arg(long, value_name = "ADDRESS[/LENGTH]", value_parser = read_ip)]
    pub(crate) ip: Vec<Ip>,
    /// Hardware address that the interface is to have, if there is a single network
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mac: Option<Mac>,
    /// Ports of the host that are to lead into the container, such as 8080:80 or 127.0.0.1:5000-5010:5000-5010/udp; given again for
    /// more. A network needs a plugin that publishes ports, as portmap does
    #[arg(short, long, value_name = "[HOSTIP:]HOSTPORT:CONTAINERPORT[/PROTOCOL]")]
    pub(crate) publish: Vec<Publication>,
    /// Print the results as JSON
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) json: bool,
    /// Only print the commands that would do it; any user may do this
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Only the attachments to these networks
    #[arg(value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Only the attachment with this interface
    #[arg(long, value_name = "NAME")]
    pub(crate) ifname: Option<String>,
    /// Give up, with a warning, what cannot be taken down because a plugin or a record is missing or damaged
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) json: bool,
    /// Only print the commands that would do it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Remove what no readable record of a living namespace names, even if somebody uses it, and damaged records
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) json: bool,
    /// Only print the commands that would do it, and whose objects they remove
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// The interface
    pub(crate) interface: String,
    /// How long to measure each figure
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) seconds: u16,
    /// Number of simultaneous TCP connections
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) flows: u16,
    /// Address at which the interface answers if it has none that can be found, as with a machine behind a TAP device
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<IpAddr>,
    /// A free address of the interface's subnet for the measuring container. Needed if IPv6 is off and the network gives no
    /// addresses
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    pub(crate) probe_address: Option<IpNetwork>,
    /// Fail if a figure is missed
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
    /// Limits to change; without any, they are printed
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) limits: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lac {
    /// List the Local Area Clouds of this host, each with its members here and the hosts that are known of it
    ///
    /// All of it is what the kernel has at this moment; any user may ask, but for peers and what was dropped, which only root may.
    Ls(Listing),
    /// Have changed lists of remotes and peers take effect
    ///
    /// A network may list the other hosts of its Local Area Cloud, in a file that remotesFile names or in the key remotes. After such a
    /// list has changed, this adds the new hosts and removes the others, while the members are in use. Hosts that stay are not
    /// touched. So do the lists of hosts that are heard, in peersFile or peers, in every mode. Where the MTU of an underlay has changed,
    /// that of the VXLAN device follows.
    Reload(Reload),
    /// Have the key files of encrypted Local Area Clouds take effect
    ///
    /// The first key of a file is sent with, and all of its keys are heard. A key that is not in the file any more is heard for some time
    /// still, and not sent with. To replace a key without losing a packet, add the new one behind the old one on all hosts, then put it in
    /// front on all hosts, and then remove the old one, each time with this command.
    Rekey(Rekey),
    /// Print what FRR's bgpd needs for the Local Area Clouds of mode evpn
    ///
    /// With these lines in its configuration FRR tells the other hosts what each Local Area Cloud has here, and hears from them. Those that
    /// are there count, and those of networks whose first member is still to come.
    #[command(after_help = FRR_HELP)]
    Frr(Frr),
}

const FRR_HELP: &str = "\
Examples:
  plugboard lac frr --as 65000 --neighbor 192.0.2.2 --neighbor 192.0.2.3
  plugboard lac frr lac-net --as 65000 --neighbor 192.0.2.250    # a route reflector";

#[derive(Debug, Args)]
pub(crate) struct Frr {
    /// Only the Local Area Cloud of this network
    #[arg(value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// The number of the autonomous system of all hosts
    #[arg(long = "as", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) autonomous_system: u32,
    /// Another host, or a route reflector, by its address; several times for several. This host's own addresses are left out
    #[arg(long = "neighbor", value_name = "ADDRESS", required = true)]
    pub(crate) neighbors: Vec<IpAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// Only the Local Area Clouds of these networks
    #[arg(value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Rekey {
    /// Only the Local Area Clouds of these networks
    #[arg(value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// How long a key is heard that is not in the file any more
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(..=604_800))]
    pub(crate) grace: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only this network
    pub(crate) network: Option<String>,
}

fn read_ip(text: &str) -> Result<Ip, String> {
    Ip::parse(text).ok_or_else(|| "an address is expected, with or without the length of its prefix".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
