//! The description of one attachment.

use crate::{Action, Error, Finder, Item, Kind, Object, Shared};

/// What must exist for an attachment, in the order in which it is made: that of the stages, whatever the order in which
/// it was written.
#[derive(Default)]
pub struct Description {
    items: Vec<Item>,
}

impl Description {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object of the attachment's own.
    pub fn own(&mut self, object: impl Object + 'static) -> &mut Self {
        self.push(Item::Object(Box::new(object)))
    }

    /// Adds an object that attachments share.
    pub fn share(&mut self, shared: impl Shared + 'static) -> &mut Self {
        self.push(Item::Shared(Box::new(shared)))
    }

    /// Adds something that is done once.
    pub fn act(&mut self, action: impl Action + 'static) -> &mut Self {
        self.push(Item::Action(Box::new(action)))
    }

    /// Adds whatever it is, behind all of its stage and of those before.
    pub fn push(&mut self, item: Item) -> &mut Self {
        let stage = item.stage();
        let place = self.items.partition_point(|other| other.stage() <= stage);
        self.items.insert(place, item);
        self
    }

    /// The items in order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The items in order, to be kept.
    #[must_use]
    pub fn into_items(self) -> Vec<Item> {
        self.items
    }

    /// The objects that attachments share.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &dyn Shared> {
        self.items.iter().filter_map(|item| match item {
            Item::Shared(shared) => Some(shared.as_ref()),
            _ => None,
        })
    }

    /// Refuses an object that DEL and GC would not find by these finders, so that no plugin can make what it leaves behind.
    ///
    /// # Errors
    /// [`Error::Unlisted`], which is a bug in the plugin.
    pub fn check(&self, finders: &[&'static Finder]) -> Result<(), Error> {
        let is_found = |kind: &'static Kind| {
            kind.goes_with_its_link || finders.iter().any(|finder| finder.serves_del && std::ptr::eq(finder.kind, kind))
        };
        let unlisted = self.items.iter().filter_map(Item::kind).find(|kind| !is_found(kind));
        unlisted.map_or(Ok(()), |kind| Err(Error::Unlisted(kind.name)))
    }
}

impl Extend<Item> for Description {
    fn extend<I: IntoIterator<Item = Item>>(&mut self, items: I) {
        items.into_iter().for_each(|item| _ = self.push(item));
    }
}

impl FromIterator<Item> for Description {
    fn from_iter<I: IntoIterator<Item = Item>>(items: I) -> Self {
        let mut description = Self::new();
        description.extend(items);
        description
    }
}
