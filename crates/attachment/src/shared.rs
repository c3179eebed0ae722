//! What attachments share.

use crate::{Difference, Error, Kind, Session, Stage};

/// How much of something shared exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All of it: it can be adopted as it is.
    Whole,
    /// Nothing, or not all: a call that was killed left it so, or nobody has needed it yet.
    Lacking,
}

/// An object that several attachments need. The first one makes it, later ones adopt it, and the last one removes what was made
/// here.
///
/// The verbs hold the host's lock for it: while it is adopted nobody removes it, and while it is made or released nobody
/// else does either. What an operator made is never changed; if it contradicts the description, that is an error that says so.
pub trait Shared {
    /// Its kind.
    fn kind(&self) -> &'static Kind;

    /// What it is called, as in "bridge br0". Two of one kind and name are the same.
    fn name(&self) -> String;

    /// When it is made.
    fn stage(&self) -> Stage {
        Stage::Common
    }

    /// It lives in something that network namespaces have in common, such as a switch's database: when STATUS has tried it in
    /// namespaces of its own, it has to be undone.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// The commons that shares it.
    fn commons(&self) -> Box<dyn Commons>;

    /// Fails when what is there cannot serve, or when what it is made on is missing. Asked before a delegate runs; nobody is
    /// in the middle of making it.
    ///
    /// # Errors
    /// What is missing or contradicts the description.
    fn refuse_existing(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// For STATUS: fails when what is there on this host could not serve.
    ///
    /// # Errors
    /// What is missing or contradicts the description.
    fn refuse_unusable(&self, session: &mut Session) -> Result<(), Error> {
        self.refuse_existing(session)
    }

    /// Looks at what there is of it.
    ///
    /// # Errors
    /// [`Error::Conflict`] where what is there contradicts the description; it cannot be asked.
    fn look(&self, session: &mut Session) -> Result<State, Error>;

    /// Uses it as it is.
    ///
    /// # Errors
    /// What the kernel says.
    fn adopt(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// Makes it, or what it lacks. Nobody else does meanwhile.
    ///
    /// # Errors
    /// What the kernel says; [`Error::Conflict`].
    fn make(&self, session: &mut Session) -> Result<(), Error>;

    /// Compares it with what is there.
    ///
    /// # Errors
    /// When that cannot be asked.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error>;

    /// Changes what is there into it, without taking it down; as [`Object::update`](crate::Object::update).
    ///
    /// # Errors
    /// What the kernel says; that it cannot be changed in place.
    fn update(&self, session: &mut Session) -> Result<(), Error> {
        match self.differences(session)?.first() {
            None => Ok(()),
            Some(first) => Err(Error::Fixed(first.clone())),
        }
    }

    /// Removes it if it was made here. Nobody uses it any more, nor begins to.
    ///
    /// # Errors
    /// What the kernel says.
    fn release(&self, session: &mut Session) -> Result<(), Error>;

    /// The commands that would make it, for people.
    fn commands(&self) -> Vec<String>;

    /// Of [`Shared::commands`] those that make what is not there yet, or a comment that says that all is there.
    ///
    /// # Errors
    /// [`Error::Conflict`] where what is there contradicts the description; it cannot be asked.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(match self.look(session)? {
            State::Whole => vec![format!("# {} exists already", self.name())],
            State::Lacking => self.commands(),
        })
    }

    /// The commands that would remove it if it was made here, for people. Nobody uses it any more. A link of the host that they
    /// remove is reported to [`Session::count_as_gone`].
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn removal_commands(&self, _session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}

/// The attachments that share something: the members of a bridge, of a LAC, of a multicast group. Several [`Shared`] objects may
/// be of one commons; they come and go with it.
pub trait Commons {
    /// What they are called, as in "members of bridge br0". Two of the same name are the same.
    fn name(&self) -> String;

    /// An attachment, or somebody else, uses what is shared.
    ///
    /// # Errors
    /// That cannot be asked.
    fn is_used(&self, session: &mut Session) -> Result<bool, Error>;
}
