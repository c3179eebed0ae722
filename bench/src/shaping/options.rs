//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures how true the limits of netem-shaper are, beside the reference plugin bandwidth and plain tc.
Run it as root; it works in network and mount namespaces of its own.

usage: bench-shaping [--quick] [--fast] [--only SUBJECT] [--reference DIRECTORY] [--markdown]

  --quick                a short run: fewer rates and samples
  --fast                 rates up to 10 Gbit/s too, for a machine's own kernel
  --only SUBJECT         one of rate, beside, unlimited, delay, jitter, loss, queue
  --reference DIRECTORY  where the reference plugins are; /usr/lib/cni by default
  --markdown             prints tables for docs/benchmarks.md
";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Rates of all kinds of traffic.
    Rate,
    /// The same of others.
    Beside,
    /// The direction without a limit.
    Unlimited,
    /// Delays, alone and under load.
    Delay,
    /// Deviations of delays.
    Jitter,
    /// Losses.
    Loss,
    /// What a long delay line drops.
    Queue,
}

impl Subject {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 7] =
        [Self::Rate, Self::Beside, Self::Unlimited, Self::Delay, Self::Jitter, Self::Loss, Self::Queue];

    /// Whether it cannot be measured on a kernel without netem.
    pub(crate) fn needs_netem(self) -> bool {
        matches!(self, Self::Delay | Self::Jitter | Self::Loss | Self::Queue)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "rate",
            Self::Beside => "beside",
            Self::Unlimited => "unlimited",
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::Loss => "loss",
            Self::Queue => "queue",
        })
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) fast: bool,
    pub(crate) only: Option<Subject>,
    pub(crate) reference: PathBuf,
    pub(crate) markdown: bool,
}

impl Options {
    /// Reads the command line; `None` when the usage was asked for.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options =
            Self { quick: false, fast: false, only: None, reference: PathBuf::from("/usr/lib/cni"), markdown: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--fast" => options.fast = true,
                "--only" => {
                    let name = arguments.next().unwrap_or_default();
                    let subject = Subject::ALL.into_iter().find(|subject| subject.to_string() == name);
                    options.only = Some(subject.with_context(|| format!("--only: '{name}' is no subject\n{USAGE}"))?);
                }
                "--reference" => {
                    options.reference = arguments.next().context("--reference needs a directory")?.into();
                }
                "--markdown" => options.markdown = true,
                "-h" | "--help" => return Ok(None),
                other => bail!("unknown argument '{other}'\n{USAGE}"),
            }
        }
        Ok(Some(options))
    }

    /// The rates to measure, in Mbit/s.
    pub(crate) fn rates_mbit(&self) -> &'static [u64] {
        match (self.quick, self.fast) {
            (true, _) => &[10, 100],
            (false, false) => &[1, 10, 100, 1_000],
            (false, true) => &[1, 10, 100, 1_000, 10_000],
        }
    }

    /// How long a rate is measured.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(if self.quick { 3 } else { 4 })
    }

    /// Samples where a full run takes `count`.
    pub(crate) fn samples(&self, count: u32) -> u32 {
        if self.quick { count / 5 } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_subject_has_a_name() {
        assert_eq!(read("--only loss").unwrap().unwrap().only, Some(Subject::Loss));
        for bad in ["--only", "--only all", "--fats"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("--help").unwrap(), None);
    }
}
