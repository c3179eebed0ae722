//! The first member of a LAC on a host, and a further one.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use harness::{Host, Lan, Namespace};

use super::maker::Maker;
use super::member::{Member, Way};
use super::site::Site;
use crate::attachment::Verb;
use crate::contender::Programs;
use crate::timing::{Figures, Times};

/// What it is called.
pub(super) const TITLE: &str = "vxlan-overlay: members of a LAC";

/// What most hosts have at the hooks of peers.
const FILTERING: &str = "nft 'table inet filtering { \
                         chain prerouting { type filter hook prerouting priority 0; }; \
                         chain input { type filter hook input priority 0; }; \
                         chain output { type filter hook output priority 0; }; \
                         chain postrouting { type filter hook postrouting priority 0; }; }'";

/// The LAC that all are on.
const VNI: u32 = 1;

/// Which member of a LAC on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    /// With it comes the LAC, and goes with its DEL.
    First,
    /// One that finds the LAC there.
    Further,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::First => "first",
            Self::Further => "further",
        })
    }
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    pub(super) verb: Verb,
    pub(super) which: Which,
    pub(super) way: Way,
    /// The NIC has an address of host-local.
    pub(super) has_address: bool,
}

/// The figures of each.
pub(super) type Measured = BTreeMap<(Job, Maker), Figures>;

type Seen = BTreeMap<(Job, Maker), Vec<Times>>;

/// Measures all by turns.
///
/// # Errors
/// A call fails.
pub(super) fn measure(rounds: usize, programs: &Programs, host: &Host) -> Result<Measured> {
    let lan = Lan::new(host, "join-lan", 7);
    // Where nothing on the machine filters at a hook yet, the kernel patches its code for the first rule there (`nf_hooks_needed`), which
    // takes longer than the rule. A host with a firewall has that behind it.
    let filtering = host.namespace("join-filtering");
    filtering.sh(FILTERING).ok();
    let sites = Maker::ALL.map(|maker| Site::new("join", maker, (host, &lan), programs));
    let containers =
        ["stays", "comes"].map(|name| Maker::ALL.map(|maker| host.namespace(&format!("join-{name}-{maker}"))));
    let mut seen = Seen::new();
    for which in [Which::First, Which::Further] {
        for way in [Way::Group, Way::Remotes] {
            for has_address in [false, true] {
                eprintln!("bench: {TITLE}: {which}, {way}, address: {has_address}: {rounds} rounds");
                turns(rounds, (which, way, has_address), (&sites, &containers), &mut seen)?;
            }
        }
    }
    Ok(seen.into_iter().map(|(key, times)| (key, Figures::of(&times))).collect())
}

/// Rounds of ADD, CHECK and DEL. `bridge` has further members alone, and the floor no CHECK.
fn turns<const N: usize>(
    rounds: usize,
    (which, way, has_address): (Which, Way, bool),
    (sites, [stay, come]): (&[Site<'_>; N], &[[Namespace; N]; 2]),
    seen: &mut Seen,
) -> Result<()> {
    let member = |(site, container), is_alone| Member {
        site,
        container,
        interface: "eth1".to_owned(),
        way,
        vni: VNI,
        has_address,
        is_alone,
        result: String::new(),
    };
    let mut staying: Vec<Member<'_>> = sites.iter().zip(stay).map(|pair| member(pair, true)).collect();
    let mut coming: Vec<Member<'_>> = sites.iter().zip(come).map(|pair| member(pair, which == Which::First)).collect();
    match which {
        Which::First => coming.retain(|member| member.site.maker != Maker::Bridge),
        Which::Further => staying.iter_mut().try_for_each(|member| member.call(Verb::Add).map(drop))?,
    }
    for round in 0..=rounds {
        for verb in Verb::ALL {
            for member in &mut coming {
                let maker = member.site.maker;
                if (verb, maker) == (Verb::Check, Maker::Floor) {
                    continue;
                }
                let times = member.call(verb)?;
                // The first round fills the caches.
                if round > 0 {
                    seen.entry((Job { verb, which, way, has_address }, maker)).or_default().push(times);
                }
            }
        }
        // None always runs in the wake of the same one.
        coming.rotate_left(1);
    }
    if which == Which::Further {
        staying.iter_mut().try_for_each(|member| member.call(Verb::Del).map(drop))?;
    }
    Ok(())
}
