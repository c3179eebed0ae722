//! Making what a description says, and undoing it if something fails.

use crate::session::Undo;
use crate::verbs::release::release;
use crate::{Description, Error, Item, Session, Shared, Stage, State};

/// Asks all objects whether anything is in their way.
///
/// # Errors
/// The first that is.
pub fn refuse_existing(session: &mut Session, description: &Description) -> Result<(), Error> {
    description.items().iter().try_for_each(|item| match item {
        Item::Object(object) => object.refuse_existing(session),
        Item::Shared(shared) => shared.refuse_existing(session),
        Item::Action(_) => Ok(()),
    })
}

/// Asks, for STATUS, whether what is shared on this host could serve.
///
/// # Errors
/// The first that could not.
pub fn refuse_unusable(session: &mut Session, description: &Description) -> Result<(), Error> {
    description.shared().try_for_each(|shared| shared.refuse_unusable(session))
}

/// An attachment that is being made.
#[derive(Default)]
pub struct Creation {
    items: Vec<Item>,
    last: Option<Stage>,
}

impl Creation {
    /// Nothing made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the objects and performs the actions, in order. Call it again for parts of later stages that become known only
    /// later. What is shared cannot go before all of it is made.
    ///
    /// # Errors
    /// The first that fails. What was made stays until [`Creation::undo`].
    pub fn make(&mut self, session: &mut Session, description: Description) -> Result<(), Error> {
        self.run(session, description, |_| true)
    }

    /// Like [`Creation::make`], but without actions (waiting, asking, announcing): to see whether the objects can be made.
    ///
    /// # Errors
    /// The first that fails.
    pub fn rehearse(&mut self, session: &mut Session, description: Description) -> Result<(), Error> {
        self.run(session, description, |item| !matches!(item, Item::Action(_)))
    }

    fn run(
        &mut self,
        session: &mut Session,
        description: Description,
        is_due: impl Fn(&Item) -> bool,
    ) -> Result<(), Error> {
        let first = self.items.len();
        for item in description.into_items().into_iter().filter(is_due) {
            if self.last.is_some_and(|last| item.stage() < last) && self.items.len() == first {
                return Err(Error::Late);
            }
            self.last = self.last.max(Some(item.stage()));
            let parts = match &item {
                Item::Object(object) => object.parts(),
                _ => Vec::new(),
            };
            match parts.is_empty() {
                true => self.items.push(item),
                false => self.items.extend(parts.into_iter().map(Item::Object)),
            }
        }
        let new = self.items.get(first..).unwrap_or_default();
        let made = match new.iter().any(|item| matches!(item, Item::Shared(_))) {
            true => session.sharing(|session| make_all(session, new, first)),
            false => make_all(session, new, first),
        };
        session.forget_unsent();
        made
    }

    /// Removes what this creation made, the last first; what it found and adopted stays if anybody else uses it.
    pub fn undo(&mut self, session: &mut Session) -> Vec<Error> {
        self.undo_some(session, |_| true)
    }

    /// Like [`Creation::undo`], but only for what does not go with the namespaces that it was rehearsed in.
    pub fn undo_elsewhere(&mut self, session: &mut Session) -> Vec<Error> {
        self.undo_some(session, |item| match item {
            Item::Object(object) => object.is_elsewhere(),
            Item::Shared(shared) => shared.is_elsewhere(),
            Item::Action(_) => false,
        })
    }

    fn undo_some(&mut self, session: &mut Session, is_due: impl Fn(&Item) -> bool) -> Vec<Error> {
        let items = std::mem::take(&mut self.items);
        session.forget_unsent();
        let mut errors = Vec::new();
        let mut shared = Vec::new();
        let mut for_all: Vec<(IsUsed<'_>, TakeBack<'_>)> = Vec::new();
        let mut done = None;
        for (place, undo) in session.take_undo() {
            let Some(item) = items.get(place).filter(|item| is_due(item)) else { continue };
            match undo {
                Undo::Made => {}
                Undo::TakeBack(take_back) => {
                    errors.extend(take_back(session).err());
                    continue;
                }
                Undo::GiveBack(is_used, take_back) => {
                    for_all.push((is_used, take_back));
                    continue;
                }
            }
            match item {
                _ if done == Some(place) => {} // by several steps
                Item::Object(object) => match object.users(session) {
                    Ok(None) => errors.extend(object.undo(session).err()),
                    Ok(Some(users)) => for_all.push((
                        Box::new(move |session| users.is_used(session)),
                        Box::new(|session| object.undo(session)),
                    )),
                    Err(error) => errors.push(error),
                },
                Item::Shared(one) => shared.push(one.as_ref()),
                Item::Action(_) => {}
            }
            done = Some(place);
        }
        errors.extend(session.flush().err());
        shared.reverse(); // as they were described; the release goes the other way
        errors.extend(release(session, &shared));
        let give_back = |(is_used, take_back)| give_back(session, is_used, take_back).err();
        errors.extend(for_all.into_iter().filter_map(give_back));
        errors
    }
}

type TakeBack<'a> = Box<dyn FnOnce(&mut Session) -> Result<(), Error> + 'a>;
type IsUsed<'a> = Box<dyn FnOnce(&mut Session) -> Result<bool, Error> + 'a>;

/// Whoever uses it may rely on what was changed, and nobody can begin to use it meanwhile.
fn give_back(session: &mut Session, is_used: IsUsed<'_>, take_back: TakeBack<'_>) -> Result<(), Error> {
    session.excluding(|session| match is_used(session)? {
        true => Ok(()),
        false => take_back(session).and_then(|()| session.flush()),
    })
}

fn make_all(session: &mut Session, items: &[Item], first: usize) -> Result<(), Error> {
    let mut states = look_at_all(session, items)?;
    if states.contains(&State::Lacking) {
        session.exclude()?;
        states.clear(); // others may have made or removed something meanwhile
    }
    let mut states = states.into_iter();
    let mut stage = None;
    for (place, item) in (first..).zip(items) {
        if stage != Some(item.stage()) {
            session.end_stage()?;
            stage = Some(item.stage());
        }
        session.work_on(place);
        match item {
            Item::Object(object) => object.create(session)?,
            Item::Action(action) => action.perform(session)?,
            Item::Shared(shared) => establish(session, shared.as_ref(), states.next())?,
        }
    }
    session.flush()
}

fn look_at_all(session: &mut Session, items: &[Item]) -> Result<Vec<State>, Error> {
    let shared = items.iter().filter_map(|item| match item {
        Item::Shared(shared) => Some(shared),
        _ => None,
    });
    let mut states = Vec::new();
    for shared in shared {
        states.push(shared.look(session)?);
        if states.last() == Some(&State::Lacking) {
            break;
        }
    }
    Ok(states)
}

fn establish(session: &mut Session, shared: &dyn Shared, known: Option<State>) -> Result<(), Error> {
    // The attachment that made it may have gone meanwhile and left it to us: a failed ADD removes what nobody uses.
    session.make(|_| Ok(()))?;
    let state = match known {
        Some(state) => state,
        None => shared.look(session)?,
    };
    match state {
        State::Whole => shared.adopt(session),
        State::Lacking => shared.make(session),
    }
}
