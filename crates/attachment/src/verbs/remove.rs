//! Removing an attachment.

use crate::verbs::release::release;
use crate::{Description, Error, Finder, Identity, Item, Session};

/// What an attachment may have left, by its identity alone.
///
/// # Errors
/// Beside what could be found: what prevented the rest.
pub fn of_attachment(
    session: &mut Session,
    finders: &[&'static Finder],
    identity: &Identity,
) -> (Description, Vec<Error>) {
    let mut description = Description::new();
    let mut errors = Vec::new();
    for finder in finders {
        match (finder.of_attachment)(session, identity) {
            Ok(items) => description.extend(items),
            // Several finders may have failed at the same query.
            Err(error) if errors.iter().any(|other: &Error| other.to_string() == error.to_string()) => {}
            Err(error) => errors.push(error),
        }
    }
    (description, errors)
}

/// Removes all objects, the last first, and then what is shared, where nobody else uses it. What fails does not keep the rest
/// from being removed.
pub fn remove(session: &mut Session, description: &Description) -> Vec<Error> {
    let own = description.items().iter().rev().filter_map(|item| match item {
        Item::Object(object) => object.remove(session).err(),
        _ => None,
    });
    let mut errors: Vec<Error> = own.collect();
    errors.extend(session.flush().err());
    let shared: Vec<_> = description.shared().collect();
    errors.extend(release(session, &shared));
    errors
}
