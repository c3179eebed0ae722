//! What finds the objects of a kind without a description.

use crate::owner::Owner;
use crate::{Error, Identity, Item, Kind, Session, Shared, Stage, Valid};

/// Finds what an attachment may have of a kind, from its identity alone, without a dump of the host's links: names follow from
/// the identity. What it returns need not be there.
pub type OfAttachment = fn(&mut Session, &Identity) -> Result<Vec<Item>, Error>;

/// Finds what there is of a kind in a network, and whose it is.
pub type OfNetwork = fn(&mut Session, &str) -> Result<Vec<Found>, Error>;

/// Removes what was found, and returns what could not be.
pub type Collect = fn(&mut Session, &[Found]) -> Vec<Error>;

/// Finds the objects of a kind. DEL and GC ask it what there is, so that no plugin lists by hand what it may have left behind.
pub struct Finder {
    /// The kind.
    pub kind: &'static Kind,
    /// For DEL.
    pub of_attachment: OfAttachment,
    /// For GC.
    pub of_network: OfNetwork,
    /// For GC: how several are removed.
    pub collect: Collect,
    /// DEL finds by it what an attachment has.
    pub(crate) serves_del: bool,
}

impl Finder {
    /// One whose finds are removed one by one.
    #[must_use]
    pub const fn new(kind: &'static Kind, of_attachment: OfAttachment, of_network: OfNetwork) -> Self {
        Self { kind, of_attachment, of_network, collect: one_by_one, serves_del: true }
    }

    /// The same finder for GC alone: DEL leaves what it finds to the plugin that has made it.
    #[must_use]
    pub const fn for_gc(&self) -> Self {
        let nothing: OfAttachment = |_, _| Ok(Vec::new());
        Self {
            kind: self.kind,
            of_attachment: nothing,
            of_network: self.of_network,
            collect: self.collect,
            serves_del: false,
        }
    }

    /// The same finder, of whose finds many are removed at once.
    #[must_use]
    pub const fn collected_by(mut self, collect: Collect) -> Self {
        self.collect = collect;
        self
    }
}

/// Something that GC has found.
pub enum Found {
    /// Of one attachment.
    Own {
        /// The attachment.
        owner: Owner,
        /// When such a thing is made: what is made last is removed first.
        stage: Stage,
        /// Removes it.
        remove: Removal,
        /// The commands that would remove it, for people.
        print: Option<Printing>,
    },
    /// Of all attachments that share it.
    Shared(Box<dyn Shared>),
}

/// How something that was found is removed.
pub type Removal = Box<dyn Fn(&mut Session) -> Result<(), Error>>;

/// How the commands that would remove it are found, behind a comment that says whose it is. A link of the host that they remove
/// is reported to [`Session::count_as_gone`].
pub type Printing = Box<dyn Fn(&mut Session) -> Result<Vec<String>, Error>>;

impl Found {
    /// Something of one attachment.
    pub fn own(owner: Owner, stage: Stage, remove: impl Fn(&mut Session) -> Result<(), Error> + 'static) -> Self {
        Self::Own { owner, stage, remove: Box::new(remove), print: None }
    }

    /// The same, with the commands that would remove it.
    #[must_use]
    pub fn printed_by(mut self, commands: impl Fn(&mut Session) -> Result<Vec<String>, Error> + 'static) -> Self {
        if let Self::Own { print, .. } = &mut self {
            *print = Some(Box::new(commands));
        }
        self
    }

    /// Something that attachments share.
    pub fn shared(shared: impl Shared + 'static) -> Self {
        Self::Shared(Box::new(shared))
    }

    /// The name of the host interface of its attachment, where it tells that.
    pub(crate) fn host_name(&self) -> Option<&str> {
        match self {
            Self::Own { owner: Owner::HostName(name), .. } => Some(name),
            _ => None,
        }
    }

    /// When such a thing is made.
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Own { stage, .. } => *stage,
            Self::Shared(shared) => shared.stage(),
        }
    }

    /// It belongs to none of the attachments that stay.
    pub(crate) fn is_stale(&self, valid: &Valid) -> bool {
        match self {
            Self::Own { owner, .. } => !owner.is_among(valid),
            Self::Shared(_) => false,
        }
    }
}

fn one_by_one(session: &mut Session, found: &[Found]) -> Vec<Error> {
    let remove = |found: &Found| match found {
        Found::Own { remove, .. } => remove(session).err(),
        Found::Shared(_) => None,
    };
    found.iter().filter_map(remove).collect()
}
