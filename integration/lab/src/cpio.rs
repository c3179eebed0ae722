use crate::tree::{Entry, Tree};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Writes the archive that the kernel unpacks into its first root: cpio in the "newc" format
/// (Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's sources).
pub(crate) fn write(tree: &Tree, out: impl Write) -> Result<()> {
    let mut out = BufWriter::new(out);
    for (number, (place, entry)) in tree.entries().enumerate() {
        let name = place.strip_prefix("/").unwrap_or(place).as_os_str().as_bytes();
        let number = u32::try_from(number).context("too many files")?;
        let member = Member { number, name };
        match entry {
            Entry::Directory => member.write(&mut out, DIRECTORY | 0o755, &mut io::empty(), 0)?,
            Entry::Link(target) => {
                let target = target.as_os_str().as_bytes();
                member.write(&mut out, LINK | 0o777, &mut &*target, target.len().try_into()?)?;
            }
            Entry::Text { content, mode } => {
                member.write(&mut out, FILE | mode, &mut content.as_bytes(), content.len().try_into()?)?;
            }
            Entry::File(source) => {
                let mut file = File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
                let about = file.metadata()?;
                let mode = FILE | (about.permissions().mode() & 0o7777);
                member
                    .write(&mut out, mode, &mut file, about.len())
                    .with_context(|| format!("{}", source.display()))?;
            }
        }
    }
    Member { number: 0, name: b"TRAILER!!!" }.write(&mut out, 0, &mut io::empty(), 0)?;
    out.flush()?;
    Ok(())
}

struct Member<'a> {
    number: u32,
    name: &'a [u8],
}

impl Member<'_> {
    fn write(&self, out: &mut impl Write, mode: u32, content: &mut dyn Read, size: u64) -> Result<()> {
        let size = u32::try_from(size).context("the format holds no file of 4 GiB or more")?;
        let name_size = u32::try_from(self.name.len() + 1)?;
        // inode, mode, user, group, links, time, size, device, device of the node, name's size, checksum
        let fields = [self.number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        write!(out, "070701")?;
        fields.iter().try_for_each(|field| write!(out, "{field:08X}"))?;
        out.write_all(self.name)?;
        // The header has 110 bytes; the name ends with a zero and both end at a multiple of four.
        pad(out, 110 + u64::from(name_size), 1)?;
        let copied = io::copy(&mut content.take(size.into()), out)?;
        anyhow::ensure!(copied == u64::from(size), "the file shrank while it was read");
        pad(out, copied, 0)
    }
}

/// Writes `zeros` zeros, and more until `length` is a multiple of four.
fn pad(out: &mut impl Write, length: u64, zeros: u64) -> Result<()> {
    let more = length.next_multiple_of(4) - length;
    io::copy(&mut io::repeat(0).take(zeros + more), out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn an_archive_unpacks_to_what_went_in() {
        let mut tree = Tree::default();
        for (name, content) in [("a", ""), ("bb", "x"), ("ccc", "xyz"), ("dddd", "wxyz"), ("eeeee", "vwxyz")] {
            tree.text(format!("/d/{name}"), content, 0o640);
        }
        tree.link("/d/link", "bb");
        let mut archive = Vec::new();
        write(&tree, &mut archive).unwrap();
        assert_eq!(archive.len() % 4, 0, "a second archive could not follow");
        let directory = std::env::temp_dir().join(format!("lab-cpio-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let mut unpack = Command::new("busybox")
            .args(["cpio", "-i", "-d"])
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("busybox");
        unpack.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(unpack.wait().unwrap().success());
        let read = |name: &str| std::fs::read_to_string(directory.join("d").join(name)).unwrap();
        let contents = ["a", "bb", "ccc", "dddd", "eeeee", "link"].map(read);
        let mode = directory.join("d/bb").metadata().unwrap().permissions().mode();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(contents, ["", "x", "xyz", "wxyz", "vwxyz", "x"]);
        assert_eq!(mode & 0o7777, 0o640);
    }
}
