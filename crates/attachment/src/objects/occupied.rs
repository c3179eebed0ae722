//! A name that another interface has.

use std::fmt::Display;

use netlink::link::Link;

use crate::Error;

/// The error of an interface that finds `link` in its place, which says what that is.
pub(super) fn occupied(what: impl Display, link: &Link) -> Error {
    Error::Exists(format!("{what}, {},", described(link)))
}

/// What a link is, by its kind and its alias, which tells whose it is.
pub(super) fn described(link: &Link) -> String {
    let kind = if link.kind.is_empty() { "device" } else { link.kind.as_str() };
    let alias = link.alias.as_ref().map(|alias| format!(" with the alias {alias:?}")).unwrap_or_default();
    format!("{}{alias}", with_article(kind))
}

/// A kind of link as a noun: "a veth", "an ipvlan".
pub(super) fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}
