//! A result that nobody gets.

use std::fs::File;
use std::process::Stdio;

use serde_json::{Value, json};
use tests::{Delegate, LATEST, Plugin, Process, Scene, cites, with};

/// Where a result cannot be written: on a device that is full, where nobody reads any more, and on a stdout that is closed, in whose
/// place Rust's start-up puts the last.
fn places() -> [Stdio; 3] {
    let full = File::options().write(true).open("/dev/full").expect("it is there");
    let (_, abandoned) = std::io::pipe().expect("a pipe");
    let closed = File::options().read(true).write(true).open("/dev/null").expect("it is there");
    [full.into(), abandoned.into(), closed.into()]
}

#[test]
fn an_add_whose_result_cannot_be_written_is_undone() {
    cites!("ADD-6", "DLG-6", "DLG-2");
    let scene = Scene::new();
    // Hairpin of a published container's port would stay until the NIC goes.
    harness::sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true").ok();
    let behind_gateway = || {
        let nic = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true}));
        let result = scene.call(Plugin::Bridge, "ADD", nic).run().ok();
        with(&Plugin::Portmap.config(LATEST), json!({"prevResult": result}))
    };
    let chained: [(Plugin, &dyn Fn() -> Value); 2] =
        [(Plugin::Shaper, &|| scene.config(Plugin::Shaper, LATEST)), (Plugin::Portmap, &behind_gateway)];
    for (plugin, make) in chained {
        let chained = make();
        let before = scene.state();
        for stdout in places() {
            let add = Process::new(plugin, "ADD").attachment(&scene.c1, "eth0");
            assert!(!add.output_to(stdout, &chained).success());
            assert_eq!(before, scene.state(), "{plugin:?}");
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
    let before = scene.state();
    for plugin in [Plugin::Bridge, Plugin::HostLocal, Plugin::Static] {
        for stdout in places() {
            let add = Process::new(plugin, "ADD").attachment(&scene.c1, "eth0");
            assert!(!add.output_to(stdout, &plugin.config(LATEST)).success());
            assert_eq!(before, scene.state(), "{plugin:?}");
        }
    }
}

/// What a delegate is told to do does not come from the environment of its caller.
#[test]
fn the_delegate_is_told_to_undo_it() {
    cites!("DLG-2", "DLG-6");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
    let delegate = Delegate::answering(&scene, &answer);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    for stdout in places() {
        let add = Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
        let add = add.variable("CNI_PATH", delegate.path()).variable("CNI_PRINT", "GC");
        assert!(!add.output_to(stdout, &config).success());
    }
    assert_eq!(delegate.calls(), ["ADD", "DEL"].repeat(3));
    for command in ["ADD", "DEL"] {
        assert_eq!(delegate.environment(command).get("CNI_PRINT"), None, "{command}");
    }
}
