//! Bad input and bad circumstances: each failure has its code, a message that names the culprit, and leaves links,
//! addresses, routes, rules, queues and allocations as they were.

use std::time::{Duration, Instant};

use harness::Invocation;
use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, State, cites, codes, with};

/// A scene that must stay as it is.
struct Still<'a> {
    scene: &'a Scene,
    before: State,
}

impl<'a> Still<'a> {
    fn new(scene: &'a Scene) -> Self {
        Self { scene, before: scene.state() }
    }

    /// Runs a call that must fail with a code and a text in its message or details, and must change nothing.
    #[track_caller]
    fn fails(&self, call: Invocation, expected: u64, culprit: &str) {
        let reply = call.run();
        let (code, msg, details) = reply.error();
        assert_eq!(code, expected, "{reply}");
        assert!(format!("{msg} {details}").contains(culprit), "the message names {culprit}\n{reply}");
        assert_eq!(self.before, self.scene.state(), "nothing has changed\n{reply}");
    }
}

/// A call of `bridge` with keys added to its least configuration.
fn bridge(scene: &Scene, keys: Value) -> Invocation {
    scene.call(Plugin::Bridge, "ADD", with(&Plugin::Bridge.config(LATEST), keys))
}

/// A `host-local` section with one set of ranges for each argument.
fn ranges(sets: Value) -> Value {
    json!({"ipam": {"type": "host-local", "ranges": sets}})
}

#[test]
fn malformed_environment() {
    let scene = Scene::with_a_switch();
    let still = Still::new(&scene);
    for plugin in ALL {
        let ready = || scene.call(plugin, "ADD", plugin.config(LATEST));
        still.fails(ready().unset("CNI_CONTAINERID"), 4, "CNI_CONTAINERID");
        still.fails(ready().unset("CNI_NETNS"), 4, "CNI_NETNS");
        still.fails(ready().unset("CNI_IFNAME"), 4, "CNI_IFNAME");
        still.fails(ready().container("../c1"), 4, "CNI_CONTAINERID");
        still.fails(ready().ifname("an-overlong-name"), 4, "an-overlong-name");
        if plugin.reads_args() {
            still.fails(ready().args("=;="), 4, "CNI_ARGS");
        }
        still.fails(ready().env("CNI_COMMAND", "DANCE"), 4, "DANCE");
    }
}

#[test]
fn environment_that_is_no_text() {
    let scene = Scene::with_a_switch();
    use std::os::unix::ffi::OsStrExt;
    let garbage = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let still = Still::new(&scene);
    for variable in ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_ARGS"] {
        let reads_it = |plugin: &Plugin| variable != "CNI_ARGS" || plugin.reads_args();
        for plugin in ALL.into_iter().filter(reads_it) {
            let call = scene.call(plugin, "ADD", plugin.config(LATEST)).env(variable, garbage);
            still.fails(call, 4, variable);
        }
    }
}

#[test]
fn stdin_that_is_no_configuration() {
    cites!("CFG-2");
    let scene = Scene::with_a_switch();
    let half = 512 * 1024;
    let brackets = "[".repeat(half) + &"]".repeat(half);
    let objects = "{\"a\":".repeat(half / 5);
    let nested = format!("{{\"cniVersion\": \"1.1.0\", \"name\": \"net\", \"type\": \"bridge\", \"x\": {brackets}}}");
    let texts: [(&str, &[u8]); 7] = [
        ("empty", b""),
        ("no JSON", b"hello"),
        ("an array", b"[{}]"),
        ("nested brackets", brackets.as_bytes()),
        ("nested objects", objects.as_bytes()),
        ("a deep value", nested.as_bytes()),
        ("invalid UTF-8", b"{\"cniVersion\": \"1.1.0\", \"name\": \"\xff\xfe\"}"),
    ];
    let before = scene.state();
    for plugin in ALL {
        for (what, text) in texts {
            for command in ["ADD", "DEL", "GC"] {
                let reply = scene.call(plugin, command, Value::Null).stdin(text).run();
                let code = serde_json::from_str::<Value>(&reply.stdout).map(|object| object["code"].clone());
                assert!(reply.status > 0 && reply.status < 128, "{plugin:?} {command} on {what}: {}", reply.status);
                assert_eq!(code.ok(), Some(json!(6)), "{plugin:?} {command} on {what}: {}", reply.stdout);
            }
        }
    }
    assert_eq!(before, scene.state());
}

