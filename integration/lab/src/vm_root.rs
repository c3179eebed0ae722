use crate::base::{add_busybox, remove_others};
use crate::cache::Cache;
use crate::cpio;
use crate::kernel::Kernel;
use crate::packages::find;
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The first process.
const INIT: &str = include_str!("vm-init.sh");

/// Beside busybox: what measures as it does in the tests' namespaces, and a shell that prefers it to what busybox has.
const PROGRAMS: [&str; 4] = ["busybox", "sh", "ping", "iperf3"];

/// The port to the test, and NICs; those that they need come along.
const MODULES: [&str; 3] = ["virtio_pci", "virtio_console", "virtio_net"];

/// The archive of the root of all virtual machines, made first if the tools or the kernel changed. It is small, because the
/// guest unpacks it at every boot. Without a kernel it brings no modules: User-mode Linux has what it needs built in.
pub(crate) fn archive(cache: &Cache, kernel: Option<&Kernel>) -> Result<PathBuf> {
    let programs: Vec<PathBuf> = PROGRAMS
        .iter()
        .map(|name| find(name).with_context(|| format!("this machine has no `{name}`")))
        .collect::<Result<_>>()?;
    let prefix = if kernel.is_some() { "vm-" } else { "uml-root-" };
    cache.entry(&format!("{prefix}{:016x}.cpio", key(kernel, &programs)), |path| {
        remove_others(cache.directory(), prefix)?;
        cpio::write(&root(kernel, &programs)?, File::create(path)?)
    })
}

fn key(kernel: Option<&Kernel>, programs: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (INIT, MODULES, kernel.map(|kernel| &kernel.version)).hash(&mut hasher);
    for path in programs {
        let version = path.metadata().map(|file| (file.size(), file.mtime())).ok();
        (path, version).hash(&mut hasher);
    }
    hasher.finish()
}

fn root(kernel: Option<&Kernel>, programs: &[PathBuf]) -> Result<Tree> {
    let mut tree = Tree::default();
    for directory in ["dev", "proc", "sys", "run", "tmp", "root", "etc"] {
        tree.directory(Path::new("/").join(directory));
    }
    for program in programs {
        tree.same(program)?;
    }
    tree.add_libraries()?;
    add_busybox(&mut tree)?;
    if let Some(kernel) = kernel {
        add_modules(&mut tree, kernel)?;
    }
    tree.text("/init", INIT, 0o755);
    for directory in ["bin", "sbin", "lib", "lib64"] {
        tree.merge(directory);
    }
    Ok(tree)
}

/// The modules in one directory, with the order in which they are loaded: the guest has no modprobe.
fn add_modules(tree: &mut Tree, kernel: &Kernel) -> Result<()> {
    let mut order = Vec::new();
    for module in MODULES {
        for file in kernel.module_files(module)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !order.contains(&name) {
                tree.copy(&Path::new("/modules").join(&name), &file)?;
                order.push(name);
            }
        }
    }
    tree.text("/modules/order", order.join("\n"), 0o644);
    Ok(())
}
