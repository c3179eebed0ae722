use nix::mount::{MntFlags, MsFlags, mount, umount, umount2};
use std::path::{Path, PathBuf};

/// The tmpfs that hides the machine's `/run`; overlays keep their upper directories below it.
const RUN: &str = "/run";

/// A file that says that a `/run` is a host's.
pub(crate) const MARK: &str = "/run/.host";

/// Makes the calling thread's mount namespace, just unshared, a host's of its own: `/run`, `/etc/cni` and `/var/lib/cni`
/// are empty and private, `/sys` shows the thread's network namespace.
pub(crate) fn privatise() {
    attach("none", "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, "");
    let var_run_is_link = Path::new("/var/run").is_symlink();
    attach("tmpfs", RUN, Some("tmpfs"), MsFlags::empty(), "mode=755");
    if !var_run_is_link && Path::new("/var/run").is_dir() {
        attach(RUN, "/var/run", None, MsFlags::MS_BIND, "");
    }
    refresh_sysfs();
    for directory in ["/etc/cni", "/var/lib/cni"] {
        empty_directory(Path::new(directory));
    }
    make_directory(Path::new("/run/netns"));
    std::fs::write(MARK, "").unwrap_or_else(|e| panic!("{MARK}: {e}"));
}

/// Mounts a new sysfs on `/sys`, which shows the devices of the caller's network namespace, and keeps the cgroups there.
pub(crate) fn refresh_sysfs() {
    let cgroups = "/sys/fs/cgroup";
    let kept = Path::new(RUN).join(".cgroup");
    make_directory(&kept);
    attach(cgroups, &kept, None, MsFlags::MS_BIND | MsFlags::MS_REC, "");
    attach("sysfs", "/sys", Some("sysfs"), MsFlags::empty(), "");
    if Path::new(cgroups).is_dir() {
        attach(&kept, cgroups, None, MsFlags::MS_MOVE, "");
    } else {
        umount(&kept).unwrap_or_else(|e| panic!("umount {}: {e}", kept.display()));
    }
}

/// Does in the calling thread's mount namespace, just unshared, what `ip netns exec NAME` does: `/sys` shows the thread's network
/// namespace, and nothing of that reaches the namespace from which this one was made (`netns_switch` in `lib/namespace.c` of iproute2).
pub(crate) fn show_namespace(name: &str) -> nix::Result<()> {
    const NOTHING: Option<&str> = None;
    mount(Some("none"), "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_SLAVE, NOTHING)?;
    // It may be no mount point.
    let _ = umount2("/sys", MntFlags::MNT_DETACH);
    mount(Some(name), "/sys", Some("sysfs"), MsFlags::empty(), NOTHING)
}

/// Hides whatever the machine has at `path` behind an empty directory. Where the machine has nothing, the nearest parent
/// becomes an overlay first, so that the directory is not made on the machine's own file system.
fn empty_directory(path: &Path) {
    if path.is_dir() {
        attach("tmpfs", path, Some("tmpfs"), MsFlags::empty(), "mode=755");
        return;
    }
    let parent = path.ancestors().find(|p| p.is_dir()).unwrap_or_else(|| panic!("{} has no parent", path.display()));
    let name = parent.to_string_lossy().replace('/', "-");
    let layer = |kind: &str| {
        let layer: PathBuf = Path::new(RUN).join(format!(".overlay{name}")).join(kind);
        make_directory(&layer);
        layer
    };
    let (upper, work) = (layer("upper"), layer("work"));
    let options = format!("lowerdir={},upperdir={},workdir={}", parent.display(), upper.display(), work.display());
    attach("overlay", parent, Some("overlay"), MsFlags::empty(), &options);
    make_directory(path);
}

fn make_directory(path: &Path) {
    std::fs::create_dir_all(path).unwrap_or_else(|e| panic!("mkdir {}: {e}", path.display()));
}

fn attach(source: impl AsRef<Path>, target: impl AsRef<Path>, kind: Option<&str>, flags: MsFlags, options: &str) {
    let (source, target) = (source.as_ref(), target.as_ref());
    mount(Some(source), target, kind, flags, Some(options)).unwrap_or_else(|e| {
        panic!("mount {} on {} ({flags:?} {options}): {e}", source.display(), target.display());
    });
}