#[test]
fn a_message_stays_readable_whatever_the_input() {
    let scene = Scene::new();
    let long = "x".repeat(100_000);
    for reply in [
        scene.call(Plugin::Bridge, "ADD", Value::Null).stdin(long.as_str()).run(),
        scene
            .call(Plugin::Bridge, "ADD", with(&Plugin::Bridge.config(LATEST), json!({"name": format!("{long}/")})))
            .run(),
        bridge(&scene, json!({"bridge": long})).run(),
        bridge(&scene, json!({"cniVersion": long})).run(),
        scene.ready(Plugin::Bridge, "ADD").container(&format!("{long}/")).run(),
    ] {
        let (_, msg, details) = reply.error();
        assert!(msg.len() + details.len() < 2000, "{} bytes of error", msg.len() + details.len());
    }
}

#[test]
fn unknown_version() {
    cites!("VER-5");
    let scene = Scene::with_a_switch();
    let still = Still::new(&scene);
    for plugin in ALL {
        let config = with(&plugin.config(LATEST), json!({"cniVersion": "2.0.0"}));
        still.fails(scene.call(plugin, "ADD", config), 1, "2.0.0");
    }
}

#[test]
fn a_namespace_that_is_missing_or_none() {
    let scene = Scene::new();
    std::fs::write("/run/netns/file", "").expect("a file among the namespaces");
    harness::sh("mkfifo /run/netns/fifo").ok();
    let still = Still::new(&scene);
    for path in [
        "/run/netns/missing",
        "/run/netns/file",
        "/run/netns/fifo",
        "/proc/self/ns/mnt",
        "/run",
        "/proc/999999999/ns/net",
        "/dev/null",
    ] {
        still.fails(bridge(&scene, json!({})).netns(path), 8, path);
        still.fails(bridge(&scene, json!({"ipam": null})).netns(path), 8, path);
    }
    let (_, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    let [shaped, published] = [Plugin::Shaper, Plugin::Portmap]
        .map(|plugin| with(&plugin.config(LATEST), json!({"prevResult": config["prevResult"]})));
    let still = Still::new(&scene);
    for path in ["/run/netns/missing", "/run/netns/file", "/proc/self/ns/mnt"] {
        still.fails(scene.call(Plugin::Bridge, "CHECK", config.clone()).netns(path), 8, path);
        still.fails(scene.call(Plugin::Shaper, "CHECK", shaped.clone()).netns(path), 8, path);
        still.fails(scene.call(Plugin::Portmap, "CHECK", published.clone()).netns(path), 8, path);
    }
}

#[test]
fn an_interface_that_exists() {
    cites!("ADD-3");
    let scene = Scene::new();
    scene.c1.sh("ip link add eth0 type bridge && ip address add 10.3.0.1/24 dev eth0").ok();
    let still = Still::new(&scene);
    still.fails(bridge(&scene, json!({})), codes::EXISTS, "eth0");
    still.fails(bridge(&scene, json!({"ipam": null})), codes::EXISTS, "eth0");
}

#[test]
fn a_bridge_that_is_none() {
    let scene = Scene::new();
    harness::sh("ip link add br0 type veth peer name other0").ok();
    let still = Still::new(&scene);
    still.fails(bridge(&scene, json!({})), codes::CONFLICT, "br0");
    still.fails(bridge(&scene, json!({"bridge": "a name with blanks"})), 7, "a name with blanks");
    still.fails(bridge(&scene, json!({"bridge": "an-overlong-name"})), 7, "an-overlong-name");
    still.fails(bridge(&scene, json!({"bridge": "a/b"})), 7, "a/b");
}

#[test]
fn an_mtu_that_no_nic_can_have() {
    let scene = Scene::new();
    let still = Still::new(&scene);
    for mtu in [json!(-1), json!(10_000_000_000_u64), json!(1500.5), json!("1500")] {
        still.fails(bridge(&scene, json!({"mtu": mtu})), 7, "mtu");
    }
    for mtu in [67, 70_000, 4_000_000_000_u64] {
        still.fails(bridge(&scene, json!({"mtu": mtu})), 7, "a NIC can have");
    }
}

#[test]
fn a_range_that_is_exhausted() {
    let scene = Scene::new();
    let one = ranges(json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.9"}]]));
    let c2 = scene.host.namespace("c2");
    let config = with(&Plugin::Bridge.config(LATEST), one.clone());
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config).run().ok();
    let still = Still::new(&scene);
    still.fails(bridge(&scene, one), 11, "10.1.0.9");
}

#[test]
fn ranges_that_make_no_sense() {
    let scene = Scene::new();
    let still = Still::new(&scene);
    for (sets, culprit) in [
        (json!([[{"subnet": "10.1.0.0/24"}, {"subnet": "10.1.0.0/16"}]]), "overlap"),
        (json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.1.0.128/25"}]]), "overlap"),
        (json!([[{"subnet": "10.1.0.0/24"}, {"subnet": "fd01::/64"}]]), "fd01::"),
        (json!([[{"subnet": "10.1.0.0/32"}]]), "10.1.0.0/32"),
        (json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.3"}]]), "10.1.0.9"),
        (json!([[]]), "range"),
        (json!([]), "range"),
    ] {
        still.fails(bridge(&scene, ranges(sets.clone())), 7, culprit);
        let config = with(&Plugin::HostLocal.config(LATEST), ranges(sets));
        still.fails(scene.call(Plugin::HostLocal, "ADD", config), 7, culprit);
    }
}

#[test]
fn an_address_that_is_in_use_on_the_bridge() {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}]});
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
    let still = Still::new(&scene);
    still.fails(scene.call(Plugin::Bridge, "ADD", config), codes::CONFLICT, "10.1.0.5");
}

