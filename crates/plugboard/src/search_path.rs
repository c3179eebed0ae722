//! The directories of the plugins (ENV-13, DLG-1).

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directories that are searched in order.
#[derive(Debug)]
pub(crate) struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    pub(crate) fn new(dirs: Vec<PathBuf>) -> Self {
        Self(dirs.into_iter().filter(|dir| !dir.as_os_str().is_empty()).collect())
    }

    /// As `CNI_PATH` has it.
    pub(crate) fn to_variable(&self) -> OsString {
        self.joined().into()
    }

    /// The executable of the plugin `kind`; else a sentence that says what is missing.
    pub(crate) fn find(&self, kind: &str) -> Result<PathBuf, String> {
        if let Some(objection) = cni::objection_to_kind(kind) {
            return Err(format!("plugin type '{kind}': {objection}"));
        }
        let found = self.0.iter().map(|dir| dir.join(kind)).find(|path| is_executable(path));
        found.ok_or_else(|| {
            format!(
                "plugin '{kind}' was not found in {}: install it, or name its directory with --plugin-dir",
                self.joined()
            )
        })
    }

    fn joined(&self) -> String {
        self.0.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(":")
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_in_the_directories_are_plugins() {
        let path = SearchPath::new(vec!["/nowhere".into(), "/usr/bin".into(), "/etc".into()]);
        assert_eq!(path.find("sh"), Ok("/usr/bin/sh".into()));
        for absent in ["group", "no-such-plugin"] {
            assert!(path.find(absent).unwrap_err().contains("not found in /nowhere:/usr/bin:/etc"));
        }
        assert!(path.find("../bin/sh").unwrap_err().contains("not a path"));
    }
}
