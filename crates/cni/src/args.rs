//! `CNI_ARGS`: `K=V;K=V` (ENV-12).

use crate::excerpt::quoted;
use crate::{Code, Error};

/// The pairs of `CNI_ARGS`, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args(Vec<(String, String)>);

impl Args {
    /// Parses `K=V;K=V`; an empty text has no pairs. A value may be empty. As strict as Go's `types.LoadArgs`: no empty
    /// pair, no second `=`.
    ///
    /// # Errors
    /// Code 4 naming `CNI_ARGS` and the pair that is malformed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.split(';').map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// The value of a key; the last one if it is repeated.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Takes out the pairs of a key in any letter case, and returns the value of the last.
    pub fn take(&mut self, key: &str) -> Option<String> {
        let value =
            self.0.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.clone());
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
        value
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: String) {
        self.0.push((key.to_owned(), value));
    }

    /// `IgnoreUnknown=1` or `true`.
    #[must_use]
    pub fn ignore_unknown(&self) -> bool {
        self.get("IgnoreUnknown").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// Fails on a key that is not among `known`, unless `IgnoreUnknown` is set. The keys that every Kubernetes runtime
    /// sets (`IgnoreUnknown`, `K8S_*`) are only exempt through `IgnoreUnknown`, as in the reference.
    ///
    /// # Errors
    /// Code 4 naming `CNI_ARGS`, the unknown key and the known ones.
    pub fn only(&self, known: &[&str]) -> Result<(), Error> {
        if self.ignore_unknown() {
            return Ok(());
        }
        let unknown = |key: &str| key != "IgnoreUnknown" && !known.contains(&key);
        match self.0.iter().find(|(key, _)| unknown(key)) {
            None => Ok(()),
            Some((key, value)) => Err(Error::new(
                Code::InvalidEnvironment,
                format!(
                    "CNI_ARGS has the unknown key {} (value {}); known are {}; IgnoreUnknown=1 admits others",
                    quoted(key),
                    quoted(value),
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                ),
            )),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.contains('=') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::new(
            Code::InvalidEnvironment,
            format!("CNI_ARGS has the malformed pair {}; write pairs as KEY=VALUE;KEY=VALUE", quoted(text)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_keep_their_values_and_the_last_of_a_key_counts() {
        let args = Args::parse("K8S_POD_NAMESPACE=default;IP=10.1.0.5/24;EMPTY=;IP=10.1.0.6").unwrap();
        assert_eq!(args.get("K8S_POD_NAMESPACE"), Some("default"));
        assert_eq!(args.get("IP"), Some("10.1.0.6"));
        assert_eq!(args.get("EMPTY"), Some(""));
        assert_eq!(args.get("MAC"), None);
        assert_eq!(Args::parse("").unwrap(), Args::default());
    }

    #[test]
    fn a_key_is_taken_in_any_letter_case() {
        let mut args = Args::parse("ovnport=a;OvnPort=b;IP=10.1.0.5").unwrap();
        assert_eq!(args.take("ovnPort").as_deref(), Some("b"));
        assert_eq!((args.take("ovnPort"), args.clone()), (None, Args::parse("IP=10.1.0.5").unwrap()));
        args.set("MAC", "x".to_owned());
        assert_eq!(args.get("MAC"), Some("x"));
    }

    #[test]
    fn a_malformed_pair_is_named() {
        for (text, pair) in [("A", "A"), ("A=1;", ""), ("A=1;;B=2", ""), ("=1", "=1"), ("A=1;B=2=3", "B=2=3")] {
            let error = Args::parse(text).unwrap_err();
            assert_eq!(error.code, Code::InvalidEnvironment);
            assert!(error.msg.contains("CNI_ARGS") && error.msg.contains(&format!("{pair:?}")), "{}", error.msg);
        }
    }

    #[test]
    fn an_unknown_key_is_refused_unless_ignored() {
        let error = Args::parse("IP=10.1.0.5;FOO=bar").unwrap().only(&["IP", "MAC"]).unwrap_err();
        assert_eq!(error.code, Code::InvalidEnvironment);
        assert!(error.msg.contains("CNI_ARGS") && error.msg.contains("\"FOO\"") && error.msg.contains("IP, MAC"));
        for ignore in ["1", "true", "True"] {
            Args::parse(&format!("FOO=bar;IgnoreUnknown={ignore}")).unwrap().only(&[]).unwrap();
        }
        Args::parse("FOO=bar;IgnoreUnknown=0").unwrap().only(&[]).unwrap_err();
        Args::parse("IP=10.1.0.5;IgnoreUnknown=0").unwrap().only(&["IP"]).unwrap();
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", near in "[a-c=;]{0,12}") {
            for text in [text, near] {
                if let Ok(args) = Args::parse(&text) {
                    let again: Vec<String> = args.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    prop_assert_eq!(again.join(";"), text);
                }
            }
        }
    }
}
