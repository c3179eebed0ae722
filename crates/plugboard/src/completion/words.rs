//! The words of the command line that is being typed.

use std::ffi::OsString;

/// The variable with the line up to the cursor, from a shell that cuts words otherwise than it passes them.
pub(super) const LINE: &str = "_PLUGBOARD_LINE";

/// The words up to the cursor, the command itself first. The last one is the one that is being typed; it may be empty.
pub(super) fn typed() -> Vec<OsString> {
    match std::env::var(LINE) {
        Ok(line) => split(&line).into_iter().map(OsString::from).collect(),
        Err(_) => std::env::args_os().skip_while(|word| word != "--").skip(1).collect(),
    }
}

/// Splits a line as a shell does, without expanding anything. A quotation may be open at its end.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.push(word.unwrap_or_default());
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_line_is_split_as_a_shell_splits_it() {
        for (line, words) in [
            ("plugboard", ["plugboard"].as_slice()),
            ("plugboard ", &["plugboard", ""]),
            ("plugboard attach  pid:42 walt-net,ho", &["plugboard", "attach", "pid:42", "walt-net,ho"]),
            ("plugboard attach vn1 'walt-net,ho", &["plugboard", "attach", "vn1", "walt-net,ho"]),
            ("plugboard --conf-dir=\"/a b\" st", &["plugboard", "--conf-dir=/a b", "st"]),
            ("plugboard --conf-dir /a\\ b '' ", &["plugboard", "--conf-dir", "/a b", "", ""]),
            ("plugboard \\", &["plugboard", ""]),
        ] {
            assert_eq!(split(line), words, "{line}");
        }
    }
}
