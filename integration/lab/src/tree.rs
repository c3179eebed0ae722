use crate::packages::find;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Files for the guest, by their absolute place there.
#[derive(Default)]
pub(crate) struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

/// What is at a place.
pub(crate) enum Entry {
    Directory,
    /// A symbolic link to this path.
    Link(PathBuf),
    /// A copy of this machine's file, with its mode.
    File(PathBuf),
    Text {
        content: String,
        mode: u32,
    },
}

impl Tree {
    /// Every place with what is there, a directory before what it holds.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(place, entry)| (place.as_path(), entry))
    }

    pub(crate) fn directory(&mut self, place: impl AsRef<Path>) {
        self.put(place.as_ref(), Entry::Directory);
    }

    pub(crate) fn link(&mut self, place: impl AsRef<Path>, target: impl Into<PathBuf>) {
        self.put(place.as_ref(), Entry::Link(target.into()));
    }

    pub(crate) fn text(&mut self, place: impl AsRef<Path>, content: impl Into<String>, mode: u32) {
        self.put(place.as_ref(), Entry::Text { content: content.into(), mode });
    }

    pub(crate) fn contains(&self, place: impl AsRef<Path>) -> bool {
        self.entries.contains_key(&without_links(place.as_ref()))
    }

    /// Copies a file, or a directory with all that is in it; links become what they point to.
    pub(crate) fn copy(&mut self, place: &Path, source: &Path) -> Result<()> {
        let kind = source.metadata().with_context(|| format!("{}", source.display()))?;
        if !kind.is_dir() {
            ensure!(kind.is_file(), "{} is neither a file nor a directory", source.display());
            self.put(place, Entry::File(source.to_owned()));
            return Ok(());
        }
        self.directory(place);
        for entry in source.read_dir()? {
            let name = entry?.file_name();
            self.copy(&place.join(&name), &source.join(&name))?;
        }
        Ok(())
    }

    /// Copies a file of this machine to the same place, with every link on the way to it.
    pub(crate) fn same(&mut self, path: &Path) -> Result<()> {
        let path = without_links(path);
        if self.entries.contains_key(&path) {
            return Ok(());
        }
        match path.read_link() {
            Ok(target) => {
                let next = path.parent().unwrap_or(Path::new("/")).join(&target);
                self.link(&path, target);
                self.same(&next)
            }
            Err(_) => self.copy(&path, &path),
        }
    }

    /// Adds the shared libraries that the executables in the tree need.
    pub(crate) fn add_libraries(&mut self) -> Result<()> {
        let files =
            self.entries.values().filter_map(|entry| if let Entry::File(file) = entry { Some(file) } else { None });
        let executables: Vec<PathBuf> = files.filter(|file| is_elf(file)).cloned().collect();
        for library in libraries(&executables)? {
            self.same(&library)?;
        }
        Ok(())
    }

    /// Makes the link `/NAME` to `/usr/NAME`, as Debian has it.
    pub(crate) fn merge(&mut self, name: &str) {
        let target = Path::new("usr").join(name);
        self.directory(Path::new("/").join(&target));
        self.entries.insert(Path::new("/").join(name), Entry::Link(target));
    }

    /// Keeps of the files of this machine those for which `is_wanted` says so, given the place and what changes with the file.
    pub(crate) fn retain_files(&mut self, mut is_wanted: impl FnMut(&Path, &str) -> bool) {
        self.entries.retain(|place, entry| match entry {
            Entry::File(source) => {
                let about = source.metadata().map(|about| (about.len(), about.mtime(), about.mtime_nsec()));
                // One that is gone is missed where it is read.
                about.map_or(true, |about| is_wanted(place, &format!("{} {about:?}", source.display())))
            }
            _ => true,
        });
    }

    fn put(&mut self, place: &Path, entry: Entry) {
        let place = without_links(place);
        for parent in place.ancestors().skip(1).filter(|parent| *parent != Path::new("/")) {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Directory);
        }
        if !(matches!(entry, Entry::Directory) && self.entries.contains_key(&place)) {
            self.entries.insert(place, entry);
        }
    }
}

/// `path` without `.` and `..`, and below `/usr` where the first directory is a link into it. An archive that names
/// `/lib/x` makes the kernel replace the link `/lib` by a directory.
fn without_links(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => _ = plain.pop(),
            _ => {}
        }
    }
    let merged = ["/bin", "/sbin", "/lib", "/lib64"].iter().any(|directory| plain.starts_with(directory));
    if merged { Path::new("/usr").join(plain.strip_prefix("/").unwrap_or(&plain)) } else { plain }
}

fn is_elf(file: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// What the dynamic linker would load for `executables`, asked in one call.
fn libraries(executables: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if executables.is_empty() {
        return Ok(Vec::new());
    }
    // Its status says only that one of them is static.
    let output = Command::new(find("ldd").context("this machine has no ldd")?).args(executables).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        bail!("a library is missing on this machine: {}", line.trim());
    }
    // "name => /path (address)" or "/path (address)"; lines that are not indented name the executable.
    let lines = text.lines().filter(|line| line.starts_with(char::is_whitespace));
    Ok(lines.filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/'))).map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_below_usr_where_debian_links_to_it() {
        let places = [
            ("/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
            ("/lib64/ld.so", "/usr/lib64/ld.so"),
            ("/libexec/x", "/libexec/x"),
            ("/usr/bin/../sbin/./ip", "/usr/sbin/ip"),
        ];
        for (given, expected) in places {
            assert_eq!(without_links(Path::new(given)), Path::new(expected));
        }
    }

    #[test]
    fn a_program_comes_with_its_links_and_libraries() {
        let mut tree = Tree::default();
        tree.same(Path::new("/bin/sh")).unwrap();
        tree.add_libraries().unwrap();
        assert!(tree.contains("/bin/sh") && tree.contains("/usr/bin"));
        assert!(tree.contains("/lib64/ld-linux-x86-64.so.2"), "the dynamic linker is not there");
    }
}
