//! Routes of `ipam` to a destination that has a route already: what is asked for is there afterwards, or it is refused, and the message
//! names the route in the way.

use harness::Namespace;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, codes, with};

/// A network of its own: 10.N.0.0/24 and fd00:N::/64, both with gateways.
fn network(number: u8, routes: &Value) -> Value {
    let (v4, v6) = (format!("10.{number}.0"), format!("fd00:{number}:"));
    let addresses = json!([{"address": format!("{v4}.5/24"), "gateway": format!("{v4}.1")},
        {"address": format!("{v6}:5/64"), "gateway": format!("{v6}:1")}]);
    json!({"cniVersion": LATEST, "name": format!("net{number}"), "type": "bridge", "bridge": format!("br{number}"),
        "ipam": {"type": "static", "addresses": addresses, "routes": routes}})
}

fn call(scene: &Scene, number: u8, command: &str, config: &Value) -> harness::Reply {
    scene.call_for(&scene.c1, &format!("eth{number}"), Plugin::Bridge, command, config.clone()).run()
}

/// ADD and CHECK, which must succeed; the configuration with the result.
fn attached(scene: &Scene, number: u8, routes: &Value) -> Value {
    let config = network(number, routes);
    let whole = with(&config, json!({"prevResult": call(scene, number, "ADD", &config).ok()}));
    call(scene, number, "CHECK", &whole).ok();
    whole
}

/// ADD fails, names the route in the way, and leaves nothing.
fn refused(scene: &Scene, number: u8, routes: &Value, in_the_way: &str) {
    let before = scene.state();
    let config = network(number, routes);
    let (code, msg, _) = call(scene, number, "ADD", &config).error();
    assert!(code == codes::CONFLICT && msg.contains(&format!("has the route {in_the_way} already")), "{code} {msg}");
    assert!(msg.contains("priority"), "{msg}");
    assert_eq!(before, scene.state(), "{routes}");
    call(scene, number, "DEL", &config).ok();
}

/// The next hops of each route to a destination, as `ip route` lists them.
fn next_hops(ns: &Namespace, to: &str) -> Vec<String> {
    let family = if to.contains(':') { "-6" } else { "-4" };
    let text = ns.sh(&format!("ip {family} route show {}", if to.ends_with("/0") { "default" } else { to })).ok();
    let words: Vec<&str> = text.split_whitespace().collect();
    let hops = words.windows(2).filter(|pair| pair[0] == "via").map(|pair| pair[1].to_owned());
    hops.collect()
}

#[test]
fn two_gateways_for_one_destination() {
    cites!("ADD-1", "ADD-6");
    let scene = Scene::new();
    let before = scene.state();
    for to in ["192.0.2.0/24", "0.0.0.0/0"] {
        let two = json!([{"dst": to, "gw": "10.1.0.2"}, {"dst": to, "gw": "10.1.0.3"}]);
        refused(&scene, 1, &two, &format!("{to} via 10.1.0.2 dev eth1"));
    }
    for to in ["2001:db8::/64", "::/0"] {
        let hops = ["fd00:1::2", "fd00:1::3", "fd00:1::4"];
        let several = json!(hops.map(|gw| json!({"dst": to, "gw": gw})));
        let whole = attached(&scene, 1, &several);
        assert_eq!(next_hops(&scene.c1, to), hops);
        scene.c1.sh(&format!("ip -6 route del {to} via fd00:1::3")).ok();
        let (code, msg, _) = call(&scene, 1, "CHECK", &whole).error();
        assert!(code == codes::DIFFERENT && msg.contains("fd00:1::3"), "{code} {msg}");
        call(&scene, 1, "DEL", &whole).ok();
        assert_eq!(before, scene.state());
    }
}

#[test]
fn the_same_route_twice_is_one() {
    let scene = Scene::new();
    let before = scene.state();
    let routes = ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/64", "::/0"].map(|dst| json!({"dst": dst}));
    let whole = attached(&scene, 1, &json!([routes.clone(), routes].concat()));
    for to in ["192.0.2.0/24", "2001:db8::/64", "0.0.0.0/0", "::/0"] {
        assert_eq!(next_hops(&scene.c1, to).len(), 1, "{to}");
    }
    call(&scene, 1, "DEL", &whole).ok();
    assert_eq!(before, scene.state());
}

#[test]
fn the_own_subnet_by_way_of_a_router() {
    let scene = Scene::new();
    refused(&scene, 1, &json!([{"dst": "10.1.0.0/24"}]), "10.1.0.0/24 dev eth1");
    for routes in [
        json!([{"dst": "10.1.0.0/24", "gw": "0.0.0.0"}]), // the kernel's own
        json!([{"dst": "10.1.0.0/24", "priority": 5}]),
        json!([{"dst": "fd00:1::/64"}]), // the kernel's own has another metric
    ] {
        let before = scene.state();
        let whole = attached(&scene, 1, &routes);
        call(&scene, 1, "DEL", &whole).ok();
        assert_eq!(before, scene.state(), "{routes}");
    }
}

