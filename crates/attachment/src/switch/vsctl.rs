//! Equivalent commands for people.

use crate::{Error, Session};

/// A command of `ovs-vsctl`.
pub(crate) fn vsctl(arguments: &str) -> String {
    format!("ovs-vsctl {arguments}")
}

/// The commands for the database of the session, where that is not the one that `ovs-vsctl` takes by itself.
pub(crate) fn for_switch(session: &mut Session, commands: Vec<String>) -> Result<Vec<String>, Error> {
    let remote = session.switch()?.remote().clone();
    if remote == ovsdb::Remote::default() {
        return Ok(commands);
    }
    let begin = vsctl(&format!("--db={remote} "));
    Ok(commands.into_iter().map(|command| command.replacen(&vsctl(""), &begin, 1)).collect())
}

/// The name of a record as a word of a shell.
pub(crate) fn word(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

fn is_plain(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !text.is_empty() && text.chars().all(is_plain)
}

/// A value as an argument of `ovs-vsctl` in a shell: what is not a plain word is in the double quotes of the former, and in the
/// single ones of the latter.
pub(crate) fn quoted(value: &str) -> String {
    if is_plain(value) {
        return value.to_owned();
    }
    let inner = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "'\\''");
    format!("'\"{inner}\"'")
}
