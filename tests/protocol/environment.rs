//! Section 1 of the checklist: the environment of a call.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use harness::wait_until;
use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Process, Scene, State, cites, error_object, with};

/// The variables of an attachment.
const ATTACHMENT: [&str; 3] = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"];

#[test]
fn the_command_comes_from_the_environment_only() {
    cites!("ENV-1");
    for plugin in ALL {
        let output = Process::new(plugin, "VERSION").argument("ADD").argument("--help").run_with(Stdio::null());
        assert!(output.status.success(), "{plugin:?}: {output:?}");
        let reply: Value = serde_json::from_slice(&output.stdout).expect("VERSION answers with JSON");
        assert!(reply["supportedVersions"].is_array(), "{plugin:?} ran VERSION in spite of its arguments: {reply}");
    }
}

#[test]
fn every_command_is_known_and_others_are_refused() {
    cites!("ENV-1", "ENV-14");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        for command in ["STATUS", "VERSION", "GC"] {
            scene.call(plugin, command, config.clone()).run().ok();
        }
        // UPDATE is an extension of ours that few of them know.
        let others = ["add", "UPDATE", "ADD ", "-"];
        for command in others.into_iter().filter(|command| *command != "UPDATE" || !plugin.knows_update()) {
            let (code, msg, _) = scene.call(plugin, command, config.clone()).run().error();
            assert_eq!(code, 4, "{plugin:?} on {command}: {msg}");
            assert!(msg.contains("CNI_COMMAND") && msg.contains(command.trim()), "{plugin:?} on {command}: {msg}");
        }
    }
}

#[test]
fn without_a_command_a_plugin_tells_what_it_is() {
    cites!("ENV-14");
    for plugin in ALL {
        let reply = harness::Invocation::new(plugin.name(), "").unset("CNI_COMMAND").stdin(b"").run();
        assert_eq!(reply.status, 0, "{reply:?}");
        assert_eq!(reply.stdout, "", "{reply:?}");
        assert!(reply.stderr.contains(plugin.name()) && reply.stderr.contains(LATEST), "{reply:?}");
    }
}

#[test]
fn a_container_id_that_is_not_allowed_is_refused_by_name() {
    cites!("ENV-2", "ENV-3", "ERR-6");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        for id in ["", "-a", ".a", "_a", "a/b", "../a", "a b", "a:b", "a\u{e9}", "a\n"] {
            for command in ["ADD", "DEL", "CHECK"] {
                let call = scene.call(plugin, command, config.clone()).container(id);
                let (code, msg, details) = call.run().error();
                assert_eq!(code, 4, "{plugin:?} {command} {id:?}: {msg}");
                assert!((msg + &details).contains("CNI_CONTAINERID"), "{plugin:?} {command} {id:?}");
            }
        }
        assert_eq!(before, scene.state());
    }
}

#[test]
fn a_container_id_may_have_all_that_is_allowed() {
    cites!("ENV-2");
    let scene = Scene::new();
    let long = "a".repeat(64);
    for id in ["0", "Z", "A.b_c-9", "a..", "a--", long.as_str()] {
        for plugin in [Plugin::HostLocal, Plugin::Static, Plugin::Bridge] {
            scene.ready(plugin, "ADD").container(id).run().ok();
            scene.ready(plugin, "DEL").container(id).run().ok();
        }
    }
    assert_eq!(State::allocations().len(), 0);
}

#[test]
fn variables_that_a_command_needs_are_asked_for_by_name() {
    cites!("ENV-4", "ENV-5", "ENV-6", "ENV-3");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        for (command, needed) in [
            ("ADD", ATTACHMENT.as_slice()),
            ("CHECK", ATTACHMENT.as_slice()),
            ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME"].as_slice()),
        ] {
            for variable in needed {
                let missing = scene.call(plugin, command, config.clone()).unset(variable);
                let empty = scene.call(plugin, command, config.clone()).env(variable, "");
                for call in [missing, empty] {
                    let (code, msg, _) = call.run().error();
                    assert_eq!(code, 4, "{plugin:?} {command} without {variable}: {msg}");
                    assert!(msg.contains(variable), "{plugin:?} {command} without {variable}: {msg}");
                }
            }
        }
        assert_eq!(before, scene.state());
    }
}

#[test]
fn all_missing_variables_are_named_at_once() {
    cites!("ENV-15");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let call = ATTACHMENT.iter().fold(scene.ready(plugin, "ADD"), |call, variable| call.unset(variable));
        let (code, msg, _) = call.run().error();
        assert_eq!(code, 4, "{msg}");
        for variable in ATTACHMENT {
            assert!(msg.contains(variable), "{plugin:?} names {variable}: {msg}");
        }
    }
}