#[test]
fn a_second_nics_route_to_the_same_destination() {
    let scene = Scene::new();
    let routes = json!([{"dst": "192.0.2.0/24"}, {"dst": "2001:db8::/64"}]);
    attached(&scene, 1, &routes);
    refused(&scene, 2, &routes, "192.0.2.0/24 via 10.1.0.1 dev eth1");
    let before = scene.state();
    // IPv6 shares the packets; with a metric of its own there is one for each.
    for (more, hops) in [(json!({}), 2), (json!({"priority": 5}), 2)] {
        let v6 = with(&json!({"dst": "2001:db8::/64"}), more.clone());
        let v4 = with(&json!({"dst": "192.0.2.0/24", "priority": 5}), more);
        let whole = attached(&scene, 2, &json!([v4, v6]));
        assert_eq!(next_hops(&scene.c1, "2001:db8::/64").len(), hops);
        assert_eq!(next_hops(&scene.c1, "192.0.2.0/24"), ["10.1.0.1", "10.2.0.1"]);
        call(&scene, 2, "DEL", &whole).ok();
        assert_eq!(before, scene.state());
    }
}

#[test]
fn default_routes_of_a_later_network_are_left_out() {
    cites!("ADD-9");
    let scene = Scene::new();
    attached(&scene, 1, &json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]));
    let before = scene.state();
    let several = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "0.0.0.0/0", "gw": "10.2.0.9"}, {"dst": "::/0", "gw": "fd00:2::9"}]);
    let whole = attached(&scene, 2, &several);
    for family in ["-4", "-6"] {
        let routes = scene.c1.sh(&format!("ip {family} route show default")).ok();
        assert!(routes.contains("eth1") && !routes.contains("eth2"), "{routes}");
    }
    call(&scene, 2, "DEL", &whole).ok();
    assert_eq!(before, scene.state());
    // Of another table only one can be meant.
    scene.c1.sh("ip route add default via 10.1.0.1 table 100").ok();
    let in_table = json!([{"dst": "0.0.0.0/0", "table": 100}]);
    refused(&scene, 2, &in_table, "0.0.0.0/0 via 10.1.0.1 dev eth1 table 100");
}

/// IPv6 would have both, and use the first.
#[test]
fn one_that_leads_nowhere_is_in_the_way() {
    let scene = Scene::new();
    for (kind, to) in [
        ("blackhole", "192.0.2.0/24"),
        ("unreachable", "0.0.0.0/0"),
        ("unreachable", "2001:db8::/64"),
        ("prohibit", "::/0"),
        ("blackhole", "::/0"),
        ("throw", "::/0"),
    ] {
        let of_ipv6 = if to.contains(':') { " metric 1024" } else { "" };
        scene.c1.sh(&format!("ip route add {kind} {to}{of_ipv6}")).ok();
        refused(&scene, 1, &json!([{"dst": to}]), to);
        scene.c1.sh(&format!("ip route del {kind} {to}{of_ipv6}")).ok();
    }
}

/// The kernel keeps 65520 and 65495 bytes of larger ones.
#[test]
fn an_mtu_beyond_the_kernels_bound_is_cut() {
    let scene = Scene::new();
    let before = scene.state();
    for dst in ["192.0.2.0/24", "2001:db8::/64"] {
        for more in [
            json!({"mtu": 65521}),
            json!({"mtu": u32::MAX}),
            json!({"advmss": 70000}),
            json!({"mtu": 65520, "advmss": 65495}),
        ] {
            let whole = attached(&scene, 1, &json!([with(&json!({"dst": dst}), more)]));
            call(&scene, 1, "DEL", &whole).ok();
        }
        let whole = attached(&scene, 1, &json!([{"dst": dst, "mtu": 70000}, {"dst": dst, "mtu": 65520}]));
        scene.c1.sh(&format!("ip route change {dst} via {} dev eth1 mtu 1400", gateway(dst))).ok();
        let (code, msg, details) = call(&scene, 1, "CHECK", &whole).error();
        assert!(code == codes::DIFFERENT && format!("{msg} {details}").contains("mtu 70000"), "{code} {msg} {details}");
        call(&scene, 1, "DEL", &whole).ok();
    }
    assert_eq!(before, scene.state());
}

fn gateway(to: &str) -> &'static str {
    if to.contains(':') { "fd00:1::1" } else { "10.1.0.1" }
}

