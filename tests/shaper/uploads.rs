//! Uploads are shaped on an ifb beside the NIC. Its life: no fault leaves it or its redirection behind, CHECK sees what is
//! not as it was made, and GC knows whose it is.

use harness::{Invocation, Namespace};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, codes, with};

/// Limits in both directions.
fn shaper() -> Value {
    let keys = json!({"bw": null, "download": {"rate": "100Mbit"}, "upload": {"rate": "50Mbit"}});
    with(&Plugin::Shaper.config(LATEST), keys)
}

/// The same, chained after the bridge's NIC.
fn chained(scene: &Scene) -> Value {
    let made = scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
    with(&shaper(), json!({"prevResult": made}))
}

/// The host's links of a kind of ours: `pb` for host interfaces, `pi` for ifbs.
fn ours(prefix: &str) -> Vec<String> {
    let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    links.map(|link| link.file_name().to_string_lossy().into_owned()).filter(|name| name.starts_with(prefix)).collect()
}

/// The only one.
fn only(prefix: &str) -> String {
    let found = ours(prefix);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap_or_default()
}

/// What shaping leaves on the host: its ifbs, and the lines of `tc` about its queues.
fn leftovers() -> Vec<String> {
    let queues = harness::sh("tc qdisc show").ok();
    let shaping = queues.lines().filter(|line| ["tbf", "ingress", "netem"].iter().any(|kind| line.contains(kind)));
    shaping.map(str::to_owned).chain(ours("pi")).collect()
}

/// What a runtime may tell DEL: the namespace, and the result of ADD.
fn del(scene: &Scene, config: &Value, has_netns: bool, has_result: bool) -> Invocation {
    let config = if has_result { config.clone() } else { with(config, json!({"prevResult": null})) };
    let call = scene.call(Plugin::Shaper, "DEL", config);
    if has_netns { call } else { call.unset("CNI_NETNS") }
}

const WAYS: [(bool, bool); 4] = [(true, true), (false, true), (true, false), (false, false)];

#[test]
fn del_after_a_killed_add_leaves_nothing_whatever_it_is_told() {
    cites!("DEL-8", "DEL-4", "ADD-6");
    let scene = Scene::new();
    let config = chained(&scene);
    let before = scene.state();
    let mut partly = std::collections::BTreeSet::new();
    for count in 0.. {
        let (has_netns, has_result) = WAYS[count % WAYS.len()];
        let was_killed = scene.call(Plugin::Shaper, "ADD", config.clone()).kill_after_system_calls(count);
        partly.insert(leftovers().len());
        del(&scene, &config, has_netns, has_result).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "after {count} system calls, {has_netns} {has_result}");
        if !was_killed {
            break;
        }
    }
    println!("things left by the kills: {partly:?}");
    assert!(partly.len() > 2, "of ADD nothing, all, and a part were there to clean up: {partly:?}");
    assert_eq!(before, scene.state());
    scene.added(Plugin::Shaper, &config);
}

#[test]
fn gc_after_a_killed_add_leaves_nothing() {
    cites!("GC-1", "DEL-8");
    for collector in [Plugin::Shaper, Plugin::Bridge] {
        let scene = Scene::new();
        let before = scene.state();
        let mut had_ifb = 0;
        for count in (0..).step_by(3) {
            let config = chained(&scene);
            let was_killed = scene.call(Plugin::Shaper, "ADD", config.clone()).kill_after_system_calls(count);
            had_ifb += ours("pi").len();
            let gc = with(&collector.config(LATEST), json!({"cni.dev/valid-attachments": []}));
            scene.call(collector, "GC", gc).run().ok();
            assert_eq!(leftovers(), Vec::<String>::new(), "after {count} system calls");
            scene.call(Plugin::Bridge, "DEL", Plugin::Bridge.config(LATEST)).run().ok();
            if !was_killed {
                break;
            }
        }
        assert!(had_ifb > 0, "there was an ifb to collect {had_ifb} times");
        assert_eq!(before, scene.state());
    }
}

