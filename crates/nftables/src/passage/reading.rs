//! What a rule asks for, and how it ends.

use std::cmp::Ordering;

use netlink::attributes::{iterate, read_text, value_of};

use super::applies::Applies;
use super::packet::{Content, Packet};
use super::xtables;
use crate::message::{NFTA_EXPR_DATA, NFTA_EXPR_NAME, read_number};
use crate::register::VERDICT;
use crate::{Data, Element, Verdict};

/// The source register of `bitwise`, `byteorder`, `cmp` and `range`.
const NFTA_SREG: u16 = 1;
const NFTA_CHANGED_DREG: u16 = 2;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_BITWISE_OP: u16 = 6;
/// The operator of `cmp` and `range`, and what they compare with.
const NFTA_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_RANGE_FROM_DATA: u16 = 3;
const NFTA_RANGE_TO_DATA: u16 = 4;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_DREG: u16 = 3;
const NFTA_LOOKUP_FLAGS: u16 = 5;
const NFT_LOOKUP_F_INV: u32 = 1;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_OBJREF_IMM_TYPE: u16 = 1;
/// `NFT_OBJECT_COUNTER` and `NFT_OBJECT_CT_HELPER`, which any packet passes by.
const OBJECTS_WITHOUT_CONDITION: [u32; 2] = [1, 3];
/// Of a match or a target of iptables (`nf_tables_compat.h`).
const NFTA_XT_NAME: u16 = 1;
const NFTA_XT_REV: u16 = 2;
const NFTA_XT_INFO: u16 = 3;
/// `enum nft_cmp_ops`; `range` has the first two.
const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
const NFT_CMP_LT: u32 = 2;
const NFT_CMP_LTE: u32 = 3;
const NFT_CMP_GT: u32 = 4;
const NFT_CMP_GTE: u32 = 5;

/// Tells the elements of a set of the table by its name; `None` where they are not known.
pub type Sets<'a> = dyn FnMut(&str) -> Option<Vec<Element>> + 'a;

/// How a rule ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Accept,
    Refuse,
    Return,
    Go { chain: String, comes_back: bool },
    Other,
}

/// What a rule asks for.
pub(super) struct Reading {
    registers: Vec<(u32, Content)>,
    pub(super) applies: Applies,
    pub(super) is_conditional: bool,
    pub(super) verdict: Option<Decision>,
}

impl Reading {
    pub(super) fn of(expressions: &[u8], sets: &mut Sets<'_>, packet: Packet<'_>) -> Self {
        let mut read = Self { registers: Vec::new(), applies: Applies::Always, is_conditional: false, verdict: None };
        for (_, expression) in iterate(expressions) {
            let name = value_of(expression, NFTA_EXPR_NAME).map(read_text).unwrap_or_default();
            read.step(&name, value_of(expression, NFTA_EXPR_DATA).unwrap_or_default(), sets, packet);
            if read.verdict.is_some() || read.applies == Applies::Never {
                break;
            }
        }
        read
    }

