//! Delegates that tests make up: shell scripts that record how they were called and answer as told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::Scene;

/// A plugin of another party: a script in a directory of its own.
#[derive(Debug)]
pub struct Delegate {
    directory: PathBuf,
}

impl Delegate {
    /// A script that records each call and then runs `body`, in which `$CNI_COMMAND` tells the command.
    ///
    /// # Panics
    /// If the script cannot be written.
    pub fn new(scene: &Scene, directory: &str, name: &str, body: &str) -> Self {
        let directory = scene.directory(directory);
        let records = directory.display();
        let script = format!(
            "#!/bin/sh\n\
             echo \"$CNI_COMMAND\" >> '{records}/calls'\n\
             env > '{records}/'$CNI_COMMAND.env\n\
             cat > '{records}/'$CNI_COMMAND.stdin\n\
             {body}\n"
        );
        let path = directory.join(name);
        fs::write(&path, script).expect("the script is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the script is made executable");
        Self { directory }
    }

    /// An IPAM plugin `made-up` in directory `made-up` that answers ADD with a result and all else with success.
    pub fn answering(scene: &Scene, result: &Value) -> Self {
        Self::new(scene, "made-up", "made-up", &format!("[ $CNI_COMMAND != ADD ] || echo '{result}'"))
    }

    /// The same, but one command fails with an error object.
    pub fn failing(scene: &Scene, result: &Value, command: &str, error: &Value) -> Self {
        let body = format!(
            "[ $CNI_COMMAND != {command} ] || {{ echo '{error}'; exit 1; }}\n\
             [ $CNI_COMMAND != ADD ] || echo '{result}'"
        );
        Self::new(scene, "made-up", "made-up", &body)
    }

    /// `CNI_PATH` with this delegate's directory before that of the plugins.
    pub fn path(&self) -> String {
        format!("{}:{}", self.directory.display(), harness::bin_dir().display())
    }

    /// The commands that it was called with, in order.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// The variables of its last call with a command.
    ///
    /// # Panics
    /// If there was none.
    pub fn environment(&self, command: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.directory.join(format!("{command}.env"))).expect("it was called");
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// The configuration of its last call with a command.
    ///
    /// # Panics
    /// If there was none, or if it was no JSON.
    pub fn config(&self, command: &str) -> Value {
        let text = fs::read_to_string(self.directory.join(format!("{command}.stdin"))).expect("it was called");
        serde_json::from_str(&text).expect("the delegate's configuration is JSON")
    }
}
