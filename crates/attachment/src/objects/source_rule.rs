//! The rule by which what an address sends leaves through its own NIC.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink::rule::{self, Rule};

use super::rule_words::{command, label};
use super::source_table::{KIND, PRIORITY};
use crate::{Difference, Error, Kind, Object, Remedy, Session, Side, Stage, Step};

/// A rule of the container: what comes from an address is routed by a table of its own. With this rule, the answer to a question
/// leaves by the NIC that has the address, wherever the main table would send it.
#[derive(Debug)]
pub struct SourceRule {
    /// The address.
    pub address: IpAddr,
    /// The table's number.
    pub table: u32,
}

impl SourceRule {
    fn rule(&self) -> Rule {
        Rule::new(IpNetwork::from(self.address), self.table, PRIORITY)
    }

    fn label(&self) -> String {
        label(&self.rule())
    }
}

impl Object for SourceRule {
    /// [`SourceTable`](super::SourceTable) finds it.
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    /// In the same send as the routes of its table, and behind them.
    fn stage(&self) -> Stage {
        Stage::Route
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let step = Step::make(Side::Container, format!("make {}", self.label()), self.rule().add());
        session.queue(step.explained(|error| match error {
            Error::Refused { source, .. } if rule::is_without_rules(&source) => Error::Unsupported {
                feature: "policy routing, by which answers leave by the NIC that they belong to".to_owned(),
                remedy: Remedy::act("use a kernel with CONFIG_IP_MULTIPLE_TABLES and CONFIG_IPV6_MULTIPLE_TABLES"),
            },
            other => other,
        }));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let is_there = session.listed_rules()?.contains(&self.rule());
        Ok(if is_there { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        session.remove(Side::Container, format!("remove {}", self.label()), self.rule().delete())
    }

    fn commands(&self) -> Vec<String> {
        vec![command("add", &self.rule())]
    }
}