    fn step(&mut self, name: &str, data: &[u8], sets: &mut Sets<'_>, packet: Packet<'_>) {
        let number = |kind| value_of(data, kind).and_then(read_number);
        let text = || value_of(data, NFTA_XT_NAME).map(read_text).unwrap_or_default();
        match name {
            "meta" => self.load(number(NFTA_META_DREG), packet.meta(number(NFTA_META_KEY))),
            "ct" => self.load(number(NFTA_CT_DREG), packet.connection(number(NFTA_CT_KEY))),
            "payload" => {
                let field =
                    packet.field(number(NFTA_PAYLOAD_BASE), number(NFTA_PAYLOAD_OFFSET), number(NFTA_PAYLOAD_LEN));
                self.load(number(NFTA_PAYLOAD_DREG), field);
            }
            "bitwise" => self.load(number(NFTA_CHANGED_DREG), masked(data, self.content(number(NFTA_SREG)))),
            "byteorder" => self.load(number(NFTA_CHANGED_DREG), Content::Unknown),
            "cmp" => self.ask(compare(data, &self.content(number(NFTA_SREG)))),
            "range" => self.ask(in_range(data, &self.content(number(NFTA_SREG)))),
            "lookup" => self.look_up(data, sets),
            "immediate" => match number(NFTA_IMMEDIATE_DREG) {
                Some(VERDICT) => {
                    self.verdict = value_of(data, NFTA_IMMEDIATE_DATA).map(|data| decision(Verdict::read(data)));
                }
                register => self.load(register, Content::Unknown),
            },
            "reject" => self.verdict = Some(Decision::Refuse),
            "queue" => self.verdict = Some(Decision::Other),
            "counter" | "log" | "last" | "notrack" | "dup" | "flow_offload" => {}
            "objref" if number(NFTA_OBJREF_IMM_TYPE).is_some_and(|kind| OBJECTS_WITHOUT_CONDITION.contains(&kind)) => {}
            "match" => match text().as_str() {
                "comment" => {}
                name => {
                    let info = value_of(data, NFTA_XT_INFO).unwrap_or_default();
                    self.ask(xtables::applies(name, number(NFTA_XT_REV).unwrap_or(0), info));
                }
            },
            "target" => match text().as_str() {
                "REJECT" => self.verdict = Some(Decision::Refuse),
                "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TRACE" | "AUDIT" | "CLASSIFY" | "TCPMSS" | "SET"
                | "CHECKSUM" => {}
                _ => self.verdict = Some(Decision::Other),
            },
            // Rates, quotas, and what is not known.
            _ => self.ask(Applies::Perhaps),
        }
    }

    fn ask(&mut self, applies: Applies) {
        self.is_conditional = true;
        self.applies = self.applies.min(applies);
    }

    fn load(&mut self, register: Option<u32>, content: Content) {
        if let Some(register) = register {
            self.registers.retain(|(other, _)| *other != register);
            self.registers.push((register, content));
        }
    }

    fn content(&self, register: Option<u32>) -> Content {
        let found = self.registers.iter().find(|(other, _)| Some(*other) == register);
        found.map_or(Content::Unknown, |(_, content)| content.clone())
    }

    /// In a set, a map or a map of verdicts.
    fn look_up(&mut self, data: &[u8], sets: &mut Sets<'_>) {
        let number = |kind| value_of(data, kind).and_then(read_number);
        let content = self.content(number(NFTA_LOOKUP_SREG));
        let elements = match content {
            Content::Unknown => None,
            _ => value_of(data, NFTA_LOOKUP_SET).and_then(|name| sets(&read_text(name))),
        };
        let is_inverted = number(NFTA_LOOKUP_FLAGS).unwrap_or(0) & NFT_LOOKUP_F_INV != 0;
        let is_verdict = number(NFTA_LOOKUP_DREG) == Some(VERDICT);
        let found = match (&content, &elements) {
            (Content::Known(value), Some(elements)) => find(elements, value),
            _ => None,
        };
        if let (Some(found), true) = (found, is_verdict) {
            self.is_conditional = true;
            self.verdict = found.map(|element| match &element.data {
                Some(Data::Verdict(verdict)) => decision(Some(verdict.clone())),
                _ => Decision::Other,
            });
            return;
        }
        self.ask(match (found, &content, &elements) {
            (Some(found), ..) => Applies::by(found.is_some() != is_inverted),
            (None, Content::Port, Some(elements)) if !is_inverted => of_ports(elements),
            _ => Applies::Perhaps,
        });
        match number(NFTA_LOOKUP_DREG) {
            Some(VERDICT) => self.verdict = Some(Decision::Other),
            register => self.load(register, Content::Unknown),
        }
    }
}

/// The element that a value is in; `None` where that cannot be told, as with keys of several parts.
fn find<'a>(elements: &'a [Element], value: &[u8]) -> Option<Option<&'a Element>> {
    if elements.iter().any(|element| element.key.bytes().len() != value.len()) {
        return None;
    }
    Some(elements.iter().find(|element| {
        let last = element.last.as_ref().unwrap_or(&element.key);
        element.key.bytes() <= value && value <= last.bytes()
    }))
}

