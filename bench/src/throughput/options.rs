//! The command line.

use anyhow::{Context, Result, bail};

use crate::kind::Kind;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures by iperf3 what NICs of veth-secondary and ovs-port carry, beside the same made by ip and ovs-vsctl.
Run it as root; it works in network and mount namespaces of its own.

usage: bench-throughput [--turns N] [--bytes BYTES] [--only NIC] [--markdown]

  --turns N      turns for each kind of NIC, of two transfers by either; 10 by default
  --bytes BYTES  what a transfer sends, with K, M or G as iperf3 reads them; 1G by default
  --only NIC     one of veth, routed, macvlan, ipvlan, vlan, host-device, ovs-veth, ovs-internal
  --markdown     prints tables for docs/benchmarks.md
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) turns: usize,
    pub(crate) bytes: String,
    pub(crate) only: Option<Kind>,
    pub(crate) markdown: bool,
}

impl Options {
    /// Reads the command line; `None` when the usage was asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self { turns: 10, bytes: "1G".to_owned(), only: None, markdown: false };
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
                        options.bytes = bytes;
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
        assert_eq!(all, Options { turns: 3, bytes: "20M".to_owned(), only: Some(Kind::Ipvlan), markdown: true });
        for bad in ["--turns 0", "--bytes M", "--bytes 1T", "--bytes 0", "--only tap", "--turn 1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("--help").unwrap(), None);
    }
}
