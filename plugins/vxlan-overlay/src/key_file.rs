//! The file with the keys that the hosts of a LAC have in common.

use std::collections::BTreeSet;
use std::fs::{Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use attachment::Secret;
use cni::{Error, regular};
use keys::excerpt::quoted;

/// As much of a file as is read, in bytes.
const LIMIT_BYTES: u64 = 16 << 10;

/// The shortest key: 256 random bits in base64, without padding.
const LEAST_LETTERS: usize = 43;

/// The fewest different letters of a key. 64 random hexadecimal digits have fewer than these once in 10^12.
const LEAST_DIFFERENT: usize = 9;

/// The most keys: one that is sent with, and those before and behind it.
const LIMIT_KEYS: usize = 8;

/// Permissions of the file's group and of others.
const OF_OTHERS: u32 = 0o077;

const HOW: &str = "make a key with `(umask 077; openssl rand -base64 32 > FILE)`, and copy the file to all hosts";

/// Reads the keys, one on a line, `#` begins a comment. The first is sent with, all are heard.
///
/// # Errors
/// Code 7 naming the file, and the line, never what is in it.
pub(crate) fn read(path: &str) -> Result<Vec<Secret>, Error> {
    if !path.starts_with('/') {
        return Err(refused(format!(
            "keyFile is {}: it must be the file's whole path, because a runtime runs plugins in any directory",
            quoted(path)
        )));
    }
    let of_file = |reason: String| refused(format!("keyFile: {path}: {reason}"));
    let (file, metadata) = regular::open(Path::new(path), OpenOptions::new().read(true))
        .map_err(|cause| of_file(format!("{cause}; {HOW}")))?;
    refuse_access(&metadata, path).map_err(of_file)?;
    let content = regular::read_to_end(&file, Vec::new(), LIMIT_BYTES);
    let content = Secret::new(content.map_err(|cause| of_file(cause.to_string()))?);
    parse(content.bytes()).map_err(of_file)
}

/// # Errors
/// Somebody but the owner can read or change it, or the owner is neither root nor the caller.
fn refuse_access(metadata: &Metadata, path: &str) -> Result<(), String> {
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if mode & OF_OTHERS != 0 {
        return Err(format!(
            "its mode is {mode:04o}: others than its owner can read or change it; run `chmod 600 {path}`, and make a new key if \
             somebody may have read it"
        ));
    }
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(format!(
            "it belongs to user {owner}, who can read it; run `chown root {path}`, and make a new key"
        ));
    }
    Ok(())
}

/// # Errors
/// What is wrong, without a letter of a key.
fn parse(content: &[u8]) -> Result<Vec<Secret>, String> {
    let mut keys: Vec<Secret> = Vec::new();
    for (place, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
        if line.is_empty() {
            continue;
        }
        let in_line = |reason: String| format!("line {}: {reason}; {HOW}", place + 1);
        if !line.iter().all(u8::is_ascii_graphic) {
            return Err(in_line("a key is text without blanks".to_owned()));
        }
        if line.len() < LEAST_LETTERS {
            return Err(in_line(format!(
                "the key has {} letters, and {LEAST_LETTERS} are the fewest: 256 random bits in base64",
                line.len()
            )));
        }
        if line.iter().collect::<BTreeSet<_>>().len() < LEAST_DIFFERENT {
            return Err(in_line("the key repeats a few letters, and is not random".to_owned()));
        }
        let key = Secret::new(line.to_vec());
        if keys.contains(&key) {
            return Err(in_line("the key is there twice".to_owned()));
        }
        keys.push(key);
    }
    match keys.len() {
        0 => Err(format!("there is no key in it; {HOW}")),
        1..=LIMIT_KEYS => Ok(keys),
        found => Err(format!("it has {found} keys, and {LIMIT_KEYS} are the most: remove old ones")),
    }
}

fn refused(reason: String) -> Error {
    Error::invalid_config(reason)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "p0h1bnVYk7rJ1l1nU3Xy2kQ9m8s7d6f5g4h3j2k1l0A=";
    const OTHER: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

    fn texts(content: &str) -> Result<Vec<String>, String> {
        let text = |key: &Secret| String::from_utf8(key.bytes().to_vec()).unwrap();
        parse(content.as_bytes()).map(|keys| keys.iter().map(text).collect())
    }

    #[test]
    fn one_key_on_a_line() {
        assert_eq!(texts(&format!("{ONE}\n")).unwrap(), [ONE]);
        assert_eq!(texts(&format!("# new\n\n  {OTHER} # since May\r\n{ONE}")).unwrap(), [OTHER, ONE]);
    }

    #[test]
    fn what_is_no_key() {
        for (content, part) in [
            ("", "there is no key in it"),
            ("# nothing\n\n", "there is no key in it"),
            ("secret", "line 1: the key has 6 letters, and 43 are the fewest"),
            (&format!("{ONE}\n{}", "abc".repeat(20)), "line 2: the key repeats a few letters"),
            (&format!("{ONE} {OTHER}"), "line 1: a key is text without blanks"),
            (&format!("{ONE}\n{ONE}"), "line 2: the key is there twice"),
            (&"\u{fe}".repeat(40), "line 1: a key is text"),
        ] {
            let objection = texts(content).unwrap_err();
            assert!(objection.contains(part), "{content}: {objection}");
            assert!(!objection.contains(ONE) && !objection.contains("abcabc"), "{objection}");
        }
        let many: String = (0..9).map(|number| format!("{number}{OTHER}\n")).collect();
        assert!(texts(&many).unwrap_err().contains("it has 9 keys, and 8 are the most"));
    }

    #[test]
    fn only_the_owner_may_read_it() {
        let path = std::env::temp_dir().join(format!("vxlan-overlay-key-{}", std::process::id()));
        let name = path.to_str().unwrap();
        fs::write(&path, ONE).unwrap();
        for mode in [0o604, 0o640, 0o602, 0o644, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let objection = read(name).unwrap_err().msg;
            assert!(objection.contains(&format!("its mode is {mode:04o}")), "{objection}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read(name).unwrap().len(), 1);
        fs::remove_file(&path).unwrap();
        let objection = read(name).unwrap_err();
        assert!(objection.msg.contains("No such file") && objection.msg.contains("openssl rand"), "{objection:?}");
        assert_eq!(objection.code, cni::Code::InvalidConfig);
        assert!(read("lac.key").unwrap_err().msg.contains("whole path"));
        assert!(read("/dev/zero").unwrap_err().msg.contains("it is a device"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(content: Vec<u8>) {
            let _ = parse(&content);
        }
    }
}
