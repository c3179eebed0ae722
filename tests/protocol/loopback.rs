//! `loopback`, beside the reference's.

use harness::{Invocation, Namespace, Reply};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, VERSIONS, cites, codes, with};

/// The reference, as Debian's package containernetworking-plugins installs it.
const REFERENCE: &str = "/usr/lib/cni/loopback";

/// The list that is part of containerd and of CRI-O.
fn built_in() -> Value {
    json!({"cniVersion": "0.3.1", "name": "cni-loopback", "type": "loopback"})
}

fn call(space: &Namespace, command: &str, config: &Value) -> Invocation {
    let call = Invocation::new(Plugin::Loopback.name(), command);
    call.container(&space.name).netns(&space.path).ifname("lo").config(config)
}

/// As a container's namespace is when it is new.
fn with_lo_down(scene: &Scene, name: &str) -> Namespace {
    let space = scene.host.namespace(name);
    space.sh("ip link set lo down").ok();
    space
}

fn is_up(space: &Namespace) -> bool {
    let link = space.ip("link show dev lo");
    link[0]["flags"].as_array().is_some_and(|flags| flags.contains(&json!("UP")))
}

fn addresses(result: &Value) -> Vec<&str> {
    result["ips"].as_array().into_iter().flatten().filter_map(|ip| ip["address"].as_str()).collect()
}

#[test]
fn results_are_those_of_the_reference_in_every_version() {
    cites!("ADD-2", "RES-01");
    let scene = Scene::new();
    for version in VERSIONS.into_iter().filter(|version| *version != LATEST) {
        for ifname in ["lo", "eth0"] {
            let config = with(&built_in(), json!({"cniVersion": version}));
            let mine = with_lo_down(&scene, "mine");
            let ours = call(&mine, "ADD", &config).ifname(ifname).run();
            assert!(is_up(&mine) && ours.stderr.is_empty(), "{ours}");
            let reference = Invocation::new(REFERENCE, "ADD").container("mine").netns(&mine.path).ifname(ifname);
            let mut theirs = reference.config(&config).run().ok();
            if version < "0.3.0" {
                // It says 0.1.0 and has the form of 1.0.0.
                assert_eq!(ours.ok()["ip4"]["ip"], "127.0.0.1/8");
                assert_eq!(ours.ok()["ip6"]["ip"], "::1/128");
            } else {
                without_empty_dns(&mut theirs);
                assert_eq!(comparable(&ours), theirs, "{version} {ifname}");
            }
            mine.delete();
        }
    }
}

fn without_empty_dns(result: &mut Value) {
    let object = result.as_object_mut().expect("a result");
    if object.get("dns") == Some(&json!({})) {
        object.remove("dns");
    }
}

/// Go prints an empty `dns` always (RES-25), and the reference leaves out the `version` of addresses where the format has one.
fn comparable(reply: &Reply) -> Value {
    let mut result = reply.ok();
    without_empty_dns(&mut result);
    for ip in result["ips"].as_array_mut().into_iter().flatten() {
        ip.as_object_mut().expect("an address").remove("version");
    }
    result
}

#[test]
fn all_verbs() {
    cites!("ADD-5", "CHK-1", "DEL-1", "DEL-4", "GC-1", "STA-1");
    let scene = Scene::new();
    let c2 = with_lo_down(&scene, "c2");
    let (config, before) = (with(&built_in(), json!({"cniVersion": LATEST})), State::take(&[&c2]));
    let run = |command: &str, config: &Value| call(&c2, command, config).run();
    run("STATUS", &config).ok();
    assert_eq!(before, State::take(&[&c2]), "STATUS has tried it elsewhere");
    let result = run("ADD", &config).ok();
    assert_eq!(addresses(&result), ["127.0.0.1/8", "::1/128"]);
    assert_eq!(run("ADD", &config).ok(), result, "once more");
    let attached = with(&config, json!({"prevResult": result}));
    run("CHECK", &attached).ok();
    // The interface is the container's own: nothing of it is anybody's leftover.
    let valid = json!({"cni.dev/valid-attachments": []});
    run("GC", &with(&config, valid)).ok();
    run("CHECK", &attached).ok();

    for (script, expected) in [("ip address del ::1/128 dev lo", "::1/128"), ("ip link set lo down", "down")] {
        c2.sh(script).ok();
        let (code, msg, details) = run("CHECK", &attached).error();
        let told = format!("{msg} {details}");
        assert!(code == codes::DIFFERENT && told.contains(expected), "{told}");
    }
    run("ADD", &config).ok();
    for _ in 0..2 {
        run("DEL", &attached).ok();
        assert!(!is_up(&c2));
        assert_eq!(before, State::take(&[&c2]));
    }
    c2.delete();
    for netns in ["/run/netns/c2", "/dev/null", ""] {
        call(&c2, "DEL", &attached).env("CNI_NETNS", netns).run().ok();
    }
    assert_eq!(run("ADD", &config).error().0, 8);
}

