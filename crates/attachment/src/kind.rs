//! Kinds of objects.

/// What an object is. Two are of one kind if they have the very same one.
#[derive(Debug)]
pub struct Kind {
    /// Its name, for people.
    pub name: &'static str,
    /// Such an object goes with the link that it belongs to, so that nothing has to find it.
    pub goes_with_its_link: bool,
}

impl Kind {
    /// A kind whose objects are found by themselves; see [`Finder`](crate::Finder).
    #[must_use]
    pub const fn found(name: &'static str) -> Self {
        Self { name, goes_with_its_link: false }
    }

    /// A kind whose objects go with the link that they belong to.
    #[must_use]
    pub const fn of_a_link(name: &'static str) -> Self {
        Self { name, goes_with_its_link: true }
    }
}
