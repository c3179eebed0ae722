//! Whether what is sent from one link to another passes a chain, as far as the names of the links decide it.
//!
//! A rule may ask for more than that. If it asks for a protocol or for the state of a connection, it is not about all packets of a way,
//! and what it lets pass counts for nothing. If it asks for something else, such as an address, it may be about all of them.

use netlink::attributes::{iterate, read_text, value_of};

use crate::expression::Meta;
use crate::message::{NFTA_EXPR_DATA, NFTA_EXPR_NAME, read_number};
use crate::register::VERDICT;
use crate::rule::Found;
use crate::{Policy, Verdict};

/// Chains that lead to each other further than this are not followed (`NFT_JUMP_STACK_SIZE`).
const DEPTH: u32 = 16;

/// Source and destination registers of `bitwise` and `byteorder`, and the source of `cmp` and `range`.
const NFTA_SREG: u16 = 1;
const NFTA_CHANGED_DREG: u16 = 2;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_DREG: u16 = 3;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
/// Of a match or a target of iptables (`nf_tables_compat.h`).
const NFTA_XT_NAME: u16 = 1;
const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
/// The keys of `ct` up to here are state, direction and status (`enum nft_ct_keys`).
const NFT_CT_STATUS: u32 = 2;
/// What names of links are padded to with zeros (`IFNAMSIZ`).
const NAME_BYTES: usize = 16;

/// From one link of the host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way<'a> {
    /// The name of the link that packets come in by.
    pub from: &'a str,
    /// The name of the one that they leave by.
    pub to: &'a str,
}

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
pub fn fate(rules: &[Found], base: &str, policy: Option<Policy>, way: Way<'_>) -> Fate {
    let mut walk = Walk { rules, way, may_pass: false };
    let end = walk.through(base, 0);
    match end {
        End::Refused(_) if walk.may_pass => Fate::Unknown,
        End::Refused(chain) => Fate::Refused(chain),
        End::Through if policy == Some(Policy::Drop) && !walk.may_pass => Fate::Refused(base.to_owned()),
        End::Through if policy == Some(Policy::Drop) => Fate::Unknown,
        End::Passed | End::Through => Fate::Pass,
    }
}

impl Found {
    /// It drops or rejects whatever comes by.
    #[must_use]
    pub fn refuses_all(&self) -> bool {
        let read = Reading::of(self.expressions(), Way { from: "", to: "" });
        read.verdict == Some(Decision::Refuse) && !read.compares_links && read.applies() == Applies::Always
    }
}

/// How a chain ends for packets of a way.
#[derive(Debug)]
enum End {
    Passed,
    Refused(String),
    Through,
}

struct Walk<'a> {
    rules: &'a [Found],
    way: Way<'a>,
    /// A rule may have let them pass before.
    may_pass: bool,
}

impl Walk<'_> {
    fn through(&mut self, chain: &str, depth: u32) -> End {
        if depth > DEPTH {
            return End::Through;
        }
        let rules = self.rules;
        for rule in rules.iter().filter(|rule| rule.chain.name == chain) {
            let read = Reading::of(rule.expressions(), self.way);
            let Some(decision) = read.verdict.clone() else { continue };
            match (read.applies(), decision) {
                (Applies::Never | Applies::ToSome, _) | (Applies::Perhaps, Decision::Refuse) => {}
                (Applies::Always, Decision::Accept) => return End::Passed,
                (Applies::Always, Decision::Refuse) => return End::Refused(chain.to_owned()),
                (Applies::Always, Decision::Return) => return End::Through,
                (Applies::Always, Decision::Go { chain, comes_back }) => match self.through(&chain, depth + 1) {
                    End::Through if comes_back => {}
                    end => return end,
                },
                (Applies::Perhaps, Decision::Go { chain, .. }) => {
                    self.may_pass |= matches!(self.through(&chain, depth + 1), End::Passed);
                }
                (Applies::Perhaps, Decision::Accept | Decision::Return) | (_, Decision::Other) => self.may_pass = true,
            }
        }
        End::Through
    }
}

/// How a rule ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    Accept,
    Refuse,
    Return,
    Go { chain: String, comes_back: bool },
    Other,
}

/// To which packets of a way a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applies {
    Never,
    ToSome,
    Perhaps,
    Always,
}

/// What a register has been loaded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    From,
    To,
    State,
    Protocol,
    Other,
}

/// What a rule asks for.
#[derive(Debug, Default)]
struct Reading {
    registers: Vec<(u32, Content)>,
    is_of_other_links: bool,
    compares_links: bool,
    names_link: bool,
    asks_protocol: bool,
    asks_state: bool,
    asks_other: bool,
    verdict: Option<Decision>,
}

impl Reading {
    fn of(expressions: &[u8], way: Way<'_>) -> Self {
        let mut read = Self::default();
        for (_, expression) in iterate(expressions) {
            let name = value_of(expression, NFTA_EXPR_NAME).map(read_text).unwrap_or_default();
            read.step(&name, value_of(expression, NFTA_EXPR_DATA).unwrap_or_default(), way);
            if read.verdict.is_some() || read.is_of_other_links {
                break;
            }
        }
        read
    }

    fn applies(&self) -> Applies {
        if self.is_of_other_links {
            Applies::Never
        } else if self.asks_protocol {
            Applies::ToSome
        } else if self.asks_other || (self.asks_state && self.names_link) {
            Applies::Perhaps
        } else if self.asks_state {
            Applies::ToSome
        } else {
            Applies::Always
        }
    }