/// Each next hop of IPv6 has its own, although the kernel shows the first one's alone.
#[test]
fn next_hops_with_an_mtu_each() {
    let scene = Scene::new();
    let before = scene.state();
    let to = "2001:db8::/64";
    let two = json!([{"dst": to, "gw": "fd00:1::2", "mtu": 1400}, {"dst": to, "gw": "fd00:1::3", "mtu": 1300}]);
    let whole = attached(&scene, 1, &two);
    assert_eq!(next_hops(&scene.c1, to), ["fd00:1::2", "fd00:1::3"]);
    let used = |ns: &Namespace| ns.sh("for i in $(seq 40); do ip -6 route get 2001:db8::$i; done").ok();
    let ways = used(&scene.c1);
    let of = |hop: &str| ways.lines().filter(|line| line.contains(hop)).map(str::to_owned).collect::<Vec<_>>();
    for (hop, mtu) in [("fd00:1::2", "mtu 1400"), ("fd00:1::3", "mtu 1300")] {
        assert!(!of(hop).is_empty() && of(hop).iter().all(|line| line.contains(mtu)), "{ways}");
    }
    let attached_too = attached(&scene, 2, &json!([{"dst": to, "mtu": 1350}]));
    call(&scene, 1, "CHECK", &whole).ok();
    call(&scene, 2, "DEL", &attached_too).ok();
    scene.c1.sh(&format!("ip -6 route del {to} via fd00:1::3")).ok();
    let (code, _, _) = call(&scene, 1, "CHECK", &whole).error();
    assert_eq!(code, codes::DIFFERENT);
    call(&scene, 1, "DEL", &whole).ok();
    assert_eq!(before, scene.state());
    // Which of two the same next hop would have cannot be told.
    let three = json!([two[0], two[1], {"dst": to, "gw": "fd00:1::3", "mtu": 1350}]);
    let (code, msg, _) = call(&scene, 1, "ADD", &network(1, &three)).error();
    assert!(code == codes::CONFLICT && msg.contains("via fd00:1::3 dev eth1 mtu 1350"), "{code} {msg}");
}

#[test]
fn the_message_tells_how_two_differ() {
    let scene = Scene::new();
    for (differs, words) in [
        (json!([{"mtu": 1400}, {"mtu": 1300}]), ["mtu 1400", "mtu 1300"]),
        (json!([{"advmss": 1260}, {"advmss": 1200}]), ["advmss 1260", "advmss 1200"]),
        (json!([{"scope": 0}, {"scope": 200}]), ["dev eth1 already", "scope 200"]),
    ] {
        let two = json!([0, 1].map(|at| with(&json!({"dst": "192.0.2.0/24"}), differs[at].clone())));
        let (code, msg, _) = call(&scene, 1, "ADD", &network(1, &two)).error();
        assert!(code == codes::CONFLICT && words.iter().all(|word| msg.contains(word)), "{code} {msg}");
    }
}

/// The same next hop with another MTU.
#[test]
fn a_route_that_differs_is_in_the_way() {
    let scene = Scene::new();
    let destinations = [
        ("192.0.2.0/24", "10.1.0.2"),
        ("0.0.0.0/0", "10.1.0.2"),
        ("2001:db8::/64", "fd00:1::2"),
        ("::/0", "fd00:1::2"),
    ];
    for (to, gateway) in destinations {
        let two = json!([{"dst": to, "gw": gateway}, {"dst": to, "gw": gateway, "mtu": 1400}]);
        refused(
            &scene,
            1,
            &two,
            &format!("{to} via {gateway} dev eth1{}", if to.contains(':') { " metric 1024" } else { "" }),
        );
    }
}

#[test]
fn what_is_in_the_way_is_printed() {
    let scene = Scene::new();
    attached(&scene, 1, &json!([{"dst": "192.0.2.0/24"}, {"dst": "2001:db8::/64"}, {"dst": "0.0.0.0/0"}]));
    let routes = json!([{"dst": "192.0.2.0/24"}, {"dst": "2001:db8::/64"}, {"dst": "0.0.0.0/0"}]);
    let config = network(2, &routes);
    let told =
        json!({"plugboard/ipam-result": {"cniVersion": LATEST, "ips": config["ipam"]["addresses"], "routes": routes}});
    let call = scene.call_for(&scene.c1, "eth2", Plugin::Bridge, "PRINT", with(&config, told));
    let printed = call.env("CNI_PRINT", "ADD").run();
    for part in [
        "# this is refused: the container has the route 192.0.2.0/24 via 10.1.0.1 dev eth1 already",
        "route append 2001:db8::/64 via fd00:2::1 dev eth2",
        "a route to 0.0.0.0/0 exists already, and stays",
    ] {
        assert!(printed.stdout.contains(part), "{part}: {printed}");
    }
}
