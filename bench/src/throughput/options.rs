//! The command line.

use anyhow::{Context, Result, bail};
use harness::Datapath;

use crate::kind::Kind;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures by iperf3 what NICs of veth-secondary and ovs-port carry, beside the same made by ip and ovs-vsctl.
Run it as root; it works in network and mount namespaces of its own.

usage: bench-throughput [--turns N] [--bytes BYTES] [--only NIC] [--markdown]

  --turns N      turns for each kind of NIC, of two transfers by either; 10 by default
  --bytes BYTES  what a transfer sends, with K, M or G as iperf3 reads them; by default 1G, and 100M where a process
                 forwards the frames, as ovs-vswitchd does without a datapath in the kernel
  --only NIC     one of veth, routed, macvlan, ipvlan, vlan, host-device, ovs-veth, ovs-internal
  --markdown     prints tables for docs/benchmarks.md
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) turns: usize,
    /// What a transfer sends, whoever forwards it.
    pub(crate) bytes: Option<String>,
    pub(crate) only: Option<Kind>,
    pub(crate) markdown: bool,
}

impl Options {
    /// What a transfer sends by default, from kernel to kernel, and by way of a process.
    const BYTES: &str = "1G";
    const BYTES_BY_A_PROCESS: &str = "100M";

    /// Reads the command line; `None` when the usage was asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self { turns: 10, bytes: None, only: None, markdown: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--turns" => {
                    let number = arguments.next().unwrap_or_default();
                    options.turns = number.parse().ok().filter(|turns| *turns > 0).with_context(|| {
                        format!("--turns: '{number}' is no number of turns; give a whole number from 1 on")
                    })?;
                }
                "--bytes" => {
                    let bytes = arguments.next().unwrap_or_default();
                    let digits = bytes.strip_suffix(['K', 'M', 'G']).unwrap_or(&bytes);
                    if digits.parse::<u32>().is_ok_and(|number| number > 0) {
                        options.bytes = Some(bytes);
                    } else {
                        bail!("--bytes: '{bytes}' is no number of bytes such as 500M");
                    }
                }
                "--only" => {
                    let name = arguments.next().unwrap_or_default();
                    let kind = Kind::ALL.into_iter().find(|kind| kind.to_string() == name);
                    options.only = Some(kind.with_context(|| format!("--only: '{name}' is no kind\n{USAGE}"))?);
                }
                "--markdown" => options.markdown = true,
                "-h" | "--help" => return Ok(None),
                other => bail!("unknown argument '{other}'\n{USAGE}"),
            }
        }
        Ok(Some(options))
    }

    /// What a transfer through such a NIC sends.
    pub(crate) fn bytes_of(&self, kind: Kind) -> &str {
        let is_by_a_process = kind.is_of_switch() && Datapath::of_this_kernel() == Datapath::Netdev;
        let default = if is_by_a_process { Self::BYTES_BY_A_PROCESS } else { Self::BYTES };
        self.bytes.as_deref().unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_no_number_or_kind_is_refused() {
        let all = read("--turns 3 --bytes 20M --only ipvlan --markdown").unwrap().unwrap();
        assert_eq!(all, Options { turns: 3, bytes: Some("20M".to_owned()), only: Some(Kind::Ipvlan), markdown: true });
        for bad in ["--turns 0", "--bytes M", "--bytes 1T", "--bytes 0", "--only tap", "--turn 1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("--help").unwrap(), None);
    }
}
