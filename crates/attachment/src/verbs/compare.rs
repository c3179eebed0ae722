//! Comparing a description with what is there.

use crate::{Description, Difference, Error, Item, Session};

/// Compares all that a description says with what is there.
///
/// # Errors
/// The first that prevents the comparison.
pub fn differences(session: &mut Session, description: &Description) -> Result<Vec<Difference>, Error> {
    session.forget_listed();
    let mut all = Vec::new();
    for item in description.items() {
        let found = match item {
            Item::Object(object) => object.differences(session)?,
            Item::Shared(shared) => shared.differences(session)?,
            Item::Action(action) => action.differences(session)?,
        };
        // Two objects may need the same thing.
        let new: Vec<Difference> = found.into_iter().filter(|difference| !all.contains(difference)).collect();
        all.extend(new);
    }
    Ok(all)
}
