//! A host of its own with one container, and valid calls of each plugin on it.

use std::path::{Path, PathBuf};

use harness::{Host, Invocation, Namespace, OpenVswitch};
use serde_json::{Value, json};

use crate::{LATEST, Plugin, State, UNDERLAY, with};

/// The place of the scene's own files. It is on a file system that vanishes with the scene.
const SCRATCH: &str = "/run/scene";

/// A host with one container `c1`.
#[derive(Debug)]
pub struct Scene {
    /// Open vSwitch with a bridge `ovs0`, if the test asked for it.
    pub switch: Option<OpenVswitch>,
    /// The host.
    pub host: Host,
    /// The container's namespace.
    pub c1: Namespace,
}

impl Scene {
    /// Makes the host and the container.
    ///
    /// # Panics
    /// Without the rights to make namespaces.
    #[expect(clippy::new_without_default, reason = "it changes the thread that calls it")]
    pub fn new() -> Self {
        let host = Host::enter();
        let c1 = host.namespace("c1");
        std::fs::create_dir_all(SCRATCH).expect("a directory on the host's /run");
        Self { switch: None, host, c1 }
    }

    /// The same with Open vSwitch and its bridge `ovs0`, and with an underlay, for calls of every plugin.
    ///
    /// # Panics
    /// As [`Scene::new`], and without Open vSwitch.
    pub fn with_a_switch() -> Self {
        let scene = Self::with_an_underlay();
        let switch = OpenVswitch::start();
        switch.add_bridge("ovs0");
        Self { switch: Some(switch), ..scene }
    }

    /// The same with [`UNDERLAY`], on which nobody else is.
    ///
    /// # Panics
    /// As [`Scene::new`].
    pub fn with_an_underlay() -> Self {
        let scene = Self::new();
        let script = format!(
            "ip link add {UNDERLAY} type veth peer name far0 && ip link set far0 up && ip link set {UNDERLAY} up && \
             ip address add 192.0.2.1/24 dev {UNDERLAY} && ip address add 2001:db8::1/64 dev {UNDERLAY} nodad"
        );
        harness::sh(&script).ok();
        scene
    }

    /// The same for calls of one plugin: with a switch or an underlay where it needs one.
    ///
    /// # Panics
    /// As [`Scene::with_a_switch`].
    pub fn of(plugin: Plugin) -> Self {
        match plugin {
            Plugin::OvsPort => Self::with_a_switch(),
            Plugin::Overlay => Self::with_an_underlay(),
            _ => Self::new(),
        }
    }

    /// A directory for files of the test, made if missing.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = Path::new(SCRATCH).join(name);
        std::fs::create_dir_all(&path).expect("a directory on the host's /run");
        path
    }

    /// A call for `eth0` of `c1`.
    pub fn call(&self, plugin: Plugin, command: &str, config: Value) -> Invocation {
        self.call_for(&self.c1, "eth0", plugin, command, config)
    }

    /// A call for an interface of a container.
    pub fn call_for(&self, ns: &Namespace, ifname: &str, plugin: Plugin, command: &str, config: Value) -> Invocation {
        let call = Invocation::new(plugin.name(), command).config(config);
        match command {
            "GC" | "STATUS" | "VERSION" => call,
            _ => call.container(&ns.name).netns(&ns.path).ifname(ifname),
        }
    }

    /// A configuration with which every command of the plugin is valid: for the chained plugins with an interface of `c1`
    /// and the `prevResult` that tells of it, for GC with a list of attachments.
    ///
    /// # Panics
    /// If `bridge` fails to make the interface for the chained plugin.
    pub fn config(&self, plugin: Plugin, version: &str) -> Value {
        let config = with(&plugin.config(version), json!({"cni.dev/valid-attachments": []}));
        if ![Plugin::Shaper, Plugin::Portmap].contains(&plugin) {
            return config;
        }
        // One of an earlier call goes.
        let bridge = Plugin::Bridge.config(version);
        self.call(Plugin::Bridge, "DEL", bridge.clone()).run().ok();
        let first = self.call(Plugin::Bridge, "ADD", bridge).run().ok();
        with(&config, json!({"prevResult": first}))
    }

    /// A valid call for a command.
    pub fn ready(&self, plugin: Plugin, command: &str) -> Invocation {
        self.call(plugin, command, self.config(plugin, LATEST))
    }

    /// ADD, which must succeed, and the configuration with its result as `prevResult`, as CHECK and DEL get it.
    ///
    /// # Panics
    /// If ADD fails.
    pub fn added(&self, plugin: Plugin, config: &Value) -> (Value, Value) {
        let result = self.call(plugin, "ADD", config.clone()).run().ok();
        let config = with(config, json!({"prevResult": result}));
        (result, config)
    }

    /// The same for `eth0` of another container, by `bridge`.
    ///
    /// # Panics
    /// If ADD fails.
    pub fn added_for(&self, ns: &Namespace, config: &Value) -> (Value, Value) {
        let result = self.call_for(ns, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
        let config = with(config, json!({"prevResult": result}));
        (result, config)
    }

    /// What the host and the container look like, IPAM's files and the switch's rows included.
    pub fn state(&self) -> State {
        State::take(&[&self.c1]).with_rows(self.switch.as_ref())
    }
}
