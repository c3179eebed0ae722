//! What our executables print is read back with two other implementations of the protocol, in the versions that they know.

use cni_plugin::reply::{ErrorReply, IpamSuccessReply, SuccessReply, VersionReply};
use rscni_types::types::{CNIResultWithVersion, ErrorResult};
use rscni_types::version::{PluginInfo, SpecVersion};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::{ALL, IPAM, LATEST, Plugin, Scene, VERSIONS, cites, with};

/// `cni-plugin` reads the formats without `ips[].version`, and 0.4.0 as far as it ignores that key.
const CNI_PLUGIN: [&str; 3] = ["0.4.0", "1.0.0", "1.1.0"];

/// `rscni-types` knows all but the formats with `ip4` and `ip6`.
const RSCNI: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// Two families, routes, resolvers: all that a result can have.
fn full(version: &str) -> Value {
    let ranges = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}, {"dst": "fd07::/64", "gw": "fd01::1"}]});
    let dns = json!({"nameservers": ["10.1.0.53"], "domain": "d.example", "search": ["s.example"]});
    with(&Plugin::Bridge.config(version), json!({"ipam": ipam, "dns": dns}))
}

#[test]
fn cni_plugin_reads_results() {
    cites!("ADD-2", "VER-8");
    for version in CNI_PLUGIN {
        let scene = Scene::new();
        let printed = scene.call(Plugin::Bridge, "ADD", full(version)).run().ok();
        let result = SuccessReply::deserialize(&printed).expect("cni-plugin reads the result");
        assert_eq!(result.cni_version.to_string(), version);
        let names: Vec<_> = result.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        assert_eq!((names.len(), names[0], names[2]), (3, "br0", "eth0"));
        assert_eq!(result.interfaces[2].sandbox, scene.c1.path);
        assert!(result.interfaces.iter().all(|interface| interface.mac.is_some()));
        let addresses: Vec<_> = result.ips.iter().map(|ip| (ip.address.to_string(), ip.interface)).collect();
        assert_eq!(addresses, [("10.1.0.2/24".to_owned(), Some(2)), ("fd01::2/64".to_owned(), Some(2))]);
        assert_eq!(result.routes.len(), 2);
        assert_eq!(result.dns.domain.as_deref(), Some("d.example"));
    }
}

#[test]
fn cni_plugin_reads_ipam_results() {
    cites!("DLG-7");
    for version in CNI_PLUGIN {
        let scene = Scene::new();
        for plugin in IPAM {
            let printed = scene.call(plugin, "ADD", plugin.config(version)).run().ok();
            let result = IpamSuccessReply::deserialize(&printed).expect("cni-plugin reads the result");
            assert_eq!(result.ips.len(), 1, "{plugin:?}");
            assert_eq!(result.ips[0].interface, None, "{plugin:?}");
        }
    }
}

#[test]
fn cni_plugin_reads_results_of_the_chained_plugins() {
    cites!("RES-24");
    for version in CNI_PLUGIN {
        for plugin in [Plugin::Shaper, Plugin::Portmap] {
            let scene = Scene::new();
            let config = scene.config(plugin, version);
            let printed = scene.call(plugin, "ADD", config.clone()).run().ok();
            let [before, after] = [&config["prevResult"], &printed].map(|result| {
                let result = SuccessReply::deserialize(result).expect("cni-plugin reads the result");
                serde_json::to_value(result).expect("and writes it")
            });
            assert_eq!(before, after, "{plugin:?}");
        }
    }
}

#[test]
fn rscni_reads_results() {
    cites!("ADD-2", "VER-8", "RES-11");
    for version in RSCNI {
        let scene = Scene::new();
        let printed = scene.call(Plugin::Bridge, "ADD", full(version)).run().ok();
        let result = CNIResultWithVersion::deserialize(&printed).expect("rscni-types reads the result").into_result();
        assert_eq!(result.interfaces.len(), 3);
        assert_eq!(result.interfaces[2].sandbox.as_deref(), scene.c1.path.to_str());
        assert_eq!(result.interfaces[2].mtu.is_some(), version == LATEST);
        let addresses: Vec<_> = result.ips.iter().map(|ip| (ip.address.to_string(), ip.interface)).collect();
        assert_eq!(addresses, [("10.1.0.2/24".to_owned(), Some(2)), ("fd01::2/64".to_owned(), Some(2))]);
        assert_eq!(result.routes[1].gw.map(|gw| gw.to_string()).as_deref(), Some("fd01::1"));
        assert_eq!(result.dns.and_then(|dns| dns.domain).as_deref(), Some("d.example"));
    }
}

#[test]
fn rscni_reads_results_of_every_plugin() {
    cites!("ADD-2");
    for version in RSCNI {
        let scene = Scene::with_a_switch();
        for plugin in ALL {
            let config = scene.config(plugin, version);
            let printed = scene.call(plugin, "ADD", config.clone()).run().ok();
            let result =
                CNIResultWithVersion::deserialize(&printed).expect("rscni-types reads the result").into_result();
            let addresses = if plugin == Plugin::Loopback { 2 } else { 1 };
            assert_eq!(result.ips.len(), addresses, "{plugin:?} {version}: {printed}");
            scene.call(plugin, "DEL", config).run().ok();
            scene.ready(Plugin::Bridge, "DEL").run().ok();
        }
    }
}

#[test]
fn both_read_errors() {
    cites!("ERR-2", "ERR-3");
    let scene = Scene::with_a_switch();
    for version in RSCNI {
        for plugin in ALL {
            let config = plugin.config(version);
            for call in [
                scene.call(plugin, "ADD", with(&config, json!({"name": "a/b"}))),
                scene.call(plugin, "ADD", config.clone()).container("-"),
                scene.call(plugin, "ADD", with(&config, json!({"cniVersion": "7.0.0"}))),
                scene.call(plugin, "ADD", Value::Null).stdin("{"),
            ] {
                let reply = call.run();
                let (code, msg, _) = reply.error();
                let printed = reply.json();
                let read = ErrorResult::deserialize(&printed).expect("rscni-types reads the error");
                let again = serde_json::to_value(read).expect("and writes it");
                assert_eq!((&again["code"], &again["msg"]), (&json!(code), &json!(msg)));
                let read = ErrorReply::deserialize(&printed).expect("cni-plugin reads the error");
                assert_eq!((read.code.to_string(), read.msg), (code.to_string(), msg.as_str()));
            }
        }
    }
}

#[test]
fn both_read_versions() {
    cites!("VER-1");
    for plugin in ALL {
        let printed =
            harness::Invocation::new(plugin.name(), "VERSION").config(json!({"cniVersion": LATEST})).run().ok();
        let read = VersionReply::deserialize(&printed).expect("cni-plugin reads the versions");
        assert_eq!(read.supported_versions.len(), VERSIONS.len());
        let read = PluginInfo::deserialize(&printed).expect("rscni-types reads the versions");
        assert_eq!(read.cni_version(), SpecVersion::CURRENT);
        for version in RSCNI {
            let version = version.parse().expect("a version");
            assert!(read.supported_versions().contains(&version));
        }
    }
}
