//! The description of one attachment, and its verbs.
//!
//! An attachment is a [`Description`]: objects of its own, objects that attachments share, and actions that are done once while
//! it is made, each on the host's or the container's side, in the order of their [`Stage`]s. A plugin writes it; the verbs do the
//! rest:
//!
//! | verb | here |
//! |---|---|
//! | create, and undo when one fails | [`Creation`] |
//! | compare with the kernel | [`differences`] |
//! | change in use | [`update`] |
//! | remove | [`of_attachment`], [`remove`] |
//! | remove what no valid attachment owns | [`collect`] |
//! | try out | [`refuse_unusable`], [`Creation::rehearse`] |
//! | print | [`commands`], [`missing_commands`], [`removal_commands`], [`collection_commands`] |
//!
//! A new kind of object is a file in `objects/` or `commons/` and supports all verbs: an [`Object`] or a [`Shared`], with a
//! [`Finder`] that finds it without a description. What it lives in is a [`Channel`] of the [`Session`]. No object knows which
//! plugin uses it.

mod action;
mod actions;
mod bridge_mac;
mod bridge_members;
mod commons;
mod description;
mod device;
mod difference;
mod error;
mod everywhere;
mod explained;
mod finder;
mod firewall;
mod give_back;
mod hint;
mod identity;
mod in_use;
mod item;
mod kind;
mod object;
mod objects;
mod ordered;
mod origin;
mod owner;
mod process;
mod remedy;
mod seal;
mod secret;
mod session;
mod sha512;
mod shared;
mod stage;
mod switch;
mod tag;
mod verbs;

pub use action::Action;
pub use actions::*;
pub use commons::*;
pub use description::Description;
pub use device::{Device, Side};
pub use difference::Difference;
pub use error::Error;
pub use finder::{Collect, Finder, Found, OfAttachment, OfNetwork, Printing, Removal};
pub use firewall::peers::{ClosedLac, closed_lac, closed_lacs, sealed_lacs_of_port};
pub use identity::{Identity, network_link};
pub use in_use::{ElementOwner, InUse, OwnedDevice, owned_devices, owners_of_elements, remove_device};
pub use item::Item;
pub use kind::Kind;
pub use object::Object;
pub use objects::*;
pub use origin::{Moved, Origin};
pub use owner::{Owner, Valid};
pub use process::process_in_words;
pub use remedy::Remedy;
pub use secret::Secret;
pub use session::{Channel, Lock, Mode, Note, Session, Step};
pub use shared::{Commons, Shared, State};
pub use stage::Stage;
pub use switch::{PortState, SwitchDatabase, SwitchVlans, VlanMode};
pub use tag::Tag;
pub use verbs::{
    Creation, NotUpdated, collect, collection_commands, commands, differences, inside, missing_commands, of_attachment,
    refuse_existing, refuse_unusable, removal_commands, remove, update,
};
