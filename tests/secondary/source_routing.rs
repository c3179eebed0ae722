//! `sourceRouting`, `table`, `metric`: answers leave by the NIC that the question came in by.

use harness::{Invocation, Namespace};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, codes, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// Behind each gateway there is a host of these addresses.
const FAR: [&str; 2] = ["10.9.0.9", "fd00:9::9"];

/// Network `number`: its bridge, both families, a gateway in each, and a route that is not the default one.
fn network(number: u32, keys: Value) -> Value {
    let config = json!({"cniVersion": LATEST, "name": format!("net{number}"), "type": "veth-secondary",
        "bridge": format!("br{number}"), "sourceRouting": true,
        "ipam": {"type": "static", "routes": [{"dst": format!("10.7{number}.0.0/16")}],
            "addresses": [
                {"address": format!("10.{number}.0.5/24"), "gateway": format!("10.{number}.0.1")},
                {"address": format!("fd00:{number}::5/64"), "gateway": format!("fd00:{number}::1")}]}});
    with(&config, keys)
}

/// The same without source routing.
fn plain(number: u32) -> Value {
    network(number, json!({"sourceRouting": null}))
}

fn call(scene: &Scene, interface: &str, command: &str, config: &Value) -> Invocation {
    scene.call_for(&scene.c1, interface, Plugin::Secondary, command, config.clone())
}

/// ADD, and the configuration with its result.
#[track_caller]
fn attached(scene: &Scene, interface: &str, config: &Value) -> Value {
    let result = call(scene, interface, "ADD", config).run().ok();
    with(config, json!({"prevResult": result}))
}

