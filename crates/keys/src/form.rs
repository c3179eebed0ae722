//! The forms of values, for people and editors.

use crate::Table;

/// What a key accepts.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number {
        /// The least.
        from: i128,
        /// The greatest.
        to: i128,
    },
    /// A text, with the pattern (of JSON Schema, which is ECMA 262's) that it matches; an empty pattern matches all.
    Text(&'static str),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list of these.
    List(&'static Form),
    /// An object with these keys.
    Object(&'static Table),
    /// One of these.
    Either(&'static [Form]),
    /// Whatever there is.
    Any,
}
