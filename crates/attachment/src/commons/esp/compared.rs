//! What there is of it, compared with what is wanted.

use netlink::xfrm::State;

use super::Esp;
use super::derived::Way;
use super::found::Installed;
use crate::Difference;

impl Esp {
    pub(super) fn compare(&self, installed: &Installed) -> Vec<Difference> {
        let label = self.label();
        let mut differences: Vec<Difference> = self
            .policies()
            .iter()
            .filter(|policy| !installed.policies.contains(policy))
            .map(|policy| Difference::missing(format!("policy of {label}, dir {}", policy.direction.word())))
            .collect();
        let words = |way: Way| format!("state of {label} from {} to {}", way.source, way.destination);
        for wanted in self.all_wanted() {
            if installed.has(&wanted) {
                continue;
            }
            let is_there = installed.state(wanted.id());
            differences.push(match is_there {
                None => Difference::missing(words(wanted.way())),
                Some(State { expires_after: Some(_), .. }) => {
                    Difference::new(words(wanted.way()), "there for as long as the LAC", "about to expire")
                }
                Some(_) => Difference::new(words(wanted.way()), "as it was made", "with other parameters"),
            });
        }
        let others = self.of_other_keys(installed).map(|state| {
            let way = Way::of(state);
            Difference::new(words(way), "by the key file", format!("by another key (SPI {:#010x})", state.id.spi))
        });
        differences.extend(others);
        differences
    }

    /// States from an address that was a peer's until now, by others than the first key: nothing must be sent with them.
    pub(super) fn of_peer_before<'a>(&'a self, installed: &'a Installed) -> impl Iterator<Item = &'a State> {
        let is_new = !installed.locals().contains(&self.local);
        let keys = self.extracted();
        installed
            .states
            .iter()
            .filter(move |state| is_new && state.source == self.local)
            .filter(move |state| keys.first().is_none_or(|first| self.derived(first, Way::of(state)).id() != state.id))
    }

    /// States by a key that the configuration does not have, or that are sent with and not by its first, without those that were
    /// replaced.
    pub(super) fn of_other_keys<'a>(&'a self, installed: &'a Installed) -> impl Iterator<Item = &'a State> {
        self.of_other_or_replaced_keys(installed).filter(|state| state.expires_after.is_none())
    }

    /// The same with those that were replaced, and expire.
    pub(super) fn of_other_or_replaced_keys<'a>(&'a self, installed: &'a Installed) -> impl Iterator<Item = &'a State> {
        let (locals, keys) = (installed.locals(), self.extracted());
        installed.states.iter().filter(move |state| {
            let way = Way::of(state);
            let mut keys = match locals.contains(&state.source) {
                true => keys.iter().take(1),
                false => keys.iter().take(usize::MAX),
            };
            !keys.any(|key| self.derived(key, way).id() == state.id)
        })
    }
}
