mod kill;

use crate::shell::{Output, status_number};
use crate::{Namespace, Reply, executables, find_bin_dir, mounts};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One call of a plugin, as a runtime makes it. The environment holds the CNI variables and nothing else.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is run"]
pub struct Invocation {
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    stdin: Vec<u8>,
    host: Option<Namespace>,
}

impl Invocation {
    /// A call of the executable `plugin` (a name in [`crate::bin_dir`], or a path) with `CNI_COMMAND` set to `command`, and
    /// `CNI_PATH` to that directory.
    pub fn new(plugin: &str, command: &str) -> Self {
        let program = if plugin.contains('/') { PathBuf::from(plugin) } else { executables::bin(plugin) };
        let call = Self { program, environment: BTreeMap::new(), stdin: Vec::new(), host: None };
        let call = call.env("CNI_COMMAND", command);
        match find_bin_dir() {
            Some(directory) => call.env("CNI_PATH", directory),
            None => call,
        }
    }

    /// Sets `CNI_CONTAINERID`.
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// Sets `CNI_NETNS`.
    pub fn netns(self, path: impl AsRef<Path>) -> Self {
        self.env("CNI_NETNS", path.as_ref())
    }

    /// Sets `CNI_IFNAME`.
    pub fn ifname(self, name: &str) -> Self {
        self.env("CNI_IFNAME", name)
    }

    /// Sets `CNI_ARGS`.
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// Sets `CNI_PATH`, a list separated by colons.
    pub fn path(self, directories: impl AsRef<OsStr>) -> Self {
        self.env("CNI_PATH", directories)
    }

    /// Passes `configuration` on stdin.
    pub fn config(self, configuration: impl std::borrow::Borrow<Value>) -> Self {
        self.stdin(configuration.borrow().to_string())
    }

    /// Passes these bytes on stdin.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(key.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Leaves out an environment variable.
    pub fn unset(mut self, key: impl AsRef<OsStr>) -> Self {
        self.environment.remove(key.as_ref());
        self
    }

    /// Makes the call on another host, whose network is `host`, instead of the thread's own.
    pub fn on(mut self, host: &Namespace) -> Self {
        self.host = Some(host.clone());
        self
    }

    /// Makes the call and waits for its end.
    pub fn run(self) -> Reply {
        let Some(host) = &self.host else { return self.call() };
        // A thread for the call alone: it can change its namespaces without a way back.
        std::thread::scope(|scope| {
            let call = scope.spawn(|| {
                enter(host);
                self.call()
            });
            call.join().unwrap_or_else(|_| panic!("the call on {} failed", host.name))
        })
    }

    fn call(&self) -> Reply {
        let what = self.describe();
        let mut child = Command::new(&self.program)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run {what}: {e}"));
        let input = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // Beside reading: neither side may wait for the other. A plugin may end without reading.
            scope.spawn(|| input.map(|mut input| input.write_all(&self.stdin)));
            child.wait_with_output().unwrap_or_else(|e| panic!("waiting for {what}: {e}"))
        });
        let status = status_number(output.status);
        let Output { stdout, stderr, .. } = Output::new(&output, &what);
        Reply { status, stdout, stderr, call: what }
    }

    fn describe(&self) -> String {
        let variables = self.environment.iter().map(|(k, v)| format!("{}={} ", k.display(), v.display()));
        let stdin = String::from_utf8_lossy(&self.stdin);
        format!("{}{} <<< '{stdin}'", variables.collect::<String>(), self.program.display())
    }
}

fn enter(host: &Namespace) {
    let namespace = File::open(&host.path).unwrap_or_else(|e| panic!("{}: {e}", host.path.display()));
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("setns {}: {e}", host.path.display()));
    unshare(CloneFlags::CLONE_NEWNS).unwrap_or_else(|e| panic!("unshare the mounts: {e}"));
    mounts::refresh_sysfs();
}
