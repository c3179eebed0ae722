//! User-mode Linux: a kernel that is a process, and runs in the lab at the lab's own speed.

use crate::cache::{Cache, default_cache, remove};
use crate::nic::{Line, Nic, program_in};
use crate::packages::{ask_apt_cache, require, take_out};
use crate::vm_root;
use anyhow::{Context, Result, bail, ensure};
use harness::Namespace;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's package, and the kernel in it.
const PACKAGE: &str = "user-mode-linux";
const EXECUTABLE: &str = "usr/bin/linux.uml";

/// Where they are in the lab.
const KERNEL: &str = "/lab/uml/linux";
const ROOT: &str = "/lab/uml/root.cpio";

/// The guest's memory is a file here, and the directory of its management socket.
const MEMORY: &str = "/dev/shm";

/// Its second console is its stdin and stdout, by which it takes scripts; what the kernel has to say goes to stderr.
const ARGUMENTS: &str = "mem=256M con1=fd:0,fd:1 con0=null,fd:2 con=null quiet panic=-1 cryptomgr.notests";

/// How it ends. Killed, it would leave its guest's processes to the host's kernel, which would go on with them as its own.
pub(crate) const END: Signal = Signal::SIGTERM;

/// What the lab needs to boot guests: files of this machine by their places there.
pub(crate) fn files() -> Result<[(PathBuf, PathBuf); 2]> {
    let cache = Cache::lock(&default_cache())?;
    require()?;
    let kernel = cache.entry("uml", unpack)?.join(EXECUTABLE);
    let root = vm_root::archive(&cache, None)?;
    Ok([(KERNEL.into(), kernel), (ROOT.into(), root)])
}

/// Keeps only the kernel of the package: its modules are ten times as large, and none is needed.
fn unpack(directory: &Path) -> Result<()> {
    let known = ask_apt_cache("show", PACKAGE)?;
    ensure!(!known.is_empty(), "apt-cache knows no {PACKAGE}; run `apt-get update`, on a system with Debian's sources");
    eprintln!("lab: taking User-mode Linux out of Debian's {PACKAGE}");
    take_out(PACKAGE, directory)?;
    remove(&directory.join("usr/lib"))?;
    remove(&directory.join("usr/share"))
}

/// Starts a guest in the lab.
pub(crate) fn command(namespace: Option<&Namespace>, nics: &[Nic]) -> Result<Command> {
    ensure!(
        Path::new(KERNEL).is_file(),
        "the lab has no {KERNEL}; a test with virtual machines in the lab runs by `with_guests_on_virtual_clock`"
    );
    let mut uml = program_in(namespace, Path::new(KERNEL));
    uml.env("TMPDIR", MEMORY).args(ARGUMENTS.split(' ')).arg(format!("initrd={ROOT}")).arg(format!("uml_dir={MEMORY}"));
    for (place, nic) in nics.iter().enumerate() {
        uml.arg(device(place, nic).with_context(|| format!("NIC {place}: {:?}", nic.line))?);
    }
    Ok(uml)
}

/// A NIC of the driver `vector` (Documentation/virt/uml/user_mode_linux_howto_v2.rst in the kernel's sources).
fn device(place: usize, Nic { line, mac, queues, .. }: &Nic) -> Result<String> {
    let Line::Tap(tap) = line else { bail!("User-mode Linux is no client of VDE") };
    ensure!(*queues == 1, "User-mode Linux has one pair of queues in a NIC, not {queues}");
    Ok(format!("vec{place}:transport=tap,ifname={tap},mac={mac},depth=128,gro=1"))
}
