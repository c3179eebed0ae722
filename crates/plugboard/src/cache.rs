//! The records of attachments, in the files of libcni (`libcni/api.go`, `cachedInfo`), so that runtimes built on it see
//! ours and we see theirs.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::unistd::geteuid;

use crate::attachment::Attachment;
use crate::lock::{Lock, Mode, Subject};
use crate::trust::Trust;

mod document;
mod entry;
mod file;
mod result;
mod unreadable;

pub(crate) use entry::Entry;
use file::read;
pub(crate) use unreadable::{Reading, Unreadable};

/// Where runtimes keep their records unless told otherwise: those on libcni (containerd, CRI-O, Podman, nerdctl, cnitool),
/// and Multus, for the networks that it adds to a pod.
const KNOWN: [&str; 2] = ["/var/lib/cni", "/var/lib/cni/multus"];

/// The directory of the files, `results` in libcni's cache directory.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// Others, which are only read.
    others: Vec<PathBuf>,
    trust: Trust,
}

/// All records there are.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Those in the directory that is written to.
    pub(crate) entries: Vec<Entry>,
    /// Those in others.
    pub(crate) elsewhere: Vec<Entry>,
    /// Files that cannot be read, wherever they are.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Survey {
    /// For callers that may lack the permission to read the records.
    ///
    /// # Errors
    /// There is a file that they cannot read.
    pub(crate) fn refuse_closed(&self) -> anyhow::Result<()> {
        self.unreadable.iter().find(|file| file.is_closed).map_or(Ok(()), |file| Err(file.error()))
    }
}

impl Cache {
    /// The cache in the first of `dirs`, each as libcni's `CacheDir`. The others are only read, and so are the known places.
    pub(crate) fn new(dirs: &[PathBuf], trust: Trust) -> Self {
        let mut all: Vec<PathBuf> = Vec::new();
        for dir in dirs.iter().map(PathBuf::as_path).chain(KNOWN.map(Path::new)) {
            let dir = dir.join("results");
            if !all.contains(&dir) {
                all.push(dir);
            }
        }
        let dir = all.remove(0);
        Self { dir, others: all, trust }
    }

    /// To be held while attachments are made, and waited for as long as given. A `gc` that has read the list of attachments would
    /// take a newer one for stale, so it waits for those that are being made, and they wait for it.
    pub(crate) fn lock_to_attach(&self, limit: Duration) -> anyhow::Result<Lock> {
        self.lock(Mode::Shared, limit)
    }

    /// To be held while attachments are taken down: `gc` would take what is going for stale. `None` if there are no records.
    pub(crate) fn lock_to_detach(&self, limit: Duration) -> anyhow::Result<Option<Lock>> {
        self.dir.is_dir().then(|| Lock::take(Subject::Records(&self.dir), Mode::Shared, limit)).transpose()
    }

    /// To be held by `gc`. Removes what an attach left that was killed while writing.
    pub(crate) fn lock_to_collect(&self, limit: Duration) -> anyhow::Result<Lock> {
        let lock = self.lock(Mode::Exclusive, limit)?;
        self.remove_all_drafts()?;
        Ok(lock)
    }

    fn lock(&self, mode: Mode, limit: Duration) -> anyhow::Result<Lock> {
        self.make().with_context(|| format!("cannot make {}", self.dir.display()))?;
        Lock::take(Subject::Records(&self.dir), mode, limit)
    }

    /// Removes what was left by an attach that was killed while writing, unless somebody is writing now: then the next one does.
    pub(crate) fn remove_drafts(&self) -> anyhow::Result<()> {
        if !files(&self.dir)?.iter().any(is_draft) {
            return Ok(());
        }
        match Lock::try_take(Subject::Records(&self.dir), Mode::Exclusive) {
            Ok(Some(_lock)) => self.remove_all_drafts(),
            _ => Ok(()),
        }
    }

    fn remove_all_drafts(&self) -> anyhow::Result<()> {
        for file in files(&self.dir)?.iter().filter(|file| is_draft(file)) {
            self.remove_file(&file.path())?;
        }
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let about = fs::metadata(&self.dir)?;
        if about.uid() == geteuid().as_raw() && about.mode() & 0o022 != 0 {
            // The records say which plugins are called, and with what.
            tracing::warn!(
                "{} could be written by others: its mode is 0{:o} now",
                self.dir.display(),
                about.mode() & 0o755
            );
            fs::set_permissions(&self.dir, Permissions::from_mode(about.mode() & 0o755))?;
        }
        Ok(())
    }

