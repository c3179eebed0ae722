//! What the processors did meanwhile (`/proc/stat`, proc_stat(5)).

use std::fs;

/// A processor this busy is taken for the reason of a gap.
const BUSY: f64 = 0.9;

/// So much time taken by other machines on the same hardware is worth telling.
const STOLEN: f64 = 0.05;

/// The counters of one processor, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
    interrupts: u64,
    stolen: u64,
}

/// The counters of all processors at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment(Vec<Ticks>);

/// How the busiest processor spent a time, in shares of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) processor: usize,
    pub(super) busy: f64,
    pub(super) interrupts: f64,
    pub(super) stolen: f64,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self::read(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn read(text: &str) -> Self {
        let of_one = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        Self(text.lines().filter(of_one).map(ticks).collect())
    }

    /// What happened from then to now; `None` where nothing was counted.
    pub(super) fn usage(&self, now: &Self) -> Option<Usage> {
        let usages = self.0.iter().zip(&now.0).enumerate().filter_map(|(processor, (then, now))| {
            let all = share(now.all, then.all, now.all.saturating_sub(then.all))?;
            let part = |now: u64, then: u64, of: u64| share(now, then, of).unwrap_or_default();
            let total = now.all.saturating_sub(then.all);
            let idle = part(now.idle, then.idle, total);
            let interrupts = part(now.interrupts, then.interrupts, total);
            let stolen = part(now.stolen, then.stolen, total);
            Some(Usage { processor, busy: all - idle, interrupts, stolen })
        });
        usages.max_by(|a, b| a.busy.total_cmp(&b.busy))
    }
}

#[expect(clippy::cast_precision_loss, reason = "52 bits of ticks are millions of years")]
fn share(now: u64, then: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| now.saturating_sub(then) as f64 / of as f64)
}

/// `cpu0 user nice system idle iowait irq softirq steal guest guest_nice`; guests are part of user.
fn ticks(line: &str) -> Ticks {
    let numbers: Vec<u64> = line.split_whitespace().skip(1).take(8).map(|text| text.parse().unwrap_or(0)).collect();
    let number = |place: usize| numbers.get(place).copied().unwrap_or_default();
    Ticks {
        all: numbers.iter().sum(),
        idle: number(3).saturating_add(number(4)),
        interrupts: number(5).saturating_add(number(6)),
        stolen: number(7),
    }
}

impl Usage {
    /// The part of it that can explain a gap.
    pub(super) fn reason(self) -> Option<String> {
        let Self { processor, busy, interrupts, stolen } = self;
        let percent = |share: f64| share * 100.0;
        let stolen_part = format!(", {:.0} % stolen by other machines", percent(stolen));
        let stolen_part = if stolen >= STOLEN { stolen_part.as_str() } else { "" };
        (busy >= BUSY || stolen >= STOLEN).then(|| {
            format!(
                "CPU {processor} was {:.0} % busy ({:.0} % in interrupts{stolen_part})",
                percent(busy),
                percent(interrupts)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_processor_counts() {
        let then = Moment::read("cpu  9 9\ncpu0 100 0 100 800 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nintr 5\n");
        let now = Moment::read("cpu  9 9\ncpu0 110 0 120 870 0 0 0 0 0 0\ncpu1 20 0 20 4 1 5 40 10 20 0\nintr 6\n");
        let usage = then.usage(&now).unwrap();
        assert_eq!((usage.processor, usage.busy), (1, 0.95));
        assert_eq!(usage.reason().unwrap(), "CPU 1 was 95 % busy (45 % in interrupts, 10 % stolen by other machines)");
        assert_eq!(then.usage(&then), None);
        let quiet = Usage { processor: 0, busy: 0.3, interrupts: 0.1, stolen: 0.0 };
        assert_eq!(quiet.reason(), None);
    }

    #[test]
    fn this_machine_has_processors() {
        assert!(!Moment::now().0.is_empty());
    }
}
