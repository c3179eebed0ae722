//! Labels of our rules: a name, which tells a rule of a chain from the others, and the number of its revision.

use nftables::{Expression, Rule};

const PREFIX: &str = "plugboard: ";

/// Of all rules, until one changes.
const REVISION: u32 = 1;

/// A rule with its label.
pub(super) fn labelled(name: &str, expressions: Vec<Expression>) -> Rule {
    Rule { expressions, comment: format!("{PREFIX}{name} {REVISION}") }
}

/// What the comment of a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'a> {
    pub(super) name: &'a str,
    pub(super) revision: u32,
}

impl<'a> Label<'a> {
    /// Reads a comment; `None` for one that is not ours.
    pub(super) fn read(comment: &'a str) -> Option<Self> {
        let (name, revision) = comment.strip_prefix(PREFIX)?.rsplit_once(' ')?;
        Some(Self { name, revision: revision.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_back() {
        let rule = labelled("source-mac", Vec::new());
        assert_eq!(rule.comment, "plugboard: source-mac 1");
        assert_eq!(Label::read(&rule.comment), Some(Label { name: "source-mac", revision: 1 }));
        for other in ["", "source-mac 1", "plugboard: ", "plugboard: source-mac", "plugboard: members of br0"] {
            assert_eq!(Label::read(other), None, "{other}");
        }
    }
}