    /// All entries, by container and interface. Files that hold something else are skipped, as by libcni, but not
    /// silently: one may be damaged, and its attachment is not found then.
    ///
    /// # Errors
    /// The directory cannot be read, or a file in it that the caller lacks the permission for.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        Ok(told(self.survey()?)?.entries)
    }

    /// The same of all directories. Those in the one that is written to come first, and have `true`.
    ///
    /// # Errors
    /// As [`Cache::entries`].
    pub(crate) fn entries_everywhere(&self) -> anyhow::Result<Vec<(Entry, bool)>> {
        let Survey { entries, elsewhere, .. } = told(self.survey_all()?)?;
        let own = entries.into_iter().map(|entry| (entry, true));
        Ok(own.chain(elsewhere.into_iter().map(|entry| (entry, false))).collect())
    }

    /// The records in the directory that is written to.
    pub(crate) fn survey(&self) -> anyhow::Result<Survey> {
        let (entries, unreadable) = read_all(&self.dir, &self.trust)?;
        Ok(Survey { entries, elsewhere: Vec::new(), unreadable })
    }

    /// The records in all directories.
    pub(crate) fn survey_all(&self) -> anyhow::Result<Survey> {
        let mut survey = self.survey()?;
        for dir in &self.others {
            let (entries, unreadable) = read_all(dir, &self.trust)?;
            survey.elsewhere.extend(entries);
            survey.unreadable.extend(unreadable);
        }
        Ok(survey)
    }

    /// The entries of one container, in the order of its interfaces.
    pub(crate) fn entries_of(&self, container_id: &str) -> anyhow::Result<Vec<Entry>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.attachment.container_id == container_id);
        Ok(entries)
    }

    /// The entry of one interface of a container.
    ///
    /// # Errors
    /// The container has no such interface, or has it in two networks.
    pub(crate) fn entry_of(&self, container_id: &str, if_name: &str) -> anyhow::Result<Entry> {
        let entries = self.entries_of(container_id)?;
        let names: Vec<String> = entries.iter().map(|entry| entry.attachment.if_name.clone()).collect();
        let mut found = entries.into_iter().filter(|entry| entry.attachment.if_name == if_name);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry),
            (Some(one), Some(other)) => {
                bail!("{if_name} of container {container_id} is on '{}' and on '{}'", one.network, other.network)
            }
            _ if names.is_empty() => bail!("container {container_id} is not attached to any network"),
            _ => bail!("container {container_id} has no interface {if_name} of ours; it has {}", names.join(", ")),
        }
    }

    /// Writes an entry atomically: readers find the former or the new one. Names of networks and containers may have dashes,
    /// so two attachments could have the same file; the second of them is refused.
    pub(crate) fn store(&self, entry: &Entry) -> anyhow::Result<()> {
        let path = self.path(entry);
        match read(&path, &self.trust) {
            // It may be about an interface that is in use.
            Err(error) => bail!(
                "cannot remember the attachment in {}: that file cannot be read ({error:#}); detach the container first, or remove \
                 the file if it is no record",
                path.display()
            ),
            Ok(Some(other)) if !other.is_same(entry) => bail!(
                "cannot remember the attachment in {}: that file is about container {} on network '{}'; give this \
                 container another --container-id",
                path.display(),
                other.attachment.container_id,
                other.network
            ),
            Ok(_) => {}
        }
        let write = || {
            self.make()?;
            let draft = self.dir.join(format!(".{}", file_name(entry)));
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(&document::to_bytes(entry)?)?;
            fs::rename(&draft, &path)
        };
        write().with_context(|| format!("cannot remember the attachment in {}", path.display()))
    }

    /// Removes an entry, which may be gone already.
    pub(crate) fn remove(&self, entry: &Entry) -> anyhow::Result<()> {
        self.remove_file(&self.path(entry))
    }

    /// Whether a file is in the directory that is written to.
    pub(crate) fn has(&self, path: &Path) -> bool {
        path.parent() == Some(&self.dir)
    }

    /// Removes a file, or an empty directory in the place of one, which may be gone already.
    pub(crate) fn remove_file(&self, path: &Path) -> anyhow::Result<()> {
        let is_directory = fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
        match if is_directory { fs::remove_dir(path) } else { fs::remove_file(path) } {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Where an entry is.
    pub(crate) fn path(&self, entry: &Entry) -> PathBuf {
        self.dir.join(file_name(entry))
    }
}

/// Says which files are skipped.
fn told(survey: Survey) -> anyhow::Result<Survey> {
    survey.refuse_closed()?;
    for file in &survey.unreadable {
        tracing::warn!("{}: skipped, not an attachment: {}", file.path.display(), file.why);
    }
    Ok(survey)
}

/// What is in a directory; nothing if it is missing.
fn files(dir: &Path) -> anyhow::Result<Vec<DirEntry>> {
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.and_then(Iterator::collect),
    };
    files.with_context(|| format!("cannot read the attachments in {}", dir.display()))
}

