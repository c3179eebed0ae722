//! Configurations are read as Go's `encoding/json` reads them: keys in any letter case, `null` as not set, whole numbers only.

use std::fs;

use harness::{Reply, sh, soak};
use manual::{Manual, PLUGINS, Row, rows};
use serde_json::{Map, Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, rules, with};

/// Words of parsers and of this language, which no message has.
const FOREIGN: [&str; 16] = [
    "expected ",
    "invalid type",
    "invalid value",
    "missing field",
    "unknown field",
    "unknown variant",
    "struct ",
    "sequence",
    " u8",
    " u16",
    " u32",
    " u64",
    " i16",
    " at line ",
    "Some(",
    "None",
];

/// A way to write the letters of a key.
type Spelling = fn(&str) -> String;

fn upper(key: &str) -> String {
    key.to_uppercase()
}

fn lower(key: &str) -> String {
    key.to_lowercase()
}

/// As Go writes a field that names no key.
fn capital(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const SPELLINGS: [Spelling; 3] = [upper, lower, capital];

/// The same value with all keys spelled another way.
fn spelled(value: &Value, spelling: Spelling) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().map(|(key, value)| (spelling(key), spelled(value, spelling))).collect::<Map<_, _>>().into()
        }
        Value::Array(entries) => entries.iter().map(|entry| spelled(entry, spelling)).collect(),
        other => other.clone(),
    }
}

fn plugin(manual: &Manual) -> Plugin {
    ALL.into_iter().find(|plugin| plugin.name() == manual.name).expect("a plugin of ours")
}

/// A result without the bridge's own address, which is another one each time.
fn without_chance(mut result: Value) -> Value {
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        if ["br0", "cni0", "br-net", "lac14789-1"].iter().any(|bridge| interface["name"] == *bridge) {
            interface["mac"] = Value::Null;
        }
    }
    result
}

/// What a configuration has made: the result, and what the kernel shows of it.
fn made(plugin: Plugin, config: &Value) -> String {
    let scene = Scene::new();
    let result = without_chance(scene.call(plugin, "ADD", config.clone()).run().ok());
    let look = |command: &str| sh(command).ok();
    format!(
        "{result:#}\n{}\n{}\n{}",
        look("nft list ruleset"),
        look("ip -o address show dev br0 | sed 's/^[0-9]*: //; s/ valid_lft.*//' | grep -v fe80"),
        scene.c1.sh("ip route show; cat /sys/class/net/eth0/mtu").ok()
    )
}

#[test]
fn keys_of_bridge_and_its_ipam_work_in_any_letter_case() {
    let config = with(
        &Plugin::Bridge.config(LATEST),
        json!({"isDefaultGateway": true, "ipMasq": true, "macspoofchk": true, "mtu": 1400, "portIsolation": true,
            "args": {"cni": {"mac": "02:00:00:00:00:07"}}, "dns": {"nameservers": ["10.1.0.53"], "search": ["a.example"]},
            "runtimeConfig": {"ips": ["10.1.0.77"]},
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.70", "gateway": "10.1.0.254"}]],
                "routes": [{"dst": "192.0.2.0/24", "gw": "10.1.0.253", "mtu": 1300}]}}),
    );
    let wanted = made(Plugin::Bridge, &config);
    for effect in
        ["10.1.0.254/24", "\"br0\" . 10.1.0.77", "guarded", "02:00:00:00:00:07", "10.1.0.53", "via 10.1.0.253", "1400"]
    {
        assert!(wanted.contains(effect), "{effect}: {wanted}");
    }
    for spelling in SPELLINGS {
        let config = spelled(&config, spelling);
        assert_eq!(made(Plugin::Bridge, &config), wanted, "{config}");
    }
}

#[test]
fn keys_of_static_work_in_any_letter_case() {
    let config = with(
        &Plugin::Static.config(LATEST),
        json!({"bridge": "br0", "isGateway": true,
            "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}],
                "routes": [{"dst": "0.0.0.0/0"}], "dns": {"domain": "a.example", "options": ["ndots:5"]}}}),
    );
    let wanted = made(Plugin::Bridge, &config);
    assert!(
        wanted.contains("10.1.0.1/24") && wanted.contains("default via 10.1.0.1") && wanted.contains("ndots:5"),
        "{wanted}"
    );
    for spelling in SPELLINGS {
        let config = spelled(&config, spelling);
        assert_eq!(made(Plugin::Bridge, &config), wanted, "{config}");
    }
}

