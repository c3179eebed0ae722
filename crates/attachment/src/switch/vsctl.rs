//! Equivalent commands for people.

/// A command of `ovs-vsctl`.
pub(crate) fn vsctl(arguments: &str) -> String {
    format!("ovs-vsctl {arguments}")
}

/// A value as an argument of `ovs-vsctl` in a shell: what is not a plain word is in the double quotes of the former, and in the
/// single ones of the latter.
pub(super) fn quoted(value: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let inner = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "'\\''");
    format!("'\"{inner}\"'")
}