#[test]
fn arguments_and_path_are_optional_on_add() {
    cites!("ENV-4");
    let scene = Scene::new();
    let layer_2 = with(&Plugin::Bridge.config(LATEST), json!({"ipam": null}));
    for (plugin, config) in [
        (Plugin::Bridge, layer_2),
        (Plugin::HostLocal, Plugin::HostLocal.config(LATEST)),
        (Plugin::Static, Plugin::Static.config(LATEST)),
    ] {
        let call = scene.call(plugin, "ADD", config).unset("CNI_ARGS").unset("CNI_PATH");
        call.run().ok();
    }
}

#[test]
fn del_needs_no_namespace() {
    cites!("ENV-5");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let (_, config) = scene.added(plugin, &scene.config(plugin, LATEST));
        scene.call(plugin, "DEL", config.clone()).unset("CNI_NETNS").run().ok();
        scene.call(plugin, "DEL", config).env("CNI_NETNS", "").run().ok();
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
    assert_eq!(State::allocations().len(), 0);
}

#[test]
fn status_and_version_need_the_command_only() {
    cites!("ENV-7", "ENV-9");
    let _scene = Scene::with_a_switch();
    for plugin in [Plugin::Shaper, Plugin::Portmap, Plugin::HostLocal, Plugin::Static] {
        let status = harness::Invocation::new(plugin.name(), "STATUS").unset("CNI_PATH").config(plugin.config(LATEST));
        status.run().ok();
    }
    for plugin in ALL {
        harness::Invocation::new(plugin.name(), "VERSION").unset("CNI_PATH").stdin(b"").run().ok();
    }
}

#[test]
fn gc_needs_a_path_and_no_attachment() {
    cites!("ENV-8");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = with(&plugin.config(LATEST), json!({"cni.dev/valid-attachments": []}));
        scene.call(plugin, "GC", config.clone()).run().ok();
        let (code, msg, _) = scene.call(plugin, "GC", config).unset("CNI_PATH").run().error();
        assert_eq!(code, 4, "{plugin:?}: {msg}");
        assert!(msg.contains("CNI_PATH"), "{plugin:?}: {msg}");
    }
}

#[test]
fn the_interface_gets_the_name_asked_for() {
    cites!("ENV-10");
    let scene = Scene::new();
    for name in ["eth0", "net1", "a", "fifteen-letters", "x.y_z@1"] {
        let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": null}));
        let call = scene.call_for(&scene.c1, name, Plugin::Bridge, "ADD", config);
        let result = call.run().ok();
        assert_eq!(result["interfaces"][2]["name"], name);
        assert_eq!(scene.c1.ip(&format!("link show dev {name}"))[0]["ifname"], name);
    }
}

#[test]
fn an_interface_name_that_linux_refuses_is_refused_by_name() {
    cites!("ENV-11", "ENV-10");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        for name in ["sixteen-letters-", ".", "..", "a/b", "a:b", "a b", "a\tb"] {
            let (code, msg, _) = scene.call(plugin, "ADD", config.clone()).ifname(name).run().error();
            assert_eq!(code, 4, "{plugin:?} {name:?}: {msg}");
            assert!(msg.contains("CNI_IFNAME"), "{plugin:?} {name:?}: {msg}");
        }
        assert_eq!(before, scene.state());
    }
}

