//! The spanning tree protocol of bridges, by which they keep loops out (IEEE 802.1D).

use std::time::Duration;

use crate::attributes::{read_u32, value_of};

const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_STP_STATE: u16 = 5;
/// Times are in hundredths of a second (`USER_HZ`).
const MILLISECONDS_PER_TICK: u64 = 10;
/// Who runs the protocol (`enum` of `net/bridge/br_private.h`): nobody, the kernel, or a daemon.
const BR_NO_STP: u32 = 0;
const BR_USER_STP: u32 = 2;

/// The spanning tree protocol of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanningTree {
    /// For how long a port listens, and for how long it learns then.
    pub forward_delay: Duration,
    /// A daemon runs it, and not the kernel.
    pub is_of_user_space: bool,
}

impl SpanningTree {
    /// Of the settings of a bridge (`IFLA_INFO_DATA`); `None` where there is none.
    pub(crate) fn read(settings: &[u8]) -> Option<Self> {
        let number = |kind| value_of(settings, kind).and_then(|value| read_u32(value, 0));
        let who = number(IFLA_BR_STP_STATE).filter(|who| *who != BR_NO_STP)?;
        let ticks = u64::from(number(IFLA_BR_FORWARD_DELAY)?);
        let forward_delay = Duration::from_millis(ticks.saturating_mul(MILLISECONDS_PER_TICK));
        Some(Self { forward_delay, is_of_user_space: who == BR_USER_STP })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(who: u32, ticks: u32) -> Vec<u8> {
        let number = |kind: u16, value: u32| {
            [8u16.to_ne_bytes(), kind.to_ne_bytes()].concat().into_iter().chain(value.to_ne_bytes())
        };
        number(IFLA_BR_FORWARD_DELAY, ticks).chain(number(IFLA_BR_STP_STATE, who)).collect()
    }

    #[test]
    fn it_is_there_if_somebody_runs_it() {
        assert_eq!(SpanningTree::read(&settings(0, 1500)), None);
        let forward_delay = Duration::from_secs(15);
        for (who, is_of_user_space) in [(1, false), (2, true)] {
            let expected = Some(SpanningTree { forward_delay, is_of_user_space });
            assert_eq!(SpanningTree::read(&settings(who, 1500)), expected);
        }
        assert_eq!(SpanningTree::read(&[]), None);
    }
}
