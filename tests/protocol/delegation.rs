//! Section 9 of the checklist: delegation.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tests::{Delegate, LATEST, Plugin, Scene, cites, with};

/// A configuration of `bridge` whose IPAM is the made-up plugin.
fn delegating() -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up", "pool": "blue"}}))
}

fn answer() -> Value {
    json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24", "gateway": "10.9.0.254"}]})
}

#[test]
fn the_delegate_is_looked_up_in_all_directories() {
    cites!("DLG-1");
    let scene = Scene::new();
    let delegate = Delegate::answering(&scene, &answer());
    let path = format!("/nowhere::/usr/bin:{}", delegate.path());
    scene.call(Plugin::Bridge, "ADD", delegating()).path(path).run().ok();
    assert_eq!(delegate.calls(), ["ADD"]);
}

#[test]
fn a_file_that_is_not_executable_or_a_directory_is_no_delegate() {
    cites!("DLG-1");
    let scene = Scene::new();
    std::fs::create_dir_all(scene.directory("a").join("made-up")).expect("a directory with the delegate's name");
    std::fs::write(scene.directory("b").join("made-up"), "text").expect("a file with the delegate's name");
    let delegate = Delegate::answering(&scene, &answer());
    let path = format!("/run/scene/a:/run/scene/b:{}", delegate.path());
    scene.call(Plugin::Bridge, "ADD", delegating()).path(path).run().ok();
    assert_eq!(delegate.calls(), ["ADD"]);
}

