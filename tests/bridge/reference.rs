//! Beside Debian's reference plugin: the same configuration, the same result, the same addresses and routes in the container.
//! Where ours is different on purpose, it is said here.

use std::path::Path;

use harness::{Invocation, Namespace};
use serde_json::{Value, json};
use tests::{Scene, cites, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// The newest version that it speaks.
const VERSION: &str = "1.0.0";

/// A network with addresses of both families.
fn network(keys: Value) -> Value {
    let ranges = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]);
    let routes = json!([{"dst": "10.9.0.0/16"}]);
    let least = json!({"cniVersion": VERSION, "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "ranges": ranges, "routes": routes}});
    with(&least, keys)
}

/// What a call leaves: its result, and the container.
struct Outcome {
    result: Value,
    addresses: Vec<Value>,
    routes: Vec<Value>,
    link: Value,
    bridge: Value,
    port: Value,
}

/// ADD on a host of its own.
fn outcome(config: &Value, is_reference: bool) -> Outcome {
    let config = config.clone();
    let other = std::thread::spawn(move || {
        let scene = Scene::new();
        let call = if is_reference {
            Invocation::new(&format!("{REFERENCE}/bridge"), "ADD").path(REFERENCE)
        } else {
            Invocation::new("bridge", "ADD")
        };
        let result = call.config(&config).container("c1").netns(&scene.c1.path).ifname("eth0").run().ok();
        let port = result["interfaces"][1]["name"].as_str().expect("a host interface").to_owned();
        let link = |name: &str| harness::ip(&format!("link show dev {name}"))[0].clone();
        Outcome {
            addresses: addresses(&scene.c1),
            routes: routes(&scene.c1),
            link: scene.c1.ip("link show dev eth0")[0].clone(),
            bridge: json!({"mtu": link("br0")["mtu"], "promiscuous": link("br0")["flags"].to_string().contains("PROMISC"),
                "addresses": harness::sh("ip -o address show dev br0 scope global").ok().split_whitespace()
                    .filter(|word| word.contains('/')).collect::<Vec<_>>()}),
            port: json!({"mtu": link(&port)["mtu"], "hairpin": link(&port)["linkinfo"]["info_slave_data"]["hairpin"]}),
            result,
        }
    });
    other.join().expect("the call succeeds")
}

/// Difference: the reference leaves the broadcast address out; ours sets that of the subnet, as `ip address add … brd +`.
fn addresses(ns: &Namespace) -> Vec<Value> {
    let all = ns.ip("address show dev eth0 scope global");
    let shape = |address: &Value| json!([address["family"], address["local"], address["prefixlen"], address["scope"]]);
    all[0]["addr_info"].as_array().into_iter().flatten().map(shape).collect()
}

/// Difference: ours are marked `proto static`; the reference's `proto boot`, as if by hand.
fn routes(ns: &Namespace) -> Vec<Value> {
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        let routes = ns.ip(&format!("{family} route show dev eth0"));
        let shape =
            |route: &Value| json!([route["dst"], route["gateway"], route["scope"], route["metric"], route["prefsrc"]]);
        let of_link = |route: &&Value| route["dst"] != "fe80::/64";
        all.extend(routes.as_array().into_iter().flatten().filter(of_link).map(shape));
    }
    all.sort_by_key(Value::to_string);
    all
}

/// The result without what is each call's own: hardware addresses that were not asked for, and the name of the host
/// interface. Each is there, and is one.
fn shape(result: &Value) -> Value {
    let mut result = result.clone();
    let own = |value: &Value| value.as_str().is_some_and(|mac| mac.len() == 17 && mac.matches(':').count() == 5);
    for interface in result["interfaces"].as_array_mut().expect("interfaces") {
        assert!(own(&interface["mac"]), "{interface}");
        interface["mac"] = json!("MAC");
        // Difference: ours writes an empty sandbox for an interface of the host where the reference leaves the key out.
        if interface["sandbox"] == "" {
            interface.as_object_mut().expect("an object").remove("sandbox");
        }
    }
    let host = result["interfaces"][1]["name"].as_str().expect("a name");
    // Difference: ours derives the name from the attachment, the reference's is random.
    assert!(host.starts_with("veth") || host.starts_with("pb"), "{host}");
    result["interfaces"][1]["name"] = json!("HOST");
    // Difference: the reference leaves out what is empty, ours keeps `ips` and `routes` as empty lists or not at all.
    for key in ["ips", "routes"] {
        if result[key].as_array().is_some_and(Vec::is_empty) {
            result.as_object_mut().expect("an object").remove(key);
        }
    }
    result
}

#[test]
fn results_and_containers_are_those_of_the_reference() {
    cites!("RES-20");
    assert!(Path::new(REFERENCE).join("bridge").is_file(), "Debian's containernetworking-plugins are not installed");
    for keys in [
        json!({}),
        json!({"ipam": {}}),
        json!({"isGateway": true}),
        json!({"isDefaultGateway": true}),
        json!({"isDefaultGateway": true, "hairpinMode": true}),
        json!({"isGateway": true, "promiscMode": true}),
        json!({"isGateway": true, "mtu": 1400}),
        json!({"isGateway": true, "forceAddress": true}),
        json!({"runtimeConfig": {"mac": "02:00:00:00:00:07"}}),
        json!({"isGateway": true, "dns": {"nameservers": ["10.1.0.53"], "search": ["lab.test"]}}),
        json!({"dns": {"search": []}, "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}],
            "dns": {"nameservers": ["10.1.0.54"]}}}),
        json!({"dns": {"nameservers": ["10.1.0.53"]}, "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}],
            "dns": {"nameservers": ["10.1.0.54"], "search": ["lab.test"]}}}),
        json!({"cniVersion": "0.4.0", "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}],
            "routes": [{"dst": "10.7.0.0/16", "gw": "10.1.0.1"}]}}),
        json!({"isDefaultGateway": true, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}}),
        json!({"isDefaultGateway": true, "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}}),
        json!({"cniVersion": "0.3.1", "isGateway": true}),
        json!({"cniVersion": "0.4.0", "isGateway": true}),
    ] {
        let config = network(keys.clone());
        let (ours, reference) = (outcome(&config, false), outcome(&config, true));
        assert_eq!(shape(&ours.result), shape(&reference.result), "{keys}: the results");
        assert_eq!(ours.addresses, reference.addresses, "{keys}: addresses in the container");
        assert_eq!(ours.routes, reference.routes, "{keys}: routes in the container");
        assert_eq!(ours.bridge, reference.bridge, "{keys}: the bridge");
        assert_eq!(ours.port, reference.port, "{keys}: the port");
        for property in ["mtu", "operstate"] {
            assert_eq!(ours.link[property], reference.link[property], "{keys}: {property} of the container interface");
        }
        if keys["runtimeConfig"]["mac"].is_string() {
            assert_eq!(ours.link["address"], reference.link["address"], "{keys}");
        }
    }
}

/// Difference: this release of the reference replaces the delegate's resolver by its own keys, even where there are none.
#[test]
fn the_delegates_resolver_is_kept() {
    cites!("DLG-8");
    let dns = json!({"nameservers": ["10.1.0.54"]});
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}], "dns": dns});
    let config = network(json!({"ipam": ipam}));
    assert_eq!(outcome(&config, true).result["dns"], json!({}));
    assert_eq!(outcome(&config, false).result["dns"], dns);
}
