//! The plugins under a runtime's own library: libcni as Debian has it, which knows the versions up to 1.0.0.

use harness::{Output, row, sh, tc};
use serde_json::{Value, json};
use tests::libcni::Runtime;
use tests::{ALL, LATEST, Plugin, Scene, VERSIONS, cites, codes, with};

/// The versions that Debian's libcni speaks of those that the plugins are run in.
const OF_LIBCNI: [&str; 3] = ["0.3.1", "0.4.0", "1.0.0"];

/// The plugins that make an interface.
const OF_NICS: [Plugin; 4] = [Plugin::Bridge, Plugin::Secondary, Plugin::OvsPort, Plugin::Overlay];

/// A list with one plugin.
fn only(plugin: Plugin, version: &str) -> Value {
    list(version, &[plugin.config(version)])
}

fn list(version: &str, plugins: &[Value]) -> Value {
    json!({"cniVersion": version, "name": "net", "plugins": plugins})
}

/// libcni as Debian has it knows neither 1.1.0 nor GC and STATUS: there the test is the runtime.
#[test]
fn the_protocol_in_every_version() {
    let _row = row("M68");
    cites!("ADD-2", "CHK-1", "CHK-4", "DEL-1", "ENV-14", "CFG-2", "VER-1", "VER-3", "VER-10", "STA-1", "GC-1");
    for plugin in OF_NICS {
        libcni_adds_checks_and_deletes(plugin);
        the_newest_version_has_all_commands(plugin);
    }
    libcni_reads_the_versions();
    unknown_commands_and_bad_json_have_their_codes();
}

fn libcni_adds_checks_and_deletes(plugin: Plugin) {
    let scene = Scene::of(plugin);
    let runtime = Runtime::new(&scene);
    let before = scene.state();
    for version in OF_LIBCNI {
        runtime.network(&only(plugin, version));
        let result: Value = serde_json::from_str(&runtime.run("add", "net", &scene.c1).ok()).expect("a result");
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(3));
        // CHECK came with 0.4.0.
        if version != "0.3.1" {
            runtime.run("check", "net", &scene.c1).ok();
            scene.c1.sh("ip link del eth0").ok();
            let check = runtime.run("check", "net", &scene.c1);
            assert!(check.status != 0 && check.stderr.contains("eth0"), "{check:?}");
        }
        runtime.run("del", "net", &scene.c1).ok();
        runtime.run("del", "net", &scene.c1).ok();
        assert_eq!(before, scene.state(), "{plugin:?} after {version}");
    }
}

fn the_newest_version_has_all_commands(plugin: Plugin) {
    let scene = Scene::of(plugin);
    let before = scene.state();
    let config = plugin.config(LATEST);
    let call = |command, config: &Value| scene.call(plugin, command, config.clone()).run();
    call("STATUS", &config).ok();
    let (result, attached) = scene.added(plugin, &config);
    assert_eq!((&result["cniVersion"], result["interfaces"].as_array().map(Vec::len)), (&json!(LATEST), Some(3)));
    call("CHECK", &attached).ok();
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]});
    call("GC", &with(&config, valid)).ok();
    call("CHECK", &attached).ok();
    scene.c1.sh("ip link del eth0").ok();
    let (code, msg, details) = call("CHECK", &attached).error();
    assert_eq!((code, format!("{msg} {details}").contains("eth0")), (codes::DIFFERENT, true), "{msg} {details}");
    call("DEL", &attached).ok();
    call("DEL", &attached).ok();
    assert_eq!(before, scene.state(), "after DEL");

    call("ADD", &config).ok();
    call("GC", &with(&config, json!({"cni.dev/valid-attachments": []}))).ok();
    assert_eq!(before, scene.state(), "after GC");
}

fn libcni_reads_the_versions() {
    let scene = Scene::with_a_switch();
    let runtime = Runtime::new(&scene);
    for plugin in ALL {
        let versions = runtime.versions(plugin.name()).ok();
        assert_eq!(versions.lines().collect::<Vec<_>>(), VERSIONS, "{plugin:?}");
    }
}

