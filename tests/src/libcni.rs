//! Calls by way of libcni, the runtime's library: Debian's, through the small program in `libcni/`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::{Namespace, Output, bin_dir};
use serde_json::{Value, json};

use crate::Scene;

/// Where Debian's `containernetworking-plugins` puts the reference plugins.
const REFERENCE_PLUGINS: &str = "/usr/lib/cni";

/// A runtime on a scene's host: a directory of configuration lists and the program that drives libcni.
#[derive(Debug)]
pub struct Runtime {
    program: &'static Path,
    configurations: PathBuf,
    plugins: String,
}

impl Runtime {
    /// A runtime without networks. The program is built once.
    pub fn new(scene: &Scene) -> Self {
        let plugins = format!("{}:{REFERENCE_PLUGINS}", bin_dir().display());
        Self { program: program(), configurations: scene.directory("net.d"), plugins }
    }

    /// A runtime that finds an executable of the project under other names, too.
    ///
    /// # Panics
    /// If a link cannot be made.
    pub fn linking(scene: &Scene, executable: &str, names: &[&str]) -> Self {
        let runtime = Self::new(scene);
        let directory = scene.directory("linked");
        for name in names {
            std::os::unix::fs::symlink(harness::bin(executable), directory.join(name)).expect("a link can be made");
        }
        Self { plugins: format!("{}:{}", directory.display(), runtime.plugins), ..runtime }
    }

    /// A runtime that notes each call of these plugins before they get it. A name of which `reference-` is the beginning stands for
    /// the reference plugin of the rest, beside ours of the same name.
    ///
    /// # Panics
    /// If a plugin is in no directory of plugins, or the script before it cannot be written.
    pub fn noting(scene: &Scene, names: &[&str]) -> Self {
        let runtime = Self::new(scene);
        let directory = scene.directory("noting");
        for name in names {
            let (places, wanted) = match name.strip_prefix("reference-") {
                Some(wanted) => (REFERENCE_PLUGINS, wanted),
                None => (runtime.plugins.as_str(), *name),
            };
            let mut places = places.split(':').map(|place| Path::new(place).join(wanted));
            let plugin = places.find(|path| path.exists()).expect("the plugin is installed: `make test-tools`");
            let script = format!(
                "#!/bin/sh\necho \"$CNI_COMMAND {name}\" >> '{}/calls'\nexec '{}'\n",
                directory.display(),
                plugin.display()
            );
            let path = directory.join(name);
            std::fs::write(&path, script).expect("the script is written");
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("the script is made executable");
        }
        Self { plugins: format!("{}:{}", directory.display(), runtime.plugins), ..runtime }
    }

    /// The calls that were noted since the last time, in order, as `ADD bridge`.
    ///
    /// # Panics
    /// If there were none.
    pub fn calls(scene: &Scene) -> Vec<String> {
        let path = scene.directory("noting").join("calls");
        let calls = std::fs::read_to_string(&path).expect("a plugin was called");
        std::fs::remove_file(path).expect("it was there");
        calls.lines().map(str::to_owned).collect()
    }

    /// Defines a network.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn network(&self, list: &Value) {
        let name = list["name"].as_str().expect("a network has a name");
        let file = self.configurations.join(format!("{name}.conflist"));
        std::fs::write(file, list.to_string()).expect("the list is written");
    }

    /// Runs `add`, `check` or `del` on `eth0` of a container.
    pub fn run(&self, command: &str, network: &str, ns: &Namespace) -> Output {
        self.run_with(command, network, ns, "eth0", &json!({}))
    }

    /// The same on another interface and with capability arguments.
    pub fn run_with(&self, command: &str, network: &str, ns: &Namespace, ifname: &str, capabilities: &Value) -> Output {
        let (container, netns) = (&ns.name, ns.path.display());
        let attachment = format!("CNI_CONTAINERID={container} CNI_IFNAME={ifname} CAP_ARGS='{capabilities}'");
        self.program(&attachment, &format!("{command} {network} {netns}"))
    }

    /// [`Runtime::run`] with arguments for plugins (`CNI_ARGS`) and with capability arguments.
    pub fn run_with_args(
        &self,
        command: &str,
        network: &str,
        ns: &Namespace,
        args: &str,
        capabilities: &Value,
    ) -> Output {
        let (container, netns) = (&ns.name, ns.path.display());
        let attachment =
            format!("CNI_CONTAINERID={container} CNI_IFNAME=eth0 CNI_ARGS='{args}' CAP_ARGS='{capabilities}'");
        self.program(&attachment, &format!("{command} {network} {netns}"))
    }

    /// The versions that a plugin claims, one a line.
    pub fn versions(&self, plugin: &str) -> Output {
        self.program("", &format!("version {plugin}"))
    }

    fn program(&self, variables: &str, arguments: &str) -> Output {
        let (program, configurations, plugins) = (self.program.display(), self.configurations.display(), &self.plugins);
        harness::sh(&format!("NETCONFPATH='{configurations}' CNI_PATH='{plugins}' {variables} '{program}' {arguments}"))
    }
}

/// Builds the program if its source is newer than it is. Processes that build at the same time each put a whole file in
/// place.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("libcni/cnitool.go");
        let directory = std::env::current_exe().expect("the test knows its executable");
        let program = directory.parent().expect("it is in a directory").join("libcni-cnitool");
        let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        if modified(&program) < modified(&source) {
            let fresh = program.with_extension(std::process::id().to_string());
            let build = Command::new("go")
                .args(["build", "-o"])
                .args([&fresh, &source])
                .envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", "")])
                .output()
                .expect("Debian's golang-go is installed: `make test-tools`");
            let errors = String::from_utf8_lossy(&build.stderr);
            assert!(build.status.success(), "golang-github-appc-cni-dev is installed (`make test-tools`):\n{errors}");
            std::fs::rename(&fresh, &program).expect("the program is put in place");
        }
        program
    })
}
