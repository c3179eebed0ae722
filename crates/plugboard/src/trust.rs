//! Whose files are trusted.
//!
//! Plugins run with all rights of the caller, root as a rule, and configurations say which, and with what. So only those may be able to
//! change them who can do as they please anyway: root, the caller, and the owner of the executable plugboard.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Uid, geteuid};

/// What to do.
pub(crate) const REMEDY: &str = "change that with chown or chmod, or trust it with --trust-dirs";

/// As many symbolic links as the kernel follows.
const LINKS: usize = 40;

/// `S_ISVTX`: in such a directory an entry is removed or replaced by its owner or that of the directory only.
const STICKY: u32 = 0o1000;

/// Written by group or others. An access list shows its widest entry as the group's permissions.
const OTHERS_WRITE: u32 = 0o022;

/// Decides whom to trust.
#[derive(Debug)]
pub(crate) enum Trust {
    /// These owners.
    Owners(Vec<u32>),
    /// Anybody.
    All,
}

impl Trust {
    /// Root, the caller, and the owner of this executable.
    pub(crate) fn usual() -> Self {
        let own = std::env::current_exe().and_then(fs::metadata).ok().map(|about| about.uid());
        Self::Owners([0, geteuid().as_raw()].into_iter().chain(own).collect())
    }

    /// Why what a file says cannot be trusted, whatever way led to it: who could have written it.
    pub(crate) fn objection_to_file(&self, path: &Path, about: &Metadata) -> Option<String> {
        match self {
            Self::Owners(owners) => object(owners, path, about, true),
            Self::All => None,
        }
    }

    /// Why what is at `path` cannot be trusted: who could change it, or any directory or link on the way to it.
    ///
    /// A directory on the way may be writable by all if it is sticky, as /tmp is: nobody can replace an entry there that is not his.
    /// The last one may not: anybody could put something into it. What is not there could not be made by others either.
    pub(crate) fn objection(&self, path: &Path) -> Option<String> {
        let Self::Owners(owners) = self else { return None };
        let Ok(absolute) = std::path::absolute(path) else { return Some(format!("{} is not a path", path.display())) };
        let mut place = PathBuf::from("/");
        let mut left: Vec<PathBuf> = parts(&absolute);
        let mut links = 0;
        let mut about = fs::metadata("/").ok()?;
        loop {
            let is_last = left.is_empty();
            if let Some(objection) = object(owners, &place, &about, is_last) {
                return Some(objection);
            }
            let next = left.pop()?;
            if next == Path::new("..") {
                place.pop();
                about = fs::symlink_metadata(&place).ok()?;
                continue;
            }
            let entry = place.join(&next);
            about = match fs::symlink_metadata(&entry) {
                // Then nobody but a trusted one may make it.
                Err(error) if error.kind() == ErrorKind::NotFound => return object(owners, &place, &about, true),
                Err(error) => return Some(format!("cannot look at {}: {error}", entry.display())),
                Ok(found) => found,
            };
            if !about.is_symlink() {
                place = entry;
                continue;
            }
            links += 1;
            let target = match fs::read_link(&entry) {
                Ok(target) if links <= LINKS => target,
                _ => return Some(format!("{} cannot be followed", entry.display())),
            };
            if !owners.contains(&about.uid()) {
                return Some(format!("{} can change the link {}", user(about.uid()), entry.display()));
            }
            if target.is_absolute() {
                place = PathBuf::from("/");
            }
            left.extend(parts(&target));
            about = fs::symlink_metadata(&place).ok()?;
        }
    }
}

/// The parts of a path, the last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<PathBuf> = named.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

/// Why a file or directory by itself cannot be trusted: it belongs to somebody else than the `owners`, or others can write it.
/// `is_last` says that the path ends here.
fn object(owners: &[u32], path: &Path, about: &Metadata, is_last: bool) -> Option<String> {
    let (path, mode) = (path.display(), about.mode());
    if !owners.contains(&about.uid()) {
        return Some(format!("{} can change {path}", user(about.uid())));
    }
    let is_protected = about.is_dir() && mode & STICKY != 0 && !is_last;
    (mode & OTHERS_WRITE != 0 && !is_protected)
        .then(|| format!("others than its owner can write {path} (mode {:04o})", mode & 0o7777))
}

fn user(id: u32) -> String {
    match nix::unistd::User::from_uid(Uid::from_raw(id)) {
        Ok(Some(user)) => format!("user {}", user.name),
        _ => format!("user {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_others_can_change_is_named() {
        let dir = std::env::temp_dir().join(format!("plugboard-trust-{}", std::process::id()));
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let (inner, file) = (dir.join("inner"), dir.join("inner/plugin"));
        fs::create_dir_all(&inner).unwrap();
        fs::write(&file, "").unwrap();
        let trust = Trust::usual();
        for (outer, middle, last, at) in [
            (0o755, 0o700, 0o755, None),
            (0o755, 0o755, 0o775, Some(&file)),
            (0o755, 0o757, 0o755, Some(&inner)),
            (0o755, 0o775, 0o755, Some(&inner)),
            (0o777, 0o755, 0o755, Some(&dir)),
            // A sticky directory on the way.
            (0o1777, 0o755, 0o755, None),
        ] {
            set(&dir, outer);
            set(&inner, middle);
            set(&file, last);
            let found = trust.objection(&file);
            match at {
                None => assert_eq!(found, None),
                Some(path) => assert!(found.unwrap().contains(&format!("can write {} ", path.display()))),
            }
            assert_eq!(Trust::All.objection(&file), None);
        }
        // As the last one, anybody can put a program there; and make what is missing.
        for missing in ["", "missing/plugin"] {
            assert!(trust.objection(&dir.join(missing)).unwrap().contains("mode 1777"), "{missing}");
        }
        let (link, loops) = (dir.join("link"), dir.join("loop"));
        symlink("inner/../inner", &link).unwrap();
        symlink("loop", &loops).unwrap();
        assert_eq!(trust.objection(&link.join("plugin")), None);
        set(&inner, 0o777);
        assert!(trust.objection(&link).unwrap().contains("/inner (mode 0777)"));
        assert!(trust.objection(&loops).unwrap().contains("cannot be followed"));
        set(&inner, 0o755);
        let nobody = Trust::Owners(vec![0]);
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert!(nobody.objection(&link).unwrap().contains("can change the link"));
        std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
        assert!(nobody.objection(&file).unwrap().contains("can change"));
        fs::remove_dir_all(dir).unwrap();
    }
}