    fn step(&mut self, name: &str, data: &[u8], way: Way<'_>) {
        let number = |kind| value_of(data, kind).and_then(read_number);
        let text = || value_of(data, NFTA_XT_NAME).map(read_text).unwrap_or_default();
        match name {
            "meta" => {
                let content = match number(NFTA_META_KEY) {
                    Some(key) if key == Meta::Iifname as u32 => Content::From,
                    Some(key) if key == Meta::Oifname as u32 => Content::To,
                    Some(key) if key == Meta::L4proto as u32 => Content::Protocol,
                    _ => Content::Other,
                };
                self.load(number(NFTA_META_DREG), content);
            }
            "ct" => {
                let is_state = number(NFTA_CT_KEY).is_some_and(|key| key <= NFT_CT_STATUS);
                self.load(number(NFTA_CT_DREG), if is_state { Content::State } else { Content::Other });
            }
            "payload" => {
                let is_transport = number(NFTA_PAYLOAD_BASE) == Some(NFT_PAYLOAD_TRANSPORT_HEADER);
                self.load(number(NFTA_PAYLOAD_DREG), if is_transport { Content::Protocol } else { Content::Other });
            }
            "bitwise" | "byteorder" => {
                let content = self.content(number(NFTA_SREG));
                // A changed name is none.
                let is_name = matches!(content, Content::From | Content::To);
                self.load(number(NFTA_CHANGED_DREG), if is_name { Content::Other } else { content });
            }
            "cmp" => self.compare(data, way),
            "range" => self.ask(self.content(number(NFTA_SREG))),
            "lookup" => {
                self.ask(self.content(number(NFTA_LOOKUP_SREG)));
                match number(NFTA_LOOKUP_DREG) {
                    Some(VERDICT) => self.verdict = Some(Decision::Other),
                    register => self.load(register, Content::Other),
                }
            }
            "immediate" => match number(NFTA_IMMEDIATE_DREG) {
                Some(VERDICT) => self.verdict = value_of(data, NFTA_IMMEDIATE_DATA).and_then(decision),
                register => self.load(register, Content::Other),
            },
            "reject" => self.verdict = Some(Decision::Refuse),
            "queue" => self.verdict = Some(Decision::Other),
            "counter" | "log" | "last" | "notrack" | "objref" | "dup" | "flow_offload" => {}
            "limit" | "quota" | "connlimit" => self.asks_protocol = true, // some of them, in any case
            "match" => match text().as_str() {
                "comment" => {}
                "tcp" | "udp" | "icmp" | "icmp6" | "icmpv6" | "sctp" | "dccp" | "multiport" | "limit" => {
                    self.asks_protocol = true;
                }
                "conntrack" | "state" => self.asks_state = true,
                _ => self.asks_other = true,
            },
            "target" => match text().as_str() {
                "REJECT" => self.verdict = Some(Decision::Refuse),
                "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TRACE" | "AUDIT" | "CLASSIFY" | "TCPMSS" | "SET"
                | "CHECKSUM" => {}
                _ => self.verdict = Some(Decision::Other),
            },
            _ => self.asks_other = true,
        }
    }

    fn load(&mut self, register: Option<u32>, content: Content) {
        if let Some(register) = register {
            self.registers.retain(|(other, _)| *other != register);
            self.registers.push((register, content));
        }
    }

    fn content(&self, register: Option<u32>) -> Content {
        let found = self.registers.iter().find(|(other, _)| Some(*other) == register);
        found.map_or(Content::Other, |(_, content)| *content)
    }

    fn ask(&mut self, content: Content) {
        match content {
            Content::State => self.asks_state = true,
            Content::Protocol => self.asks_protocol = true,
            Content::From | Content::To | Content::Other => self.asks_other = true,
        }
    }

    /// A value that is shorter than a register is the beginning of a name.
    fn compare(&mut self, data: &[u8], way: Way<'_>) {
        let number = |kind| value_of(data, kind).and_then(read_number);
        let content = self.content(number(NFTA_SREG));
        let name = match content {
            Content::From => way.from,
            Content::To => way.to,
            _ => return self.ask(content),
        };
        let value = value_of(data, NFTA_CMP_DATA).and_then(|data| value_of(data, NFTA_DATA_VALUE)).unwrap_or_default();
        let mut padded = name.as_bytes().to_vec();
        padded.resize(NAME_BYTES.max(name.len()), 0);
        let is_equal = padded.starts_with(value);
        self.compares_links = true;
        match number(NFTA_CMP_OP) {
            Some(NFT_CMP_EQ) if is_equal => self.names_link = true,
            Some(NFT_CMP_EQ) => self.is_of_other_links = true,
            Some(NFT_CMP_NEQ) => self.is_of_other_links = is_equal,
            _ => self.asks_other = true,
        }
    }
}

fn decision(data: &[u8]) -> Option<Decision> {
    Some(match Verdict::read(data) {
        Some(Verdict::Accept) => Decision::Accept,
        Some(Verdict::Drop) => Decision::Refuse,
        Some(Verdict::Return) => Decision::Return,
        Some(Verdict::Jump(chain)) => Decision::Go { chain, comes_back: true },
        Some(Verdict::Goto(chain)) => Decision::Go { chain, comes_back: false },
        None => Decision::Other,
    })
}
