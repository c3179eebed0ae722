//! Where executables of plugins are looked for (ENV-13, DLG-1).

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::name::objection_to_kind;

/// Why there is no executable of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlugin {
    /// Its type is not a valid name (CFG-6): what is wrong with it.
    NoName(&'static str),
    /// None of the directories has it.
    NotFound {
        /// What the first directory with a file of that name has, which nobody can execute.
        present: Option<PathBuf>,
    },
}

/// Looks the plugin `kind` up in the directories, in order.
///
/// # Errors
/// `kind` is not a valid name, or no directory has an executable file of that name.
pub fn find_plugin(kind: &str, directories: &[PathBuf]) -> Result<PathBuf, NoPlugin> {
    if let Some(objection) = objection_to_kind(kind) {
        return Err(NoPlugin::NoName(objection));
    }
    let mut present = None;
    for directory in directories {
        let candidate = directory.join(kind);
        match candidate.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => return Ok(candidate),
            Ok(_) if present.is_none() => present = Some(candidate),
            _ => {}
        }
    }
    Err(NoPlugin::NotFound { present })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_in_the_directories_are_plugins() {
        let directories = ["/nowhere", "/usr/bin", "/etc"].map(PathBuf::from);
        assert_eq!(find_plugin("sh", &directories), Ok("/usr/bin/sh".into()));
        assert_eq!(
            find_plugin("group", &directories),
            Err(NoPlugin::NotFound { present: Some("/etc/group".into()) }),
            "a file that nobody can execute"
        );
        assert_eq!(find_plugin("no-such-plugin", &directories), Err(NoPlugin::NotFound { present: None }));
        assert_eq!(find_plugin("sh", &[]), Err(NoPlugin::NotFound { present: None }));
        for kind in ["", "..", "../bin/sh", "/bin/sh"] {
            assert!(matches!(find_plugin(kind, &directories), Err(NoPlugin::NoName(_))), "{kind}");
        }
    }
}
