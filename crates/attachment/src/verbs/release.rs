//! Releasing what attachments share, when the last of them goes.

use std::cmp::Reverse;

use crate::ordered::ordered;
use crate::{Error, Session, Shared};

/// Removes what nobody uses any more, commons by commons, the last stage first, and of one stage what was written last: what protects
/// another commons goes after that. Whether it is used is asked without the lock first, because as a rule it is; and again with it, because
/// somebody may have come meanwhile.
pub(super) fn release(session: &mut Session, all: &[&dyn Shared]) -> Vec<Error> {
    let mut errors = Vec::new();
    for parts in by_commons(all) {
        match release_unused(session, &parts) {
            Ok(failed) => errors.extend(failed),
            Err(error) => errors.push(error),
        }
    }
    errors
}

/// The parts of each commons, and these by their parts, the last stage first.
pub(super) fn by_commons<'a>(all: &[&'a dyn Shared]) -> Vec<Vec<&'a dyn Shared>> {
    let mut commons: Vec<String> = Vec::new();
    let mut groups = Vec::new();
    for shared in all {
        let name = shared.commons().name();
        if commons.contains(&name) {
            continue;
        }
        let mut parts: Vec<&dyn Shared> = Vec::new();
        for part in all.iter().copied().filter(|part| part.commons().name() == name) {
            // One may have been found in several ways.
            if !parts.iter().any(|other| std::ptr::eq(other.kind(), part.kind()) && other.name() == part.name()) {
                parts.push(part);
            }
        }
        parts.reverse();
        groups.push(ordered(parts, |part| Reverse(part.stage())));
        commons.push(name);
    }
    groups.reverse();
    ordered(groups, |parts| Reverse(parts.first().map(|last| last.stage())))
}

fn release_unused(session: &mut Session, parts: &[&dyn Shared]) -> Result<Vec<Error>, Error> {
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    let commons = first.commons();
    if commons.is_used(session)? {
        return Ok(Vec::new());
    }
    session.excluding_if_possible(|session| {
        if commons.is_used(session)? {
            return Ok(Vec::new());
        }
        Ok(parts.iter().filter_map(|part| part.release(session).err()).collect())
    })
}
