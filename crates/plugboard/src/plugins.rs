//! The plugins of this machine: where they are (ENV-13, DLG-1), and how long they may take.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use cni::{Answer, Error, NoPlugin};
use serde_json::{Map, Value};

use crate::attachment::Attachment;
use crate::invocation::Invocation;
use crate::trust::{REMEDY, Trust};

/// Directories that are searched in order for plugins, each of which gets the same time.
#[derive(Debug)]
pub(crate) struct Plugins {
    directories: Vec<PathBuf>,
    limit: Duration,
    trust: Trust,
    /// Why one of the directories is not trusted.
    objection: OnceLock<Option<String>>,
}

impl Plugins {
    pub(crate) fn new(directories: Vec<PathBuf>, limit: Duration, trust: Trust) -> Self {
        let directories = directories.into_iter().filter(|directory| !directory.as_os_str().is_empty()).collect();
        Self { directories, limit, trust, objection: OnceLock::new() }
    }

    /// The executable of the plugin `kind`; else a sentence that says what is missing, or why it is not executed. All directories must
    /// be trusted, not only the one that has it: plugins look for further ones there.
    pub(crate) fn find(&self, kind: &str) -> Result<PathBuf, String> {
        let objection = self.objection.get_or_init(|| {
            let all = self.directories.iter();
            all.filter_map(|directory| Some(refusal(directory, &self.trust.objection(directory)?))).next()
        });
        if let Some(objection) = objection {
            return Err(objection.clone());
        }
        let executable = self.look_up(kind)?;
        match self.trust.objection(&executable) {
            Some(objection) => Err(refusal(&executable, &objection)),
            None => Ok(executable),
        }
    }

    /// Why the plugin `kind` is not to be executed, although it is there: others can change it.
    pub(crate) fn refusal_of(&self, kind: &str) -> Option<String> {
        let executable = self.look_up(kind).ok()?;
        self.trust.objection(&executable).map(|objection| refusal(&executable, &objection))
    }

    fn look_up(&self, kind: &str) -> Result<PathBuf, String> {
        cni::find_plugin(kind, &self.directories).map_err(|problem| match problem {
            NoPlugin::NoName(objection) => format!("plugin type '{kind}': {objection}"),
            NoPlugin::NotFound { present: None } => format!(
                "plugin '{kind}' was not found in {}: install it, or name its directory with --plugin-dir",
                self.joined()
            ),
            NoPlugin::NotFound { present: Some(file) } => format!(
                "plugin '{kind}' was not found in {}: {} is not an executable file; install the plugin, or name its directory \
                 with --plugin-dir",
                self.joined(),
                file.display()
            ),
        })
    }

    /// Calls an executable that was found. See [`Invocation::run`].
    pub(crate) fn call(
        &self,
        executable: PathBuf,
        verb: &'static str,
        attachment: Option<&Attachment>,
        request: Map<String, Value>,
    ) -> Result<Answer, Error> {
        self.invoke(executable, (verb, false), attachment, request)
    }

    /// Asks an executable that was found what a verb would do: PRINT, an extension of ours.
    pub(crate) fn print(
        &self,
        executable: PathBuf,
        verb: &'static str,
        attachment: Option<&Attachment>,
        request: Map<String, Value>,
    ) -> Result<Answer, Error> {
        self.invoke(executable, (verb, true), attachment, request)
    }

    fn invoke(
        &self,
        executable: PathBuf,
        (verb, is_printed): (&'static str, bool),
        attachment: Option<&Attachment>,
        request: Map<String, Value>,
    ) -> Result<Answer, Error> {
        let path = OsString::from(self.joined());
        Invocation { verb, is_printed, executable, path, limit: self.limit, attachment, request }.run()
    }

    /// As `CNI_PATH` has them.
    fn joined(&self) -> String {
        self.directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(":")
    }
}

fn refusal(path: &Path, objection: &str) -> String {
    format!("no plugin is executed from {}: {objection}; {REMEDY}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_the_directories() {
        let plugins = Plugins::new(
            vec!["/nowhere".into(), "".into(), "/usr/bin".into(), "/etc".into()],
            Duration::MAX,
            Trust::usual(),
        );
        assert_eq!(plugins.find("sh"), Ok("/usr/bin/sh".into()));
        for absent in ["group", "no-such-plugin"] {
            assert!(plugins.find(absent).unwrap_err().contains("not found in /nowhere:/usr/bin:/etc"));
        }
        assert!(plugins.find("group").unwrap_err().contains("/etc/group is not an executable file"));
        assert!(plugins.find("../bin/sh").unwrap_err().contains("not a path"));
    }
}