#[test]
fn what_the_runtime_hands_over_is_read_in_any_letter_case() {
    let range = json!({"subnet": "10.5.0.0/24", "rangeStart": "10.5.0.9", "gateway": "10.5.0.254"});
    let runtime = json!({"ipRanges": [[range]], "ips": ["10.5.0.20"]});
    let config =
        with(&Plugin::HostLocal.config(LATEST), json!({"ipam": {"type": "host-local"}, "runtimeConfig": runtime}));
    for spelling in SPELLINGS {
        let scene = Scene::new();
        let config = spelled(&config, spelling);
        let result = scene.call(Plugin::HostLocal, "ADD", config.clone()).run().ok();
        assert_eq!(result["ips"], json!([{"address": "10.5.0.20/24", "gateway": "10.5.0.254"}]), "{config}");
    }
}

#[test]
fn the_plugins_do_not_contain_the_manual() {
    for manual in &PLUGINS {
        let path = harness::bin_dir().join(manual.name);
        let program = fs::read(&path).expect("the executable is there");
        // What is no text in it does not change what is; texts are searched for in a hundredth of the time.
        let program = String::from_utf8_lossy(&program);
        let contains = |text: &str| program.contains(text);
        assert!(contains(manual.name), "{} is an executable of ours", path.display());
        for row in rows(manual).iter().filter(|row| row.key.meaning.len() > 40) {
            assert!(!contains(row.key.meaning), "{}: {}", manual.name, row.key.meaning);
        }
    }
}

#[test]
fn keys_of_the_shaper_and_members_of_its_result_work_in_any_letter_case() {
    for limits in [
        json!({"bw": "20Mbps"}),
        json!({"bw": null, "download": {"rate": "20Mbit"}}),
        json!({"bw": null, "ingressRate": 20_000_000}),
        json!({"runtimeConfig": {"shaping": {"download": {"rate": "20Mbit"}}}}),
        json!({"bw": null, "runtimeConfig": {"bandwidth": {"ingressRate": 20_000_000, "ingressBurst": 4_294_967_295_u64}}}),
        json!({"args": {"cni": {"shaping": {"bw": "20Mbps"}}}}),
    ] {
        for spelling in SPELLINGS {
            let scene = Scene::new();
            let config = spelled(&with(&scene.config(Plugin::Shaper, LATEST), limits.clone()), spelling);
            scene.call(Plugin::Shaper, "ADD", config.clone()).run().ok();
            let queues = harness::tc("qdisc show");
            let rates = queues.as_array().into_iter().flatten().filter_map(|queue| queue["options"]["rate"].as_u64());
            assert_eq!(rates.collect::<Vec<_>>(), [2_500_000], "20 Mbit/s, in bytes: {config}");
            scene.call(Plugin::Shaper, "CHECK", config.clone()).run().ok();
            scene.call(Plugin::Shaper, "DEL", config).run().ok();
        }
    }
}

#[test]
fn keys_of_published_ports_work_in_any_letter_case() {
    let both = json!([{"address": "10.1.0.5/24", "interface": 0}, {"address": "fd01::5/64", "interface": 0}]);
    let all = json!({"masqAll": true, "markMasqBit": 13, "backend": "iptables",
        "conditionsV4": ["!", "-d", "192.0.2.0/24"], "conditionsV6": ["ip6 daddr != 2001:db8::/32"],
        "runtimeConfig": {"portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "udp", "hostIP": "192.0.2.7"},
            {"hostPort": 8081, "containerPort": 81}]}});
    let kept = json!({"snat": false, "externalSetMarkChain": "KUBE-MARK-MASQ", "runtimeConfig": all["runtimeConfig"]});
    for keys in [all, kept] {
        let ruleset = |spelling: Spelling| {
            let scene = Scene::new();
            let previous = json!({"cniVersion": LATEST, "interfaces": [{"name": "eth0", "sandbox": scene.c1.path}],
                "ips": both});
            let config = with(&with(&Plugin::Portmap.config(LATEST), keys.clone()), json!({"prevResult": previous}));
            let config = spelled(&config, spelling);
            scene.call(Plugin::Portmap, "ADD", config.clone()).run().ok();
            let ruleset = rules();
            scene.call(Plugin::Portmap, "CHECK", config.clone()).run().ok();
            scene.call(Plugin::Portmap, "DEL", config).run().ok();
            assert_eq!(rules(), "");
            ruleset
        };
        let wanted = ruleset(str::to_owned);
        for effect in if keys["snat"].is_null() {
            ["ip daddr 192.0.2.7 udp dport 8080", "192.0.2.0/24", "2001:db8::/32"]
        } else {
            ["udp . 192.0.2.7 . 8080 : 10.1.0.5 . 80", "tcp . 8081 : 10.1.0.5 . 81", "tcp . 8081 : fd01::5 . 81"]
        } {
            assert!(wanted.contains(effect), "{effect}: {wanted}");
        }
        for spelling in SPELLINGS {
            assert_eq!(ruleset(spelling), wanted, "{keys}");
        }
    }
}

