//! Elements with their places.

use nftables::{Element, Set};

use super::owner::Owner;
use super::tables::Ours;

/// An element with its place.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// Its table.
    pub(crate) ours: Ours,
    /// Its set.
    pub(crate) set: &'static Set,
    /// The element.
    pub(crate) element: Element,
}

impl Placed {
    /// It is of an attachment of which this is so.
    pub(crate) fn is_of(&self, is_it: impl Fn(&Owner<'_>) -> bool) -> bool {
        Owner::read(&self.element.comment).is_some_and(|owner| is_it(&owner))
    }
}