#[test]
fn a_delegate_that_is_missing() {
    cites!("DLG-1");
    let scene = Scene::new();
    let missing = || bridge(&scene, json!({"ipam": {"type": "not-installed"}}));
    let still = Still::new(&scene);
    still.fails(missing(), 4, "not-installed");
    still.fails(missing().path("/nowhere:/run"), 4, "/nowhere");
    still.fails(missing().unset("CNI_PATH"), 4, "CNI_PATH");
}

#[test]
fn a_delegate_that_fails_or_prints_garbage() {
    cites!("DLG-4");
    let scene = Scene::new();
    let ipam = json!({"ipam": {"type": "made-up"}});
    let still = Still::new(&scene);
    for (body, code, culprit) in [
        ("echo '{\"code\": 130, \"msg\": \"the pool is dry\"}'; exit 1", 130, "the pool is dry"),
        ("echo garbage", 6, "garbage"),
        ("head -c 5000000 /dev/zero", 6, "more than 4 MiB"),
        ("printf '\\377\\376'; exit 1", 6, "made-up"),
        ("echo '{\"cniVersion\": \"1.1.0\", \"ips\": [{\"address\": \"banana\"}]}'", 6, "banana"),
        (
            "echo '{\"cniVersion\": \"1.1.0\", \"ips\": [{\"address\": \"10.9.0.1/24\", \"interface\": 7}]}'",
            6,
            "made-up",
        ),
    ] {
        let delegate =
            Delegate::new(&scene, "made-up", "made-up", &format!("[ $CNI_COMMAND = ADD ] || exit 0; {body}"));
        still.fails(bridge(&scene, ipam.clone()).path(delegate.path()), code, culprit);
        let reply = bridge(&scene, ipam.clone()).path(delegate.path()).run();
        assert!(reply.stdout.len() < 4000, "{body}: {} bytes on stdout", reply.stdout.len());
    }
}

#[test]
fn a_delegate_that_hangs() {
    let scene = Scene::new();
    // The child of the script keeps its pipes open: they must not hold the plugin up either.
    let delegate = Delegate::new(&scene, "made-up", "made-up", "[ $CNI_COMMAND = ADD ] || exit 0; sleep 77; true");
    let start = Instant::now();
    let call = bridge(&scene, json!({"ipam": {"type": "made-up"}, "delegateTimeoutSeconds": 1}));
    let still = Still::new(&scene);
    still.fails(call.path(delegate.path()), 11, "made-up");
    // Before the limit that it has by itself, and long before the script ends.
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    assert_eq!(delegate.calls(), ["ADD", "DEL"]);
}

