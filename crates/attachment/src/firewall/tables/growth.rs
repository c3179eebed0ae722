//! What a table of ours lacks: an older release made it, or somebody has removed a part of it.

use netlink::{Request, Socket};
use nftables::rule::{self, Place};
use nftables::{BaseChain, Rule, chain, get_generation, read_generation, set};

use super::label::Label;
use super::{Ours, as_nft_encodes};
use crate::{Difference, Error};

/// How a table stands to what this release wants of it.
#[derive(Debug, Clone)]
pub(crate) enum Stand {
    /// It is not there.
    Absent,
    /// It has all.
    Complete,
    /// These requests make up for what it lacks, as long as the rule set has this generation.
    Lacking(Option<u32>, Vec<Request>),
}

/// Looks at all parts of a table.
///
/// # Errors
/// The kernel cannot be asked; [`Error::Conflict`] when something else has the name of a chain.
pub(crate) fn examine(socket: &mut Socket, ours: Ours) -> Result<Stand, Error> {
    let refused = |source| Error::Refused { action: format!("list table {}", ours.table()), source };
    let mut answers = socket.batch(vec![get_generation(), ours.table().get()]).map_err(refused)?.into_iter();
    let generation = answers.next().and_then(|answer| read_generation(&answer));
    match answers.next() {
        Some(Err(error)) if error.errno() == Some(libc::ENOENT) => return Ok(Stand::Absent),
        Some(Err(error)) => return Err(refused(error)),
        _ => {}
    }
    let requests = Parts::of(socket, ours)?.growth()?;
    Ok(if requests.is_empty() { Stand::Complete } else { Stand::Lacking(generation, requests) })
}

/// Everything that a table has.
#[derive(Debug)]
pub(crate) struct Parts {
    ours: Ours,
    sets: Vec<set::Found>,
    chains: Vec<chain::Found>,
    rules: Vec<rule::Found>,
}

impl Parts {
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn of(socket: &mut Socket, ours: Ours) -> Result<Self, Error> {
        let table = ours.table();
        let refused = |source| Error::Refused { action: format!("list table {table}"), source };
        let sets = set::list(socket, &table).map_err(refused)?;
        let mut chains = chain::list(socket, Some(table.family)).map_err(refused)?;
        chains.retain(|found| found.chain.table == table);
        let rules = rule::list(socket, &table, None).map_err(refused)?;
        Ok(Self { ours, sets, chains, rules })
    }

    /// What makes up for what is missing.
    fn growth(&self) -> Result<Vec<Request>, Error> {
        let table = self.ours.table();
        let mut requests = Vec::new();
        for (id, set) in (1..).zip(self.ours.sets()) {
            if !self.sets.iter().any(|found| found.name == set.name) {
                requests.push(set.create(&table, id));
            }
        }
        for (base, wanted) in self.ours.chains() {
            match self.chains.iter().find(|found| found.chain == base.chain) {
                None => {
                    requests.push(base.create());
                    requests.extend(wanted.iter().map(|rule| rule.create(&base.chain, Place::Last)));
                }
                Some(found) if found.is_at(base.hook) => requests.extend(self.ranks(&base, &wanted).completion()),
                Some(_) => return Err(misplaced(&base)),
            }
        }
        Ok(requests)
    }

    /// What is missing, or too much.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let table = self.ours.table();
        let mut differences = Vec::new();
        for set in self.ours.sets() {
            if !self.sets.iter().any(|found| found.name == set.name) {
                differences.push(Difference::missing(format!("set {} of table {table}", set.name)));
            }
        }
        for (base, wanted) in self.ours.chains() {
            if !self.chains.iter().any(|found| found.chain == base.chain && found.is_at(base.hook)) {
                differences.push(Difference::missing(format!("chain {}", base.chain)));
            } else {
                differences.extend(self.ranks(&base, &wanted).difference());
            }
        }
        differences
    }

    fn ranks<'a>(&'a self, base: &'a BaseChain, wanted: &'a [Rule]) -> Ranks<'a> {
        Ranks::new(base, wanted, self.rules.iter().filter(|rule| rule.chain == base.chain))
    }
}

fn misplaced(base: &BaseChain) -> Error {
    let chain = &base.chain;
    Error::Conflict {
        object: format!("chain {chain}"),
        want: format!("one at the hook {}", format!("{:?}", base.hook).to_lowercase()),
        have: "is there without it".to_owned(),
        remedy: format!("remove it (nft 'flush chain {chain}; delete chain {chain}')"),
    }
}

