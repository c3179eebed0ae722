//! Whether what is sent from one link to another passes a chain, as far as its rules can be followed.
//!
//! Followed are packets that open a connection, one of TCP and one of UDP: whoever refuses both refuses what is sent, and whoever
//! accepts nothing but some ports or ICMP still does. Where a rule asks for something that such packets do not settle, such as an
//! address or a rate, it may be about all of them: what it accepts may pass, and what it refuses is not held to be refused.

mod applies;
mod packet;
mod reading;
mod xtables;

use self::applies::Applies;
use self::packet::{Packet, TCP, UDP};
use self::reading::{Decision, Reading};
use crate::rule::Found;
use crate::{Family, Policy};

pub use packet::Way;
pub use reading::Sets;

/// Chains that lead to each other further than this are not followed (`NFT_JUMP_STACK_SIZE`).
const DEPTH: u32 = 16;

/// What becomes of packets of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// They pass.
    Pass,
    /// Most, if not all, are dropped or rejected, by a rule of this chain or by its policy.
    Refused(String),
    /// It depends on what is not known.
    Unknown,
}

/// What becomes of packets of a way in a base chain, given all rules of its table.
#[must_use]
pub fn fate(rules: &[Found], sets: &mut Sets<'_>, base: &str, policy: Option<Policy>, way: Way<'_>) -> Fate {
    let of = |protocol| {
        let mut walk = Walk { rules, sets: &mut *sets, packet: Packet { way, protocol }, may_pass: false };
        walk.fate(base, policy)
    };
    match [TCP, UDP].map(of) {
        [Fate::Refused(chain), Fate::Refused(_)] => Fate::Refused(chain),
        [Fate::Pass, Fate::Pass] => Fate::Pass,
        _ => Fate::Unknown,
    }
}

impl Found {
    /// It drops or rejects whatever comes by.
    #[must_use]
    pub fn refuses_all(&self) -> bool {
        let way = Way { from: "", to: "", family: Family::Ip };
        let read = Reading::of(self.expressions(), &mut |_| None, Packet { way, protocol: TCP });
        read.verdict == Some(Decision::Refuse) && !read.is_conditional
    }
}

/// How a chain ends for packets of a way.
#[derive(Debug)]
enum End {
    Passed,
    Refused(String),
    Through,
}

struct Walk<'a, 'b> {
    rules: &'a [Found],
    sets: &'a mut Sets<'b>,
    packet: Packet<'a>,
    /// A rule may have let them pass before.
    may_pass: bool,
}

impl Walk<'_, '_> {
    fn fate(&mut self, base: &str, policy: Option<Policy>) -> Fate {
        match self.through(base, 0) {
            End::Refused(_) if self.may_pass => Fate::Unknown,
            End::Refused(chain) => Fate::Refused(chain),
            End::Through if policy == Some(Policy::Drop) && !self.may_pass => Fate::Refused(base.to_owned()),
            End::Through if policy == Some(Policy::Drop) => Fate::Unknown,
            End::Passed | End::Through => Fate::Pass,
        }
    }

    fn through(&mut self, chain: &str, depth: u32) -> End {
        if depth > DEPTH {
            return End::Through;
        }
        let rules = self.rules;
        for rule in rules.iter().filter(|rule| rule.chain.name == chain) {
            let read = Reading::of(rule.expressions(), self.sets, self.packet);
            let Some(decision) = read.verdict else { continue };
            match (read.applies, decision) {
                (Applies::Never | Applies::ToSome, _) | (Applies::Perhaps, Decision::Refuse) => {}
                (Applies::Always, Decision::Accept) => return End::Passed,
                (Applies::Always, Decision::Refuse) => return End::Refused(chain.to_owned()),
                (Applies::Always, Decision::Return) => return End::Through,
                (Applies::Always, Decision::Go { chain, comes_back }) => match self.through(&chain, depth + 1) {
                    End::Through if comes_back => {}
                    end => return end,
                },
                (Applies::Perhaps, Decision::Go { chain, comes_back }) => match self.through(&chain, depth + 1) {
                    End::Passed => self.may_pass = true,
                    // What refuses here is passed by.
                    End::Through => self.may_pass |= !comes_back,
                    End::Refused(_) => {}
                },
                (Applies::Perhaps, Decision::Accept | Decision::Return) | (_, Decision::Other) => self.may_pass = true,
            }
        }
        End::Through
    }
}

#[cfg(test)]
mod tests;