#[test]
fn a_delegate_that_reads_nothing() {
    let scene = Scene::new();
    let directory = scene.directory("deaf");
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]});
    let script = format!("#!/bin/sh\n[ $CNI_COMMAND != ADD ] || echo '{answer}'\n");
    let executable = directory.join("deaf");
    std::fs::write(&executable, script).expect("the script is written");
    harness::sh(&format!("chmod +x {}", executable.display())).ok();
    // More than a pipe holds.
    let keys = json!({"ipam": {"type": "deaf"}, "args": {"long": "x".repeat(300_000)}});
    bridge(&scene, keys).path(format!("{}", directory.display())).run().ok();
}

#[test]
fn limits_that_make_no_sense() {
    let scene = Scene::new();
    let shaped = scene.config(Plugin::Shaper, LATEST);
    let still = Still::new(&scene);
    for (keys, culprit) in [
        (json!({"bw": "0Mbps"}), "0Mbps"),
        (json!({"bw": "100kbps"}), "100kbps"),
        (json!({"bw": "1.5Gbps"}), "1.5Gbps"),
        (json!({"bw": "-1Mbps"}), "-1Mbps"),
        (json!({"bw": "Mbps"}), "Mbps"),
        (json!({"bw": ""}), "bw"),
        (json!({"bw": "99999999999999999999Mbps"}), "99999999999999999999Mbps"),
        (json!({"bw": "18446744073709551615Gbps"}), "18446744073709551615Gbps"),
        (json!({"lat": "1s"}), "1s"),
        (json!({"lat": "-1ms"}), "-1ms"),
        (json!({"lat": "99999999999999999999ms"}), "99999999999999999999ms"),
    ] {
        let config = with(&shaped, keys);
        still.fails(scene.call(Plugin::Shaper, "ADD", config), 7, culprit);
    }
}

#[test]
fn a_latency_that_the_kernel_cannot_give() {
    let scene = Scene::new();
    let lacking =
        harness::sh("ip link add probe0 type bridge && tc qdisc add dev probe0 root netem delay 1ms").status != 0;
    harness::sh("ip link del probe0").ok();
    let config = with(&scene.config(Plugin::Shaper, LATEST), json!({"lat": "10ms"}));
    if lacking {
        let before = scene.state();
        let (code, msg, _) = scene.call(Plugin::Shaper, "ADD", config).run().error();
        assert!(code == codes::UNSUPPORTED_BY_KERNEL && msg.contains("netem"), "{code}: {msg}");
        assert_eq!(before, scene.state(), "not even the limit of the bandwidth is left");
    } else {
        scene.call(Plugin::Shaper, "ADD", config).run().ok();
        assert!(harness::tc("qdisc show").to_string().contains("netem"), "a kernel that has it gives it");
    }
}

