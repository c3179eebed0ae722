//! The rules for names in the protocol.

/// Why a text is not valid as a container ID or network name (ENV-2, CFG-3). `None` if it is.
#[must_use]
pub fn objection_to_name(text: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    match text.as_bytes() {
        [] => Some("it must not be empty"),
        [first, rest @ ..] if first.is_ascii_alphanumeric() && rest.iter().copied().all(allowed) => None,
        _ => Some("it must begin with a letter or digit and go on with letters, digits, '_', '.' or '-'"),
    }
}

/// Why a text is not a valid name of an interface (ENV-11 and the kernel's `dev_valid_name`). `None` if it is.
#[must_use]
pub fn objection_to_interface(text: &str) -> Option<&'static str> {
    // 0xa0 is a blank to the kernel's isspace(), wherever it stands in a character. A '%' makes the kernel choose a name.
    let forbidden = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b':' | b'%' | 0x0b | 0xa0);
    match text {
        "" => Some("it must not be empty"),
        "." | ".." => Some("it must not be '.' or '..'"),
        _ if text.len() > 15 => Some("it must not have more than 15 bytes"),
        _ if text.bytes().any(forbidden) => Some("it must not contain '/', ':', '%' or blanks"),
        _ => None,
    }
}

/// Why a text is not a valid `type` of a plugin, which names a file (CFG-6). `None` if it is.
#[must_use]
pub fn objection_to_kind(text: &str) -> Option<&'static str> {
    match text {
        "" => Some("it must not be empty"),
        "." | ".." => Some("it must be the name of an executable"),
        _ if text.contains(['/', '\\', '\0']) => Some("it must not contain '/' or '\\': it is a name, not a path"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "0", "Net-1_x.y", "c0ffee", &"a".repeat(300)] {
            assert_eq!(objection_to_name(name), None, "{name}");
        }
        for name in ["", "-a", ".a", "_a", "a b", "a/b", "a\n", "ä", "a;b"] {
            assert!(objection_to_name(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn interfaces() {
        for name in ["eth0", "a", "...", "-", "fifteen-bytes15", "ü"] {
            assert_eq!(objection_to_interface(name), None, "{name}");
        }
        for name in ["", ".", "..", "a/b", "a:1", "a b", "a\t", "a\u{b}", "eth%d", "sixteen-bytes-16", "à"] {
            assert!(objection_to_interface(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn kinds() {
        for name in ["bridge", "host-local", "a.b"] {
            assert_eq!(objection_to_kind(name), None, "{name}");
        }
        for name in ["", ".", "..", "../bridge", "/bin/sh", "a\\b", "a\0b"] {
            assert!(objection_to_kind(name).is_some(), "{name:?}");
        }
    }
}
