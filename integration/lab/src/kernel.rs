use crate::cache::Cache;
use crate::packages::{ask_apt_cache, output, succeed, take_out};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's name for the newest kernel of the kind that has the virtual devices and not the drivers of real ones.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// A kernel in the cache.
pub(crate) struct Kernel {
    /// As `uname -r` prints it.
    pub(crate) version: String,
    /// Where its package was unpacked.
    pub(crate) root: PathBuf,
}

impl Kernel {
    /// The cached kernel, or the current one of Debian's packages, which is taken out of its package but not installed.
    pub(crate) fn prepare(cache: &Cache) -> Result<Self> {
        let root = cache.entry("kernel", unpack)?;
        let version = std::fs::read_dir(root.join("lib/modules"))
            .ok()
            .and_then(|mut versions| versions.next())
            .and_then(|version| version.ok()?.file_name().into_string().ok())
            .with_context(|| format!("{0} holds no kernel; remove {0}", root.display()))?;
        Ok(Self { version, root })
    }

    /// The compressed kernel.
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.version))
    }

    /// The directory of its modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.version)
    }

    /// The files of module `name` and of the modules that it needs, these first; none when it is built in.
    pub(crate) fn module_files(&self, name: &str) -> Result<Vec<PathBuf>> {
        let mut modprobe = Command::new("modprobe");
        modprobe.arg("-d").arg(&self.root).args(["-S", &self.version, "--show-depends", name]);
        let steps = output(&mut modprobe)?;
        let root = self.root.to_string_lossy();
        // "insmod ROOT/lib/modules/... options"
        let files = steps.lines().filter_map(|step| {
            let file = step.strip_prefix("insmod ")?.strip_prefix(&*root)?.split_whitespace().next()?;
            Some(self.root.join(file.trim_start_matches('/')))
        });
        Ok(files.collect())
    }
}

fn unpack(root: &Path) -> Result<()> {
    std::fs::create_dir_all(root)?;
    let package = current_package()?;
    eprintln!("lab: taking the kernel out of Debian's {package}");
    take_out(&package, root)?;
    // Newer packages have their modules in /usr/lib only, which depmod and modprobe do not look at.
    if !root.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", root.join("lib"))?;
    }
    let version = package.trim_start_matches("linux-image-").trim_end_matches("-unsigned");
    succeed(Command::new("depmod").arg("-b").arg(root).arg(version))
}

/// The package that [`PACKAGE`] stands for at present.
fn current_package() -> Result<String> {
    let answer = ask_apt_cache("depends", PACKAGE)?;
    let dependencies = answer.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let mut kernels = dependencies.filter(|package| package.starts_with("linux-image-"));
    kernels.next().map(str::to_owned).with_context(|| {
        format!("apt-cache knows no {PACKAGE}; run `apt-get update`, on a system with Debian's package sources")
    })
}
