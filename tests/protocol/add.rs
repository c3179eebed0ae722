//! Section 4 of the checklist: ADD.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Delegate, LATEST, Plugin, Scene, State, cites, codes, with};

#[test]
fn the_interface_is_made_in_the_container() {
    cites!("ADD-1", "ADD-2");
    let scene = Scene::new();
    let reply = scene.ready(Plugin::Bridge, "ADD").run();
    let result = reply.ok();
    assert!(result.is_object(), "{reply}");
    let link = &scene.c1.ip("link show dev eth0")[0];
    assert_eq!(link["linkinfo"]["info_kind"], "veth");
    assert_eq!(link["operstate"], "UP", "it is up and has carrier when ADD returns: {link}");
    let address = result["ips"][0]["address"].as_str().expect("an address").to_owned();
    let found = scene.c1.ip("-4 address show dev eth0");
    let found = &found[0]["addr_info"][0];
    assert_eq!(format!("{}/{}", found["local"].as_str().unwrap_or_default(), found["prefixlen"]), address);
    assert_eq!(harness::ip("link show dev br0")[0]["linkinfo"]["info_kind"], "bridge");
}

#[test]
fn an_existing_interface_is_adjusted() {
    cites!("ADD-1", "ADD-4");
    let scene = Scene::new();
    let config = scene.config(Plugin::Shaper, LATEST);
    let links = |place: Value| place.as_array().map_or(0, Vec::len);
    let before = (links(harness::ip("link show")), links(scene.c1.ip("link show")));
    scene.call(Plugin::Shaper, "ADD", config).run().ok();
    assert_eq!(before, (links(harness::ip("link show")), links(scene.c1.ip("link show"))), "no interface is made");
    assert_eq!(tbf_rates(), [12_500_000], "100 Mbit/s, in bytes");
}

/// The rates of the token buckets on the host, in bytes per second.
fn tbf_rates() -> Vec<u64> {
    let queues = harness::tc("qdisc show");
    let queues = queues.as_array().into_iter().flatten().filter(|queue| queue["kind"] == "tbf");
    queues.filter_map(|queue| queue["options"]["rate"].as_u64()).collect()
}

#[test]
fn an_interface_that_exists_is_an_error() {
    cites!("ADD-3", "ENV-10");
    let scene = Scene::new();
    scene.c1.sh("ip link add eth0 type bridge").ok();
    let before = scene.state();
    let (_, msg, details) = scene.ready(Plugin::Bridge, "ADD").run().error();
    assert!(format!("{msg} {details}").contains("eth0"), "{msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn the_previous_result_comes_out_again() {
    cites!("ADD-4", "ADD-5", "RES-24");
    let scene = Scene::new();
    let versions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
    let calls = versions.into_iter().flat_map(|version| [(version, Plugin::Shaper), (version, Plugin::Portmap)]);
    for (version, plugin) in calls {
        let config = scene.config(plugin, version);
        let mut previous = config["prevResult"].clone();
        previous["dns"] = json!({"nameservers": ["10.1.0.53"], "search": ["example"]});
        previous["routes"] = json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "10.2.0.0/16"}]);
        let config = with(&config, json!({"prevResult": previous}));
        let result = scene.call(plugin, "ADD", config.clone()).run().ok();
        assert_eq!(essence(&result), essence(&previous), "{plugin:?} in {version}");
        scene.call(plugin, "DEL", config).run().ok();
        scene.call(Plugin::Bridge, "DEL", Plugin::Bridge.config(version)).run().ok();
    }
}

/// A value without what means nothing: keys with an empty value.
fn essence(value: &Value) -> Value {
    let meant =
        |value: &Value| !matches!(value, Value::Null) && *value != json!({}) && *value != json!([]) && *value != "";
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(k, v)| (k.clone(), essence(v)))
            .filter(|(_, v)| meant(v))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(array) => array.iter().map(essence).collect(),
        other => other.clone(),
    }
}

#[test]
fn keys_of_the_previous_result_that_nobody_knows_survive() {
    cites!("ADD-5", "VER-8", "RES-24");
    for plugin in [Plugin::Shaper, Plugin::Portmap] {
        let scene = Scene::new();
        let config = scene.config(plugin, LATEST);
        let mut previous = config["prevResult"].clone();
        previous["made-up"] = json!({"a": [1, 2.5, null, "x"]});
        previous["interfaces"][2]["made-up"] = json!(true);
        previous["interfaces"][2]["socketPath"] = json!("/run/vhost.sock");
        previous["interfaces"][2]["pciID"] = json!("0000:00:1f.6");
        previous["ips"][0]["made-up"] = json!(7);
        previous["routes"] =
            json!([{"dst": "10.2.0.0/16", "advmss": 1400, "table": 100, "scope": 253, "made-up": "y"}]);
        let config = with(&config, json!({"prevResult": previous}));
        let result = scene.call(plugin, "ADD", config).run().ok();
        assert_eq!(essence(&result), essence(&previous), "{plugin:?}");
    }
}