/// Who has set it up needs it: the container's own runtime, or another attachment of the container.
#[test]
fn what_was_up_before_stays_up() {
    cites!("DEL-8");
    let scene = Scene::new();
    let before = scene.state();
    let (_, attached) = scene.added(Plugin::Loopback, &Plugin::Loopback.config(LATEST));
    assert_eq!(before, scene.state());
    scene.call(Plugin::Loopback, "DEL", attached.clone()).run().ok();
    assert_eq!(before, scene.state());
    scene.c1.sh("ip link set lo down").ok();
    scene.call(Plugin::Loopback, "ADD", Plugin::Loopback.config(LATEST)).run().ok();
    let other = with(&attached, json!({"name": "other"}));
    scene.call(Plugin::Loopback, "ADD", with(&other, json!({"prevResult": null}))).run().ok();
    scene.call(Plugin::Loopback, "DEL", other).run().ok();
    assert!(is_up(&scene.c1), "the first attachment still has it");
}

#[test]
fn a_chain_is_passed_on() {
    cites!("ADD-5");
    let scene = Scene::new();
    let bridged = scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
    let previous = with(&bridged, json!({"custom": {"kept": [1]}}));
    let config = with(&Plugin::Loopback.config(LATEST), json!({"prevResult": previous}));
    scene.c1.sh("ip link set lo down").ok();
    assert_eq!(scene.call(Plugin::Loopback, "ADD", config.clone()).run().ok(), previous);
    assert!(is_up(&scene.c1));
    scene.call(Plugin::Loopback, "CHECK", config.clone()).run().ok();
    scene.c1.sh("ip link set lo down").ok();
    assert_eq!(scene.call(Plugin::Loopback, "CHECK", config.clone()).run().error().0, codes::DIFFERENT);
    scene.call(Plugin::Loopback, "DEL", config).run().ok();
    assert_eq!(scene.c1.ip("link show dev eth0")[0]["ifname"], "eth0");
}

#[test]
fn a_container_may_be_without_ipv6_and_have_addresses_of_its_own() {
    let scene = Scene::new();
    let config = Plugin::Loopback.config(LATEST);
    let script =
        "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo down && ip address add 10.9.9.9/32 dev lo";
    scene.c1.sh(script).ok();
    let (result, attached) = scene.added(Plugin::Loopback, &config);
    assert_eq!(addresses(&result), ["127.0.0.1/8"]);
    scene.call(Plugin::Loopback, "CHECK", attached).run().ok();
}

#[test]
fn its_own_namespace_is_left_alone() {
    cites!("ENV-16");
    let scene = Scene::new();
    let was_up = harness::sh("ip -o link show dev lo").ok();
    for command in ["ADD", "DEL"] {
        let call = call(&scene.c1, command, &built_in()).netns("/proc/self/ns/net");
        assert_eq!(call.run().error().0, 8, "{command}");
    }
    assert_eq!(harness::sh("ip -o link show dev lo").ok(), was_up);
}

/// What would be done, and nothing that is done already.
#[test]
fn a_dry_run_prints_one_command() {
    let scene = Scene::new();
    let c2 = with_lo_down(&scene, "c2");
    let print = |command: &str| {
        let call = call(&c2, "PRINT", &Plugin::Loopback.config(LATEST)).env("CNI_PRINT", command);
        let commands = call.run().ok()["commands"].clone();
        commands.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    };
    let run = |commands: String| harness::sh(&commands.replace("CONTAINER", "c2")).ok();
    let before = State::take(&[&c2]);
    let up = print("ADD");
    assert_eq!(
        (up.as_str(), print("DEL").as_str()),
        ("ip -n CONTAINER link set dev lo up alias 'plugboard: lo on net of c2'", "")
    );
    run(up);
    assert!(is_up(&c2));
    call(&c2, "ADD", &Plugin::Loopback.config(LATEST)).run().ok();
    assert_eq!((print("ADD").as_str(), print("DEL").as_str()), ("", "ip -n CONTAINER link set dev lo down alias ''"));
    run(print("DEL"));
    assert_eq!(before, State::take(&[&c2]));
}