#[test]
fn all_verbs_read_the_result_and_the_lists_of_attachments_in_any_letter_case() {
    for spelling in SPELLINGS {
        let scene = Scene::new();
        let (_, attached) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
        scene.call(Plugin::Bridge, "CHECK", spelled(&attached, spelling)).run().ok();
        for (list, left) in [(json!([{"containerID": "c1", "ifname": "eth0"}]), 1), (json!([]), 0)] {
            for key in ["cni.dev/attachments", "cni.dev/valid-attachments"] {
                let config = spelled(&with(&Plugin::Bridge.config(LATEST), json!({key: list})), spelling);
                scene.call(Plugin::Bridge, "GC", config).run().ok();
                assert_eq!(tests::State::allocations().len(), left, "{list}");
            }
        }
        scene.call(Plugin::Bridge, "DEL", spelled(&attached, spelling)).run().ok();
        assert!(sh("ip link show br0").status != 0, "DEL knew the bridge");
    }
}

#[test]
fn the_exact_name_comes_first_and_other_spellings_are_told() {
    let scene = Scene::new();
    let config = with(
        &Plugin::Bridge.config(LATEST),
        json!({"MTU": 1300, "mtu": 1400, "Mtu": 1200, "isgateway": true,
            "ipam": {"type": "host-local", "RANGES": [], "ranges": [[{"Subnet": "10.1.0.0/24"}]]}}),
    );
    let reply = scene.call(Plugin::Bridge, "ADD", config).run();
    assert_eq!(reply.ok()["interfaces"][2]["mtu"], 1400);
    for told in [
        "bridge: network \"net\": the key \"MTU\" is ignored beside \"mtu\"",
        "bridge: network \"net\": the key \"Mtu\" is ignored beside \"mtu\"",
        "bridge: network \"net\": the key \"isgateway\" is read as \"isGateway\"",
        "host-local: network \"net\": the key \"ipam.RANGES\" is ignored beside \"ranges\"",
        "host-local: network \"net\": the key \"ipam.ranges[0][0].Subnet\" is read as \"subnet\"",
    ] {
        assert_eq!(reply.stderr.matches(told).count(), 1, "{told}: {reply}");
    }
    assert!(!reply.stderr.contains("unknown"), "{reply}");
    // `null` sets nothing, and so leaves another spelling its place.
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"MTU": 1300}));
    let config = config.to_string().replacen('{', "{\"mtu\": null, ", 1);
    let reply = scene.call(Plugin::Bridge, "ADD", Value::Null).stdin(config).run();
    assert_eq!(reply.ok()["interfaces"][2]["mtu"], 1300);
}

#[test]
fn a_delegate_gets_the_text_as_it_came() {
    let scene = Scene::new();
    let delegate = Delegate::answering(&scene, &json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.5/24"}]}));
    let text = format!(
        "{{\"CniVersion\":\"{LATEST}\",  \"Name\":\"net\",\n\"Type\":\"bridge\",\"Bridge\":\"br0\",\"mtu\":null,\"IPAM\":{{\"TYPE\":\"made-up\",\"Z\":1e2}}}}\n"
    );
    scene.call(Plugin::Bridge, "ADD", Value::Null).path(delegate.path()).stdin(text.clone()).run().ok();
    assert_eq!(fs::read_to_string(scene.directory("made-up").join("ADD.stdin")).expect("it was called"), text);
}

#[test]
fn a_hardware_address_has_three_forms() {
    let scene = Scene::new();
    for text in ["02:00:5e:00:53:af", "02-00-5E-00-53-AF", "0200.5e00.53af", "0200.5E00.53AF"] {
        for (keys, args) in [
            (json!({"mac": text}), String::new()),
            (json!({"runtimeConfig": {"mac": text}}), String::new()),
            (json!({"args": {"cni": {"mac": text}}}), String::new()),
            (json!({}), format!("MAC={text}")),
        ] {
            let config = with(&with(&Plugin::Bridge.config(LATEST), keys), json!({"ipam": null}));
            let result = scene.call(Plugin::Bridge, "ADD", config.clone()).args(&args).run().ok();
            assert_eq!(result["interfaces"][2]["mac"], "02:00:5e:00:53:af");
            assert_eq!(scene.c1.ip("link show dev eth0")[0]["address"], "02:00:5e:00:53:af");
            scene.call(Plugin::Bridge, "DEL", config).run().ok();
        }
    }
    for text in ["02005e0053af", "02:00-5e:00:53:af", "0200.5e00-53af", "2:0:5e:0:53:af"] {
        let config = with(&Plugin::Bridge.config(LATEST), json!({"mac": text}));
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config).run().error();
        assert!(
            code == 7 && msg.starts_with("mac") && msg.contains(text) && msg.contains("02:00:00:00:00:01"),
            "{msg}"
        );
    }
}

