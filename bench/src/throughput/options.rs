//! The command line.

use anyhow::{Context, Result, bail};
use harness::Datapath;

use crate::kind::Kind;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures by iperf3 what NICs of veth-secondary, ovs-port and vxlan-overlay carry, beside the same made by ip and ovs-vsctl, and
beside VDE's vde_plug.
Run it as root; it works in network and mount namespaces of its own.

usage: bench-throughput [--turns N] [--bytes BYTES] [--only NIC] [--markdown]

  --turns N      turns for each kind of NIC, of two transfers by either; 10 by default
  --bytes BYTES  what a transfer sends, with K, M or G as iperf3 reads them; by default 1G, and 100M where a process
                 forwards the frames, as ovs-vswitchd does without a datapath in the kernel; over LACs a tenth by vde_plug
                 and in its mode
  --only NIC     one of veth, routed, macvlan, ipvlan, vlan, host-device, ovs-veth, ovs-internal,
                 lac, for what LACs of two hosts carry, and lac-key, for those with a key alone
  --markdown     prints tables for docs/benchmarks.md
";

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Only {
    /// NICs of one kind on one host.
    Nic(Kind),
    /// LACs of two hosts.
    Lac,
    /// Those with a key.
    SealedLac,
}

impl Only {
    fn read(name: &str) -> Option<Self> {
        let kind = || Kind::ALL.into_iter().find(|kind| kind.to_string() == name);
        match name {
            "lac" => Some(Self::Lac),
            "lac-key" => Some(Self::SealedLac),
            _ => kind().map(Self::Nic),
        }
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) turns: usize,
    /// What a transfer sends, whoever forwards it.
    pub(crate) bytes: Option<String>,
    pub(crate) only: Option<Only>,
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
                    options.only =
                        Some(Only::read(&name).with_context(|| format!("--only: '{name}' is no kind\n{USAGE}"))?);
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

    /// What a transfer over a LAC sends, and a tenth of that where it is slow.
    pub(crate) fn bytes_over_lac(&self, is_slow: bool) -> String {
        let bytes = self.bytes.as_deref().unwrap_or(Self::BYTES);
        if is_slow { a_tenth(bytes) } else { bytes.to_owned() }
    }

    /// Whether LACs are measured.
    pub(crate) fn has_lacs(&self) -> bool {
        matches!(self.only, None | Some(Only::Lac | Only::SealedLac))
    }

    /// Whether LACs with a key alone are measured.
    pub(crate) fn has_sealed_lacs_alone(&self) -> bool {
        self.only == Some(Only::SealedLac)
    }

    /// Whether a kind is measured.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.only.is_none_or(|only| only == Only::Nic(kind))
    }
}

/// A tenth of so many bytes, such as `40M`.
fn a_tenth(bytes: &str) -> String {
    let (digits, unit) = match bytes.split_at(bytes.trim_end_matches(['K', 'M', 'G']).len()) {
        (digits, "K") => (digits, 1 << 10),
        (digits, "M") => (digits, 1 << 20),
        (digits, "G") => (digits, 1 << 30),
        (digits, _) => (digits, 1),
    };
    (digits.parse::<u64>().unwrap_or_default() * unit / 10).max(1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_tenth_is_sent_where_it_is_slow() {
        assert_eq!(["40M", "1G", "100", "3"].map(a_tenth), ["4194304", "107374182", "10", "1"]);
    }

    #[test]
    fn what_is_no_number_or_kind_is_refused() {
        let all = read("--turns 3 --bytes 20M --only ipvlan --markdown").unwrap().unwrap();
        let only = Some(Only::Nic(Kind::Ipvlan));
        assert_eq!(all, Options { turns: 3, bytes: Some("20M".to_owned()), only, markdown: true });
        assert_eq!(read("--only lac").unwrap().unwrap().only, Some(Only::Lac));
        assert!(read("--only lac-key").unwrap().unwrap().has_lacs());
        for bad in ["--turns 0", "--bytes M", "--bytes 1T", "--bytes 0", "--only tap", "--turn 1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("--help").unwrap(), None);
    }
}
