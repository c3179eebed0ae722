//! What a description consists of.

use crate::{Action, Kind, Object, Shared, Stage};

/// What a description consists of.
pub enum Item {
    /// An object of the attachment's own.
    Object(Box<dyn Object>),
    /// An object that attachments share.
    Shared(Box<dyn Shared>),
    /// Something that is done once.
    Action(Box<dyn Action>),
}

impl Item {
    /// When its turn comes.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Object(object) => object.stage(),
            Self::Shared(shared) => shared.stage(),
            Self::Action(action) => action.stage(),
        }
    }

    /// What finds it without a description; `None` for what leaves nothing behind.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Kind> {
        match self {
            Self::Object(object) => Some(object.kind()),
            Self::Shared(shared) => Some(shared.kind()),
            Self::Action(_) => None,
        }
    }

    /// The commands that would make or do it, for people.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        match self {
            Self::Object(object) => object.commands(),
            Self::Shared(shared) => shared.commands(),
            Self::Action(action) => action.commands(),
        }
    }
}