/// Debian's libcni refuses a configuration of 1.1.0, but only after all plugins have done their work: it cannot read their result.
#[test]
fn an_older_runtime_uses_the_examples() {
    cites!("VER-9");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    let before = scene.state();
    for (example, version) in
        [("10-walt-net", "1.0.0"), ("host-local", "1.0.0"), ("dual-stack", "1.0.0"), ("single-range", "0.4.0")]
    {
        let path = format!("{}/../conf-examples/{example}.conflist", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let list: Value = serde_json::from_str(&text).expect("JSON");
        runtime.network(&list);
        let name = list["name"].as_str().expect("a name");
        let result: Value = serde_json::from_str(&runtime.run("add", name, &scene.c1).ok()).expect("a result");
        assert_eq!(result["cniVersion"], version, "{example}");
        runtime.run("check", name, &scene.c1).ok();
        runtime.run("del", name, &scene.c1).ok();
        assert_eq!(before, scene.state(), "{example}");
    }
}

fn unknown_commands_and_bad_json_have_their_codes() {
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let (code, _, _) = scene.call(plugin, "DANCE", plugin.config(LATEST)).run().error();
        assert_eq!(code, 4);
        let (code, _, _) = scene.call(plugin, "ADD", Value::Null).stdin("{\"cniVersion\": ").run().error();
        assert_eq!(code, 6);
    }
}

/// One network, one container, and a runtime that notes the order of calls.
struct Chained {
    scene: Scene,
    runtime: Runtime,
}

/// The host's port that a chain's `portmap` maps.
const PORT: u16 = 8000;

/// The reference's `portmap`, beside ours.
const REFERENCE_PORTMAP: &str = "reference-portmap";

/// CHECK of Debian's portmap looks for the rules of an IPv4 address among those of IPv6 as well, and fails.
const FAULT_OF_PORTMAP: &str = "could not check ipv6 dnat";

impl Chained {
    fn new() -> Self {
        let scene = Scene::with_a_switch();
        let of_ours = ["bridge", "veth-secondary", "ovs-port", "vxlan-overlay", "netem-shaper", "portmap"];
        let names = [of_ours.as_slice(), &["ptp", "tuning", REFERENCE_PORTMAP]].concat();
        let runtime = Runtime::noting(&scene, &names);
        Self { scene, runtime }
    }

    fn run(&self, command: &str) -> Output {
        let ports = json!({"portMappings": [{"hostPort": PORT, "containerPort": 80, "protocol": "tcp"}]});
        self.runtime.run_with(command, "net", &self.scene.c1, "eth0", &ports)
    }

    /// ADD, CHECK and DEL of a chain. Returns what it made, between ADD and CHECK, to `look`.
    fn attach(&self, version: &str, plugins: &[Value], look: impl FnOnce(&Value)) {
        let names: Vec<_> = plugins.iter().map(|plugin| plugin["type"].as_str().expect("a type")).collect();
        self.runtime.network(&list(version, plugins));
        let calls = |command: &str| names.iter().map(|name| format!("{command} {name}")).collect::<Vec<_>>();
        let result: Value = serde_json::from_str(&self.run("add").ok()).expect("a result");
        assert_eq!(Runtime::calls(&self.scene), calls("ADD"));
        look(&result);
        let check = self.run("check");
        let mut checked = calls("CHECK");
        if check.status != 0 {
            assert!(check.stderr.contains(FAULT_OF_PORTMAP), "{check:?}");
            checked.truncate(1 + names.iter().position(|name| *name == REFERENCE_PORTMAP).expect("it is its fault"));
        }
        assert_eq!(Runtime::calls(&self.scene), checked);
        self.run("del").ok();
        assert_eq!(Runtime::calls(&self.scene), calls("DEL").into_iter().rev().collect::<Vec<_>>());
    }
}

/// The rate of the only limit among these queues, in bytes per second, and the device that has it.
fn limit(queues: &Value) -> (String, u64) {
    let limits: Vec<_> = queues.as_array().into_iter().flatten().filter(|queue| queue["kind"] == "tbf").collect();
    let [limit] = limits.as_slice() else { panic!("one limit, not {limits:?}") };
    (limit["dev"].as_str().unwrap_or_default().to_owned(), limit["options"]["rate"].as_u64().unwrap_or_default())
}

/// Where [`PORT`] of the host leads, by our portmap and by the reference's.
fn mapped() -> [String; 2] {
    let rules = tests::rules();
    let ours = rules.lines().filter(|line| line.contains(&format!("tcp . {PORT} : "))).collect();
    [ours, sh(&format!("iptables -t nat -S | grep -- '--dport {PORT} .*DNAT' || true")).ok()]
}