#[test]
fn a_failed_add_leaves_nothing_behind() {
    cites!("ADD-6", "DEL-8");
    let scene = Scene::new();
    let before = scene.state();
    // The route's gateway is not on any link: the kernel refuses it when all else is done.
    let ranges = json!([[{"subnet": "10.1.0.0/24"}]]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": [{"dst": "10.7.0.0/16", "gw": "192.0.2.1"}]});
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam}));
    let (_, msg, details) = scene.call(Plugin::Bridge, "ADD", config.clone()).run().error();
    assert!(format!("{msg} {details}").contains("192.0.2.1"), "{msg} {details}");
    assert_eq!(before, scene.state());
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn a_second_add_of_the_same_attachment_fails_and_spoils_nothing() {
    cites!("ADD-7", "ADD-3");
    for plugin in [Plugin::Bridge, Plugin::HostLocal] {
        let scene = Scene::new();
        let (_, config) = scene.added(plugin, &plugin.config(LATEST));
        let before = scene.state();
        let (_, msg, _) = scene.ready(plugin, "ADD").run().error();
        assert!(msg.contains("c1") || msg.contains("eth0"), "{plugin:?}: {msg}");
        assert_eq!(before, scene.state(), "the first attachment is whole");
        if plugin == Plugin::Bridge {
            scene.call(plugin, "CHECK", config).run().ok();
        }
    }
}

#[test]
fn parallel_adds_are_safe() {
    cites!("ADD-8");
    let scene = Scene::new();
    let containers: Vec<_> = (0..10).map(|number| scene.host.namespace(&format!("p{number}"))).collect();
    let calls: Vec<_> = containers
        .iter()
        .map(|ns| scene.call_for(ns, "eth0", Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)))
        .collect();
    let results: Vec<Value> = std::thread::scope(|scope| {
        let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(move || call.run().ok())).collect();
        running.into_iter().map(|call| call.join().expect("ADD succeeds")).collect()
    });
    let addresses: BTreeSet<String> = results.iter().map(|result| result["ips"][0]["address"].to_string()).collect();
    assert_eq!(addresses.len(), containers.len(), "every container has an address of its own: {addresses:?}");
    assert_eq!(State::allocations().len(), containers.len());
    assert_eq!(harness::ip("link show type bridge").as_array().map(Vec::len), Some(1));
}

#[test]
fn a_second_default_route_yields_to_the_first() {
    cites!("ADD-9");
    let scene = Scene::new();
    let network = |number: u8| {
        let ranges = json!([[{"subnet": format!("10.{number}.0.0/24")}]]);
        json!({"cniVersion": LATEST, "name": format!("net{number}"), "type": "bridge", "bridge": format!("br{number}"),
            "isGateway": true, "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}})
    };
    for number in [1, 2] {
        let ifname = format!("eth{number}");
        scene.call_for(&scene.c1, &ifname, Plugin::Bridge, "ADD", network(number)).run().ok();
    }
    let routes = scene.c1.ip("route show default");
    assert_eq!(routes[0]["gateway"], "10.1.0.1", "the first network's default route stays first: {routes}");
}

#[test]
fn nothing_but_the_result_is_on_stdout() {
    cites!("ADD-2", "ERR-8");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]});
    let noisy = Delegate::new(&scene, "made-up", "made-up", &format!("echo noise >&2; echo '{answer}'"));
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}, "unknown": 1}));
    let reply = scene.call(Plugin::Bridge, "ADD", config).path(noisy.path()).run();
    reply.ok();
    assert!(reply.stdout.trim_start().starts_with('{') && !reply.stdout.contains("noise"), "{reply}");
}

/// A runtime may use a container's name again while the first one's network is still there.
#[test]
fn an_add_of_the_same_name_in_another_namespace_leaves_the_first_alone() {
    cites!("ADD-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let config = with(&Plugin::Bridge.config(LATEST), json!({"macspoofchk": true, "ipMasq": true, "isGateway": true}));
    let (_, attached) = scene.added(Plugin::Bridge, &config);
    let before = scene.state();
    let again = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config).container("c1");
    let (code, msg, _) = again.run().error();
    assert_eq!(code, codes::EXISTS, "{msg}");
    assert!(msg.contains(", a veth with the alias \"plugboard: eth0 on "), "it says whose it is: {msg}");
    assert_eq!(before, scene.state());
    scene.call(Plugin::Bridge, "CHECK", attached).run().ok();
}
