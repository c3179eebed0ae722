//! Limits that Open vSwitch sets on the host interface of a port. The database does not tell whether it could: `ovs-vswitchd` writes
//! into its log what the kernel lacks, and goes on.

use std::thread;
use std::time::{Duration, Instant};

use netlink::qdisc::{self, Kind, Parent, htb, police};

use crate::{Device, Difference, Error, Remedy, Session};

/// The class through which everything goes (`htb_setup_class__` in `netdev-linux.c`).
const ALL: (u16, u16) = (1, 0xfffe);

/// When links of the host change, `ovs-vswitchd` takes its policing away and sets it anew (`netdev_linux_set_policing`). It has been
/// seen to do so shortly after a port was new. What is not there after this time was not set.
const SETTLING: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(2);

/// Limits that the switch sets on the host interface (`ovs-vswitchd.conf.db(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwitchLimits {
    /// Of what the switch receives from the container: kbit/s, in the kernel's policer; 0 is none.
    pub policing_rate_kbps: u32,
    /// Its burst in kbit; 0 is the switch's own choice.
    pub policing_burst_kb: u32,
    /// Of what the switch sends to the container: bit/s, by a queue of `linux-htb`.
    pub max_rate_bps: Option<u64>,
}

/// What the kernel has of one limit.
struct Comparison {
    /// The limit and the device.
    what: String,
    want_bytes_per_s: u64,
    /// `None` where there is no such limit.
    have_bytes_per_s: Option<u64>,
    /// What the kernel must have for it.
    feature: &'static str,
    remedy: &'static str,
}

impl Comparison {
    fn is_met(&self) -> bool {
        self.have_bytes_per_s == Some(self.want_bytes_per_s)
    }

    fn difference(&self) -> Difference {
        match self.have_bytes_per_s {
            None => Difference::missing(&self.what),
            Some(have) => Difference::new(&self.what, bits(self.want_bytes_per_s), bits(have)),
        }
    }

    fn error(&self) -> Error {
        match self.have_bytes_per_s {
            None => Error::Unsupported {
                feature: format!("{}, which {} needs", self.feature, self.what),
                remedy: Remedy::act(self.remedy),
            },
            Some(_) => Error::Channel {
                action: format!("have Open vSwitch set {}", self.what),
                reason: self.difference().to_string(),
            },
        }
    }
}

fn bits(bytes_per_s: u64) -> String {
    format!("{} bit/s", u128::from(bytes_per_s) * 8)
}

impl SwitchLimits {
    /// There is none.
    pub(super) fn is_none(self) -> bool {
        self.policing_rate_kbps == 0 && self.max_rate_bps.is_none()
    }

    /// Fails if the switch has not been able to set them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with what the kernel lacks; [`Error::Channel`] where the limits are others.
    pub(super) fn confirm(self, session: &mut Session, device: &Device) -> Result<(), Error> {
        let compared = self.settled(session, device)?;
        compared.iter().find(|one| !one.is_met()).map_or(Ok(()), |one| Err(one.error()))
    }

    /// What differs in the kernel; nothing if the device is gone, which others say.
    pub(super) fn differences(self, session: &mut Session, device: &Device) -> Result<Vec<Difference>, Error> {
        if self.is_none() || session.find(device)?.is_none() {
            return Ok(Vec::new());
        }
        let compared = self.settled(session, device)?;
        Ok(compared.iter().filter(|one| !one.is_met()).map(Comparison::difference).collect())
    }

    fn settled(self, session: &mut Session, device: &Device) -> Result<Vec<Comparison>, Error> {
        let until = Instant::now() + SETTLING;
        loop {
            let compared = self.compare(session, device)?;
            if compared.iter().all(Comparison::is_met) || Instant::now() >= until {
                return Ok(compared);
            }
            thread::sleep(PAUSE);
        }
    }

    fn compare(self, session: &mut Session, device: &Device) -> Result<Vec<Comparison>, Error> {
        let mut compared = Vec::new();
        let refused = || Error::refused(format!("list the limits of {device}"));
        let index = session.index(device)?;
        let socket = session.socket(device.side)?;
        if self.policing_rate_kbps > 0 {
            let want = u64::from(self.policing_rate_kbps) * 1000 / 8;
            compared.push(Comparison {
                what: format!("policing of what {device} receives"),
                want_bytes_per_s: want,
                have_bytes_per_s: nearest(&police::rates(socket, index).map_err(refused())?, want),
                feature: "policing (act_police, and cls_matchall or cls_basic)",
                remedy: "load the modules with `modprobe -a sch_ingress act_police cls_matchall cls_basic`, use a kernel with \
                         CONFIG_NET_ACT_POLICE and CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_BASIC, or have netem-shaper \
                         limit what the container sends",
            });
        }
        if let Some(rate) = self.max_rate_bps {
            let queues = qdisc::list(socket, index).map_err(refused())?;
            let is_it =
                |queue: &qdisc::Qdisc| queue.parent == Parent::Root && queue.kind == Kind::Other("htb".to_owned());
            let classes =
                if queues.iter().any(is_it) { htb::classes(socket, index).map_err(refused())? } else { Vec::new() };
            compared.push(Comparison {
                what: format!("the rate of what {device} sends"),
                want_bytes_per_s: rate / 8,
                have_bytes_per_s: classes.iter().find(|class| class.handle == ALL).map(|class| class.ceiling_bytes_per_s),
                feature: "qdisc htb (sch_htb)",
                remedy: "load the module with `modprobe sch_htb`, use a kernel with CONFIG_NET_SCH_HTB, or have netem-shaper limit \
                         what the container receives",
            });
        }
        Ok(compared)
    }
}

/// The rate that is wanted, if it is among those that are there; else the first of these.
fn nearest(have: &[u64], want: u64) -> Option<u64> {
    have.iter().find(|rate| **rate == want).or_else(|| have.first()).copied()
}