/// The rules of both families.
fn rules(ns: &Namespace) -> Vec<String> {
    let rules = ns.sh("ip rule; ip -6 rule").ok();
    rules.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The table that the container's rule for an address leads to.
#[track_caller]
fn table_of(ns: &Namespace, address: &str) -> String {
    let rule = rules(ns).into_iter().find(|rule| rule.contains(&format!("from {address} ")));
    let rule = rule.unwrap_or_else(|| panic!("no rule for {address} among {:?}", rules(ns)));
    rule.split_whitespace().skip_while(|word| *word != "lookup").nth(1).expect("a table").to_owned()
}

/// The gateway of a network, with a far host behind it.
fn gateway(scene: &Scene, number: u32) -> Namespace {
    let gateway = scene.host.namespace(&format!("gw{number}"));
    let addresses = json!([{"address": format!("10.{number}.0.1/24")}, {"address": format!("fd00:{number}::1/64")}]);
    let config = with(&plain(number), json!({"ipam": {"type": "static", "addresses": addresses}}));
    scene.call_for(&gateway, "eth0", Plugin::Secondary, "ADD", config).run().ok();
    for address in FAR {
        gateway.sh(&format!("ip link set lo up && ip address add {address} dev lo")).ok();
    }
    gateway
}

/// Whether the far host behind a gateway has an answer from the container's address in that network, by family.
fn is_answered(gateway: &Namespace, number: u32) -> [bool; 2] {
    let targets = [format!("10.{number}.0.5"), format!("fd00:{number}::5")];
    let mut answers = FAR.iter().zip(&targets);
    std::array::from_fn(|_| {
        let (far, target) = answers.next().expect("one for each family");
        gateway.ping_with(target, &format!("-c1 -W1 -I {far}")).all_answered()
    })
}

#[test]
fn answers_leave_by_the_nic_that_was_asked() {
    cites!("ADD-1");
    let scene = Scene::new();
    let (near, far) = (gateway(&scene, 1), gateway(&scene, 2));
    let first = with(
        &plain(1),
        json!({"isDefaultGateway": null, "ipam": with(&plain(1)["ipam"],
        json!({"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}))}),
    );
    attached(&scene, "eth0", &first);
    let without = attached(&scene, "eth1", &plain(2));
    assert_eq!(is_answered(&near, 1), [true, true], "the default route leads there");
    assert_eq!(is_answered(&far, 2), [false, false], "the answer leaves by the other NIC");
    call(&scene, "eth1", "DEL", &without).run().ok();

    let before = State::take(&[&scene.c1, &near, &far]);
    let with_rules = attached(&scene, "eth1", &network(2, json!({})));
    assert_eq!(is_answered(&near, 1), [true, true]);
    assert_eq!(is_answered(&far, 2), [true, true]);
    let routed = scene.c1.sh("ip route get 10.9.0.9 from 10.2.0.5").ok();
    assert!(routed.contains("via 10.2.0.1 dev eth1"), "{routed}");
    let main = scene.c1.sh("ip route show default; ip -6 route show default").ok();
    assert!(main.contains("dev eth0") && !main.contains("dev eth1"), "the main table is as it was: {main}");
    call(&scene, "eth1", "CHECK", &with_rules).run().ok();
    call(&scene, "eth1", "DEL", &with_rules).run().ok();
    assert_eq!(before, State::take(&[&scene.c1, &near, &far]));
}

#[test]
fn a_routed_nic_answers_by_way_of_its_gateway() {
    let scene = Scene::new();
    let keys = json!({"bridge": null, "mode": "routed"});
    attached(&scene, "eth0", &plain(1));
    scene.c1.sh("ip route add default via 10.1.0.1 && ip -6 route add default via fd00:1::1").ok();
    harness::sh("ip address add 10.9.0.9 dev lo && ip link set lo up && ip address add fd00:9::9 dev lo").ok();
    let asked = |wanted: bool| {
        for (far, target) in [("10.9.0.9", "10.2.0.5"), ("fd00:9::9", "fd00:2::5")] {
            let answer = harness::ping_with(target, &format!("-c1 -W1 -I {far}"));
            assert_eq!(answer.all_answered(), wanted, "{far} asks {target}");
        }
    };
    let without = with(&network(2, keys.clone()), json!({"sourceRouting": null}));
    let without = attached(&scene, "eth1", &without);
    asked(false);
    call(&scene, "eth1", "DEL", &without).run().ok();
    let before = scene.state();
    let with_rules = attached(&scene, "eth1", &network(2, keys));
    asked(true);
    call(&scene, "eth1", "CHECK", &with_rules).run().ok();
    call(&scene, "eth1", "DEL", &with_rules).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn check_misses_each_rule_and_each_route() {
    cites!("CHK-1");
    let scene = Scene::new();
    let before = scene.state();
    for lost in [
        "rule del from 10.2.0.5",
        "-6 rule del from fd00:2::5",
        "route del default table TABLE",
        "route del 10.2.0.0/24 table TABLE",
        "route del 10.72.0.0/16 table TABLE",
        "-6 route del default table TABLE",
        "-6 route del fd00:2::/64 table TABLE",
    ] {
        let whole = attached(&scene, "eth1", &network(2, json!({})));
        call(&scene, "eth1", "CHECK", &whole).run().ok();
        let table = table_of(&scene.c1, "10.2.0.5");
        scene.c1.sh(&format!("ip {}", lost.replace("TABLE", &table))).ok();
        let (code, msg, _) = call(&scene, "eth1", "CHECK", &whole).run().error();
        assert_eq!(code, codes::DIFFERENT, "{lost}: {msg}");
        assert!(msg.contains(&table) && msg.contains("missing"), "{lost}: {msg}");
        call(&scene, "eth1", "DEL", &whole).run().ok();
        assert_eq!(before, scene.state(), "{lost}");
    }
}

#[test]
fn del_removes_the_rules_whatever_it_knows() {
    cites!("DEL-3", "DEL-4", "DEL-8");
    let scene = Scene::new();
    scene.c1.sh("ip rule add from 10.66.0.1 lookup 66 && ip -6 rule add from fd00:66::1 lookup 66").ok();
    let before = scene.state();
    for keys in [json!({}), json!({"table": 100})] {
        let config = network(2, keys.clone());
        let whole = attached(&scene, "eth1", &config);
        if keys["table"].is_null() {
            assert!(table_of(&scene.c1, "10.2.0.5").parse::<u32>().expect("a number") > 65_535);
        } else {
            assert_eq!(table_of(&scene.c1, "10.2.0.5"), "100");
        }
        assert_eq!(table_of(&scene.c1, "10.2.0.5"), table_of(&scene.c1, "fd00:2::5"));
        for _ in 0..2 {
            call(&scene, "eth1", "DEL", &whole).run().ok();
            assert_eq!(before, scene.state(), "{keys}");
        }

        attached(&scene, "eth1", &config);
        call(&scene, "eth1", "DEL", &config).run().ok();
        assert_eq!(before, scene.state(), "{keys}, without prevResult");

        let whole = attached(&scene, "eth1", &config);
        scene.c1.sh("ip link delete eth1").ok();
        assert_eq!(rules(&scene.c1).iter().filter(|rule| rule.contains("proto 112")).count(), 2);
        call(&scene, "eth1", "DEL", &whole).run().ok();
        assert_eq!(before, scene.state(), "{keys}, without the NIC");

        let whole = attached(&scene, "eth1", &config);
        scene.c1.sh("ip link set eth1 name other").ok();
        call(&scene, "eth1", "DEL", &whole).run().ok();
        assert_eq!(before, scene.state(), "{keys}, with the NIC under another name");

        let whole = attached(&scene, "eth1", &config);
        call(&scene, "eth1", "DEL", &whole).unset("CNI_NETNS").run().ok();
        assert_eq!(before, scene.state(), "{keys}, without the namespace");
    }
    attached(&scene, "eth1", &network(2, json!({})));
    call(&scene, "eth1", "DEL", &network(2, json!({"sourceRouting": "perhaps", "table": "x"}))).run().ok();
    assert_eq!(before, scene.state(), "with a configuration that has become invalid");
}

#[test]
fn gc_removes_stale_rules_in_a_namespace_that_lives_on() {
    cites!("GC-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let take = || State::take(&[&scene.c1, &c2]);
    let other = network(3, json!({}));
    attached(&scene, "eth3", &other);
    attached(&scene, "eth1", &network(2, json!({})));
    let of = |config: &Value, address: &str| {
        let addresses = json!([{"address": format!("{address}/24"), "gateway": "10.2.0.1"}]);
        with(config, json!({"ipam": {"type": "static", "addresses": addresses}}))
    };
    for stale in [json!({}), json!({"table": 100})] {
        let before = take();
        let config = network(2, stale.clone());
        attached(&scene, "eth2", &of(&config, "10.2.0.6"));
        // A link that is down has no routes, by which the table would be found.
        if stale["table"].is_null() {
            scene.c1.sh("ip link set eth2 down").ok();
        }
        scene.call_for(&c2, "eth1", Plugin::Secondary, "ADD", of(&config, "10.2.0.7")).run().ok();
        let rules_before = rules(&scene.c1).len();
        let valid = json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth1"}]});
        let gc = Invocation::new("veth-secondary", "GC").config(with(&config, valid));

        let printed = gc.clone().env("CNI_COMMAND", "PRINT").env("CNI_PRINT", "GC").run().ok();
        assert_eq!(rules(&scene.c1).len(), rules_before, "nothing is done yet");
        let printed = printed["commands"].to_string();
        for command in ["ip -n c1 rule del from 10.2.0.6 lookup ", "ip -n c2 rule del from 10.2.0.7 lookup "] {
            assert!(printed.contains(command), "{command}: {printed}");
        }
        assert!(!printed.contains("10.2.0.5") && !printed.contains("10.3.0.5"), "{printed}");

        gc.run().ok();
        assert_eq!(before, take(), "{stale}");
    }
}

#[test]
fn a_table_in_use_is_refused() {
    cites!("ADD-6");
    let scene = Scene::new();
    let first = attached(&scene, "eth1", &network(2, json!({"table": 100})));
    scene.c1.sh("ip rule add from 10.66.0.1 lookup 200 && ip -6 rule add from fd00:66::1 lookup 300").ok();
    scene.c1.sh("ip route add 10.66.0.0/16 dev eth1 table 400 && ip route add blackhole 10.66.0.0/16 table 500").ok();
    let before = scene.state();
    for (table, reason) in [
        (100, "is looked up by the rule `32765: from 10.2.0.5 lookup 100`"),
        (200, "from 10.66.0.1 lookup 200`"),
        (300, "from fd00:66::1 lookup 300`"),
        (400, "has a route to 10.66.0.0/16 through eth1"),
        (500, "has a route to 10.66.0.0/16"),
    ] {
        let config = network(3, json!({"table": table}));
        let (code, msg, _) = call(&scene, "eth2", "ADD", &config).run().error();
        assert_eq!(code, codes::CONFLICT, "{msg}");
        assert!(msg.contains(reason) && msg.contains("set another number with table"), "{msg}");
        assert_eq!(before, scene.state(), "{table}");
        // What a runtime does next.
        call(&scene, "eth2", "DEL", &config).run().ok();
        assert_eq!(before, scene.state(), "{table}: nothing of others goes with it");
    }
    // The path may lead to another container by now.
    call(&scene, "eth1", "DEL", &network(2, json!({"table": 100}))).container("c9").run().ok();
    assert_eq!(before, scene.state());
    call(&scene, "eth1", "CHECK", &first).run().ok();
}

#[test]
fn what_means_nothing_is_refused() {
    cites!("ERR-1");
    let scene = Scene::new();
    let before = scene.state();
    for (keys, reason) in [
        (json!({"ipam": null}), "there is no ipam"),
        (json!({"sourceRouting": false, "table": 100}), "table is for sourceRouting"),
        (json!({"sourceRouting": null, "table": 100}), "table is for sourceRouting"),
        (json!({"table": 253}), "table: 253"),
        (json!({"table": 254}), "table: 254"),
        (json!({"table": 255}), "table: 255"),
        (json!({"nic": "tap"}), "a container interface"),
        (json!({"disableContainerInterface": true, "ipam": null}), "there is no ipam"),
    ] {
        let (code, msg, _) = call(&scene, "eth1", "ADD", &network(2, keys.clone())).run().error();
        assert_eq!(code, 7, "{keys}: {msg}");
        assert!(msg.contains(reason), "{keys}: {msg}");
        assert_eq!(before, scene.state(), "{keys}");
    }
}

/// How many rules of ours the container has, and how many links of the attachment, cheaply.
fn is_left(scene: &Scene) -> [usize; 2] {
    let left = scene.c1.sh("ip rule; ip -6 rule; ip -o link").ok();
    ["proto 112", ": eth1@"].map(|text| left.matches(text).count())
}

#[test]
fn nothing_is_left_of_an_add_that_was_killed() {
    cites!("DEL-8", "ADD-6", "GC-1");
    let scene = Scene::new();
    let before = scene.state();
    let config = network(2, json!({"cni.dev/valid-attachments": []}));
    for (by, step) in [("DEL", harness::soak::size(5, 1)), ("GC", harness::soak::size(9, 3))] {
        let mut with_rules = 0;
        for count in (0..).step_by(step) {
            let was_killed = call(&scene, "eth1", "ADD", &config).kill_after_system_calls(count);
            with_rules += u32::from(was_killed && is_left(&scene)[0] == 2);
            match by {
                "GC" => scene.call(Plugin::Secondary, by, config.clone()).run().ok(),
                _ => call(&scene, "eth1", by, &config).run().ok(),
            };
            assert_eq!(is_left(&scene), [0, 0], "{by} after {count} system calls");
            if !was_killed {
                break;
            }
        }
        assert!(with_rules > 0, "rules were left {with_rules} times");
        assert_eq!(before, scene.state(), "{by}");
    }
}

#[test]
fn printed_commands_do_the_same() {
    let scene = Scene::new();
    let before = scene.state();
    let config = network(2, json!({"mac": "02:00:00:00:00:05"}));
    let printed = |command: &str, config: &Value| {
        let printed = call(&scene, "eth1", command, config).env("CNI_COMMAND", "PRINT").env("CNI_PRINT", command);
        let printed = printed.run().ok();
        let commands = printed["commands"].as_array().expect("commands").iter().filter_map(Value::as_str);
        // What is done once leaves nothing, and some of it needs tools that not every machine has.
        let commands = commands.filter(|command| !command.contains("arping"));
        commands.collect::<Vec<_>>().join("\n").replace("CONTAINER", "c1")
    };
    let whole = attached(&scene, "eth1", &config);
    let made = scene.state();
    let removal = printed("DEL", &whole);
    assert_eq!(made, scene.state(), "nothing is done yet");
    harness::sh(&format!("set -e\n{removal}")).ok();
    assert_eq!(before, scene.state(), "{removal}");

    let given = with(
        &config,
        json!({"plugboard/ipam-result": {"cniVersion": LATEST, "ips": config["ipam"]["addresses"],
        "routes": config["ipam"]["routes"]}}),
    );
    let creation = printed("ADD", &given);
    harness::sh(&format!("set -e\n{creation}")).ok();
    assert_eq!(made, scene.state(), "{creation}");
    call(&scene, "eth1", "CHECK", &whole).run().ok();
    call(&scene, "eth1", "DEL", &whole).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn nics_of_one_container_come_and_go_at_the_same_time() {
    cites!("ADD-3");
    let scene = Scene::new();
    let before = scene.state();
    for round in 0..5 {
        let at_once = |command: &'static str, configs: &[Value]| {
            std::thread::scope(|threads| {
                let call = |(number, config): (usize, &Value)| {
                    let call = call(&scene, &format!("eth{}", number + 1), command, config);
                    threads.spawn(move || call.run())
                };
                let running: Vec<_> = configs.iter().enumerate().map(call).collect();
                running.into_iter().map(|call| call.join().expect("it ends").ok()).collect::<Vec<_>>()
            })
        };
        let configs: Vec<Value> = (1..=5).map(|number| network(number, json!({}))).collect();
        let results = at_once("ADD", &configs);
        let tables: std::collections::BTreeSet<String> =
            (1..=5).map(|number| table_of(&scene.c1, &format!("10.{number}.0.5"))).collect();
        assert_eq!(tables.len(), 5, "round {round}: {tables:?}");
        let configs: Vec<Value> =
            configs.iter().zip(results).map(|(config, result)| with(config, json!({"prevResult": result}))).collect();
        at_once("CHECK", &configs);
        at_once("DEL", &configs);
        assert_eq!(before, scene.state(), "round {round}");
    }
}

#[test]
fn the_reference_and_ours_leave_each_other_alone() {
    let scene = Scene::new();
    let sbr = |command: &str, previous: &Value| {
        let config = json!({"cniVersion": "1.0.0", "name": "net1", "type": "sbr", "prevResult": previous});
        let call = Invocation::new(&format!("{REFERENCE}/sbr"), command).path(REFERENCE).config(config);
        call.container("c1").netns(&scene.c1.path).ifname("eth1").run().ok()
    };
    let of = |address: &str| rules(&scene.c1).into_iter().filter(|rule| rule.contains(address)).collect::<Vec<_>>();
    let first = with(&plain(1), json!({"cniVersion": "1.0.0"}));
    let first = attached(&scene, "eth1", &first);
    let without_theirs = rules(&scene.c1);
    sbr("ADD", &first["prevResult"]);
    let theirs = (of("10.1.0.5"), of("fd00:1::5"));
    assert!(theirs.0.len() == 1 && theirs.1.len() == 1, "{:?}", rules(&scene.c1));
    let table = table_of(&scene.c1, "10.1.0.5");

    let before = scene.state();
    let second = attached(&scene, "eth2", &network(2, json!({})));
    let ours = (of("10.2.0.5"), of("fd00:2::5"));
    call(&scene, "eth2", "CHECK", &second).run().ok();
    assert_eq!(theirs, (of("10.1.0.5"), of("fd00:1::5")));
    call(&scene, "eth2", "DEL", &second).run().ok();
    assert_eq!(before, scene.state(), "theirs are left");

    // Their table's number is in use for us.
    let taken = network(2, json!({"table": table.parse::<u32>().expect("a number")}));
    assert_eq!(call(&scene, "eth2", "ADD", &taken).run().error().0, codes::CONFLICT);
    call(&scene, "eth2", "DEL", &taken).run().ok();
    assert_eq!(before, scene.state());

    let second = attached(&scene, "eth2", &network(2, json!({})));
    sbr("DEL", &first["prevResult"]);
    assert_eq!(ours, (of("10.2.0.5"), of("fd00:2::5")), "ours are left");
    call(&scene, "eth2", "CHECK", &second).run().ok();
    call(&scene, "eth2", "DEL", &second).run().ok();
    assert_eq!(without_theirs, rules(&scene.c1));
}

#[test]
fn the_table_has_all_next_hops() {
    let scene = Scene::new();
    let before = scene.state();
    let routes = json!([{"dst": "2001:db8::/64", "gw": "fd00:2::2"}, {"dst": "2001:db8::/64", "gw": "fd00:2::3"},
        {"dst": "::/0", "gw": "fd00:2::2"}, {"dst": "::/0", "gw": "fd00:2::3"}]);
    let config = network(2, json!({"ipam": with(&plain(2)["ipam"], json!({"routes": routes}))}));
    let whole = attached(&scene, "eth1", &config);
    for table in ["main".to_owned(), table_of(&scene.c1, "fd00:2::5")] {
        for to in ["2001:db8::/64", "default"] {
            let found = scene.c1.sh(&format!("ip -6 route show {to} table {table}")).ok();
            assert!(["fd00:2::2", "fd00:2::3"].iter().all(|hop| found.contains(hop)), "{to} in {table}: {found}");
        }
    }
    call(&scene, "eth1", "CHECK", &whole).run().ok();
    let table = table_of(&scene.c1, "fd00:2::5");
    scene.c1.sh(&format!("ip -6 route del default via fd00:2::3 table {table}")).ok();
    let (code, msg, _) = call(&scene, "eth1", "CHECK", &whole).run().error();
    assert!(code == codes::DIFFERENT && msg.contains("fd00:2::3") && msg.contains(&table), "{code} {msg}");
    call(&scene, "eth1", "DEL", &whole).run().ok();
    assert_eq!(before, scene.state());
    // IPv4 has one: the main table says so.
    let routes = json!([{"dst": "192.0.2.0/24", "gw": "10.2.0.2"}, {"dst": "192.0.2.0/24", "gw": "10.2.0.3"}]);
    let config = network(2, json!({"ipam": with(&plain(2)["ipam"], json!({"routes": routes}))}));
    let (code, msg, _) = call(&scene, "eth1", "ADD", &config).run().error();
    assert!(code == codes::CONFLICT && msg.contains("192.0.2.0/24 via 10.2.0.2 dev eth1 already"), "{code} {msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn routes_without_a_priority_get_the_metric() {
    cites!("ADD-9");
    let scene = Scene::new();
    let routes = json!([{"dst": "10.72.0.0/16"}, {"dst": "10.73.0.0/16", "priority": 7}, {"dst": "fd00:72::/64"}]);
    for version in ["1.0.0", LATEST] {
        let keys = json!({"cniVersion": version, "metric": 200, "isDefaultGateway": true});
        let config = with(&network(2, keys), json!({"ipam": with(&plain(2)["ipam"], json!({"routes": routes}))}));
        let before = scene.state();
        let whole = attached(&scene, "eth1", &config);
        let metrics = |family: &str, table: &str| -> Vec<(String, u64)> {
            let routes = scene.c1.ip(&format!("{family} route show table {table} dev eth1"));
            let routes = routes.as_array().into_iter().flatten();
            let routes = routes.filter(|route| route["protocol"] != "kernel");
            routes
                .map(|route| {
                    (
                        route["dst"].as_str().expect("a destination").to_owned(),
                        route["metric"].as_u64().unwrap_or_default(),
                    )
                })
                .collect()
        };
        let own = table_of(&scene.c1, "10.2.0.5");
        for table in ["main", &own] {
            let mut found = metrics("-4", table);
            found.extend(metrics("-6", table));
            for (destination, metric) in
                [("default", 200), ("10.72.0.0/16", 200), ("10.73.0.0/16", 7), ("fd00:72::/64", 200)]
            {
                let is_one = |(dst, have): &(String, u64)| dst == destination && *have == metric;
                assert!(found.iter().any(is_one), "{destination} in {table}: {found:?}");
            }
            assert_eq!(found.iter().filter(|(dst, _)| dst == "default").count(), 2, "one of each family: {found:?}");
        }
        call(&scene, "eth1", "CHECK", &whole).run().ok();
        call(&scene, "eth1", "DEL", &whole).run().ok();
        harness::sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0").ok();
        assert_eq!(before, scene.state(), "{version}");
    }
}

#[test]
fn status_tries_source_routing() {
    cites!("STA-1");
    let scene = Scene::new();
    let before = scene.state();
    scene.call(Plugin::Secondary, "STATUS", network(2, json!({}))).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn a_refused_call_takes_nothing_of_another_network() {
    let scene = Scene::new();
    attached(&scene, "eth1", &network(1, json!({"table": 100})));
    let second = network(2, json!({"table": 100}));
    let before = rules(&scene.c1);
    for is_down in [false, true] {
        if is_down {
            // It loses its routes, but not its addresses of IPv4.
            scene.c1.sh("ip link set eth1 down").ok();
        }
        for interface in ["eth1", "eth2"] {
            assert_ne!(call(&scene, interface, "ADD", &second).run().status, 0);
            call(&scene, interface, "DEL", &second).run().ok();
            let left = rules(&scene.c1);
            let lost: Vec<&String> = before.iter().filter(|rule| !left.contains(rule)).collect();
            assert!(
                lost.iter().all(|rule| is_down && rule.contains("fd00:")),
                "{interface}, down: {is_down}: {lost:?}"
            );
        }
    }
}

/// Another host may have a network of the same name, and reach the containers of this one, as a container that runs containers is
/// reached from its host.
#[test]
fn gc_of_another_host_leaves_the_rules() {
    cites!("GC-1", "GC-2");
    let scene = Scene::new();
    harness::sh("ip link add lan0 type veth peer name far0 && ip link set lan0 up && ip link set far0 up").ok();
    let other = scene.host.namespace("other");
    let before = scene.state();
    for keys in [json!({}), json!({"bridge": null, "nic": "macvlan", "link": "lan0"})] {
        let config = network(1, keys);
        let attached = attached(&scene, "eth1", &config);
        let made = rules(&scene.c1);
        table_of(&scene.c1, "10.1.0.5");
        let collects = with(&config, json!({"cni.dev/valid-attachments": []}));
        call(&scene, "eth1", "GC", &collects).on(&other).run().ok();
        assert_eq!(made, rules(&scene.c1), "{config}");
        call(&scene, "eth1", "CHECK", &attached).run().ok();
        call(&scene, "eth1", "GC", &collects).run().ok();
        assert_eq!(before, scene.state(), "{config}");
    }
}