/// The limit is on the host's end of a veth pair or a TAP device; that of a port of Open vSwitch is in the container.
#[test]
fn chains_in_every_order_that_makes_sense() {
    let _row = row("M69");
    cites!("ADD-4", "ADD-5", "CHK-3", "DEL-1", "RES-24", "CAP-6");
    let chained = Chained::new();
    let bridge = with(&Plugin::Bridge.config("1.0.0"), json!({"isGateway": true}));
    let shaper = Plugin::Shaper.config("1.0.0");
    let tuning = json!({"type": "tuning", "mac": "02:00:00:00:00:07", "mtu": 1400});
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    let reference = with(&portmap, json!({"type": REFERENCE_PORTMAP}));
    let ptp = with(&bridge, json!({"type": "ptp"}));
    let tap = with(&bridge, json!({"nic": "tap"}));
    let inside = with(&tap, json!({"tapNamespace": "container"}));
    let by_secondary = |nic: &Value, keys: Value| with(&with(nic, json!({"type": "veth-secondary"})), keys);
    let further = by_secondary(&bridge, json!({}));
    let routed = by_secondary(&bridge, json!({"bridge": null, "isGateway": null, "mode": "routed"}));
    let on_switch = Plugin::OvsPort.config("1.0.0");
    let internal = with(&on_switch, json!({"nic": "internal"}));
    let in_lac = Plugin::Overlay.config("1.0.0");
    let lac_tap = with(&in_lac, json!({"nic": "tap"}));
    let (further_tap, further_inside) = (by_secondary(&tap, json!({})), by_secondary(&inside, json!({})));
    // The reference's portmap leaves its chains behind, empty.
    chained.attach("1.0.0", &[bridge.clone(), reference.clone()], |_| ());
    let before = chained.scene.state();
    for (what, version, chain) in [
        ("a veth pair in 0.4.0", "0.4.0", vec![&bridge, &shaper, &tuning, &portmap]),
        ("a veth pair", "1.0.0", vec![&bridge, &shaper, &tuning, &portmap]),
        ("a veth pair, the shaper last", "1.0.0", vec![&bridge, &tuning, &portmap, &shaper]),
        ("a veth pair, the shaper behind tuning", "1.0.0", vec![&bridge, &tuning, &shaper]),
        ("a veth pair of the reference", "1.0.0", vec![&ptp, &shaper, &tuning, &portmap]),
        ("a veth pair, its port by the reference", "1.0.0", vec![&bridge, &shaper, &tuning, &reference]),
        ("a veth pair of the reference, as is its port", "1.0.0", vec![&ptp, &reference, &shaper]),
        ("a TAP device", "1.0.0", vec![&tap, &shaper, &portmap]),
        ("a TAP device, the shaper last", "1.0.0", vec![&tap, &portmap, &shaper]),
        ("a TAP device in the container", "1.0.0", vec![&inside, &shaper, &tuning, &portmap]),
        ("a further veth pair", "1.0.0", vec![&further, &shaper, &tuning, &portmap]),
        ("a further veth pair, the shaper last", "1.0.0", vec![&further, &tuning, &portmap, &shaper]),
        ("a routed NIC in 0.4.0", "0.4.0", vec![&routed, &shaper, &tuning, &portmap]),
        ("a routed NIC, the shaper behind tuning", "1.0.0", vec![&routed, &tuning, &shaper, &portmap]),
        ("a routed NIC, its port by the reference", "1.0.0", vec![&routed, &shaper, &reference]),
        ("a further TAP device", "1.0.0", vec![&further_tap, &shaper, &portmap]),
        ("a further TAP device in the container", "1.0.0", vec![&further_inside, &shaper, &tuning, &portmap]),
        ("a port of Open vSwitch in 0.4.0", "0.4.0", vec![&on_switch, &shaper, &tuning, &portmap]),
        ("a port of Open vSwitch, the shaper last", "1.0.0", vec![&on_switch, &tuning, &portmap, &shaper]),
        ("a port of Open vSwitch, its port by the reference", "0.4.0", vec![&on_switch, &reference, &shaper]),
        ("a member of a LAC in 0.4.0", "0.4.0", vec![&in_lac, &shaper, &tuning, &portmap]),
        ("a member of a LAC, the shaper behind tuning", "1.0.0", vec![&in_lac, &tuning, &shaper, &portmap]),
        ("a TAP device in a LAC", "1.0.0", vec![&lac_tap, &portmap, &shaper]),
        ("an internal port of Open vSwitch", "1.0.0", vec![&internal, &shaper, &portmap]),
    ] {
        let chain: Vec<Value> = chain.into_iter().cloned().collect();
        chained.attach(version, &chain, |result| {
            let interfaces = result["interfaces"].as_array().expect("interfaces");
            if chain[0]["type"] == "ovs-port" {
                println!("{what}: {:?} is the limit in the container", limit(&chained.scene.c1.tc("qdisc show")));
                assert_eq!(limit(&chained.scene.c1.tc("qdisc show")).1, 12_500_000, "{what}");
            } else {
                let is_bridge = |name: &Value| ["br0", "lac14789-1"].iter().any(|bridge| name == bridge);
                let of_host =
                    |one: &&Value| one["sandbox"].as_str().is_none_or(str::is_empty) && !is_bridge(&one["name"]);
                let device = interfaces.iter().find(of_host).expect("the host's end")["name"].clone();
                println!("{what}: {device} has the limit");
                let wanted = (device.as_str().unwrap_or_default().to_owned(), 12_500_000);
                assert_eq!(limit(&tc("qdisc show")), wanted, "{what}");
            }
            let address = result["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("an address");
            let [by_ours, by_reference] = mapped();
            let leads =
                [by_ours.contains(&format!(" : {address} . 80")), by_reference.contains(&format!("{address}:80"))];
            let expected = [&portmap, &reference].map(|plugin| chain.contains(plugin));
            assert_eq!(leads, expected, "{what}: {:?}", mapped());
            if chain.contains(&tuning) {
                let mac = &interfaces.last().expect("the container's")["mac"];
                assert_eq!(mac, "02:00:00:00:00:07", "{what}: tuning's word is in the result");
            }
        });
        assert_eq!(before, chained.scene.state(), "after {what}");
        assert_eq!(mapped(), ["", ""], "after {what}");
    }

    for (plugin, command) in
        [Plugin::Shaper, Plugin::Portmap].into_iter().flat_map(|one| [(one, "ADD"), (one, "CHECK")])
    {
        let (code, msg, _) = chained.scene.call(plugin, command, plugin.config("1.0.0")).run().error();
        assert_eq!((code, msg.contains("prevResult")), (7, true), "{plugin:?} {command}: {msg}");
    }
    assert_eq!(before, chained.scene.state());
}

#[test]
fn capabilities_reach_the_plugins_by_way_of_libcni() {
    cites!("CFG-8", "CAP-1");
    OF_NICS.into_iter().for_each(capabilities_reach);
}

fn capabilities_reach(plugin: Plugin) {
    let scene = Scene::of(plugin);
    let runtime = Runtime::new(&scene);
    let nic = with(&plugin.config("1.0.0"), json!({"capabilities": {"mac": true, "ips": true}}));
    let shaper = with(&Plugin::Shaper.config("1.0.0"), json!({"capabilities": {"shaping": true}, "bw": null}));
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    runtime.network(&list("1.0.0", &[nic, shaper, portmap]));
    let capabilities = json!({"mac": "02:00:00:00:00:09", "ips": ["10.1.0.77/24"], "shaping": {"bw": "50Mbps"},
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]});
    let result = runtime.run_with("add", "net", &scene.c1, "net1", &capabilities).ok();
    let result: Value = serde_json::from_str(&result).expect("a result");
    assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:09");
    assert_eq!(result["interfaces"][2]["name"], "net1");
    assert_eq!(result["ips"][0]["address"], "10.1.0.77/24");
    // The queues of a port of Open vSwitch are in the container.
    let queues = [harness::tc("qdisc show"), scene.c1.tc("qdisc show")];
    let queues = queues.iter().filter_map(Value::as_array).flatten();
    let rates = queues.filter_map(|queue| queue["options"]["rate"].as_u64());
    assert_eq!(rates.collect::<Vec<_>>(), [6_250_000], "50 Mbit/s, in bytes");
    let rules = tests::rules();
    assert!(rules.contains("udp . 8080 : 10.1.0.77 . 80"), "{rules}");
    runtime.run_with("del", "net", &scene.c1, "net1", &capabilities).ok();
    assert_eq!(sh("nft list ruleset").ok(), "");
}
