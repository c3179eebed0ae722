//! One more LAC on a host that has many, each with a member.

use std::collections::BTreeMap;

use anyhow::Result;
use harness::{Host, Lan, Namespace};

use super::maker::Maker;
use super::member::{Member, Way};
use super::site::Site;
use crate::attachment::Verb;
use crate::contender::Programs;
use crate::timing::{Figures, Times};

/// What it is called.
pub(super) const TITLE: &str = "vxlan-overlay: one more LAC on a host";

/// Which LAC of its host.
const LACS: [u32; 4] = [1, 10, 100, 1000];

/// What a call does, and of which LAC of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    pub(super) verb: Verb,
    pub(super) lac: u32,
}

/// The figures of each.
pub(super) type Measured = BTreeMap<(Job, Maker), Figures>;

/// A host whose LACs one maker makes.
#[derive(Debug)]
struct Crowd<'a> {
    site: Site<'a>,
    /// Has a NIC on each LAC that stays.
    stays: Namespace,
    comes: Namespace,
    /// How many LACs stay.
    lacs: u32,
}

impl<'a> Crowd<'a> {
    fn new(maker: Maker, (host, lan): (&Host, &Lan), programs: &'a Programs) -> Self {
        let site = Site::new("grow", maker, (host, lan), programs);
        let [stays, comes] = ["stays", "comes"].map(|name| host.namespace(&format!("grow-{name}-{maker}")));
        Self { site, stays, comes, lacs: 0 }
    }

    /// Makes as many LACs as are missing.
    fn grow(&mut self, lacs: u32) -> Result<()> {
        while self.lacs < lacs {
            let vni = self.lacs + 1;
            self.member(&self.stays, format!("eth{vni}"), vni).call(Verb::Add)?;
            self.lacs = vni;
        }
        Ok(())
    }

    fn member<'b>(&'b self, container: &'b Namespace, interface: String, vni: u32) -> Member<'b> {
        let (way, result) = (Way::Remotes, String::new());
        Member { site: &self.site, container, interface, way, vni, has_address: false, is_alone: true, result }
    }
}

/// Measures all by turns.
///
/// # Errors
/// A call fails.
pub(super) fn measure(rounds: usize, programs: &Programs, host: &Host) -> Result<Measured> {
    let lan = Lan::new(host, "grow-lan", 7);
    let mut crowds = [Maker::Ours, Maker::Floor].map(|maker| Crowd::new(maker, (host, &lan), programs));
    let mut seen: BTreeMap<(Job, Maker), Vec<Times>> = BTreeMap::new();
    for lac in LACS {
        eprintln!("bench: {TITLE}: number {lac}: {rounds} rounds");
        crowds.iter_mut().try_for_each(|crowd| crowd.grow(lac - 1))?;
        let mut members: Vec<Member<'_>> =
            crowds.iter().map(|crowd| crowd.member(&crowd.comes, "eth1".to_owned(), lac)).collect();
        for round in 0..=rounds {
            for verb in [Verb::Add, Verb::Del] {
                for member in &mut members {
                    let times = member.call(verb)?;
                    // The first round fills the caches.
                    if round > 0 {
                        seen.entry((Job { verb, lac }, member.site.maker)).or_default().push(times);
                    }
                }
            }
            members.rotate_left(1);
        }
    }
    Ok(seen.into_iter().map(|(key, times)| (key, Figures::of(&times))).collect())
}
