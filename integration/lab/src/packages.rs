use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that run the lab or are taken into it, with the Debian package of each.
pub(crate) const PROGRAMS: [(&str, &str); 43] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("modprobe", "kmod"),
    ("depmod", "kmod"),
    ("kmod", "kmod"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("bridge", "iproute2"),
    ("ss", "iproute2"),
    ("ping", "iputils-ping"),
    ("iperf3", "iperf3"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
    ("iptables-save", "iptables"),
    ("ebtables", "iptables"),
    ("arptables", "iptables"),
    ("ethtool", "ethtool"),
    ("tcpdump", "tcpdump"),
    ("ncat", "ncat"),
    ("jq", "jq"),
    ("ovsdb-server", "openvswitch-switch"),
    ("ovs-vswitchd", "openvswitch-switch"),
    ("ovs-dpctl", "openvswitch-switch"),
    ("ovsdb-tool", "openvswitch-common"),
    ("ovsdb-client", "openvswitch-common"),
    ("ovs-vsctl", "openvswitch-switch"),
    ("ovs-ofctl", "openvswitch-common"),
    ("ovs-appctl", "openvswitch-common"),
    ("ps", "procps"),
    ("sysctl", "procps"),
    ("pgrep", "procps"),
    ("pkill", "procps"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("flock", "util-linux"),
    ("awk", "mawk"),
    ("find", "findutils"),
    ("hostname", "hostname"),
    ("ldd", "libc-bin"),
];

/// Where programs are looked for, on this machine and in the guest, whatever the caller's `PATH`.
const DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The file of program `name` on this machine.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
}

/// Installs the packages whose programs are missing.
pub(crate) fn require() -> Result<()> {
    let mut packages: Vec<_> = PROGRAMS.iter().filter(|(name, _)| find(name).is_none()).map(|(_, p)| *p).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    ensure!(find("apt-get").is_some(), "the lab needs programs of these Debian packages: {}", packages.join(" "));
    ensure!(Uid::effective().is_root(), "programs that the lab needs are missing; as root: {install}");
    eprintln!("lab: {install}");
    let _quiet = NoServices::begin()?;
    succeed(Command::new("apt-get").args(["-q", "update"]))?;
    let options = ["-q", "-y", "install", "--no-install-recommends"];
    succeed(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(options).args(&packages))?;
    let missing: Vec<_> = PROGRAMS.iter().filter(|(name, _)| find(name).is_none()).map(|(name, _)| *name).collect();
    ensure!(missing.is_empty(), "{install} brought no {}", missing.join(", "));
    Ok(())
}

/// Unpacks Debian's current `package` into the directory `root`, without installing it.
pub(crate) fn take_out(package: &str, root: &Path) -> Result<()> {
    let download = root.join("download");
    std::fs::create_dir_all(&download)?;
    // `APT::Sandbox::User` empty: the user `_apt` cannot write here.
    succeed(Command::new("apt-get").current_dir(&download).args([
        "-q",
        "-o",
        "APT::Sandbox::User=",
        "download",
        package,
    ]))?;
    let archive = std::fs::read_dir(&download)?.next().context("apt-get downloaded nothing")??.path();
    succeed(Command::new("dpkg").arg("-x").arg(archive).arg(root))?;
    std::fs::remove_dir_all(&download).with_context(|| format!("cannot remove {}", download.display()))
}

/// What `apt-cache QUESTION PACKAGE` prints, after an update of its lists where it knows no such package.
pub(crate) fn ask_apt_cache(question: &str, package: &str) -> Result<String> {
    ensure!(
        find("apt-get").is_some(),
        "the lab takes {package} out of Debian's package and finds no apt-get here; run it in a Debian container"
    );
    let ask = || output(Command::new("apt-cache").args([question, package])).unwrap_or_default();
    let answer = ask();
    if answer.is_empty() && Uid::effective().is_root() {
        succeed(Command::new("apt-get").args(["-q", "update"]))?;
        return Ok(ask());
    }
    Ok(answer)
}

/// While it lives, packages start no services: the machine's network is not ours.
struct NoServices {
    policy: Option<PathBuf>,
}

impl NoServices {
    fn begin() -> Result<Self> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            // Whoever wrote it has decided.
            return Ok(Self { policy: None });
        }
        write_executable(policy, "#!/bin/sh\nexit 101\n")?;
        Ok(Self { policy: Some(policy.to_owned()) })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.policy.as_ref().map(std::fs::remove_file) {
            eprintln!("lab: /usr/sbin/policy-rc.d keeps services from starting and cannot be removed: {error}");
        }
    }
}

fn write_executable(path: &Path, content: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, content)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Runs a command to its end; its output is in the error when it fails.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// The stdout of a command that succeeds; both its outputs are in the error when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let what = format!("{command:?}");
    let output = command.env("PATH", DIRECTORIES.join(":")).output().with_context(|| format!("cannot run {what}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{what} failed with {}:\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(stdout)
}
