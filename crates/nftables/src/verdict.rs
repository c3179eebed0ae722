//! Verdicts: how a rule ends, and what elements of a verdict map say.

use netlink::attributes::{append_nested, read_text, value_of};

use crate::message::{put_number, put_text, read_number};

const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;

/// `NF_DROP` and `NF_ACCEPT` (`include/uapi/linux/netfilter.h`), and of `enum nft_verdicts` those below zero.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const JUMP: u32 = (-3i32).cast_unsigned();
const GOTO: u32 = (-4i32).cast_unsigned();
const RETURN: u32 = (-5i32).cast_unsigned();

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// `drop`.
    Drop,
    /// `accept`, as far as this chain goes.
    Accept,
    /// `return`: to the chain that it came from; in a base chain, the policy decides.
    Return,
    /// `jump`: another chain of the table decides, or the rules behind this one.
    Jump(String),
    /// `goto`: the same without coming back.
    Goto(String),
}

impl Verdict {
    /// Appends what is in an attribute of data.
    pub(crate) fn put(&self, data: &mut Vec<u8>) {
        append_nested(data, NFTA_DATA_VERDICT, |verdict| {
            let (number, chain) = match self {
                Self::Drop => (DROP, None),
                Self::Accept => (ACCEPT, None),
                Self::Return => (RETURN, None),
                Self::Jump(chain) => (JUMP, Some(chain)),
                Self::Goto(chain) => (GOTO, Some(chain)),
            };
            put_number(verdict, NFTA_VERDICT_CODE, number);
            if let Some(chain) = chain {
                put_text(verdict, NFTA_VERDICT_CHAIN, chain);
            }
        });
    }

    /// Reads what is in an attribute of data; `None` for a value, or a verdict of another kind.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let verdict = value_of(data, NFTA_DATA_VERDICT)?;
        let chain = || value_of(verdict, NFTA_VERDICT_CHAIN).map(read_text);
        match read_number(value_of(verdict, NFTA_VERDICT_CODE)?)? {
            DROP => Some(Self::Drop),
            ACCEPT => Some(Self::Accept),
            RETURN => Some(Self::Return),
            JUMP => Some(Self::Jump(chain()?)),
            GOTO => Some(Self::Goto(chain()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_as_written() {
        let chain = || "other".to_owned();
        for verdict in [Verdict::Drop, Verdict::Accept, Verdict::Return, Verdict::Jump(chain()), Verdict::Goto(chain())]
        {
            let mut data = Vec::new();
            verdict.put(&mut data);
            assert_eq!(Verdict::read(&data), Some(verdict));
            for end in 0..data.len() {
                let _ = Verdict::read(&data[..end]);
            }
        }
        assert_eq!(Verdict::read(&[]), None);
    }
}
