//! Changing an attachment in use.

use crate::session::Undo;
use crate::{Description, Error, Item, Session};

/// An update that failed.
#[derive(Debug)]
pub struct NotUpdated {
    /// Why.
    pub error: Box<Error>,
    /// What could not be made as it was before.
    pub left: Vec<Error>,
}

impl From<Error> for NotUpdated {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), left: Vec::new() }
    }
}

/// Changes the existing objects in place into what the description says; nothing is taken down. If a part fails, all are changed
/// back.
///
/// # Errors
/// What cannot be changed, or could not be.
pub fn update(session: &mut Session, description: &Description) -> Result<(), NotUpdated> {
    if description.shared().next().is_none() {
        return update_all(session, description);
    }
    session.excluding(|session| update_all(session, description))
}

fn update_all(session: &mut Session, description: &Description) -> Result<(), NotUpdated> {
    for item in description.items() {
        if let Item::Object(object) = item {
            object.refuse_update(session)?;
        }
    }
    let mut items = (0..).zip(description.items());
    let changed = items.try_for_each(|(place, item)| {
        session.work_on(place);
        match item {
            Item::Object(object) => object.update(session),
            Item::Shared(shared) => shared.update(session),
            Item::Action(_) => Ok(()),
        }
    });
    changed.and_then(|()| session.flush()).map_err(|error| {
        session.forget_unsent();
        let left = session.take_undo().into_iter().filter_map(|(place, undo)| match undo {
            Undo::TakeBack(take_back) | Undo::GiveBack(_, take_back) => take_back(session).err(),
            Undo::Made => match description.items().get(place) {
                Some(Item::Object(object)) => object.undo(session).err(),
                _ => None,
            },
        });
        NotUpdated { error: Box::new(error), left: left.collect() }
    })
}
