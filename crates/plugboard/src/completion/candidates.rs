//! What an argument may be on this host.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use keys::Transport;

use super::words;
use crate::cache::Entry;
use crate::cli::{Cli, Places};
use crate::runtime::Runtime;

/// Where namespaces have names (`ip netns`).
const NAMED: &str = "/run/netns";

/// The restrictions of a network in a list.
const RESTRICTIONS: [&str; 5] = ["bw=", "ip=", "lat=", "mac=", "preset="];

/// What `shape` changes, or what that begins with.
const LIMITS: [&str; 5] = ["bw=", "lat=", "preset=", "download.", "upload."];

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A namespace to attach: one with a name, or a container that is attached already.
    Namespace,
    /// A container that is attached.
    Container,
    /// A network.
    Network,
    /// A list of networks with restrictions.
    Networks,
    /// An interface of the container that the command is about.
    Interface,
    /// A limit.
    Limit,
    /// Ports to publish.
    Publication,
}

impl Kind {
    /// Whether it may be a path, too.
    pub(super) fn may_be_path(self) -> bool {
        matches!(self, Self::Namespace | Self::Container)
    }
}

/// What is typed, and where the command would look.
pub(super) struct Candidates {
    runtime: Runtime,
    /// The container that is named.
    target: Option<String>,
}

impl Candidates {
    /// Reads the command line as far as it goes. What is missing or wrong in it does not count.
    pub(super) fn look() -> Self {
        Self::read(words::typed())
    }

    fn read(mut typed: Vec<OsString>) -> Self {
        typed.pop();
        let matches = Cli::command().ignore_errors(true).try_get_matches_from(typed).unwrap_or_default();
        let target = matches.subcommand().and_then(|(_, given)| target(given));
        let places = Places::from_arg_matches(&matches).unwrap_or_default();
        Self { runtime: Runtime::new(places, Duration::ZERO, Duration::ZERO), target }
    }

    /// The whole words that what is typed may become.
    pub(super) fn of(&self, kind: Kind, typed: &str) -> Vec<String> {
        match kind {
            Kind::Namespace => beginning(typed, namespaces().into_iter().chain(self.containers()).collect()),
            Kind::Container => {
                let containers = self.containers();
                // Records are root's. To others, as before sudo, at least names are known.
                beginning(typed, if containers.is_empty() { namespaces() } else { containers })
            }
            Kind::Network => beginning(typed, self.networks()),
            Kind::Networks => list(typed, &self.networks()),
            Kind::Interface => beginning(typed, self.interfaces()),
            Kind::Limit => beginning(typed, LIMITS.map(str::to_owned).into()),
            Kind::Publication => protocols(typed),
        }
    }

    fn networks(&self) -> BTreeSet<String> {
        self.runtime.conf_dir.networks().into_iter().flatten().map(|network| network.name).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        self.runtime.cache.survey().map(|survey| survey.entries).unwrap_or_default()
    }

    fn containers(&self) -> BTreeSet<String> {
        self.entries().into_iter().map(|entry| entry.attachment.container_id).collect()
    }

    fn interfaces(&self) -> BTreeSet<String> {
        let Some(target) = &self.target else { return BTreeSet::new() };
        let is_it = |entry: &Entry| {
            let path = entry.attachment.netns.as_ref().map(|path| path.to_string_lossy());
            entry.attachment.container_id == *target || path.is_some_and(|path| path == *target)
        };
        self.entries().into_iter().filter(is_it).map(|entry| entry.attachment.if_name).collect()
    }
}

/// The container of a command: the ID that is given, or the one that the target stands for.
fn target(given: &ArgMatches) -> Option<String> {
    let text = |id| given.try_get_one::<String>(id).ok().flatten();
    let target = || {
        let target = text("target")?;
        Some(target.strip_prefix("pid:").map_or_else(|| target.clone(), |pid| format!("pid-{pid}")))
    };
    text("container_id").cloned().or_else(target)
}

fn namespaces() -> BTreeSet<String> {
    let files = fs::read_dir(NAMED).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().into_string().ok()).collect()
}

fn beginning(typed: &str, all: BTreeSet<String>) -> Vec<String> {
    all.into_iter().filter(|one| one.starts_with(typed)).collect()
}

/// A list of networks, of which the last one, or its last restriction, is being typed.
fn list(typed: &str, networks: &BTreeSet<String>) -> Vec<String> {
    let depth = typed.matches('[').count().saturating_sub(typed.matches(']').count());
    let (before, last) = match typed.rfind([',', '[']) {
        Some(place) => typed.split_at(place + 1),
        None => ("", typed),
    };
    let is_named = |name: &str| before.split([',', '[']).any(|part| part == name);
    let is_given = |key: &str| before.rsplit('[').next().is_some_and(|given| given.contains(key));
    let candidates: BTreeSet<String> = match depth {
        0 => networks.iter().filter(|name| !is_named(name)).cloned().collect(),
        _ => RESTRICTIONS.iter().filter(|key| !is_given(key)).map(|key| (*key).to_owned()).collect(),
    };
    beginning(last, candidates).into_iter().map(|one| format!("{before}{one}")).collect()
}

/// Ports with each protocol, of which the beginning is typed.
fn protocols(typed: &str) -> Vec<String> {
    let Some((ports, beginning)) = typed.split_once('/') else { return Vec::new() };
    let words = [Transport::Tcp, Transport::Udp, Transport::Sctp].map(Transport::word);
    words.into_iter().filter(|word| word.starts_with(beginning)).map(|word| format!("{ports}/{word}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_behind_a_comma_and_within_brackets() {
        let networks = ["walt-net", "home-net", "home-lab"].map(str::to_owned).into();
        for (typed, expected) in [
            ("", ["home-lab", "home-net", "walt-net"].as_slice()),
            ("wa", &["walt-net"]),
            ("walt-net,", &["walt-net,home-lab", "walt-net,home-net"]),
            ("walt-net,home-n", &["walt-net,home-net"]),
            ("home-net[bw=1Mbps],home-lab,", &["home-net[bw=1Mbps],home-lab,walt-net"]),
            ("walt-net[", &["walt-net[bw=", "walt-net[ip=", "walt-net[lat=", "walt-net[mac=", "walt-net[preset="]),
            ("walt-net[bw=1Mbps],home-net[bw=1Mbps,l", &["walt-net[bw=1Mbps],home-net[bw=1Mbps,lat="]),
            ("walt-net[bw=1Mbps,b", &[]),
            ("walt-net[bw=1", &[]),
        ] {
            assert_eq!(list(typed, &networks), expected, "{typed}");
        }
    }

    #[test]
    fn ports_have_protocols() {
        for (typed, expected) in [
            ("8080:80", [].as_slice()),
            ("8080:80/", &["8080:80/tcp", "8080:80/udp", "8080:80/sctp"]),
            ("[::1]:53:53/u", &["[::1]:53:53/udp"]),
        ] {
            assert_eq!(protocols(typed), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_missing_does_not_keep_from_reading_the_rest() {
        let read = |line: &str| Candidates::read(line.split(' ').map(OsString::from).collect());
        let candidates = read("plugboard shape --conf-dir /nowhere pid:42 ");
        assert_eq!(candidates.target.as_deref(), Some("pid-42"));
        assert_eq!(candidates.runtime.conf_dir.to_string(), "/nowhere");
        assert_eq!(read("plugboard verify --container-id web pid:42 et").target.as_deref(), Some("web"));
        assert_eq!(read("plugboard --conf-dir=/nowhere attach ").runtime.conf_dir.to_string(), "/nowhere");
        assert_eq!(read("plugboard nonsense --x ").target, None);
    }
}
