//! Section 3 of the checklist: versions.

use harness::Invocation;
use serde_json::{Value, json};
use tests::{ALL, Delegate, IPAM, LATEST, Plugin, Scene, VERSIONS, cites, with};

#[test]
fn version_lists_all_versions() {
    cites!("VER-1", "VER-10");
    for plugin in ALL {
        let reply = Invocation::new(plugin.name(), "VERSION").config(json!({"cniVersion": LATEST})).run().ok();
        assert_eq!(reply, json!({"cniVersion": LATEST, "supportedVersions": VERSIONS}), "{plugin:?}");
    }
}

#[test]
fn version_answers_with_the_version_asked_in() {
    cites!("VER-2", "VER-3");
    for plugin in ALL {
        for version in VERSIONS {
            let reply = Invocation::new(plugin.name(), "VERSION").config(json!({"cniVersion": version})).run().ok();
            assert_eq!(reply["cniVersion"], version, "{plugin:?}");
        }
    }
}

#[test]
fn version_needs_no_configuration() {
    cites!("VER-3");
    for plugin in ALL {
        for stdin in ["", "{}", "\n"] {
            let reply = Invocation::new(plugin.name(), "VERSION").stdin(stdin.as_bytes()).run().ok();
            assert_eq!(reply["supportedVersions"], json!(VERSIONS), "{plugin:?} on {stdin:?}");
        }
    }
}

#[test]
fn a_result_has_the_version_of_its_configuration() {
    cites!("VER-4");
    for version in VERSIONS {
        let scene = Scene::with_a_switch();
        for plugin in ALL {
            let result = scene.call(plugin, "ADD", scene.config(plugin, version)).run().ok();
            assert_eq!(result["cniVersion"], version, "{plugin:?}: {result}");
            assert_eq!(result.get("ip4").is_some(), version < "0.3.0", "{plugin:?} {version}: {result}");
            assert_eq!(result.get("ips").is_some(), version >= "0.3.0", "{plugin:?} {version}: {result}");
            scene.ready(Plugin::Bridge, "DEL").run().ok();
            scene.ready(Plugin::HostLocal, "DEL").run().ok();
        }
    }
}

#[test]
fn an_unknown_version_is_refused() {
    cites!("VER-5");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        for version in ["9.9.9", "1.2.0", "0.3.2", "1.1", "1.1.0 ", "banana"] {
            for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                let config = with(&config, json!({"cniVersion": version}));
                let (code, msg, details) = scene.call(plugin, command, config).run().error();
                assert_eq!(code, 1, "{plugin:?} {command} {version:?}: {msg}");
                assert!((msg + &details).contains(version), "{plugin:?} {command} {version:?}");
            }
        }
    }
}

#[test]
fn a_version_that_is_no_text_is_refused() {
    cites!("VER-5");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        for version in [json!(1.1), json!(["1.1.0"]), json!({}), json!(true)] {
            let config = with(&scene.config(plugin, LATEST), json!({"cniVersion": version}));
            let (code, msg, _) = scene.call(plugin, "STATUS", config).run().error();
            assert!([1, 6, 7].contains(&code) && msg.contains("cniVersion"), "{plugin:?} {version} {code}: {msg}");
            scene.ready(Plugin::Bridge, "DEL").run().ok();
        }
    }
}

#[test]
fn a_delegate_is_called_in_the_version_of_the_configuration() {
    cites!("VER-6");
    let scene = Scene::new();
    for version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let answer = json!({"cniVersion": version, "ips": [{"version": "4", "address": "10.9.0.1/24"}]});
        let delegate = Delegate::answering(&scene, &answer);
        let config = with(&Plugin::Bridge.config(version), json!({"ipam": {"type": "made-up"}}));
        let result = scene.call(Plugin::Bridge, "ADD", config.clone()).env("CNI_PATH", delegate.path()).run().ok();
        assert_eq!(delegate.config("ADD")["cniVersion"], version);
        assert_eq!(result["cniVersion"], version);
        scene.call(Plugin::Bridge, "DEL", config).env("CNI_PATH", delegate.path()).run().ok();
        assert_eq!(delegate.config("DEL")["cniVersion"], version);
    }
}

#[test]
fn a_command_younger_than_the_configuration_is_refused() {
    cites!("VER-7");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        for (command, too_old) in [("CHECK", &VERSIONS[..4]), ("STATUS", &VERSIONS[..6]), ("GC", &VERSIONS[..6])] {
            for version in too_old {
                let config = with(&scene.config(plugin, LATEST), json!({"cniVersion": version, "prevResult": null}));
                let (code, msg, _) = scene.call(plugin, command, config).run().error();
                assert_eq!(code, 1, "{plugin:?} {command} {version}: {msg}");
                assert!(msg.contains(command) && msg.contains(version), "{plugin:?} {command} {version}: {msg}");
                scene.ready(Plugin::Bridge, "DEL").run().ok();
            }
        }
    }
}

#[test]
fn newer_and_missing_keys_of_one_major_version_are_no_obstacle() {
    cites!("VER-8");
    let scene = Scene::new();
    let chained = [Plugin::Shaper, Plugin::Portmap];
    for (version, plugin) in ["1.0.0", "1.1.0"].into_iter().flat_map(|version| chained.map(|plugin| (version, plugin)))
    {
        for newer in [json!({"mtu": 1500, "socketPath": "/run/s", "pciID": "0000:00:1f.6"}), json!({})] {
            let config = scene.config(plugin, version);
            let mut previous = config["prevResult"].clone();
            let container = previous["interfaces"][2].clone();
            previous["interfaces"][2] = with(&with(&container, json!({"mtu": null})), newer);
            previous["routes"] = json!([{"dst": "10.2.0.0/16", "mtu": 1400, "priority": 7, "table": 9, "scope": 253}]);
            let config = with(&config, json!({"prevResult": previous}));
            let result = scene.call(plugin, "ADD", config.clone()).run().ok();
            assert_eq!(result["interfaces"][2]["name"], "eth0", "{plugin:?}");
            scene.call(plugin, "DEL", config).run().ok();
            scene.ready(Plugin::Bridge, "DEL").run().ok();
        }
    }
}

#[test]
fn the_list_of_versions_is_tolerated() {
    cites!("VER-9");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = with(&scene.config(plugin, "1.0.0"), json!({"cniVersions": ["0.4.0", "1.0.0", "9.9.9"]}));
        let result = scene.call(plugin, "ADD", config.clone()).run().ok();
        assert_eq!(result["cniVersion"], "1.0.0", "the one version counts");
        scene.call(plugin, "DEL", config).run().ok();
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn a_missing_version_means_the_oldest() {
    cites!("CFG-9", "RES-01");
    let scene = Scene::new();
    for plugin in IPAM {
        let config = with(&plugin.config(LATEST), json!({"cniVersion": Value::Null}));
        let result = scene.call(plugin, "ADD", config).run().ok();
        assert_eq!(result["cniVersion"], "0.1.0");
        assert!(result["ip4"]["ip"].is_string(), "{result}");
    }
}