#[test]
fn the_delegate_gets_the_same_variables_and_the_whole_configuration() {
    cites!("DLG-2", "VER-6");
    let scene = Scene::new();
    let delegate = Delegate::answering(&scene, &answer());
    let config = with(
        &delegating(),
        json!({"made-up": [1, 2.5, null, "x"], "runtimeConfig": {"aliases": ["a"]}, "args": {"cni": {"labels": []}},
            "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}),
    );
    for command in ["ADD", "DEL", "GC", "STATUS"] {
        let call = scene.call(Plugin::Bridge, command, config.clone());
        let call = call.args("IgnoreUnknown=1;K=V").path(delegate.path()).env("OTHER", "kept");
        call.run().ok();
        assert_eq!(delegate.config(command), config, "{command}");
        let environment = delegate.environment(command);
        let variable = |name: &str| environment.get(name).map(String::as_str);
        assert_eq!(variable("CNI_COMMAND"), Some(command));
        assert_eq!(variable("CNI_PATH"), Some(delegate.path().as_str()));
        assert_eq!(variable("CNI_ARGS"), Some("IgnoreUnknown=1;K=V"));
        assert_eq!(variable("OTHER"), Some("kept"));
        if ["ADD", "DEL"].contains(&command) {
            assert_eq!(variable("CNI_CONTAINERID"), Some("c1"));
            assert_eq!(variable("CNI_NETNS"), scene.c1.path.to_str());
            assert_eq!(variable("CNI_IFNAME"), Some("eth0"));
        }
    }
    assert_eq!(delegate.calls(), ["ADD", "DEL", "GC", "STATUS"]);
}

#[test]
fn the_delegates_stderr_reaches_the_caller() {
    cites!("DLG-3");
    let scene = Scene::new();
    let noisy =
        Delegate::new(&scene, "made-up", "made-up", &format!("echo a word of warning >&2; echo '{}'", answer()));
    let reply = scene.call(Plugin::Bridge, "ADD", delegating()).path(noisy.path()).run();
    reply.ok();
    assert!(reply.stderr.contains("a word of warning"), "{reply}");
}

#[test]
fn success_is_exit_0_and_a_result() {
    cites!("DLG-4");
    let scene = Scene::new();
    let before = scene.state();
    for (body, culprit) in [
        ("echo garbage", "garbage"),
        ("echo '{\"cniVersion\": \"1.1.0\", \"ips\": 7}'", "ips"),
        ("true", "made-up"),
        ("echo '{}'; exit 1", "made-up"),
        ("echo garbage; exit 3", "garbage"),
        ("exit 3", "made-up"),
        ("kill -9 $$", "made-up"),
    ] {
        let delegate = Delegate::new(&scene, "made-up", "made-up", &format!("[ $CNI_COMMAND = DEL ] && exit; {body}"));
        let reply = scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run();
        let (code, msg, details) = reply.error();
        assert_eq!(code, 6, "{body}: {msg}");
        let text = format!("{msg} {details}");
        assert!(text.contains("made-up") && text.contains(culprit), "{body}: {text}");
        assert_eq!(before, scene.state(), "{body}");
    }
}

#[test]
fn a_delegate_that_fails_add_is_called_with_del() {
    cites!("DLG-6", "ADD-6");
    let scene = Scene::new();
    let before = scene.state();
    let error = json!({"cniVersion": LATEST, "code": 121, "msg": "the pool is closed", "details": "until noon"});
    let delegate = Delegate::failing(&scene, &answer(), "ADD", &error);
    let (code, msg, details) = scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run().error();
    assert_eq!(code, 121);
    assert!(msg.contains("made-up") && msg.contains("the pool is closed"), "{msg}");
    assert!(details.contains("until noon"), "{details}");
    assert_eq!(delegate.calls(), ["ADD", "DEL"]);
    assert_eq!(before, scene.state());
}

#[test]
fn a_delegate_that_succeeded_is_undone_when_the_rest_fails() {
    cites!("DLG-6", "ADD-6");
    let scene = Scene::new();
    let before = scene.state();
    // The gateway of a route that cannot be reached is found out when the address is in place.
    let full = with(&answer(), json!({"routes": [{"dst": "10.10.0.0/16", "gw": "192.0.2.1"}]}));
    let delegate = Delegate::answering(&scene, &full);
    let (_, msg, _) = scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run().error();
    assert!(msg.contains("192.0.2.1"), "{msg}");
    assert_eq!(delegate.calls(), ["ADD", "DEL"]);
    assert_eq!(before, scene.state());
}

/// The processes that a call starts, as `strace` sees them; threads are none.
fn children(scene: &Scene, command: &str, config: &Value) -> (usize, Value) {
    let traced = scene.directory("traced").join("bridge");
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/strace -f -qq -e trace=process -o {0}.log {1}\n",
        traced.display(),
        harness::bin("bridge").display()
    );
    std::fs::write(&traced, script).expect("the script is written");
    std::fs::set_permissions(&traced, std::fs::Permissions::from_mode(0o755)).expect("it is made executable");
    let call = harness::Invocation::new(traced.to_str().expect("a text"), command).config(config);
    let call = call.container(&scene.c1.name).netns(&scene.c1.path).ifname("eth0");
    let result = call.run().ok();
    let log = std::fs::read_to_string(format!("{}.log", traced.display())).expect("strace wrote");
    assert!(log.contains("execve(") && log.contains("exit_group("), "{command} was traced:\n{log}");
    let starts = log.lines().filter(|line| {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        ["clone(", "clone3(", "fork(", "vfork("].iter().any(|name| call.starts_with(name))
            && !call.contains("CLONE_THREAD")
    });
    (starts.count(), result)
}

#[test]
fn no_process_is_started_but_the_delegate() {
    let scene = Scene::new();
    let keys = json!({"isGateway": true, "ipMasq": true, "macspoofchk": true, "portIsolation": true});
    let config = with(&Plugin::Bridge.config(LATEST), keys);
    for (ipam, expected) in [(Value::Null, 0), (config["ipam"].clone(), 1)] {
        let mut config = with(&config, json!({"ipam": ipam}));
        if expected == 0 {
            config = with(&config, json!({"isGateway": false})); // which takes an address
        }
        for command in ["ADD", "CHECK", "DEL"] {
            let (started, result) = children(&scene, command, &config);
            assert_eq!(started, expected, "{command} of {config}");
            if command == "ADD" {
                let rules = harness::sh("nft list ruleset").ok();
                assert!(rules.contains(result["interfaces"][2]["mac"].as_str().expect("a MAC")), "{rules}");
                assert_eq!(rules.contains("10.1.0.2"), expected == 1, "{rules}");
                config = with(&config, json!({"prevResult": result}));
            }
        }
        assert_eq!(harness::sh("nft list ruleset").ok(), "");
    }
}

#[test]
fn the_plugin_fills_in_the_interface_of_an_address() {
    cites!("DLG-7", "RES-22");
    let scene = Scene::new();
    for plugin in [Plugin::HostLocal, Plugin::Static] {
        let result = scene.ready(plugin, "ADD").run().ok();
        assert!(result.get("interfaces").is_none_or(|list| *list == json!([])), "{plugin:?}: {result}");
        assert!(result["ips"][0].get("interface").is_none(), "{plugin:?}: {result}");
        scene.ready(plugin, "DEL").run().ok();
    }
    let delegate = Delegate::answering(&scene, &answer());
    let result = scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run().ok();
    let index = result["ips"][0]["interface"].as_u64().expect("a number");
    let interface = &result["interfaces"][usize::try_from(index).expect("a small number")];
    assert_eq!((&interface["name"], interface["sandbox"].as_str()), (&json!("eth0"), scene.c1.path.to_str()));
}

#[test]
fn addresses_and_resolvers_are_the_delegates() {
    cites!("DLG-8");
    let scene = Scene::new();
    let dns = json!({"nameservers": ["10.9.0.53"], "domain": "d.example", "search": ["s.example"], "options": ["o"]});
    let mut full = with(&answer(), json!({"dns": dns, "routes": [{"dst": "10.10.0.0/16", "gw": "10.9.0.254"}]}));
    full["ips"] = json!([{"address": "10.9.0.1/24", "gateway": "10.9.0.254"}, {"address": "fd09::1/64"}]);
    let delegate = Delegate::answering(&scene, &full);
    let result = scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run().ok();
    assert_eq!(result["dns"], dns);
    assert_eq!(result["ips"][0]["address"], "10.9.0.1/24");
    assert_eq!(result["ips"][0]["gateway"], "10.9.0.254");
    assert_eq!(result["ips"][1]["address"], "fd09::1/64");
    assert_eq!(result["routes"][0]["dst"], "10.10.0.0/16");
}

#[test]
fn a_gateway_alone_asks_for_no_route() {
    cites!("DLG-9");
    let scene = Scene::new();
    let delegate = Delegate::answering(&scene, &answer());
    scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run().ok();
    assert_eq!(scene.c1.ip("route show default").as_array().map_or(0, Vec::len), 0);
    assert_eq!(scene.c1.ip("route show").as_array().map_or(0, Vec::len), 1, "the address's own route only");
}

#[test]
fn a_route_without_next_hop_takes_the_gateway_of_its_family() {
    cites!("DLG-9", "RES-23");
    let scene = Scene::new();
    let full = json!({"cniVersion": LATEST,
        "ips": [{"address": "10.9.0.1/24", "gateway": "10.9.0.254"}, {"address": "fd09::1/64", "gateway": "fd09::fe"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "fd0a::/64"}, {"dst": "10.11.0.0/16", "gw": "10.9.0.7"}]});
    let delegate = Delegate::answering(&scene, &full);
    scene.call(Plugin::Bridge, "ADD", delegating()).path(delegate.path()).run().ok();
    let gateway = |question: &str| scene.c1.ip(question)[0]["gateway"].clone();
    assert_eq!(gateway("route show default"), "10.9.0.254");
    assert_eq!(gateway("-6 route show fd0a::/64"), "fd09::fe");
    assert_eq!(gateway("route show 10.11.0.0/16"), "10.9.0.7");
}

/// `dhcp` speaks through the container interface: it must be up when the plugin is called.
#[test]
fn an_ipam_plugin_that_needs_the_nic_is_called_when_it_is_up() {
    cites!("DLG-2");
    let scene = Scene::new();
    let before = scene.state();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
    let absent = json!({"cniVersion": LATEST, "code": 120, "msg": "there is no such interface, or it is down"});
    let body = format!(
        "[ $CNI_COMMAND != ADD ] || {{ nsenter --net=$CNI_NETNS ip link show dev $CNI_IFNAME up | grep -q . \
         && echo '{answer}' || {{ echo '{absent}'; exit 1; }}; }}"
    );
    let delegate = Delegate::new(&scene, "dhcp", "dhcp", &body);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "dhcp"}}));
    let call = |command| scene.call(Plugin::Bridge, command, config.clone()).path(delegate.path());
    call("ADD").run().ok();
    assert_eq!(scene.c1.ip("-4 address show dev eth0")[0]["addr_info"][0]["local"], "10.1.0.5");
    call("DEL").run().ok();
    assert_eq!(before, scene.state());
    assert_eq!(delegate.calls(), ["ADD", "DEL"]);
    // Where no NIC can be made, it is never asked for an address; others are meanwhile.
    harness::sh("mount --bind /dev/null /dev/net/tun").ok();
    let by = |name: &str| with(&config, json!({"nic": "tap", "ipam": {"type": name}}));
    let add = |delegate: &Delegate, name| scene.call(Plugin::Bridge, "ADD", by(name)).path(delegate.path()).run();
    add(&delegate, "dhcp").error();
    assert_eq!(delegate.calls().iter().filter(|call| *call == "ADD").count(), 1);
    let other = Delegate::answering(&scene, &answer);
    add(&other, "made-up").error();
    assert!(other.calls().contains(&"ADD".to_owned()));
    assert_eq!(before, scene.state());
}