/// The entries of a directory, by container and interface, and the files that are none.
fn read_all(dir: &Path, trust: &Trust) -> anyhow::Result<(Vec<Entry>, Vec<Unreadable>)> {
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    for file in files(dir)?.iter().filter(|file| is_record(file)) {
        let path = file.path();
        match read(&path, trust).and_then(|entry| entry.map(|entry| at_its_place(entry, &path)).transpose()) {
            Ok(entry) => entries.extend(entry),
            Err(error) => unreadable.push(Unreadable::new(path, &error)),
        }
    }
    entries.sort_by_cached_key(|entry| {
        (entry.attachment.container_id.clone(), natural(&entry.attachment.if_name), entry.network.clone())
    });
    Ok((entries, unreadable))
}

/// Refuses a record in another file than its own: the file may have been that of somebody else, or is a copy.
fn at_its_place(entry: Entry, path: &Path) -> anyhow::Result<Entry> {
    let Attachment { container_id, if_name, .. } = &entry.attachment;
    if [&entry.network, container_id, if_name].iter().any(|part| part.is_empty()) {
        bail!("the network, the container or the interface has no name in it");
    }
    let name = file_name(&entry);
    if path.file_name() != Some(OsStr::new(&name)) {
        bail!(
            "it holds the record of {if_name} of container {container_id} on network '{}', which belongs into {name}",
            entry.network
        );
    }
    Ok(entry)
}

fn file_name(entry: &Entry) -> String {
    let Attachment { container_id, if_name, .. } = &entry.attachment;
    format!("{}-{container_id}-{if_name}", entry.network)
}

/// A file that is being written, or was when its writer was killed. No network's name begins with a dot (CFG-3).
fn is_draft(file: &DirEntry) -> bool {
    file.file_name().as_encoded_bytes().starts_with(b".") && file.file_type().is_ok_and(|kind| kind.is_file())
}

/// What may be a record, or be in the place of one. Other runtimes put directories of theirs there.
fn is_record(file: &DirEntry) -> bool {
    let name = file.file_name();
    let dashes = name.as_encoded_bytes().iter().filter(|byte| **byte == b'-').count();
    let is_directory = file.file_type().is_ok_and(|kind| kind.is_dir());
    !name.as_encoded_bytes().starts_with(b".") && (!is_directory || dashes >= 2)
}

/// A name so that `eth2` sorts before `eth10`.
fn natural(name: &str) -> (String, u64, String) {
    let stem = name.trim_end_matches(|last: char| last.is_ascii_digit());
    let number = name.strip_prefix(stem).and_then(|digits| digits.parse().ok()).unwrap_or_default();
    (stem.to_owned(), number, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(super) fn entry(if_name: &str) -> Entry {
        let capability_args = json!({"shaping": {"bw": "1Mbps"}}).as_object().cloned().unwrap_or_default();
        Entry {
            network: "lan".to_owned(),
            attachment: Attachment {
                container_id: "c1".to_owned(),
                if_name: if_name.to_owned(),
                netns: Some("/run/netns/c1".into()),
                args: vec![("K".to_owned(), "V".to_owned())],
                capability_args,
            },
            config: br#"{"name":"lan"}"#.to_vec(),
            result: Some(json!({"cniVersion": "1.0.0"})),
            namespace_id: Some("4:5".to_owned()),
        }
    }

    #[test]
    fn what_is_stored_is_found_in_the_order_of_interfaces_until_removed() {
        let dir = std::env::temp_dir().join(format!("plugboard-cache-{}", std::process::id()));
        let cache = Cache::new(std::slice::from_ref(&dir), Trust::usual());
        assert_eq!(cache.entries().unwrap(), []);
        for if_name in ["eth10", "eth0", "eth2"] {
            cache.store(&entry(if_name)).unwrap();
        }
        fs::write(dir.join("results/foreign"), "{}").unwrap();
        assert!(dir.join("results/lan-c1-eth10").is_file());
        assert_eq!(cache.entries_of("c1").unwrap(), [entry("eth0"), entry("eth2"), entry("eth10")]);
        assert_eq!(cache.entries_of("c").unwrap(), []);
        cache.remove(&entry("eth2")).unwrap();
        cache.remove(&entry("eth2")).unwrap();
        assert_eq!(cache.entries().unwrap(), [entry("eth0"), entry("eth10")]);
        // Killed when it was written, before it had its name.
        fs::copy(dir.join("results/lan-c1-eth0"), dir.join("results/.lan-c1-eth1")).unwrap();
        assert_eq!(cache.entries().unwrap(), [entry("eth0"), entry("eth10")]);
        cache.remove_all_drafts().unwrap();
        assert!(!dir.join("results/.lan-c1-eth1").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
