//! The declaration of keys.

/// Declares objects of a configuration. The doc comment of a field is the description of the key.
///
/// ```
/// keys::keys! {
///     /// A NIC's limits.
///     #[object(others = told, example = r#"{"mtu": 1400}"#)]
///     pub struct LimitKeys {
///         /// the largest packet
///         #[key("mtu", example = "1400", default = "1500")]
///         pub mtu: u32 = 1500,
///     }
/// }
/// let keys: LimitKeys = keys::FromJson::from_json(&serde_json::json!({"MTU": 9000}), &keys::Place::Whole).unwrap();
/// assert_eq!(keys.mtu, 9000);
/// assert_eq!(LimitKeys::default().mtu, 1500);
/// assert_eq!(LimitKeys::TABLE.keys[0].meaning, "the largest packet");
/// ```
///
/// `others` are `told` on stderr with the nearest key that there is, `refused`, or `open`: they belong to somebody else.
#[macro_export]
macro_rules! keys {
    ($(
        $(#[doc = $about:literal])*
        #[object(others = $others:ident, example = $example:literal)]
        $visibility:vis struct $name:ident {$(
            $(#[doc = $meaning:literal])*
            #[key($key:literal $(, $property:ident = $said:expr)*)]
            $field_visibility:vis $field:ident: $kind:ty $(= $default:expr)?,
        )*}
    )*) => {$(
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        $visibility struct $name {$(
            $(#[doc = $meaning])*
            $field_visibility $field: $kind,
        )*}

        impl $name {
            /// What people are told of the object.
            pub const TABLE: $crate::Table = $crate::Table {
                about: concat!($($about),*).trim_ascii(),
                example: $example,
                keys: &[$(
                    $crate::Key {
                        name: $key,
                        meaning: concat!($($meaning),*).trim_ascii(),
                        form: <$kind as $crate::FromJson>::FORM,
                        $($property: $said,)*
                        ..$crate::Key::NEW
                    },
                )*],
                refuses_others: $crate::keys!(@refuses $others),
                is_open: $crate::keys!(@is_open $others),
            };
        }

        impl Default for $name {
            fn default() -> Self {
                Self {$($field: $crate::keys!(@default $($default)?),)*}
            }
        }

        impl $crate::FromJson for $name {
            const FORM: $crate::Form = $crate::Form::Object(&Self::TABLE);
            const NAMES: &'static $crate::Names = &$crate::Names {
                known: &[$(($key, <$kind as $crate::FromJson>::NAMES),)*],
                is_open: $crate::keys!(@is_open $others),
            };

            fn from_json(
                value: &$crate::Value,
                place: &$crate::Place<'_>,
            ) -> Result<Self, $crate::Refusal> {
                let refuses_others = $crate::keys!(@refuses $others);
                let object = $crate::object(value, place, $example, Self::NAMES, refuses_others)?;
                $crate::Declared::from_object(object, place)
            }
        }

        impl $crate::Declared for $name {
            fn from_object(
                object: &$crate::Map<String, $crate::Value>,
                place: &$crate::Place<'_>,
            ) -> Result<Self, $crate::Refusal> {
                Ok(Self {$(
                    $field: {
                        const KEY: $crate::Key = $crate::Key { $($property: $said,)* ..$crate::Key::NEW };
                        match $crate::member(object, $key, place, const { KEY.is_required })? {
                            Some(value) => value,
                            None => $crate::keys!(@default $($default)?),
                        }
                    },
                )*})
            }
        }
    )*};
    (@default $default:expr) => { $default };
    (@default) => { Default::default() };
    (@refuses refused) => { true };
    (@refuses $others:ident) => { false };
    (@is_open open) => { true };
    (@is_open $others:ident) => { false };
}