/// `bridge` in a directory of its own, under other names, and a script that passes a call on to it.
fn namesakes(scene: &Scene) -> (String, [&'static str; 5]) {
    let directory = scene.directory("namesakes");
    let at = |name: &str| directory.join(name);
    let bridge = harness::bin("bridge");
    for name in ["copy", "original"] {
        std::fs::copy(&bridge, at(name)).expect("it is copied");
    }
    std::fs::hard_link(at("original"), at("hard-link")).expect("it is linked");
    std::os::unix::fs::symlink(&bridge, at("symbolic-link")).expect("it is linked");
    std::fs::write(at("script"), format!("#!/bin/sh\n{}\n", bridge.display())).expect("it is written");
    let kept = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
    let kept = kept.map(|name| format!("{name}=\"${name}\"")).join(" ");
    let cleaner = format!("#!/bin/sh\nexec env -i {kept} {}\n", bridge.display());
    std::fs::write(at("cleaner"), cleaner).expect("it is written");
    for script in ["script", "cleaner"] {
        std::fs::set_permissions(at(script), std::fs::Permissions::from_mode(0o755)).expect("it is made executable");
    }
    let path = format!("{}:{}", directory.display(), harness::bin_dir().display());
    (path, ["bridge", "symbolic-link", "hard-link", "copy", "script"])
}

/// All processes of the machine that run `bridge`, under whichever name.
fn running(names: &[&str]) -> usize {
    let processes = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let comm = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
    processes.map(comm).filter(|comm| names.contains(&comm.trim())).count()
}

#[test]
fn a_plugin_that_makes_interfaces_is_no_ipam_plugin() {
    cites!("DLG-1", "ADD-6", "ERR-4");
    let scene = Scene::new();
    let (path, names) = namesakes(&scene);
    let (_, attached) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    let attached = with(&attached, json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}));
    let c2 = scene.host.namespace("c2");
    let before = scene.state();
    for name in names.into_iter().chain(["netem-shaper", "portmap"]) {
        let config = with(&attached, json!({"ipam": {"type": name}}));
        for command in ["ADD", "CHECK", "DEL", "GC", "STATUS", "PRINT ADD", "PRINT DEL", "PRINT GC"] {
            let printed = command.strip_prefix("PRINT ");
            // A copy is not told from any other plugin before it is called.
            if printed.is_some() && ["copy", "script", "hard-link", "netem-shaper", "portmap"].contains(&name) {
                continue;
            }
            let call = match (printed, command) {
                (Some("GC"), _) => scene.call(Plugin::Bridge, "GC", config.clone()),
                // Nothing is left to remove for a container that never came.
                (_, "CHECK") => scene.call(Plugin::Bridge, command, config.clone()),
                _ => scene.call_for(&c2, "eth0", Plugin::Bridge, command, with(&config, json!({"prevResult": null}))),
            };
            let call = match printed {
                Some(printed) => call.env("CNI_COMMAND", "PRINT").env("CNI_PRINT", printed),
                None => call,
            };
            let reply = call.path(&path).run();
            let (code, msg, details) = reply.error();
            assert_eq!(code, 7, "{name} {command}: {msg} {details}");
            assert!(msg.contains("gives no addresses"), "{name} {command}: {msg}");
            assert_eq!(before, scene.state(), "{name} {command}");
        }
    }
    assert_eq!(running(&["symbolic-link", "hard-link", "copy"]), 0);
    // Those that wait for no lock, so that nothing else would end a chain whose links clean the environment.
    for command in ["CHECK", "GC", "STATUS"] {
        let config = with(&attached, json!({"ipam": {"type": "cleaner"}}));
        let (code, msg, _) = scene.call(Plugin::Bridge, command, config).path(&path).run().error();
        assert_eq!(code, 7, "{command}: {msg}");
        assert!(msg.contains("called by the same bridge"), "{command}: {msg}");
        assert_eq!(before, scene.state(), "{command}");
    }
    let update = [("UPDATE", Plugin::Shaper)];
    let others = [Plugin::Shaper, Plugin::Portmap].map(|plugin| [("ADD", plugin), ("GC", plugin)]);
    for (command, plugin) in update.into_iter().chain(others.into_iter().flatten()) {
        let chained = with(&plugin.config(LATEST), json!({"prevResult": attached["prevResult"]}));
        let config = with(&chained, json!({"ipam": {"type": plugin.name()}, "cni.dev/valid-attachments": []}));
        let reply = scene.call(plugin, command, config.clone()).env("CNI_DELEGATED_BY", "bridge").run();
        assert_eq!(reply.error().0, 7, "{plugin:?} {command}: {reply}");
        assert_eq!(before, scene.state(), "{plugin:?} {command}");
    }
    for plugin in [Plugin::HostLocal, Plugin::Static] {
        for command in ["ADD", "DEL"] {
            scene
                .call_for(&c2, "eth0", plugin, command, plugin.config(LATEST))
                .env("CNI_DELEGATED_BY", "bridge")
                .run()
                .ok();
        }
    }
}
