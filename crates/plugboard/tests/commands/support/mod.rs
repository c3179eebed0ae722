//! A host with `plugboard`, networks, and plugins: the reference's, or ones that write down how they are called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::{Host, Output, sh};
use serde_json::{Value, json};

/// The reference plugins of the distribution.
pub(crate) const REFERENCE: &str = "/usr/lib/cni";

/// A plugin that appends each of its calls to the file `calls` beside it, and fails when a file `TYPE.VERB.fails` is there.
/// On ADD it passes `prevResult` on, which `runtimeConfig` or `type` follows, since keys come sorted; or else it makes one
/// up.
const RECORDER: &str = r#"#!/bin/sh
here=$(dirname "$0"); type=$(basename "$0"); stdin=$(cat)
if [ "$CNI_COMMAND" = VERSION ]; then cat "$here/version"; exit; fi
printf '{"verb":"%s","type":"%s","container":"%s","netns":"%s","ifname":"%s","args":"%s","path":"%s","stdin":%s}\n' \
    "$CNI_COMMAND" "$type" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" "$CNI_PATH" "$stdin" >> "$here/calls"
if [ -e "$here/$type.$CNI_COMMAND.fails" ]; then
    echo '{"cniVersion":"1.1.0","code":123,"msg":"out of luck","details":"the '$type' is tired"}'; exit 1
fi
[ "$CNI_COMMAND" = ADD ] || exit 0
case $stdin in
*'"prevResult":'*) printf '%s' "$stdin" | sed 's/.*"prevResult":\({.*}\),"r.*/\1/; s/.*"prevResult":\({.*}\),"type".*/\1/' ;;
*) printf '{"cniVersion":"1.1.0","interfaces":[{"name":"h-%s"},{"name":"%s","mac":"02:00:00:00:00:01","sandbox":"%s"}],"ips":[{"address":"10.0.0.5/24","interface":1}],"custom":"kept"}' \
    "$CNI_IFNAME" "$CNI_IFNAME" "$CNI_NETNS" ;;
esac
"#;

/// A host of the test's own, with directories of its own.
pub(crate) struct Lab {
    pub(crate) host: Host,
    pub(crate) plugin_dir: PathBuf,
    conf_dir: PathBuf,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let host = Host::enter();
        // /run is the host's own.
        let (plugin_dir, conf_dir) = (PathBuf::from("/run/plugins"), PathBuf::from("/etc/cni/net.d"));
        fs::create_dir_all(&plugin_dir).unwrap();
        fs::create_dir_all(&conf_dir).unwrap();
        Self { host, plugin_dir, conf_dir }
    }

    /// A host whose plugins are the reference's.
    pub(crate) fn with_reference_plugins() -> Self {
        Self { plugin_dir: REFERENCE.into(), ..Self::new() }
    }

    /// A host whose plugins are our own.
    pub(crate) fn with_own_plugins() -> Self {
        Self { plugin_dir: harness::bin_dir(), ..Self::new() }
    }

    /// The same beside a plugin `maker` of another project, which makes a veth pair and leaves this end on the host.
    pub(crate) fn with_a_maker_of(device: &str) -> Self {
        let mut lab = Self::with_own_plugins();
        sh(&format!("mkdir -p /run/bin && cp {0}/bridge {0}/host-local /run/bin/", lab.plugin_dir.display())).ok();
        lab.plugin_dir = "/run/bin".into();
        let version = json!({"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]});
        let result = json!({"cniVersion": "1.0.0", "interfaces": [{"name": device, "mac": "02:00:00:00:00:01"}]});
        lab.file(
            "maker",
            &format!(
                "#!/bin/sh\ncase $CNI_COMMAND in\nVERSION) echo '{version}';;\n\
                 ADD) ip link add {device} address 02:00:00:00:00:01 type veth peer name t1 netns ${{CNI_NETNS##*/}} && \
                 echo '{result}';;\nDEL) ip link del {device};;\nesac"
            ),
        );
        lab
    }

    /// Writes a network's configuration list.
    pub(crate) fn network(&self, name: &str, plugins: &Value) {
        self.network_with(name, &json!({"cniVersion": "1.1.0", "plugins": plugins}));
    }

    /// Writes a network's configuration list with keys of one's own.
    pub(crate) fn network_with(&self, name: &str, list: &Value) {
        let mut list = list.clone();
        list["name"] = json!(name);
        self.configuration(&format!("{name}.conflist"), &list.to_string());
    }

    /// Writes a file in the directory of networks.
    pub(crate) fn configuration(&self, file: &str, text: &str) {
        let path = self.conf_dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes plugins that write down their calls.
    pub(crate) fn recorders(&self, types: &[&str]) {
        self.file("version", r#"{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}"#);
        for kind in types {
            self.file(kind, RECORDER);
        }
    }

    /// Writes an executable file beside the plugins.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.plugin_dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes the plugin fail in this verb from now on.
    pub(crate) fn break_plugin(&self, kind: &str, verb: &str) {
        self.file(&format!("{kind}.{verb}.fails"), "");
    }

    pub(crate) fn mend_plugin(&self, kind: &str, verb: &str) {
        fs::remove_file(self.plugin_dir.join(format!("{kind}.{verb}.fails"))).unwrap();
    }

    /// The calls since the last time, in order.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let path = self.plugin_dir.join("calls");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// The calls since the last time as `VERB type ifname`.
    pub(crate) fn calls_in_short(&self) -> Vec<String> {
        let short =
            |call: &Value| ["verb", "type", "ifname"].map(|key| call[key].as_str().unwrap_or_default().to_owned());
        self.calls().iter().map(|call| short(call).join(" ").trim().to_owned()).collect()
    }

    /// Runs `plugboard` with arguments as a shell would split them.
    pub(crate) fn plugboard(&self, args: &str) -> Output {
        sh(&self.command(args))
    }

    /// The shell's words for that.
    pub(crate) fn command(&self, args: &str) -> String {
        let (executable, plugins) = (env!("CARGO_BIN_EXE_plugboard"), self.plugin_dir.display());
        format!("unset CNI_PATH CNI_CONF_DIR NETCONFPATH PLUGBOARD_PRIMARY; {executable} --plugin-dir {plugins} {args}")
    }

    /// What the cache remembers of an attachment.
    pub(crate) fn remembered(&self, network: &str, container: &str, if_name: &str) -> Option<Value> {
        let path = Path::new("/var/lib/cni/results").join(format!("{network}-{container}-{if_name}"));
        let text = fs::read(path).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// Asserts that no attachment is remembered.
    #[track_caller]
    pub(crate) fn assert_nothing_remembered(&self) {
        let files = fs::read_dir("/var/lib/cni/results")
            .map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>());
        assert_eq!(files.unwrap_or_default(), Vec::<PathBuf>::new());
    }
}

/// Asserts that a command failed with status 1, printed nothing and said `message` on stderr.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, message: &str) {
    assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{output:?}");
    assert!(output.stderr.contains(message), "expected: {message}\nfound: {}", output.stderr);
}