/// The rules of a chain beside those that it should have.
struct Ranks<'a> {
    base: &'a BaseChain,
    wanted: &'a [Rule],
    /// For each wanted rule the handle of the one that is it.
    kept: Vec<Option<u64>>,
    /// Of earlier revisions, twice there, or behind one that they belong before.
    surplus: Vec<&'a rule::Found>,
    /// Not ours.
    foreign: usize,
}

impl<'a> Ranks<'a> {
    fn new(base: &'a BaseChain, wanted: &'a [Rule], found: impl Iterator<Item = &'a rule::Found>) -> Self {
        let mut ranks = Self { base, wanted, kept: vec![None; wanted.len()], surplus: Vec::new(), foreign: 0 };
        let mut next = 0;
        for rule in found {
            match rank(rule, wanted) {
                Rank::At(place) if place >= next => {
                    next = place + 1;
                    if let Some(kept) = ranks.kept.get_mut(place) {
                        *kept = Some(rule.handle);
                    }
                }
                Rank::At(_) | Rank::Outdated => ranks.surplus.push(rule),
                Rank::Newer => {}
                Rank::Foreign => ranks.foreign += 1,
            }
        }
        ranks
    }

    /// Puts missing rules where they belong: right before the one that follows, else right behind those that are there, else
    /// at the end.
    fn completion(&self) -> Vec<Request> {
        let mut requests: Vec<Request> = self.surplus.iter().map(|rule| rule.delete()).collect();
        let chain = &self.base.chain;
        let last = self.kept.iter().rposition(Option::is_some);
        for (place, (rule, kept)) in self.wanted.iter().zip(&self.kept).enumerate() {
            let following = self.kept.iter().skip(place + 1).find_map(|kept| *kept);
            match (kept, following, last) {
                (None, Some(following), _) => requests.push(rule.create(chain, Place::Before(following))),
                (None, None, None) => requests.push(rule.create(chain, Place::Last)),
                _ => {}
            }
        }
        let Some((last, handle)) = last.and_then(|last| Some((last, (*self.kept.get(last)?)?))) else {
            return requests;
        };
        // The last one first: each takes the place right behind.
        let behind = self.wanted.iter().skip(last + 1).rev();
        requests.extend(behind.map(|rule| rule.create(chain, Place::Behind(handle))));
        requests
    }

    fn difference(&self) -> Option<Difference> {
        let missing: Vec<&str> = self
            .wanted
            .iter()
            .zip(&self.kept)
            .filter(|(_, kept)| kept.is_none())
            .filter_map(|(rule, _)| Some(Label::read(&rule.comment)?.name))
            .collect();
        let have = self.kept.len() - missing.len() + self.surplus.len() + self.foreign;
        let mut text = have.to_string();
        if !missing.is_empty() {
            text += &format!(", without {}", missing.join(", "));
        }
        if !self.surplus.is_empty() {
            text += &format!(", {} of them out of order or out of date", self.surplus.len());
        }
        if self.foreign > 0 {
            text += &format!(", {} of them not its own", self.foreign);
        }
        let what = format!("rules in chain {}", self.base.chain);
        (text != self.wanted.len().to_string()).then(|| Difference::new(what, self.wanted.len(), text))
    }
}

/// What a rule is in its chain.
#[derive(Debug, PartialEq, Eq)]
enum Rank {
    /// The wanted one of this place, or a later revision of it.
    At(usize),
    /// An earlier revision of a wanted one.
    Outdated,
    /// Of a later release.
    Newer,
    Foreign,
}

fn rank(found: &rule::Found, wanted: &[Rule]) -> Rank {
    let Some(label) = Label::read(&found.comment) else {
        // Of a release without labels, or made by nft.
        let is_it = |rule: &Rule| found.does(&rule.expressions) || found.does(&as_nft_encodes(&rule.expressions));
        return wanted.iter().position(is_it).map_or(Rank::Foreign, Rank::At);
    };
    let mut labels = wanted.iter().map(|rule| Label::read(&rule.comment));
    let place = labels.position(|wanted| wanted.is_some_and(|wanted| wanted.name == label.name));
    let Some(place) = place else { return Rank::Newer };
    let current = wanted.get(place).and_then(|rule| Label::read(&rule.comment));
    if current.is_some_and(|current| label.revision < current.revision) { Rank::Outdated } else { Rank::At(place) }
}
