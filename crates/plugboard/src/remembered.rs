//! What is recorded of a container that is to be attached.

use shaping::networks::NetworkSpec;

use crate::cache::Entry;
use crate::census::{self, Census, Usage};
use crate::cli::Attach;
use crate::holders::Holders;
use crate::state::State;

/// The records of a container, each where it belongs.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// What stays.
    pub(crate) living: Vec<Entry>,
    /// What has lost its namespace or its interface, or was never made completely, and is taken down before.
    pub(crate) dead: Vec<(Entry, State)>,
    /// What has lost its namespace as far as the record tells, and is in use all the same.
    pub(crate) lost: Vec<(Entry, Usage)>,
}

impl Remembered {
    /// Looks what has become of each. What somebody uses is not dead, by the rule of `gc`.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn sort(entries: Vec<Entry>, specs: &[NetworkSpec], args: &Attach) -> anyhow::Result<Self> {
        let mut sorted = Self::default();
        for entry in entries {
            if !sorted.lost.is_empty() {
                break; // nothing is attached then
            }
            match State::of(&entry) {
                State::Gone => match usage(&entry)? {
                    Some(usage) => sorted.lost.push((entry, usage)),
                    None => sorted.dead.push((entry, State::Gone)),
                },
                State::Missing if !is_obstacle(&entry, specs, args)? => sorted.living.push(entry),
                state if state.is_dead() => sorted.dead.push((entry, state)),
                _ => sorted.living.push(entry),
            }
        }
        Ok(sorted)
    }
}

/// Who uses an attachment whose namespace is gone.
fn usage(entry: &Entry) -> anyhow::Result<Option<Usage>> {
    census::settled(|| {
        let usage = Census::take()?.usage_of(entry, &Holders::look());
        let is_sure = usage.as_ref().is_none_or(|usage| usage.is_sure);
        Ok((usage, is_sure))
    })
}

/// An interface that is missing from its namespace may have another name there. Where the record does not tell whether it was this
/// namespace at all, and nothing of the interface is found, it is in the way of one that is wanted.
fn is_obstacle(entry: &Entry, specs: &[NetworkSpec], args: &Attach) -> anyhow::Result<bool> {
    let is_wanted =
        specs.iter().any(|spec| spec.name == entry.network) || args.ifname.as_ref() == Some(&entry.attachment.if_name);
    Ok(is_wanted
        && entry.namespace_id.is_none()
        && !entry.is_renamed()
        && entry.has_device() == Some(false)
        && Census::take()?.link_of_others(entry).is_none())
}

/// What is left of an attachment that is dead.
pub(crate) fn in_words(entry: &Entry, state: State) -> String {
    let why = match state {
        State::Incomplete => "was never set up completely".to_owned(),
        State::Missing => "is recorded, but not there any more".to_owned(),
        _ => format!("is recorded, but {} is gone", entry.place()),
    };
    format!("{} on network '{}' {why}", entry.attachment.if_name, entry.network)
}