#[test]
fn del_after_a_killed_del_leaves_nothing_and_may_be_repeated() {
    cites!("DEL-3", "DEL-8");
    let scene = Scene::new();
    let config = chained(&scene);
    let before = scene.state();
    let mut partly = 0;
    for count in 0.. {
        let (has_netns, has_result) = WAYS[count % WAYS.len()];
        scene.added(Plugin::Shaper, &config);
        let whole = leftovers();
        let was_killed = del(&scene, &config, has_netns, has_result).kill_after_system_calls(count);
        partly += usize::from(!leftovers().is_empty() && leftovers() != whole);
        for _ in 0..2 {
            del(&scene, &config, has_netns, has_result).run().ok();
            assert_eq!(leftovers(), Vec::<String>::new(), "after {count} system calls, {has_netns} {has_result}");
        }
        if !was_killed {
            break;
        }
    }
    assert!(partly > 0, "a part was left {partly} times");
    assert_eq!(before, scene.state());
}

#[test]
fn del_finds_the_ifb_when_the_nic_and_its_namespace_are_gone() {
    cites!("DEL-4");
    let scene = Scene::new();
    let (_, config) = scene.added(Plugin::Shaper, &chained(&scene));
    let veth = only("pb");
    harness::sh(&format!("ip link del {veth}")).ok();
    scene.c1.delete();
    assert_eq!(ours("pi").len(), 1);
    del(&scene, &config, true, false).run().ok();
    assert_eq!(leftovers(), Vec::<String>::new());
}

#[test]
fn check_reports_what_is_not_as_it_was_made() {
    cites!("CHK-4");
    for (spoil, culprit) in [
        ("tc qdisc del dev PORT ingress", "redirection from PORT to IFB: want present, have missing"),
        ("tc filter del dev PORT ingress", "redirection from PORT to IFB: want present, have missing"),
        ("ip link set IFB down", "interface IFB: want up, have down"),
        ("ip link del IFB", "ifb IFB: want present, have missing"),
        (
            "tc qdisc change dev IFB root handle 7063: tbf rate 9mbit burst 70kb limit 400kb",
            "qdisc tbf 7063: on IFB: want",
        ),
        ("tc qdisc replace dev IFB root pfifo", "qdisc tbf 7063: on IFB: want"),
        ("tc qdisc del dev IFB root", "qdisc tbf 7063: on IFB: want"),
        ("tc qdisc del dev PORT root", "qdisc tbf 7063: on PORT: want"),
    ] {
        let scene = Scene::new();
        let (_, config) = scene.added(Plugin::Shaper, &chained(&scene));
        scene.call(Plugin::Shaper, "CHECK", config.clone()).run().ok();
        let (port, ifb) = (only("pb"), only("pi"));
        let fill_in = |text: &str| text.replace("PORT", &port).replace("IFB", &ifb);
        harness::sh(&fill_in(spoil)).ok();
        let (code, msg, _) = scene.call(Plugin::Shaper, "CHECK", config.clone()).run().error();
        assert_eq!(code, codes::DIFFERENT, "{spoil}: {msg}");
        assert!(msg.contains(&fill_in(culprit)), "{spoil}: {msg}");
        scene.call(Plugin::Shaper, "DEL", config).run().ok();
        assert!(ours("pi").is_empty(), "{spoil}");
    }
}

#[test]
fn a_stale_ifb_is_refused_as_a_stale_host_interface_is() {
    cites!("ADD-6");
    let scene = Scene::new();
    let config = chained(&scene);
    let (_, added) = scene.added(Plugin::Shaper, &config);
    let (port, ifb) = (only("pb"), only("pi"));
    // The NIC is a new one, and the ifb has stayed.
    harness::sh(&format!("tc qdisc del dev {port} ingress && tc qdisc del dev {port} root")).ok();
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Shaper, "ADD", config.clone()).run().error();
    assert_eq!(code, codes::EXISTS, "{msg}");
    assert!(msg.contains(&ifb) && msg.contains("eth0 on net of c1"), "{msg}");
    assert_eq!(before, scene.state());
    scene.call(Plugin::Shaper, "DEL", added).run().ok();
    scene.added(Plugin::Shaper, &config);
}

/// A NIC on `net` and one on `other`, whose chain shapes both.
fn two_nics(scene: &Scene) -> Value {
    scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
    let other = json!({"name": "other", "bridge": "br1", "ipam": null});
    let other = with(&Plugin::Bridge.config(LATEST), other);
    let made = scene.call(Plugin::Bridge, "ADD", other).ifname("eth1").run().ok();
    with(&shaper(), json!({"name": "other", "interfaces": ["eth0", "eth1"], "prevResult": made}))
}

