//! The documentation of keys.

/// The release with which the project began.
pub const FIRST_RELEASE: &str = "0.1.0";

/// The default of a key without which its object means nothing.
pub const MANDATORY: &str = "mandatory";

/// An object of a configuration.
#[derive(Debug)]
pub struct Table {
    /// What it is.
    pub about: &'static str,
    /// An object of this kind, as JSON.
    pub example: &'static str,
    /// Its keys in the order in which they are explained.
    pub keys: &'static [Key],
    /// Other keys are refused, instead of being reported on stderr.
    pub refuses_others: bool,
    /// Other keys are expected, and mean something to somebody else.
    pub is_open: bool,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it means, in Markdown.
    pub meaning: &'static str,
    /// What it accepts.
    pub form: Form,
    /// For texts the pattern that they match, of JSON Schema; empty for that of the form.
    pub pattern: &'static str,
    /// What it accepts in words or by examples, in Markdown, where the form alone says too little.
    pub accepts: &'static str,
    /// The default, in Markdown: a value, or what it is derived from; or [`MANDATORY`].
    pub default: &'static str,
    /// A value, as JSON.
    pub example: &'static str,
    /// The release that brought it.
    pub since: &'static str,
    /// The reference plugins do not have it.
    pub is_ours: bool,
    /// The object cannot be read without it.
    pub is_required: bool,
}

impl Key {
    /// A key without any description yet.
    pub const NEW: Self = Self {
        name: "",
        meaning: "",
        form: Form::Any,
        pattern: "",
        accepts: "",
        default: "–",
        example: "",
        since: FIRST_RELEASE,
        is_ours: false,
        is_required: false,
    };
}

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
    List(&'static Self),
    /// An object with these keys.
    Object(&'static Table),
    /// One of these.
    Either(&'static [Self]),
    /// Whatever there is.
    Any,
}
