//! Who keeps network namespaces and TAP devices alive.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use attachment::{InUse, OwnedDevice};
use netlink::{Namespace, Socket};

use crate::namespace;

/// A network namespace other than our own, and what leads to it.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    holder: Holder,
}

/// What keeps a namespace, or has a device open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A process, in words.
    Process(String),
    /// A file on which the namespace is mounted.
    Mount(PathBuf),
}

/// The network namespaces of this host that the caller can see, but for its own.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    found: Vec<Found>,
}

impl Holders {
    /// Looks through the processes and the mounts.
    pub(crate) fn look() -> Self {
        let number = |path: &Path| fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
        let own = number(Path::new("/proc/thread-self/ns/net"));
        let mut found = BTreeMap::new();
        for path in mounts() {
            let holder = Holder::Mount(path.clone());
            number(&path).map(|number| found.entry(number).or_insert(Found { path, holder }));
        }
        for id in Holder::processes() {
            let path = PathBuf::from(format!("/proc/{id}/ns/net"));
            let Some(number) = number(&path) else { continue };
            found.entry(number).or_insert_with(|| Found { path, holder: Holder::process(id) });
        }
        found.retain(|number, _| Some(*number) != own);
        Self { found: found.into_values().collect() }
    }

    /// What keeps the namespace of this identity.
    pub(crate) fn of_namespace(&self, id: &str) -> Option<Holder> {
        let found = self.found.iter().find(|found| namespace::is_at(&found.path, id));
        found.map(|found| found.holder.clone())
    }

    /// A path that leads to the namespace of this identity.
    pub(crate) fn path_of(&self, id: &str) -> Option<PathBuf> {
        self.found.iter().find(|found| namespace::is_at(&found.path, id)).map(|found| found.path.clone())
    }

    /// What keeps the interface in use that a device of the host belongs to, if that can be told.
    pub(crate) fn of_device(&self, device: &OwnedDevice) -> Option<Holder> {
        match device.in_use.as_ref()? {
            InUse::OtherEnd(number) => self.of_number((*number)?),
            InUse::Carrier => opener(&device.name),
            InUse::Redirection(_) => None,
            InUse::Container(path) => {
                self.found.iter().find(|found| found.path == *path).map(|found| found.holder.clone())
            }
        }
    }

    /// What keeps the namespace that has this number in ours.
    pub(crate) fn of_number(&self, number: i32) -> Option<Holder> {
        let mut socket = Socket::open().ok()?;
        let mut is_it = |found: &&Found| {
            let asked = Namespace::open(&found.path).and_then(|namespace| socket.request(namespace.number_here()));
            asked.is_ok_and(|answer| answer.as_ref().and_then(Namespace::read_number) == Some(number))
        };
        self.found.iter().find(|found| is_it(found)).map(|found| found.holder.clone())
    }
}

impl Holder {
    /// The IDs of all processes that can be seen.
    pub(crate) fn processes() -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    pub(crate) fn process(id: u32) -> Self {
        Self::Process(attachment::process_in_words(id))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(words) => f.write_str(words),
            Self::Mount(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The process that has a TAP device of this name open (`iff:` in its fdinfo, `tun_chr_show_fdinfo` in the kernel).
pub(crate) fn opener(device: &str) -> Option<Holder> {
    let line = format!("iff:\t{device}");
    let has_it = |id: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        descriptors.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.ends_with("net/tun"))).any(|fd| {
            let about = fs::read_to_string(format!("/proc/{id}/fdinfo/{}", fd.file_name().display()));
            about.is_ok_and(|about| about.lines().any(|one| one == line))
        })
    };
    Holder::processes().into_iter().find(has_it).map(Holder::process)
}

/// Where network namespaces are mounted, proc_pid_mountinfo(5): `… net:[4026532200] /run/netns/c1 rw … - nsfs nsfs rw`.
fn mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        let (root, path) = (fields.next()?, fields.next()?);
        root.starts_with("net:[").then(|| PathBuf::from(unescaped(path)))
    };
    text.lines().filter_map(mount).collect()
}

/// Blanks and the like are octal numbers there.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}
