//! An object of one attachment.

use crate::{Commons, Difference, Error, Kind, Session, Stage};

/// An object that an attachment needs and that is its alone. It knows how to be made, compared, changed, removed and printed; a
/// [`Finder`](crate::Finder) finds it when there is no description.
pub trait Object {
    /// Its kind: what can be left behind is found by the [`Finder`](crate::Finder) of that.
    fn kind(&self) -> &'static Kind;

    /// When it is made.
    fn stage(&self) -> Stage;

    /// It lives in something that network namespaces have in common, such as a switch's database: when STATUS has tried it in
    /// namespaces of its own, it has to be undone.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// What it consists of, where that is made and undone part by part, each at this one's stage; empty for an object that is
    /// made as a whole.
    fn parts(&self) -> Vec<Box<dyn Object>> {
        Vec::new()
    }

    /// Fails when something is there that it would collide with. Asked of all objects before anything is made and before a
    /// delegate runs, so that a refused call changes nothing.
    ///
    /// # Errors
    /// [`Error::Exists`], or what is in the way.
    fn refuse_existing(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// Makes it: at once by [`Session::make`], or by queueing steps, so that those of several objects go out together.
    ///
    /// # Errors
    /// What the kernel says, with the object's name. An object that exists is an error.
    fn create(&self, session: &mut Session) -> Result<(), Error>;

    /// Compares it with what is there.
    ///
    /// # Errors
    /// If the kernel cannot be asked; a missing object is a difference, not an error.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error>;

    /// Fails when what is there cannot be changed into it. Asked of all objects before any of them is changed.
    ///
    /// # Errors
    /// What is in the way.
    fn refuse_update(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// Changes what is there into it, without taking it down. How to undo the change is registered by
    /// [`Session::on_undo`] before anything is changed.
    ///
    /// # Errors
    /// What the kernel says; that it cannot be changed in place.
    fn update(&self, session: &mut Session) -> Result<(), Error> {
        match self.differences(session)?.first() {
            None => Ok(()),
            Some(first) => Err(Error::Fixed(first.clone())),
        }
    }

    /// Removes it; one that is not there is removed already.
    ///
    /// # Errors
    /// What the kernel says.
    fn remove(&self, session: &mut Session) -> Result<(), Error>;

    /// Who else may use what this call has made, because it is on something that was there before. It is undone at the end then,
    /// and only if none of them is left.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn users(&self, _session: &mut Session) -> Result<Option<Box<dyn Commons>>, Error> {
        Ok(None)
    }

    /// Removes it, or the part of it that was made, in the call that has just made it.
    ///
    /// # Errors
    /// What the kernel says.
    fn undo(&self, session: &mut Session) -> Result<(), Error> {
        self.remove(session)
    }

    /// The commands that would make it, for people: `ip`, `bridge`, `tc`, `nft`. Nothing secret is in them.
    fn commands(&self) -> Vec<String>;

    /// Of [`Object::commands`] those that make what is not there yet. By [`Object::refuse_existing`] it is clear that nothing is
    /// in the way.
    ///
    /// # Errors
    /// What creation would refuse; the kernel cannot be asked.
    fn missing_commands(&self, _session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(self.commands())
    }

    /// The commands that would remove what is there of it, for people; none for what goes with its link. A link of the host that
    /// they remove is reported to [`Session::count_as_gone`].
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn removal_commands(&self, _session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}
