//! Addresses from an IPAM plugin on the interface that `bridge` makes: what the configuration, the runtime and the kernel
//! say of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::Namespace;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, with};

/// The plugin's configuration in an example, as a runtime makes it of the list.
fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf-examples").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let list: Value = serde_json::from_str(&text).expect("an example is JSON");
    let newest = list["cniVersions"].as_array().and_then(|versions| versions.last());
    with(&list["plugins"][0], json!({"name": list["name"], "cniVersion": newest}))
}

/// The global addresses of `eth0`, with their prefix lengths.
fn addresses(space: &Namespace) -> BTreeSet<String> {
    let interfaces = space.ip("address show dev eth0 scope global");
    // iproute2 prints an empty object for an address that the scope leaves out.
    let infos = interfaces[0]["addr_info"].as_array().into_iter().flatten();
    infos.filter_map(|info| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"]))).collect()
}

/// The routes of `eth0` that are none of the kernel's own: destination, gateway and metric.
fn routes(space: &Namespace) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for family in ["-4", "-6"] {
        let listed = space.ip(&format!("{family} route show dev eth0"));
        for route in listed.as_array().into_iter().flatten().filter(|route| route["protocol"] != "kernel") {
            let text = |key: &str| route[key].as_str().unwrap_or("-").to_owned();
            found.insert(format!("{} {} {}", text("dst"), text("gateway"), route["metric"].as_u64().unwrap_or(0)));
        }
    }
    found
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// ADD, CHECK, a CHECK that finds an address missing, and DEL, which leaves what was there before.
fn whole_life(config: &Value, expected_addresses: &[&str], expected_routes: &[&str]) -> Value {
    let scene = Scene::new();
    let before = scene.state();
    let (result, checked) = scene.added(Plugin::Bridge, config);
    assert_eq!(addresses(&scene.c1), set(expected_addresses));
    assert_eq!(routes(&scene.c1), set(expected_routes));
    scene.call(Plugin::Bridge, "CHECK", checked.clone()).run().ok();
    let lost = expected_addresses[0];
    scene.c1.sh(&format!("ip address del {lost} dev eth0")).ok();
    let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", checked.clone()).run().error();
    assert!(code == 104 && msg.contains(lost), "{code} {msg}");
    scene.call(Plugin::Bridge, "DEL", checked).run().ok();
    assert_eq!(before, scene.state());
    result
}

#[test]
fn two_families_with_ranges_gateways_and_routes() {
    cites!("CHK-4", "CHK-8", "DLG-9");
    let result = whole_life(
        &example("dual-stack.conflist"),
        &["10.24.0.100/24", "fd00:24::1:0/64"],
        &[
            "default 10.24.0.254 0",
            "default fd00:24::1 1024",
            "192.0.2.0/24 10.24.0.250 0",
            "198.51.100.0/24 10.24.0.254 50",
            "2001:db8::/32 fd00:24::250 1024",
        ],
    );
    assert_eq!(result["ips"][0]["gateway"], "10.24.0.254");
    assert_eq!(result["ips"][1]["gateway"], "fd00:24::1");
}

#[test]
fn a_single_range_and_the_hosts_resolver() {
    let result = whole_life(&example("single-range.conflist"), &["10.26.3.10/16"], &["default 10.26.0.9 0"]);
    let resolver = fs::read_to_string("/etc/resolv.conf").expect("this host has a resolver's configuration");
    let servers: Vec<&str> =
        resolver.lines().filter_map(|line| line.strip_prefix("nameserver ")).map(str::trim).collect();
    assert_eq!(result["dns"].get("nameservers").cloned().unwrap_or(json!([])), json!(servers));
}

#[test]
fn static_addresses_of_two_families() {
    let config = example("static.conflist");
    let result = whole_life(
        &config,
        &["172.18.0.1/24", "fd00:18::1/64"],
        &["default 172.18.0.254 0", "192.0.2.0/24 172.18.0.253 0"],
    );
    assert_eq!(result["dns"], config["ipam"]["dns"]);
    let asked = with(
        &config,
        json!({"runtimeConfig": {"ips": ["172.18.0.77/24", "fd00:18::77/64"]}, "ipam": {"type": "static"}}),
    );
    whole_life(&asked, &["172.18.0.77/24", "fd00:18::77/64"], &[]);
}

#[test]
fn ranges_and_addresses_that_the_runtime_asks_for() {
    cites!("CAP-1", "CAP-5");
    let config = example("ip-ranges.conflist");
    let both = json!({"ipRanges": [[{"subnet": "10.25.0.0/24"}, {"subnet": "10.25.1.0/24"}]]});
    let asked = |ips: Value| with(&config, json!({"runtimeConfig": with(&both, json!({ "ips": ips }))}));
    whole_life(&config, &["fd00:25::2/64"], &[]);
    whole_life(&asked(json!([])), &["10.25.0.2/24", "fd00:25::2/64"], &[]);
    whole_life(&asked(json!(["10.25.1.9", "fd00:25::9/64"])), &["10.25.1.9/24", "fd00:25::9/64"], &[]);
}

/// One of two families is used up: nothing stays, neither the interface nor the other family's address.
#[test]
fn a_family_without_a_free_address_undoes_all() {
    cites!("ADD-6");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let tight = [[json!({"subnet": "10.1.0.0/24"})], [json!({"subnet": "fd00::/64", "rangeEnd": "fd00::2"})]];
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "host-local", "ranges": tight}}));
    scene.added(Plugin::Bridge, &config);
    let spaces = [&scene.c1, &c2];
    let before = State::take(&spaces);
    let (code, msg, _) = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config.clone()).run().error();
    assert!(code == 11 && msg.contains("fd00::1-fd00::2"), "{code} {msg}");
    assert_eq!(before, State::take(&spaces));
    assert_eq!(scene.call(Plugin::Bridge, "STATUS", config.clone()).run().error().0, 50);
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config).run().ok();
}