#[test]
fn shaping_without_an_interface() {
    cites!("ADD-4", "CHK-2");
    let scene = Scene::new();
    let alone = Plugin::Shaper.config(LATEST);
    let still = Still::new(&scene);
    still.fails(scene.call(Plugin::Shaper, "ADD", alone.clone()), 7, "prevResult");
    still.fails(scene.call(Plugin::Shaper, "CHECK", alone.clone()), 7, "prevResult");
    let interfaces = json!([{"name": "not-there"}, {"name": "eth0", "sandbox": scene.c1.path}]);
    let stray = with(&alone, json!({"prevResult": {"cniVersion": LATEST, "interfaces": interfaces}}));
    let before = scene.state();
    let (_, msg, _) = scene.call(Plugin::Shaper, "ADD", stray).run().error();
    assert!(msg.contains("not-there") || msg.contains("eth0"), "{msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn ports_that_cannot_be_published() {
    cites!("ADD-4", "CHK-2", "CAP-2");
    let scene = Scene::new();
    let alone = Plugin::Portmap.config(LATEST);
    let still = Still::new(&scene);
    still.fails(scene.call(Plugin::Portmap, "ADD", alone.clone()), 7, "prevResult");
    still.fails(scene.call(Plugin::Portmap, "CHECK", alone.clone()), 7, "prevResult");
    let ports = scene.config(Plugin::Portmap, LATEST);
    let elsewhere = with(&ports["prevResult"]["interfaces"][2], json!({"name": "eth1"}));
    let mut of_another = ports["prevResult"].clone();
    of_another["interfaces"][2] = elsewhere;
    let still = Still::new(&scene);
    let none = json!({"cniVersion": LATEST, "interfaces": ports["prevResult"]["interfaces"]});
    for previous in [none, of_another] {
        let config = with(&ports, json!({"prevResult": previous}));
        still.fails(scene.call(Plugin::Portmap, "ADD", config), 7, "no address of eth0");
    }
    let at_loopback = json!({"portMappings": [{"hostPort": 80, "containerPort": 80, "hostIP": "127.0.0.1"}]});
    let unreached = with(&ports, json!({"runtimeConfig": at_loopback}));
    still.fails(scene.call(Plugin::Portmap, "ADD", unreached), 7, "does not reach 10.1.0.2 directly");
}

/// Of two containers the second is told who has the port, and gets it when the first one gives it up.
#[test]
fn a_port_that_another_container_has() {
    cites!("ADD-3");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let first = scene.config(Plugin::Portmap, LATEST);
    let other = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
    let second = with(&Plugin::Portmap.config(LATEST), json!({"prevResult": other}));
    let add = || scene.call_for(&c2, "eth0", Plugin::Portmap, "ADD", second.clone());
    scene.call(Plugin::Portmap, "ADD", first.clone()).run().ok();
    let still = Still::new(&scene);
    still.fails(add(), codes::CONFLICT, "port 8080/tcp of the host is published by eth0 on net of c1");
    let one_address = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "hostIP": "192.0.2.7"}]});
    still.fails(
        scene.call_for(&c2, "eth0", Plugin::Portmap, "ADD", with(&second, json!({"runtimeConfig": one_address}))),
        codes::CONFLICT,
        "8080",
    );
    scene.call(Plugin::Portmap, "CHECK", first.clone()).run().ok();
    scene.call(Plugin::Portmap, "DEL", first).run().ok();
    add().run().ok();
    scene.call_for(&c2, "eth0", Plugin::Portmap, "CHECK", second).run().ok();
}

#[test]
fn a_gateway_address_that_the_bridge_must_not_change() {
    let scene = Scene::new();
    harness::sh("ip link add br0 type bridge && ip link set br0 up && ip address add 10.1.0.250/24 dev br0").ok();
    let still = Still::new(&scene);
    still.fails(bridge(&scene, json!({"isGateway": true})), codes::CONFLICT, "10.1.0.250");
}

/// Whoever could open a lock could hold up every call.
#[test]
fn locks_are_roots_alone_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    for mask in ["0", "077"] {
        let scene = Scene::new();
        let masked = scene.directory("masked").join("bridge");
        let script = format!("#!/bin/sh\numask {mask}\nexec {}\n", harness::bin("bridge").display());
        std::fs::write(&masked, script).expect("the script is written");
        harness::sh(&format!("chmod +x {}", masked.display())).ok();
        let call = Invocation::new(&masked.display().to_string(), "ADD").config(Plugin::Bridge.config(LATEST));
        let call = call.path(harness::bin_dir()).container("c1").netns(&scene.c1.path).ifname("eth0");
        call.run().ok();
        let locks = ["/run/plugboard", "/run/plugboard/lock", "/var/lib/cni/networks/net/lock"];
        for (path, mode) in locks.into_iter().zip([0o700, 0o600, 0o600]) {
            let found = std::fs::metadata(path).expect("it was made").permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path} has {found:o} with umask {mask}");
        }
        // However it came to be open to others.
        harness::sh("chmod 666 /run/plugboard/lock").ok();
        scene.ready(Plugin::Bridge, "DEL").run().ok();
        assert_eq!(harness::sh("stat -c %a /run/plugboard/lock").ok(), "600");
    }
}