/// How many redirections lead to a device that is there, on all host interfaces.
fn redirections() -> usize {
    ours("pb")
        .iter()
        .map(|port| harness::sh(&format!("tc filter show dev {port} ingress")).ok())
        .filter(|text| text.contains("Redirect to device pi"))
        .count()
}

#[test]
fn gc_keeps_the_ifbs_of_all_interfaces_of_a_valid_attachment() {
    cites!("GC-7", "GC-1");
    let scene = Scene::new();
    let config = two_nics(&scene);
    let call = |command: &str, config: Value| scene.call(Plugin::Shaper, command, config).ifname("eth1");
    call("ADD", config.clone()).run().ok();
    assert_eq!((ours("pi").len(), redirections()), (2, 2));
    call("CHECK", config.clone()).run().ok();

    let gc = |plugin: Plugin, network: &str, valid: Value| {
        let keys = json!({"name": network, "cni.dev/valid-attachments": valid});
        scene.call(plugin, "GC", with(&plugin.config(LATEST), keys)).run().ok();
    };
    for plugin in [Plugin::Shaper, Plugin::Bridge] {
        gc(plugin, "net", json!([{"containerID": "c1", "ifname": "eth0"}]));
        gc(plugin, "other", json!([{"containerID": "c1", "ifname": "eth1"}, {"containerID": "c2", "ifname": "eth1"}]));
        assert_eq!((ours("pi").len(), redirections()), (2, 2), "{plugin:?}");
    }
    call("CHECK", config.clone()).run().ok();
    // The attachment to `other` is stale, and the NIC on `net` is not: it keeps its uploads.
    gc(Plugin::Bridge, "other", json!([]));
    let port = only("pb");
    assert_eq!((ours("pi").len(), redirections()), (0, 0));
    assert!(!harness::sh(&format!("tc qdisc show dev {port}")).ok().contains("ingress"));
}

#[test]
fn del_of_several_interfaces_gives_all_of_them_back() {
    cites!("DEL-1", "DEL-4");
    for (has_netns, has_result) in WAYS {
        let scene = Scene::new();
        let config = two_nics(&scene);
        let before = scene.state();
        scene.call(Plugin::Shaper, "ADD", config.clone()).ifname("eth1").run().ok();
        del(&scene, &config, has_netns, has_result).ifname("eth1").run().ok();
        assert!(ours("pi").is_empty(), "{has_netns} {has_result}");
        assert_eq!(redirections(), 0);
        let text =
            ours("pb").iter().map(|port| harness::sh(&format!("tc qdisc show dev {port}")).ok()).collect::<String>();
        assert!(!text.contains("ingress"), "uploads pass: {text}");
        if has_netns {
            assert_eq!(before, scene.state(), "{has_netns} {has_result}");
        }
    }
}

/// The plugin's file is gone, and the runtime's DEL came to the bridge alone.
#[test]
fn the_bridges_gc_collects_the_ifb_of_a_shaper_that_never_ran_again() {
    cites!("GC-1", "GC-5");
    let scene = Scene::new();
    let before = scene.state();
    let (_, _) = scene.added(Plugin::Shaper, &chained(&scene));
    scene.call(Plugin::Bridge, "DEL", Plugin::Bridge.config(LATEST)).run().ok();
    assert_eq!(ours("pi").len(), 1);
    let gc = with(
        &Plugin::Bridge.config(LATEST),
        json!({"cni.dev/valid-attachments": [{"containerID": "c2", "ifname": "eth0"}]}),
    );
    scene.call(Plugin::Bridge, "GC", gc).run().ok();
    assert_eq!(before, scene.state());
}

