//! A change over rtnetlink that waits to be sent with others.

use std::fmt;

use netlink::Request;

use crate::{Error, Note, Side};

/// The known reasons for a refusal.
type Explanation = Box<dyn Fn(Error) -> Error>;

/// What becomes of a refusal that nothing depends on.
type Noting = Box<dyn FnOnce(&netlink::Error) -> Note>;

/// A request with its reason.
pub struct Step {
    /// Where.
    pub(super) side: Side,
    /// What it does, as in "make veth pb3k…".
    action: String,
    /// The message.
    request: Request,
    /// It brings the object into being; when a later step fails, the object is removed.
    makes: bool,
    /// With these error numbers the kernel says that there is nothing to do, and nothing is ours to remove.
    tolerated: &'static [i32],
    explanation: Option<Explanation>,
    noting: Option<Noting>,
}

impl Step {
    /// A step that changes something.
    pub fn change(side: Side, action: impl Into<String>, request: Request) -> Self {
        Self { side, action: action.into(), request, makes: false, tolerated: &[], explanation: None, noting: None }
    }

    /// A step that makes the object.
    pub fn make(side: Side, action: impl Into<String>, request: Request) -> Self {
        Self { makes: true, ..Self::change(side, action, request) }
    }

    /// The same step, for which these error numbers mean that there is nothing to do.
    #[must_use]
    pub fn tolerating(mut self, errnos: &'static [i32]) -> Self {
        self.tolerated = errnos;
        self
    }

    /// The same step, whose refusal is worded differently.
    #[must_use]
    pub fn explained(mut self, explain: impl Fn(Error) -> Error + 'static) -> Self {
        self.explanation = Some(Box::new(explain));
        self
    }

    /// The same step, on which nothing depends: its refusal is no error, but noted.
    #[must_use]
    pub fn noting(mut self, note: impl FnOnce(&netlink::Error) -> Note + 'static) -> Self {
        self.noting = Some(Box::new(note));
        self
    }

    /// The message, and what to make of the answer.
    pub(super) fn split(self) -> (Request, Reading) {
        let Self { action, request, makes, tolerated, explanation, noting, .. } = self;
        (request, Reading { action, makes, tolerated, explanation, noting })
    }
}

/// What the kernel's refusal of a step means.
pub(super) enum Refusal {
    /// There was nothing to do.
    Tolerated,
    /// The call goes on, and tells.
    Noted(Note),
    /// The call fails.
    Failed(Error),
}

/// What to make of the kernel's answer to a step.
pub(super) struct Reading {
    action: String,
    pub(super) makes: bool,
    tolerated: &'static [i32],
    explanation: Option<Explanation>,
    noting: Option<Noting>,
}

impl Reading {
    /// What a refusal means.
    pub(super) fn refusal(self, source: netlink::Error) -> Refusal {
        if source.errno().is_some_and(|errno| self.tolerated.contains(&errno)) {
            return Refusal::Tolerated;
        }
        if let Some(note) = self.noting {
            return Refusal::Noted(note(&source));
        }
        let error = match self.action.strip_prefix("make ") {
            Some(what) if self.makes && source.is_existing() => Error::Exists(what.to_owned()),
            _ => Error::Refused { action: self.action, source },
        };
        Refusal::Failed(match self.explanation {
            Some(explain) => explain(error),
            None => error,
        })
    }
}

/// Without the message, which may have keys in it.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({:?}: {})", self.side, self.action)
    }
}
