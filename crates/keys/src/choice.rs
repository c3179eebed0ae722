//! Keys with a few words to choose from.

/// Declares a key that is one of a few words, the first of which counts where it is not set. An empty text is not set, too: Go's
/// structures are written so.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {$(
            $(#[doc = $meaning:literal])*
            $choice:ident = $word:literal,
        )*}
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {$(
            $(#[doc = $meaning])*
            $choice,
        )*}

        impl Default for $name {
            fn default() -> Self {
                [$(Self::$choice),*][0]
            }
        }

        impl $crate::FromJson for $name {
            const FORM: $crate::Form = $crate::Form::Choice(&[$($word),*]);

            fn from_json(value: &serde_json::Value, place: &$crate::Place<'_>) -> Result<Self, $crate::Refusal> {
                const WORDS: &[&str] = &[$($word),*];
                match value.as_str() {
                    $(Some($word) => Ok(Self::$choice),)*
                    _ => Err(place.is_no(&format!("\"{}\"", WORDS.join("\" or \"")), value)),
                }
            }

            fn is_unset(value: &serde_json::Value) -> bool {
                value.is_null() || value == ""
            }
        }
    };
}

pub(crate) use choice;
