//! IPAM plugins by themselves, as programs call them that only want addresses.

use harness::Reply;
use serde_json::{Value, json};
use tests::{Delegate, IPAM, LATEST, Plugin, Scene, State, cites, codes, with};

/// Where the reference's plugins are, as Debian's package containernetworking-plugins installs them.
const REFERENCE: &str = "/usr/lib/cni";

/// What such programs name as the namespace, none of which is one but the last two.
const NAMED: [&str; 8] =
    ["/dev/null", "/run/netns/none", "host", "/proc", "/proc/self/ns/mnt", "/proc/self/ns/net", "/run/netns/c1", "/"];

/// The least that the reference needs.
fn least(plugin: Plugin) -> Value {
    let ipam = match plugin {
        Plugin::HostLocal => json!({"ranges": [[{"subnet": "10.1.0.0/24"}]]}),
        _ => json!({"addresses": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]}),
    };
    json!({"cniVersion": "1.0.0", "name": "net", "ipam": ipam})
}

fn ips(reply: &Reply) -> Value {
    reply.ok()["ips"].clone()
}

#[test]
fn neither_a_type_nor_a_namespace_is_needed() {
    cites!("CFG-1", "ENV-17");
    for plugin in IPAM {
        let scene = Scene::new();
        let reference = format!("{REFERENCE}/{}", plugin.name());
        let config = least(plugin);
        let call =
            |command: &str, netns: &str, config: &Value| scene.call(plugin, command, config.clone()).netns(netns);
        for netns in NAMED {
            let theirs = harness::Invocation::new(&reference, "ADD").container("c1").netns(netns).ifname("eth0");
            let elsewhere = with(&config, json!({"name": "theirs"}));
            let theirs = ips(&theirs.config(&elsewhere).run());
            let added = call("ADD", netns, &config).run();
            assert_eq!(ips(&added)[0]["gateway"], theirs[0]["gateway"], "{plugin:?} {netns}");
            assert!(added.stderr.is_empty(), "{added}");
            let attached = with(&config, json!({"prevResult": added.ok()}));
            call("CHECK", netns, &attached).run().ok();
            call("DEL", netns, &attached).run().ok();
            harness::Invocation::new(&reference, "DEL")
                .container("c1")
                .netns(netns)
                .ifname("eth0")
                .config(&elsewhere)
                .run()
                .ok();
            assert_eq!(State::allocations().len(), 0, "{plugin:?} {netns}");
        }
        let newest = with(&config, json!({"cniVersion": LATEST, "cni.dev/valid-attachments": []}));
        for command in ["STATUS", "GC"] {
            scene.call(plugin, command, newest.clone()).run().ok();
        }
        // As with the reference.
        for command in ["ADD", "CHECK"] {
            let (code, msg, _) = call(command, "", &config).run().error();
            assert!(code == 4 && msg.contains("CNI_NETNS"), "{plugin:?} {command}: {msg}");
        }
        call("DEL", "", &config).run().ok();
    }
}

/// The type is the runtime's to read, who has found the executable by it.
#[test]
fn a_plugin_of_interfaces_needs_a_namespace_and_no_type() {
    cites!("CFG-1", "ENV-17");
    let scene = Scene::with_a_switch();
    let before = State::take(&[&scene.c1]);
    for plugin in tests::INTERFACE {
        let untyped = with(&scene.config(plugin, LATEST), json!({"type": null}));
        scene.call(plugin, "STATUS", untyped.clone()).run().ok();
        let (_, attached) = scene.added(plugin, &untyped);
        for command in ["CHECK", "DEL"] {
            scene.call(plugin, command, attached.clone()).run().ok();
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
        let (code, msg, _) = scene.call(plugin, "ADD", plugin.config(LATEST)).netns("/dev/null").run().error();
        assert!(code == 8 && msg.contains("/dev/null"), "{plugin:?}: {msg}");
    }
    assert_eq!(before, State::take(&[&scene.c1]));
}

/// Whoever names itself in its message is named once.
#[test]
fn the_name_of_an_ipam_plugin_comes_once() {
    cites!("DLG-5");
    let scene = Scene::new();
    for (plugin, keys) in [
        (Plugin::HostLocal, json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}})),
        (Plugin::Static, json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.2/24"}]}})),
    ] {
        let config = with(&Plugin::Bridge.config(LATEST), keys);
        let (result, attached) = scene.added(Plugin::Bridge, &config);
        scene.call(plugin, "DEL", config.clone()).run().ok();
        let other = json!([{"address": "10.1.0.77/24", "interface": 2}]);
        let attached = match plugin {
            Plugin::HostLocal => attached,
            _ => with(&attached, json!({"prevResult": with(&result, json!({"ips": other}))})),
        };
        scene.c1.sh("ip address flush dev eth0 && ip address add 10.1.0.77/24 dev eth0").ok();
        for by in [plugin, Plugin::Bridge] {
            let (code, msg, details) = scene.call(by, "CHECK", attached.clone()).run().error();
            assert_eq!(code, codes::DIFFERENT, "{by:?}: {msg}");
            let told = format!("{msg} {details}");
            assert!(told.matches(&format!("{}: ", plugin.name())).count() <= 1, "{by:?}: {told}");
        }
        scene.call(Plugin::Bridge, "DEL", config).run().ok();
    }
    // Nor is its message repeated if it fails to undo for the same reason.
    let body = "{ echo '{\"code\": 999, \"msg\": \"made-up: it is full\"}'; exit 1; }";
    let delegate = Delegate::new(&scene, "named", "made-up", body);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    let (_, msg, details) = scene.call(Plugin::Bridge, "ADD", config).path(delegate.path()).run().error();
    assert_eq!((msg.as_str(), details.as_str()), ("made-up: it is full", ""));
    assert_eq!(delegate.calls(), ["ADD", "DEL"]);
}
