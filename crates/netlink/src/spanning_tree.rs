//! The spanning tree protocol of bridges, by which they keep loops out (IEEE 802.1D).

use std::time::Duration;

use crate::attributes::{read_u32, value_of};

const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_STP_STATE: u16 = 5;
/// Times are in hundredths of a second (`USER_HZ`).
const MILLISECONDS_PER_TICK: u32 = 10;
/// Who runs the protocol (`enum` of `net/bridge/br_private.h`): nobody, the kernel, or a daemon.
const BR_NO_STP: u32 = 0;
const BR_USER_STP: u32 = 2;

/// The spanning tree protocol of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanningTree {
    /// See [`SpanningTree::forward_delay`].
    forward_delay_ms: u32,
    /// A daemon runs it, and not the kernel.
    pub is_of_user_space: bool,
}

impl SpanningTree {
    /// For how long a port listens, and for how long it learns then.
    #[must_use]
    pub fn forward_delay(&self) -> Duration {
        Duration::from_millis(self.forward_delay_ms.into())
    }

    /// Of the settings of a bridge (`IFLA_INFO_DATA`); `None` where there is none.
    pub(crate) fn read(settings: &[u8]) -> Option<Self> {
        let number = |kind| value_of(settings, kind).and_then(|value| read_u32(value, 0));
        let who = number(IFLA_BR_STP_STATE).filter(|who| *who != BR_NO_STP)?;
        let forward_delay_ms = number(IFLA_BR_FORWARD_DELAY)?.saturating_mul(MILLISECONDS_PER_TICK);
        Some(Self { forward_delay_ms, is_of_user_space: who == BR_USER_STP })
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
        for (who, is_of_user_space) in [(1, false), (2, true)] {
            let tree = SpanningTree::read(&settings(who, 1500)).expect("it is there");
            assert_eq!((tree.forward_delay(), tree.is_of_user_space), (Duration::from_secs(15), is_of_user_space));
        }
        assert_eq!(SpanningTree::read(&[]), None);
    }
}