#[test]
fn an_empty_text_is_not_set_where_it_is_none_for_the_reference() {
    let scene = Scene::new();
    let range = json!({"subnet": "10.1.0.0/24", "rangeStart": "", "rangeEnd": "", "gateway": ""});
    let config = with(
        &Plugin::Bridge.config(LATEST),
        json!({"mac": "", "ipMasqBackend": "", "nic": "", "tapNamespace": "",
            "runtimeConfig": {"mac": ""}, "dns": {"domain": ""},
            "ipam": {"type": "host-local", "ranges": [[range]], "resolvConf": "", "dataDir": "", "rangeFromFile": "",
                "routes": [{"dst": "192.0.2.0/24", "gw": ""}]}}),
    );
    let result = scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
    assert_eq!(result["ips"][0]["gateway"], "10.1.0.1");
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    let (code, msg, _) =
        scene.call(Plugin::Bridge, "ADD", with(&Plugin::Bridge.config(LATEST), json!({"bridge": ""}))).run().error();
    assert!(code == 7 && msg.contains("bridge"), "the reference refuses it, too: {msg}");
}

#[test]
fn numbers_are_whole_and_their_range_is_said() {
    let scene = Scene::new();
    for (keys, wanted) in [
        (json!({"vlan": "x"}), "vlan is \"x\": it must be a number from 1 to 4094"),
        (json!({"vlan": 4095}), "vlan is 4095: it must be a number from 1 to 4094"),
        (json!({"vlan": -1}), "vlan is -1: it must be a number from 1 to 4094"),
        (json!({"vlan": 2.5}), "vlan is 2.5: it must be a whole number from 1 to 4094"),
        (json!({"vlanTrunk": [{}, {"id": true}]}), "vlanTrunk[1].id is true: it must be a number from 1 to 4094"),
        (json!({"vlanTrunk": [7]}), "vlanTrunk[0] is 7: it must be an object such as"),
        (json!({"isGateway": "true"}), "isGateway is \"true\": it must be true or false"),
        (json!({"mac": 5}), "mac is 5: it must be a string in quotes"),
        (json!({"nic": "macvlan"}), "nic is \"macvlan\": it must be \"veth\" or \"tap\""),
        (json!({"ipMasqBackend": "pf"}), "ipMasqBackend is \"pf\": it must be \"iptables\" or \"nftables\""),
    ] {
        let (code, msg, _) =
            scene.call(Plugin::Bridge, "ADD", with(&Plugin::Bridge.config(LATEST), keys)).run().error();
        assert!(code == 7 && msg.starts_with(wanted), "{wanted}: {code} {msg}");
    }
    for number in ["1400.0", "14e2", "\"1400\""] {
        let text = Plugin::Bridge.config(LATEST).to_string().replacen('{', &format!("{{\"mtu\": {number}, "), 1);
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", Value::Null).stdin(text).run().error();
        assert!(code == 7 && msg.starts_with("mtu is ") && msg.contains("number from 0 to 4294967295"), "{msg}");
    }
}

#[test]
fn a_range_is_named_by_its_path() {
    let scene = Scene::new();
    let good = json!([{"subnet": "10.1.0.0/24"}]);
    for (keys, wanted) in [
        (json!({"ranges": [good, [{"subnet": 5}]]}), "ipam.ranges[1][0].subnet is 5: it must be a string in quotes"),
        (
            json!({"ranges": [good, [{"subnet": "10.2.0.0"}]]}),
            "ipam.ranges[1][0].subnet: \"10.2.0.0\" has no prefix length",
        ),
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24", "gateway": "x"}]]}),
            "ipam.ranges[0][0].gateway: \"x\" is not an IP address",
        ),
        (json!({"ranges": [good, [{}]]}), "ipam.ranges[1][0].subnet is missing"),
        (json!({"subnet": "10.2.0.1/24"}), "ipam.subnet \"10.2.0.1/24\" has host bits set"),
        (json!({"ranges": [good], "routes": [{"dst": "x"}]}), "ipam.routes[0].dst: \"x\""),
    ] {
        let ipam = with(&json!({"type": "host-local"}), keys);
        let config = with(&Plugin::HostLocal.config(LATEST), json!({"ipam": ipam}));
        let (code, msg, _) = scene.call(Plugin::HostLocal, "ADD", config).run().error();
        assert!(code == 7 && msg.contains(wanted), "{wanted}: {code} {msg}");
    }
}

