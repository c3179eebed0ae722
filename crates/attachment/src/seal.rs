//! The seal of an alias that a container could change.
//!
//! Who rules a container's namespace can write any alias there: on the device of the host that it has been given, or on one of its
//! own, which would then move to the host under a name and with addresses of its choice. So what an alias says of a device's past is
//! believed only with a seal (HMAC, RFC 2104), whose key is the host's and root's alone. The kind of the device is sealed, too: a
//! container can make veths and the like, but no physical device.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

use sha2::{Digest, Sha512};

use crate::identity::{DIGITS, digits};
use crate::{Error, Moved};

const DIRECTORY: &str = "/run/plugboard";
const FILE: &str = "/run/plugboard/key";
const KEY_BYTES: usize = 32;

/// What stands for a seal where only its length counts.
pub(crate) const BLANK: &str = match str::from_utf8(&[b'a'; DIGITS]) {
    Ok(text) => text,
    Err(_) => "",
};

/// The host's key.
pub(crate) struct Key([u8; KEY_BYTES]);

impl Key {
    /// The one that exists; `None` if there is none, or it cannot be read.
    pub(crate) fn known() -> Option<Self> {
        let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(FILE).ok()?;
        // Whoever else could write it could make seals.
        let is_roots = file.metadata().is_ok_and(|file| file.is_file() && file.uid() == 0 && file.mode() & 0o077 == 0);
        let mut key = [0; KEY_BYTES];
        (&file).read_exact(&mut key).ok().filter(|()| is_roots)?;
        Some(Self(key))
    }

    /// The one that exists, or a new one.
    ///
    /// # Errors
    /// [`Error::System`]: `/run` cannot be written.
    pub(crate) fn get() -> Result<Self, Error> {
        if let Some(key) = Self::known() {
            return Ok(key);
        }
        make().map_err(|source| Error::System { action: format!("make {FILE}"), source })?;
        Self::known().ok_or_else(|| Error::System {
            action: format!("read {FILE}"),
            source: io::Error::other(
                "it is not root's alone, or too short; remove it if no container has a device of the host",
            ),
        })
    }

    /// The seal of what is said of a device of this kind.
    pub(crate) fn seal(&self, host_name: &str, origin: &str, kind: &str) -> String {
        // The inner and the outer padding for the blocks of SHA-512, of 128 bytes.
        let padded = |with: u8| {
            let mut block = [with; 128];
            block.iter_mut().zip(self.0).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha512::new()
            .chain_update(padded(0x36))
            .chain_update([host_name, "\0", kind, "\0", origin].concat())
            .finalize();
        let outer = Sha512::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
        let first = outer.first_chunk().copied().unwrap_or_default();
        digits(u128::from_le_bytes(first), DIGITS)
    }
}

/// What the alias of a device of this kind says was sealed here.
pub(crate) fn is_sealed(moved: &Moved<'_>, kind: &str) -> bool {
    let key = || Key::known().map(|key| key.seal(moved.host_name, &moved.origin.to_string(), kind));
    moved.seal.is_some_and(|seal| key().is_some_and(|own| own == seal))
}

/// Under its name there is a whole one, or none.
fn make() -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    match DirBuilder::new().mode(0o700).create(DIRECTORY) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let draft = format!("{DIRECTORY}/.key-{}", std::process::id());
    let written = File::options().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(&key)?;
        match fs::hard_link(&draft, FILE) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    });
    let _ = fs::remove_file(&draft);
    written
}

#[cfg(test)]
mod tests {
    use harness::Host;

    use super::*;
    use crate::{Identity, Origin};

    #[test]
    fn only_the_hosts_own_seal_of_all_that_is_said_counts() {
        let _host = Host::enter();
        let vn1 = Identity::new("home-net", "vn1", "eth1");
        let origin = Origin { name: "enp3s0".to_owned(), mtu: 1500, ..Origin::default() };
        let key = Key::get().unwrap();
        assert_eq!(key.0, Key::get().unwrap().0, "there is one");
        assert_eq!(fs::metadata(FILE).unwrap().mode() & 0o777, 0o600);
        let sealed = |origin: &Origin| {
            let seal = key.seal(&vn1.host_name(), &origin.to_string(), "");
            vn1.moved_alias(origin, &seal).unwrap()
        };
        let alias = sealed(&origin);
        let is_sealed = |alias: &str, kind: &str| is_sealed(&Moved::read(alias).unwrap(), kind);
        assert!(is_sealed(&alias, ""));
        assert!(!is_sealed(&alias, "veth"), "a device of the container's own");
        assert!(!is_sealed(&alias.replace("enp3s0", "eth0"), ""));
        assert!(!is_sealed(&(alias.clone() + " 10.0.0.1/24"), ""));
        assert!(!is_sealed(&vn1.moved_alias(&origin, BLANK).unwrap(), ""));
        fs::remove_file(FILE).unwrap();
        assert!(!is_sealed(&alias, ""), "without a key nothing is believed");
        Key::get().unwrap();
        assert!(!is_sealed(&alias, ""), "nor with another one");
    }
}
