use std::path::{Path, PathBuf};

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

/// The path of one executable under test, such as `bridge`; panics when it was not built.
pub fn bin(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(path.is_file(), "{} was not built: run `make build` first", path.display());
    path
}

fn test_executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| Path::new("/").to_owned())
}
