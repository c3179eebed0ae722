//! Removing what belongs to no valid attachment.

use std::cmp::Reverse;

use crate::ordered::ordered;
use crate::verbs::release::release;
use crate::{Error, Finder, Found, Session, Shared, Stage, Valid};

/// Removes what `network` has that belongs to none of the `valid` attachments, and then what they shared if
/// nothing uses it any more. Objects of other networks, and those that are not ours, are left alone.
pub fn collect(session: &mut Session, finders: &[&'static Finder], network: &str, valid: &Valid) -> Vec<Error> {
    let Left { stale, shared, mut errors } = Left::find(session, finders, network, valid);
    for (finder, found) in stale.iter().filter(|(_, found)| !found.is_empty()) {
        errors.extend((finder.collect)(session, found));
    }
    errors.extend(session.flush().err());
    errors.extend(release(session, &of_all(&shared)));
    errors
}

/// What a network has that may have to go.
pub(super) struct Left {
    /// What belongs to no valid attachment, by its finder, what is made last first.
    pub(super) stale: Vec<(&'static Finder, Vec<Found>)>,
    /// What attachments share, whether anybody uses it or not.
    pub(super) shared: Vec<Found>,
    /// What could not be asked.
    pub(super) errors: Vec<Error>,
}

impl Left {
    pub(super) fn find(session: &mut Session, finders: &[&'static Finder], network: &str, valid: &Valid) -> Self {
        let mut errors: Vec<Error> = Vec::new();
        let mut stale = Vec::new();
        let mut shared = Vec::new();
        for finder in finders {
            match (finder.of_network)(session, network) {
                Ok(found) => {
                    let (of_all, own): (Vec<_>, Vec<_>) =
                        found.into_iter().partition(|found| matches!(found, Found::Shared(_)));
                    shared.extend(of_all);
                    stale.push((*finder, own.into_iter().filter(|found| found.is_stale(valid)).collect::<Vec<_>>()));
                }
                // Several finders may have failed at the same query.
                Err(error) if errors.iter().any(|other| other.to_string() == error.to_string()) => {}
                Err(error) => errors.push(error),
            }
        }
        Self { stale: ordered(stale, |(_, found)| Reverse(last_stage(found))), shared, errors }
    }
}

/// What is shared of it.
pub(super) fn of_all(found: &[Found]) -> Vec<&dyn Shared> {
    let shared = found.iter().filter_map(|found| match found {
        Found::Shared(shared) => Some(shared.as_ref()),
        Found::Own { .. } => None,
    });
    shared.collect()
}

fn last_stage(found: &[Found]) -> Option<Stage> {
    found.iter().map(Found::stage).max()
}