#[test]
fn arguments_are_pairs_and_unknown_ones_must_be_allowed() {
    cites!("ENV-12");
    let scene = Scene::with_a_switch();
    let address = |plugin: Plugin, args: &str| {
        let result = scene.ready(plugin, "ADD").args(args).run().ok();
        scene.ready(plugin, "DEL").run().ok();
        result["ips"][0]["address"].clone()
    };
    assert_eq!(address(Plugin::HostLocal, "IP=10.1.0.77"), "10.1.0.77/24");
    assert_eq!(address(Plugin::HostLocal, "IgnoreUnknown=1;FOO=bar;IP=10.1.0.78"), "10.1.0.78/24");
    assert_eq!(address(Plugin::Static, "IgnoreUnknown=true;K8S_POD_NAME=p"), "10.1.0.5/24");
    for plugin in [Plugin::HostLocal, Plugin::Static] {
        let (code, msg, _) = scene.ready(plugin, "ADD").args("FOO=bar").run().error();
        assert!(code == 4 && msg.contains("CNI_ARGS") && msg.contains("FOO"), "{plugin:?} {code}: {msg}");
    }
    for plugin in ALL.into_iter().filter(|plugin| plugin.reads_args()) {
        let (code, msg, _) = scene.ready(plugin, "ADD").args("IgnoreUnknown=1;novalue").run().error();
        assert!(code == 4 && msg.contains("CNI_ARGS") && msg.contains("novalue"), "{plugin:?} {code}: {msg}");
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

/// As with the reference's `loopback` and `portmap`: they are the other plugins'.
#[test]
fn malformed_arguments_are_noted_by_a_plugin_that_has_none() {
    cites!("ENV-12");
    for plugin in ALL.into_iter().filter(|plugin| !plugin.reads_args()) {
        let scene = Scene::new();
        let config = scene.config(plugin, "1.0.0");
        for args in ["none", "=;=", "IgnoreUnknown=1;novalue"] {
            let mut attached = config.clone();
            for command in ["ADD", "CHECK", "DEL"] {
                let reply = scene.call(plugin, command, attached.clone()).args(args).run();
                let is_noted = reply.stderr.contains("ignored: CNI_ARGS");
                assert!(reply.status == 0 && is_noted, "{plugin:?} {command}: {reply}");
                if command == "ADD" {
                    attached = with(&config, json!({"prevResult": reply.ok()}));
                }
            }
        }
        let reply = scene.call(plugin, "ADD", config).args("FOO=bar").run();
        assert!(!reply.stderr.contains("CNI_ARGS"), "{plugin:?}: {reply}");
    }
}

#[test]
fn the_path_is_searched_in_order() {
    cites!("ENV-13", "DLG-1");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]});
    let body = format!("[ $CNI_COMMAND != ADD ] || echo '{answer}'");
    let [first, second] = ["first", "second"].map(|dir| Delegate::new(&scene, dir, "host-local", &body));
    let empty = scene.directory("empty");
    let path = format!("{}:/nowhere:{}:{}", empty.display(), first.path(), second.path());
    let result = scene.ready(Plugin::Bridge, "ADD").env("CNI_PATH", &path).run().ok();
    assert_eq!(result["ips"][0]["address"], "10.9.0.1/24");
    assert_eq!(first.calls(), ["ADD"]);
    assert_eq!(second.calls().len(), 0, "only the first that is found runs");
}

#[test]
fn the_namespace_of_the_plugin_itself_is_refused() {
    cites!("ENV-16");
    let scene = Scene::new();
    let before = scene.state();
    for own in ["/proc/self/ns/net", "/proc/thread-self/ns/net"] {
        let call = scene.ready(Plugin::Bridge, "ADD").netns(Path::new(own));
        let (code, msg, _) = call.run().error();
        assert_eq!(code, 8, "{msg}");
        assert!(msg.contains("CNI_NETNS"), "{msg}");
        assert_eq!(before, scene.state(), "nothing was made before the refusal");
    }
    let (_, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    let call = scene.call(Plugin::Bridge, "DEL", config).netns(Path::new("/proc/self/ns/net"));
    assert_eq!(call.run().error().0, 8);
    assert_eq!(before, scene.state(), "what belongs to the attachment went all the same");
    let call = scene.ready(Plugin::HostLocal, "ADD").netns(Path::new("/proc/self/ns/net"));
    call.env("CNI_NETNS_OVERRIDE", "1").run().ok();
}

#[test]
fn the_namespace_may_be_given_by_any_path() {
    cites!("ENV-17");
    let scene = Scene::new();
    let mut sleeper = scene.c1.spawn("exec sleep 100");
    let of_process = format!("/proc/{}/ns/net", sleeper.child().id());
    let inode = |path: &str| std::fs::metadata(path).map(|data| data.ino()).ok();
    // `ip netns exec` becomes the command once it has entered the namespace.
    wait_until("the process is in the namespace", || inode(&of_process) == inode("/run/netns/c1"));
    let bound = scene.directory("elsewhere").join("with blank");
    harness::sh(&format!("touch '{0}' && mount --bind /run/netns/c1 '{0}'", bound.display())).ok();
    for path in [Path::new(&of_process), &bound, &scene.c1.path] {
        let result = scene.ready(Plugin::Bridge, "ADD").netns(path).run().ok();
        assert_eq!(result["interfaces"][2]["sandbox"].as_str(), path.to_str());
        assert_eq!(scene.c1.ip("link show dev eth0")[0]["ifname"], "eth0");
        assert_eq!(harness::ip("link show type veth").as_array().map(Vec::len), Some(1), "one end here");
        scene.ready(Plugin::Bridge, "DEL").netns(path).run().ok();
    }
}

#[test]
fn a_missing_variable_fails_on_an_empty_stdin_too() {
    cites!("ENV-4");
    for plugin in ALL {
        let (code, msg, _) = error_object(&Process::new(plugin, "ADD").run_with(Stdio::null()));
        assert!(code == 4 && msg.contains("CNI_CONTAINERID"), "{plugin:?} {code}: {msg}");
    }
}
