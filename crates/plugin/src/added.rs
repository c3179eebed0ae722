//! What ADD has made.

use attachment::Lock;
use cni::Success;

/// The result of ADD, until the runtime has it.
#[derive(Debug)]
pub struct Added {
    /// The result.
    pub result: Success,
    /// The lock of the attachment, so that nobody else is at work on it before it is known whether all is to be undone; `None` for
    /// plugins that make nothing that needs it.
    pub(crate) alone: Option<Lock>,
}

impl From<Success> for Added {
    fn from(result: Success) -> Self {
        Self { result, alone: None }
    }
}