/// A NIC that has no other end: its queues and its ifb are with it.
#[test]
fn a_nic_without_a_host_side_leaves_nothing_either() {
    cites!("DEL-8", "DEL-3");
    let scene = Scene::new();
    harness::sh("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up").ok();
    let inside = |ns: &Namespace| {
        let names = ns.sh("ls /sys/class/net").ok();
        let queues = ns.sh("tc qdisc show").ok();
        names.contains("pi") || queues.contains("tbf") || queues.contains("ingress")
    };
    harness::sh("ip link add link up0 name mv0 type macvlan && ip link set mv0 netns c1").ok();
    scene.c1.sh("ip link set mv0 name eth0 && ip link set eth0 up").ok();
    let made = json!({"cniVersion": LATEST, "interfaces": [{"name": "eth0", "sandbox": scene.c1.path}]});
    let config = with(&shaper(), json!({"prevResult": made}));
    let before = scene.state();
    let mut was_partly_there = 0;
    for count in 0.. {
        let was_killed = scene.call(Plugin::Shaper, "ADD", config.clone()).kill_after_system_calls(count);
        was_partly_there += u32::from(inside(&scene.c1));
        del(&scene, &config, true, count % 2 == 0).run().ok();
        assert!(!inside(&scene.c1), "after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(was_partly_there > 1);
    assert_eq!(before, State::take(&[&scene.c1]));

    // The NIC goes first, and the namespace stays.
    scene.added(Plugin::Shaper, &config);
    assert!(inside(&scene.c1));
    scene.c1.sh("ip link del eth0").ok();
    del(&scene, &config, true, true).run().ok();
    assert!(!inside(&scene.c1));
    del(&scene, &config, false, true).run().ok();
}

/// RES-20, as the reference's `bandwidth` lists its own. No index of what was there changes, and nothing of it is lost.
#[test]
fn the_ifb_on_the_host_is_listed_behind_what_was_there() {
    cites!("RES-20", "RES-21", "RES-22", "ADD-5");
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let scene = Scene::new();
        let before = scene.state();
        let bridge = Plugin::Bridge.config(version);
        let mut made = scene.call(Plugin::Bridge, "ADD", bridge.clone()).run().ok();
        made["made-up"] = json!({"a": [1, null]});
        made["interfaces"][1]["made-up"] = json!(7);
        let plain = with(&Plugin::Shaper.config(version), json!({"bw": null, "prevResult": made}));
        let config = |keys| with(&plain, keys);
        let download = scene.call(Plugin::Shaper, "ADD", config(json!({"download": {"rate": "9Mbit"}}))).run().ok();
        assert_eq!(download["interfaces"], made["interfaces"], "without an ifb none is listed");
        let upload = with(&config(json!({"upload": {"rate": "9Mbit"}})), json!({"prevResult": download}));
        let result = scene.call(Plugin::Shaper, "ADD", upload.clone()).run().ok();
        let name = only("pi");
        let link = &harness::ip(&format!("link show dev {name}"))[0];
        let mut listed = json!({"name": name, "mac": link["address"], "sandbox": ""});
        if version == "1.1.0" {
            listed["mtu"] = link["mtu"].clone();
        }
        let mut expected = download.clone();
        expected["interfaces"].as_array_mut().expect("a list").push(listed);
        assert_eq!(result, expected, "in {version}");
        assert_eq!(result["ips"][0]["interface"], 2);
        // The final result, as a runtime passes it to all plugins of the chain.
        let with_it = |config: &Value, result: &Value| with(config, json!({"prevResult": result}));
        let first = config(json!({"download": {"rate": "9Mbit"}}));
        for told in [&result, &download] {
            if version >= "0.4.0" {
                scene.call(Plugin::Shaper, "CHECK", with_it(&upload, told)).run().ok();
                scene.call(Plugin::Shaper, "CHECK", with_it(&first, told)).run().ok();
                scene.call(Plugin::Bridge, "CHECK", with_it(&bridge, told)).run().ok();
            }
        }
        scene.call(Plugin::Shaper, "DEL", with_it(&upload, &result)).run().ok();
        assert_eq!(ours("pi"), Vec::<String>::new());
        scene.call(Plugin::Shaper, "DEL", with_it(&first, &result)).run().ok();
        scene.call(Plugin::Bridge, "DEL", with_it(&bridge, &result)).run().ok();
        assert_eq!(before, scene.state(), "in {version}");
    }
}

/// An interface with a sandbox is taken for one that the container uses.
#[test]
fn an_ifb_in_the_container_is_not_listed() {
    cites!("RES-20");
    let scene = Scene::new();
    harness::sh("ip link add up0 up type veth peer name up1 && ip link set up1 up").ok();
    let nic = with(&Plugin::Secondary.config(LATEST), json!({"nic": "macvlan", "master": "up0", "bridge": null}));
    let made = scene.call(Plugin::Secondary, "ADD", nic).run().ok();
    let config = with(&Plugin::Shaper.config(LATEST), json!({"bw": null, "download": {"rate": "9Mbit"}}));
    let result = scene.call(Plugin::Shaper, "ADD", with(&config, json!({"prevResult": made}))).run().ok();
    assert!(scene.c1.sh("ip -o link show type ifb").ok().contains("pi"), "there is one");
    assert_eq!(result["interfaces"], made["interfaces"]);
}