/// The configuration of a plugin with a value at the path of a key; without one, as if the key were left out there. The objects
/// around it are those of their examples.
fn at(base: &Value, manual: &Manual, row: &Row, value: Option<&Value>) -> Value {
    let example: Value = serde_json::from_str(row.within).expect("JSON");
    let mut inside = example.as_object().expect("an object").clone();
    inside.remove(row.key.name);
    inside.extend(value.map(|value| (row.key.name.to_owned(), value.clone())));
    let mut around: Vec<&str> = row.path.split('.').collect();
    around.pop();
    let mut keys = inside;
    for part in around.into_iter().rev() {
        let name = part.trim_end_matches("[]");
        let lists = (part.len() - name.len()) / 2;
        let wrapped = (0..lists).fold(Value::Object(keys), |inside, _| json!([inside]));
        keys = [(name.to_owned(), wrapped)].into_iter().collect();
    }
    let Value::Object(mut config) = base.clone() else { panic!("a configuration is an object") };
    let own = match manual.object {
        "" => &mut config,
        object => config[object].as_object_mut().expect("an object"),
    };
    if value.is_none() && !row.path.contains('.') {
        own.remove(row.key.name);
    }
    own.extend(keys);
    Value::Object(config)
}

/// ADD and what it answers; then DEL, and the addresses begin anew.
fn answer(scene: &Scene, plugin: Plugin, config: &Value) -> Reply {
    let reply = scene.call(plugin, "ADD", config.clone()).run();
    scene.call(plugin, "DEL", config.clone()).run();
    if ![Plugin::Shaper, Plugin::Portmap].contains(&plugin) {
        let _ = fs::remove_dir_all("/var/lib/cni/networks");
    }
    reply
}

#[test]
fn null_is_as_if_the_key_were_left_out_at_every_key() {
    for manual in &PLUGINS {
        let scene = Scene::of(plugin(manual));
        let base = with(&scene.config(plugin(manual), LATEST), json!({"bw": null}));
        let rows = rows(manual);
        for row in &rows {
            let [left_out, null] = [None, Some(&Value::Null)].map(|value| {
                let config = at(&base, manual, row, value);
                (answer(&scene, plugin(manual), &config), config)
            });
            assert_eq!(null.0.status, left_out.0.status, "{}: {}", row.path, null.0);
            let [with_null, without] = [&null, &left_out].map(|(reply, _)| without_chance(reply.json()));
            assert_eq!(with_null, without, "{}: {}", row.path, null.1);
            assert_eq!(null.0.stderr, left_out.0.stderr, "{}: {}", row.path, null.1);
        }
        println!("{}: {} keys", manual.name, rows.len());
    }
}

#[test]
fn no_message_speaks_as_a_parser() {
    let values = [
        json!("x"),
        json!(-1),
        json!(7.5),
        json!(99_999_999_999_999_999_i64),
        json!(true),
        json!([]),
        json!([7]),
        json!([[7]]),
        json!(["x"]),
        json!([{"x": 1}]),
        json!({}),
        json!({"x": 1}),
    ];
    let mut refusals = 0;
    for manual in &PLUGINS {
        let scene = Scene::of(plugin(manual));
        let base = with(&scene.config(plugin(manual), LATEST), json!({"bw": null}));
        for (number, row) in rows(manual).into_iter().enumerate() {
            // Any text is a path, and would be one of this directory.
            let is_path = row.key.accepts == "path";
            let step = soak::size(2, 1);
            for value in values.iter().skip(number % step).step_by(step).filter(|value| !(is_path && value.is_string()))
            {
                let config = at(&base, manual, &row, Some(value));
                let reply = answer(&scene, plugin(manual), &config);
                if reply.status == 0 {
                    continue;
                }
                refusals += 1;
                let (code, msg, details) = reply.error();
                let foreign = FOREIGN.iter().find(|word| msg.contains(**word) || details.contains(**word));
                assert!(foreign.is_none(), "{} = {value}: {foreign:?} in {msg} {details}", row.path);
                // Neither what the kernel says, nor that there is no such IPAM plugin, is about a value.
                let is_of_the_host = [4, 100, 103].contains(&code);
                assert!(is_of_the_host || msg.contains(row.key.name), "{} = {value}: {code} {msg}", row.path);
            }
        }
    }
    println!("{refusals} messages");
    assert!(refusals > 500, "{refusals}");
}
