//! Actions: what is waited for, asked or announced while an attachment is made.

use crate::{Difference, Error, Session, Stage};

/// Something that is done once and leaves no object behind, so that there is nothing to find or to remove afterwards.
pub trait Action {
    /// When it is done.
    fn stage(&self) -> Stage;

    /// Does it.
    ///
    /// # Errors
    /// What prevents it; then the attachment fails.
    fn perform(&self, session: &mut Session) -> Result<(), Error>;

    /// What CHECK can see of its outcome; nothing as a rule.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    /// The commands that would do it, for people.
    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}
