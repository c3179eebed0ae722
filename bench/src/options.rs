//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures ADD, CHECK and DEL of the executables that `make build` made, beside the reference plugins and a floor.
Run it as root; it works in network and mount namespaces of its own.

usage: bench [--rounds N] [--reference DIRECTORY] [--newer DIRECTORY] [--shaper] [--portmap] [--ovs-port] [--vxlan-overlay] [--sealed]
             [--markdown]

  --rounds N             calls of each verb with each of the three; 100 by default
  --reference DIRECTORY  where the reference plugins are; /usr/lib/cni by default
  --newer DIRECTORY      where newer reference plugins are, for what those lack: tap, and masquerading by nftables;
                         without it, they are left out
  --shaper               nothing but ADD of the shaper alone
  --portmap              nothing but published ports
  --ovs-port             nothing but ports of Open vSwitch
  --vxlan-overlay        nothing but members of LACs
  --sealed               nothing but a LAC with a key, on a kernel that has ESP, such as the lab's; needs vxlan-overlay alone
  --markdown             prints tables for docs/benchmarks.md
";

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// ADD of the shaper alone.
    Shaper,
    /// Published ports.
    Portmap,
    /// Ports of Open vSwitch.
    OvsPort,
    /// Members of LACs.
    VxlanOverlay,
    /// A LAC with a key.
    Sealed,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) reference: PathBuf,
    pub(crate) newer: Option<PathBuf>,
    pub(crate) only: Option<Part>,
    pub(crate) markdown: bool,
}

impl Options {
    /// Reads the command line; `None` when the usage was asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options =
            Self { rounds: 100, reference: PathBuf::from("/usr/lib/cni"), newer: None, only: None, markdown: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => {
                    let number = arguments.next().unwrap_or_default();
                    options.rounds = number.parse().ok().filter(|rounds| *rounds > 0).with_context(|| {
                        format!("--rounds: '{number}' is no number of rounds; give a whole number from 1 on")
                    })?;
                }
                "--reference" => {
                    options.reference = arguments.next().context("--reference needs a directory")?.into();
                }
                "--newer" => options.newer = Some(arguments.next().context("--newer needs a directory")?.into()),
                "--shaper" => options.only = Some(Part::Shaper),
                "--portmap" => options.only = Some(Part::Portmap),
                "--ovs-port" => options.only = Some(Part::OvsPort),
                "--vxlan-overlay" => options.only = Some(Part::VxlanOverlay),
                "--sealed" => options.only = Some(Part::Sealed),
                "--markdown" => options.markdown = true,
                "-h" | "--help" => return Ok(None),
                other => bail!("unknown argument '{other}'\n{USAGE}"),
            }
        }
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rounds_are_a_positive_number() {
        assert_eq!(read("--rounds 7 --markdown").unwrap().unwrap().rounds, 7);
        assert_eq!(read("").unwrap().unwrap().rounds, 100);
        assert_eq!(read("--ovs-port").unwrap().unwrap().only, Some(Part::OvsPort));
        assert_eq!(read("--vxlan-overlay").unwrap().unwrap().only, Some(Part::VxlanOverlay));
        assert_eq!(read("--sealed").unwrap().unwrap().only, Some(Part::Sealed));
        for bad in ["--rounds", "--rounds 0", "--rounds x", "--round 1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