fn of_ports(elements: &[Element]) -> Applies {
    let ports = elements.iter().fold(0_u16, |sum, element| {
        let last = element.last.as_ref().unwrap_or(&element.key);
        match (port(element.key.bytes()), port(last.bytes())) {
            (Some(first), Some(last)) => sum.saturating_add(last.saturating_sub(first)).saturating_add(1),
            _ => sum.saturating_add(1),
        }
    });
    Applies::to_ports(0, ports)
}

/// The bits that a mask keeps.
fn masked(data: &[u8], content: Content) -> Content {
    let value = |kind| value_of(data, kind).and_then(|data| value_of(data, NFTA_DATA_VALUE));
    let is_mask = value_of(data, NFTA_BITWISE_OP).and_then(read_number).unwrap_or(0) == 0;
    match (content, value(NFTA_BITWISE_MASK), value(NFTA_BITWISE_XOR)) {
        (Content::Known(bytes), Some(mask), Some(xor))
            if is_mask && bytes.len() == mask.len() && bytes.len() == xor.len() =>
        {
            Content::Known(bytes.iter().zip(mask).zip(xor).map(|((byte, mask), xor)| (byte & mask) ^ xor).collect())
        }
        _ => Content::Unknown,
    }
}

/// A value that is shorter than a register is the beginning of a name.
fn compare(data: &[u8], content: &Content) -> Applies {
    let operator = value_of(data, NFTA_OP).and_then(read_number);
    let value = value_of(data, NFTA_CMP_DATA).and_then(|data| value_of(data, NFTA_DATA_VALUE)).unwrap_or_default();
    match content {
        Content::Known(bytes) => match bytes.get(..value.len()) {
            Some(bytes) => Applies::by(holds(operator, bytes.cmp(value))),
            None => Applies::Perhaps,
        },
        Content::Port => match (operator, port(value)) {
            (Some(NFT_CMP_EQ), _) => Applies::ToSome,
            (Some(NFT_CMP_LT | NFT_CMP_LTE), Some(port)) => Applies::to_ports(0, port),
            (Some(NFT_CMP_GT | NFT_CMP_GTE), Some(port)) => Applies::to_ports(port, u16::MAX),
            _ => Applies::Perhaps,
        },
        Content::Unknown => Applies::Perhaps,
    }
}

fn holds(operator: Option<u32>, order: Ordering) -> bool {
    match operator {
        Some(NFT_CMP_NEQ) => order.is_ne(),
        Some(NFT_CMP_LT) => order.is_lt(),
        Some(NFT_CMP_LTE) => order.is_le(),
        Some(NFT_CMP_GT) => order.is_gt(),
        Some(NFT_CMP_GTE) => order.is_ge(),
        _ => order.is_eq(),
    }
}

fn in_range(data: &[u8], content: &Content) -> Applies {
    let value = |kind| value_of(data, kind).and_then(|data| value_of(data, NFTA_DATA_VALUE));
    let is_inverted = value_of(data, NFTA_OP).and_then(read_number) == Some(NFT_CMP_NEQ);
    match (content, value(NFTA_RANGE_FROM_DATA), value(NFTA_RANGE_TO_DATA)) {
        (Content::Known(bytes), Some(first), Some(last)) if bytes.len() == first.len() => {
            Applies::by((first <= bytes.as_slice() && bytes.as_slice() <= last) != is_inverted)
        }
        (Content::Port, Some(first), Some(last)) if !is_inverted => match (port(first), port(last)) {
            (Some(first), Some(last)) => Applies::to_ports(first, last),
            _ => Applies::Perhaps,
        },
        _ => Applies::Perhaps,
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// `None` for a verdict of another kind.
fn decision(verdict: Option<Verdict>) -> Decision {
    match verdict {
        Some(Verdict::Accept) => Decision::Accept,
        Some(Verdict::Drop) => Decision::Refuse,
        Some(Verdict::Return) => Decision::Return,
        Some(Verdict::Jump(chain)) => Decision::Go { chain, comes_back: true },
        Some(Verdict::Goto(chain)) => Decision::Go { chain, comes_back: false },
        None => Decision::Other,
    }
}
