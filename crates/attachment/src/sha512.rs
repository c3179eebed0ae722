//! SHA-512: names of the reference plugins are made of it.

use sha2::{Digest, Sha512};

/// The first `digits` hexadecimal digits of a text's hash.
pub(crate) fn digits(text: &str, digits: usize) -> String {
    let mut hexadecimal: String = Sha512::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.truncate(digits);
    hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_sha512sum() {
        assert_eq!(digits("abc", 24), "ddaf35a193617abacc417349");
        assert_eq!(digits("", 12), "cf83e1357eef");
        assert_eq!(digits("abc", 128).len(), 128);
    }
}
