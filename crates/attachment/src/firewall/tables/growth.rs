//! Completing a table of ours that an older release made, or of which somebody has removed a part.

use netlink::{Request, Socket};
use nftables::rule::{self, Place};
use nftables::{BaseChain, Rule, chain, get_generation, read_generation, set};

use super::label::Label;
use super::{Ours, encoded_otherwise};
use crate::{Difference, Error, Remedy};

/// How a table compares with what this release wants.
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
        want: "one with its hook".to_owned(),
        have: "is there without".to_owned(),
        remedy: Remedy::Act(format!("remove it (nft 'flush chain {chain}; delete chain {chain}')")),
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
            match rank(rule, wanted, next) {
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

/// The `next` one is where it belongs as a rule.
fn rank(found: &rule::Found, wanted: &[Rule], next: usize) -> Rank {
    let Some(label) = Label::read(&found.comment) else {
        // Of a release without labels, or made by nft.
        if wanted.get(next).is_some_and(|rule| found.does(&rule.expressions)) {
            return Rank::At(next);
        }
        let is_it = |rule: &Rule| found.does(&rule.expressions) || found.does(&encoded_otherwise(&rule.expressions));
        return wanted.iter().position(is_it).map_or(Rank::Foreign, Rank::At);
    };
    let mut labels = wanted.iter().map(|rule| Label::read(&rule.comment));
    let place = labels.position(|wanted| wanted.is_some_and(|wanted| wanted.name == label.name));
    let Some(place) = place else { return Rank::Newer };
    let current = wanted.get(place).and_then(|rule| Label::read(&rule.comment));
    if current.is_some_and(|current| label.revision < current.revision) { Rank::Outdated } else { Rank::At(place) }
}

#[cfg(test)]
mod tests {
    use harness::{Host, sh};
    use nftables::transaction;

    use super::*;

    fn listed(socket: &mut Socket, ours: Ours, chain: &str) -> Vec<rule::Found> {
        rule::list(socket, &ours.table(), Some(chain)).unwrap()
    }

    /// Whether the chains have what they should have, in order.
    fn is_whole(socket: &mut Socket, ours: Ours) -> bool {
        ours.chains().iter().all(|(base, wanted)| {
            let found = listed(socket, ours, &base.chain.name);
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| {
                    found.does(&wanted.expressions) || found.does(&encoded_otherwise(&wanted.expressions))
                })
        })
    }

    /// Does what [`examine`] says. False when there is nothing to do.
    fn grow(socket: &mut Socket, ours: Ours) -> bool {
        match examine(socket, ours).unwrap() {
            Stand::Absent => panic!("it is there"),
            Stand::Complete => false,
            Stand::Lacking(generation, requests) => {
                transaction(socket, generation, requests).unwrap();
                true
            }
        }
    }

    /// The table as a release without labels made it.
    fn unlabelled(ours: Ours) -> Vec<Request> {
        let mut requests = vec![ours.table().create()];
        requests.extend((1..).zip(ours.sets()).map(|(id, set)| set.create(&ours.table(), id)));
        for (base, rules) in ours.chains() {
            requests.push(base.create());
            let plain = rules.into_iter().map(|rule| Rule::new(rule.expressions));
            requests.extend(plain.map(|rule| rule.create(&base.chain, Place::Last)));
        }
        requests
    }

    #[test]
    fn whole_tables_need_nothing_whoever_made_them() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        for ours in Ours::ALL {
            assert!(matches!(examine(&mut socket, ours).unwrap(), Stand::Absent));
            for requests in [ours.create(), unlabelled(ours)] {
                transaction(&mut socket, None, requests).unwrap();
                assert!(matches!(examine(&mut socket, ours).unwrap(), Stand::Complete), "{ours:?}");
                assert_eq!(Parts::of(&mut socket, ours).unwrap().differences(), []);
                assert!(is_whole(&mut socket, ours));
                transaction(&mut socket, None, vec![ours.table().delete()]).unwrap();
            }
        }
    }

    #[test]
    fn tables_that_were_saved_and_restored_are_known() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        for ours in Ours::ALL {
            for requests in [ours.create(), unlabelled(ours)] {
                transaction(&mut socket, None, requests).unwrap();
                // The target of an advertisement or a solicitation is what nft before 1.0.8 shows and does not read.
                let readable = "grep -v -e nd-neighbor-advert -e 'ip6 saddr :: '";
                sh(&format!("nft list ruleset | {readable} > /run/saved; nft flush ruleset; nft -f /run/saved")).ok();
                let differences = Parts::of(&mut socket, ours).unwrap().differences();
                let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
                if ours != Ours::Filter {
                    assert_eq!(differences, Vec::<String>::new());
                } else {
                    let unread = [
                        "rules in chain bridge plugboard prerouting: want 7, have 6, without advertised6",
                        "rules in chain bridge plugboard discovery: want 13, have 12, without detected6",
                    ];
                    assert_eq!(differences, unread);
                    assert!(grow(&mut socket, ours));
                }
                assert!(is_whole(&mut socket, ours));
                transaction(&mut socket, None, vec![ours.table().delete()]).unwrap();
            }
        }
    }

    #[test]
    fn what_is_printed_is_the_same_table() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        let listed = || sh("nft list ruleset").ok();
        for ours in Ours::ALL.into_iter().filter(|ours| *ours != Ours::Filter) {
            transaction(&mut socket, None, ours.create()).unwrap();
            let made = listed();
            transaction(&mut socket, None, vec![ours.table().delete()]).unwrap();
            sh(&format!("nft '{}'", ours.text())).ok();
            assert_eq!(listed(), made);
            assert!(matches!(examine(&mut socket, ours).unwrap(), Stand::Complete));
            transaction(&mut socket, None, vec![ours.table().delete()]).unwrap();
        }
    }

    #[test]
    fn whatever_rules_are_missing_come_back_in_their_places() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        for (ours, chain) in [
            (Ours::Filter, "prerouting"),
            (Ours::Filter, "input"),
            (Ours::Nat, "postrouting"),
            (Ours::Routed, "postrouting"),
            (Ours::Ports, "prerouting"),
            (Ours::Ports, "postrouting"),
            (Ours::Ports, "input"),
            (Ours::Lacs, "input"),
            (Ours::Lacs, "output"),
            (Ours::Lacs, "postrouting"),
        ] {
            transaction(&mut socket, None, unlabelled(ours)).unwrap();
            let count = listed(&mut socket, ours, chain).len();
            // The kernel takes 10 ms for each.
            for missing in (1..1u32 << count).step_by(3).chain([(1 << count) - 1]) {
                let found = listed(&mut socket, ours, chain);
                let gone = found.iter().enumerate().filter(|(place, _)| missing >> place & 1 == 1);
                let requests = gone.map(|(_, rule)| rule.delete()).collect();
                transaction(&mut socket, None, requests).unwrap();
                let difference = Parts::of(&mut socket, ours).unwrap().differences().remove(0).to_string();
                let left = count - missing.count_ones() as usize;
                assert!(difference.contains(&format!("want {count}, have {left}, without ")), "{difference}");
                assert!(grow(&mut socket, ours));
                assert!(is_whole(&mut socket, ours), "{chain} without {missing:b}");
                assert!(!grow(&mut socket, ours));
            }
            transaction(&mut socket, None, vec![ours.table().delete()]).unwrap();
        }
    }

    #[test]
    fn a_table_of_any_shape_grows() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        for (ours, made) in [
            (Ours::Nat, "table inet plugboard { }"),
            (
                Ours::Nat,
                "table inet plugboard { set masquerade6 { type ifname . ipv6_addr; }; chain postrouting { type nat hook postrouting priority srcnat; }; }",
            ),
            (
                Ours::Nat,
                "table inet plugboard { set masquerade4 { type ifname . ipv4_addr; }; chain postrouting { type nat hook postrouting priority srcnat; \
                oifname . ip saddr @masquerade4 return; ip daddr 224.0.0.0/4 return; iifname . ip saddr @masquerade4 masquerade; }; }",
            ),
            (
                Ours::Filter,
                "table bridge plugboard { set guarded { type ifname; }; chain input { type filter hook input priority -300; }; }",
            ),
            (
                Ours::Filter,
                "table bridge plugboard { set ipguarded { type ifname; }; chain prerouting { type filter hook prerouting priority -300; \
                iifname @ipguarded ether type != ip ether type != arp ether type != ip6 counter drop; }; }",
            ),
        ] {
            sh(&format!("nft '{made}'")).ok();
            assert!(grow(&mut socket, ours), "{made}");
            assert!(is_whole(&mut socket, ours), "{made}");
            assert_eq!(Parts::of(&mut socket, ours).unwrap().differences(), [], "{made}");
            assert!(!grow(&mut socket, ours), "{made}");
            transaction(&mut socket, None, vec![ours.table().delete()]).unwrap();
        }
    }

    #[test]
    fn rules_in_disorder_are_put_in_order() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        transaction(&mut socket, None, Ours::Nat.create()).unwrap();
        let (base, wanted) = Ours::Nat.chains().remove(0);
        // The last one moves to the front, and the second one is there twice.
        let found = listed(&mut socket, Ours::Nat, "postrouting");
        let requests = vec![
            found[5].delete(),
            wanted[5].create(&base.chain, Place::First),
            wanted[1].create(&base.chain, Place::Last),
        ];
        transaction(&mut socket, None, requests).unwrap();
        let differences = Parts::of(&mut socket, Ours::Nat).unwrap().differences();
        assert!(differences[0].to_string().contains("out of order"), "{differences:?}");
        assert!(grow(&mut socket, Ours::Nat));
        assert!(is_whole(&mut socket, Ours::Nat));
    }

    #[test]
    fn an_earlier_revision_is_replaced_and_a_later_one_is_not() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        transaction(&mut socket, None, Ours::Nat.create()).unwrap();
        let (base, wanted) = Ours::Nat.chains().remove(0);
        let revised = |place: usize, revision: u32| {
            let comment = wanted[place].comment.replace(" 1", &format!(" {revision}"));
            Rule { comment, expressions: vec![nftables::Expression::Counter] }
        };
        let found = listed(&mut socket, Ours::Nat, "postrouting");
        let requests = vec![
            revised(1, 0).create(&base.chain, Place::Before(found[1].handle)),
            found[1].delete(),
            revised(3, 2).create(&base.chain, Place::Before(found[3].handle)),
            found[3].delete(),
        ];
        transaction(&mut socket, None, requests).unwrap();
        assert!(grow(&mut socket, Ours::Nat));
        let comments: Vec<String> =
            listed(&mut socket, Ours::Nat, "postrouting").into_iter().map(|rule| rule.comment).collect();
        let mut expected: Vec<String> = wanted.iter().map(|rule| rule.comment.clone()).collect();
        expected[3] = "plugboard: members6 2".to_owned();
        assert_eq!(comments, expected);
    }

    #[test]
    fn foreign_rules_stay_and_are_told() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        transaction(&mut socket, None, Ours::Nat.create()).unwrap();
        let found = listed(&mut socket, Ours::Nat, "postrouting");
        sh("nft insert rule inet plugboard postrouting ip daddr 198.51.100.0/24 return && \
            nft add rule inet plugboard postrouting ip daddr 203.0.113.0/24 counter")
        .ok();
        transaction(&mut socket, None, vec![found[0].delete(), found[5].delete()]).unwrap();
        let differences = Parts::of(&mut socket, Ours::Nat).unwrap().differences();
        assert_eq!(
            differences[0].to_string(),
            "rules in chain inet plugboard postrouting: want 6, have 6, without members4, masquerade6, 2 of them not its own"
        );
        assert!(grow(&mut socket, Ours::Nat));
        let rules = sh("nft list chain inet plugboard postrouting").ok();
        let lines: Vec<&str> = rules.lines().map(str::trim).skip(3).collect();
        assert!(lines[0].contains("198.51.100.0/24") && lines[1].contains("members4"), "{rules}");
        assert!(lines[6].contains("masquerade6") && lines[7].contains("203.0.113.0/24"), "{rules}");
        let differences = Parts::of(&mut socket, Ours::Nat).unwrap().differences();
        assert!(differences[0].to_string().ends_with("want 6, have 8, 2 of them not its own"), "{differences:?}");
    }

    #[test]
    fn a_chain_without_its_hook_is_a_conflict() {
        let _host = Host::enter();
        let mut socket = Socket::open_netfilter().unwrap();
        sh("nft 'table bridge plugboard { chain prerouting { }; }'").ok();
        let error = examine(&mut socket, Ours::Filter).unwrap_err();
        assert!(
            matches!(&error, Error::Conflict { object, .. } if object == "chain bridge plugboard prerouting"),
            "{error}"
        );
        let Error::Conflict { remedy, .. } = error else { panic!("it is a conflict") };
        let command = remedy.to_string().trim_start_matches("remove it (").trim_end_matches(')').to_owned();
        sh(&command).ok();
        assert!(grow(&mut socket, Ours::Filter));
    }
}
