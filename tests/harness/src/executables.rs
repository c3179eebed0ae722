use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// Where release builds land below the target directory, the one that users get first.
const BUILDS: [&str; 2] = ["x86_64-unknown-linux-musl/release", "release"];

/// The directory of the executables under test; panics when nothing was built.
pub fn bin_dir() -> PathBuf {
    find_bin_dir().unwrap_or_else(|| {
        panic!(
            "no executables to test: run `make build` first, or name their directory in PLUGBOARD_BIN_DIR \
             (looked for {} beside {})",
            BUILDS.join(" and "),
            test_executable().display()
        )
    })
}

/// The directory of the executables under test: `$PLUGBOARD_BIN_DIR`, else the static release build, else the release
/// build in the target directory that the running test was built in.
pub fn find_bin_dir() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PLUGBOARD_BIN_DIR") {
        return Some(PathBuf::from(named));
    }
    let test = test_executable();
    test.ancestors()
        .flat_map(|target| BUILDS.map(|build| target.join(build)))
        .find(|build| build.join("bridge").is_file() || build.join("plugboard").is_file())
}

/// The path of one executable under test, such as `bridge`; panics when it was not built, or not since its sources changed.
pub fn bin(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(path.is_file(), "{} was not built: run `make build` first", path.display());
    assert_newer_than_sources(&bin_dir());
    path
}

/// Panics where an executable of a directory is older than one of its sources. Plugins call each other, so all are looked at.
pub fn assert_newer_than_sources(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for executable in entries.map(|entry| entry.path()).filter(|path| path.extension().is_none()) {
        if let Some(source) = newer_source(&executable) {
            panic!("{} is older than {}: run `make t T=NAME`, or `make build`", executable.display(), source.display());
        }
    }
}

/// A source of the executable that was changed after it was built. Cargo lists them beside it; of an executable without that
/// list, such as an installed one, nothing is known.
fn newer_source(executable: &Path) -> Option<PathBuf> {
    /// Those that are known to be new.
    static LOOKED_AT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut looked_at = LOOKED_AT.lock().ok()?;
    if looked_at.iter().any(|known| known == executable) {
        return None;
    }
    let list = std::fs::read_to_string(executable.with_extension("d")).ok()?;
    let (_, sources) = list.split_once(": ")?;
    let changed = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let built: SystemTime = changed(executable)?;
    // A blank within a path has a backslash before it.
    let sources = sources.replace("\\ ", "\0");
    let paths = sources.split_whitespace().map(|source| PathBuf::from(source.replace('\0', " ")));
    let newer = paths.into_iter().find(|source| changed(source) > Some(built));
    if newer.is_none() {
        looked_at.push(executable.to_owned());
    }
    newer
}

fn test_executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| Path::new("/").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::Duration;

    #[test]
    fn an_executable_is_old_when_one_of_its_sources_is_newer() {
        let directory = std::env::temp_dir().join(format!("harness-executables-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (executable, source) = (directory.join("tool"), directory.join("the main.rs"));
        for path in [&executable, &source] {
            fs::write(path, "").unwrap();
        }
        let set = |path: &Path, seconds| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        set(&executable, 1000);
        set(&source, 1001);
        assert_eq!(newer_source(&executable), None, "nothing is known of its sources");
        fs::write(
            directory.join("tool.d"),
            format!("{}: {}\n", executable.display(), source.display().to_string().replace(' ', "\\ ")),
        )
        .unwrap();
        assert_eq!(newer_source(&executable), Some(source.clone()));
        set(&executable, 1002);
        assert_eq!(newer_source(&executable), None);
        fs::remove_dir_all(directory).unwrap();
    }
}
