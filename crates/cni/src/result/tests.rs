//! Results of all versions, there and back.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Code, Interface, Success, Version};

/// As a chain of the reference bridge and host-local prints it for an IPv4 and IPv6 network.
fn bridge(version: Version) -> Value {
    let mut result = json!({
        "cniVersion": version.as_str(),
        "interfaces": [
            {"name": "cni0", "mac": "16:5a:2f:ae:10:01", "sandbox": ""},
            {"name": "veth2f0e1d6f", "mac": "7e:9f:46:52:0c:f1", "sandbox": ""},
            {"name": "eth0", "mac": "ce:60:4c:b9:3a:06", "sandbox": "/run/netns/c1"}
        ],
        "ips": [
            {"interface": 2, "address": "10.1.2.9/24", "gateway": "10.1.2.1"},
            {"interface": 2, "address": "fd00::9/64", "gateway": "fd00::1"}
        ],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "192.168.0.0/16", "gw": "10.1.2.254", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 0, "scope": 253},
            {"dst": "::/0"}
        ],
        "dns": {"nameservers": ["10.1.2.1"], "domain": "example.org", "search": ["a", "b"], "options": ["ndots:5"]}
    });
    if version < Version::V1_0_0 {
        result["ips"][0]["version"] = json!("4");
        result["ips"][1]["version"] = json!("6");
    }
    if version >= Version::V1_1_0 {
        result["interfaces"][2]["mtu"] = json!(1450);
        result["interfaces"][2]["pciID"] = json!("0000:00:1f.6");
    }
    result
}

/// As the reference prints it before 0.3.0.
fn by_family(version: Version) -> Value {
    json!({
        "cniVersion": version.as_str(),
        "ip4": {"ip": "10.1.2.9/24", "gateway": "10.1.2.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]},
        "ip6": {"ip": "fd00::9/64", "routes": [{"dst": "::/0"}]},
        "dns": {"nameservers": ["10.1.2.1"]}
    })
}

fn example(version: Version) -> Value {
    if version < Version::V0_3_0 { by_family(version) } else { bridge(version) }
}

fn there_and_back(value: &Value, version: Version) -> Value {
    let success = Success::from_value(value, version).unwrap();
    let value = success.to_value(version).unwrap();
    let text = success.to_json(version).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "text and value are the same");
    value
}

#[test]
fn every_version_survives() {
    for version in Version::ALL {
        assert_eq!(there_and_back(&example(version), version), example(version), "{version}");
    }
}

#[test]
fn unknown_keys_survive_at_every_level_in_every_version() {
    for version in Version::ALL {
        let mut value = example(version);
        let places: &[&str] = match version < Version::V0_3_0 {
            true => &["", "/ip4", "/ip6", "/ip4/routes/0", "/dns"],
            false => &["", "/interfaces/0", "/interfaces/2", "/ips/1", "/routes/0", "/dns"],
        };
        for place in places {
            value.pointer_mut(place).unwrap()["example.org/note"] = json!({"deep": [1, null, "x"]});
        }
        assert_eq!(there_and_back(&value, version), value, "{version}");
    }
}

#[test]
fn keys_of_1_1_0_survive_in_older_results() {
    for version in [Version::V0_3_1, Version::V0_4_0, Version::V1_0_0] {
        let mut value = example(version);
        value["interfaces"][2]["mtu"] = json!(1450);
        value["interfaces"][2]["socketPath"] = json!("/run/vhost.sock");
        assert_eq!(there_and_back(&value, version), value, "{version}");
    }
}

#[test]
fn attributes_of_routes_are_known_since_0_3_0() {
    for version in Version::ALL.into_iter().filter(|version| *version >= Version::V0_3_0) {
        let route = Success::from_value(&bridge(version), version).unwrap().routes.remove(1);
        let numbers = (route.mtu, route.advmss, route.priority, route.table, route.scope);
        assert_eq!(numbers, (Some(1400), Some(1360), Some(100), Some(0), Some(253)), "{version}");
        assert!(route.extra.is_empty(), "{version}");
    }
}

#[test]
fn the_mtu_that_we_add_is_printed_from_1_1_0_on() {
    let success = Success {
        interfaces: vec![Interface { name: "eth0".into(), mtu: Some(1450), ..Interface::default() }],
        ..Success::default()
    };
    let mtu = |version| success.to_value(version).unwrap()["interfaces"][0].get("mtu").cloned();
    assert_eq!(mtu(Version::V1_0_0), None);
    assert_eq!(mtu(Version::V1_1_0), Some(json!(1450)));
}

#[test]
fn the_text_reads_in_the_order_of_the_specification() {
    let mut value = bridge(Version::V1_1_0);
    value["aaa"] = json!(1);
    let text = Success::from_value(&value, Version::V1_1_0).unwrap().to_json(Version::V1_1_0).unwrap();
    let places: Vec<usize> = ["cniVersion", "interfaces", "ips", "routes", "dns", "aaa"]
        .iter()
        .map(|key| text.find(&format!("\"{key}\":")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
    assert!(!text.contains('\n'));
}

#[test]
fn what_go_tolerates_is_tolerated() {
    let value = json!({
        "interfaces": null,
        "ips": [{"address": "10.1.2.9/24", "gateway": "", "interface": -1}, {"address": "10.1.3.9/24", "gateway": null}],
        "routes": null,
        "dns": {"nameservers": null}
    });
    let expected = json!({
        "cniVersion": "1.0.0", "ips": [{"address": "10.1.2.9/24"}, {"address": "10.1.3.9/24"}], "dns": {}
    });
    assert_eq!(there_and_back(&value, Version::V1_0_0), expected);
    assert_eq!(there_and_back(&json!({}), Version::V0_4_0), json!({"cniVersion": "0.4.0", "dns": {}}));
}

#[test]
fn a_result_of_another_format_is_refused_and_one_of_the_same_is_not() {
    for own in Version::ALL {
        for asked in Version::ALL {
            let same = (own >= Version::V0_3_0, own >= Version::V1_0_0)
                == (asked >= Version::V0_3_0, asked >= Version::V1_0_0);
            let read = Success::from_value(&example(own), asked);
            assert_eq!(read.is_ok(), same, "{own} read as {asked}");
            if let Err(error) = read {
                assert!(error.msg.contains(own.as_str()) && error.msg.contains(asked.as_str()), "{}", error.msg);
            }
        }
    }
}

/// For Go the last spelling counts, and we used another one.
#[test]
fn a_key_that_was_read_is_not_printed_in_another_spelling() {
    let value = json!({"routes": [{"dst": null, "Dst": "0.0.0.0/0", "DST": "10.0.0.0/8", "other": 1}]});
    let printed = there_and_back(&value, Version::V1_0_0);
    assert_eq!(printed["routes"], json!([{"dst": "10.0.0.0/8", "other": 1}]));
}

#[test]
fn an_error_names_the_entry_and_quotes_it() {
    for (value, parts) in [
        (json!([]), ["the result is []", "an object"]),
        (json!({"ips": {}}), ["ips is {}", "a list"]),
        (json!({"ips": [{"address": "10.1.2.9/24"}, {"address": "10.1.2.9"}]}), ["ips[1].address", "\"10.1.2.9\""]),
        (json!({"ips": [{}]}), ["ips[0].address is missing", "10.1.0.5/24"]),
        (json!({"ips": [null]}), ["ips[0] is null", "an object"]),
        (json!({"ips": [{"address": "10.1.2.9/24", "gateway": "x"}]}), ["ips[0].gateway", "\"x\""]),
        (json!({"interfaces": [{"name": 1}]}), ["interfaces[0].name is 1", "a string in quotes"]),
        (json!({"interfaces": [{"mtu": -5}]}), ["interfaces[0].mtu is -5", "0 to 4294967295"]),
        (json!({"routes": [{"dst": "0.0.0.0/0", "scope": 256}]}), ["routes[0].scope is 256", "0 to 255"]),
        (json!({"dns": {"search": ["a", 2]}}), ["dns.search[1] is 2", "a string in quotes"]),
        (json!({"cniVersion": "9.9.9"}), ["\"9.9.9\"", "1.1.0"]),
    ] {
        let error = Success::from_value(&value, Version::V1_1_0).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(parts.iter().all(|part| error.msg.contains(part)), "{}", error.msg);
    }
    let error = Success::from_value(&json!({"ip4": {"ip": "x"}}), Version::V0_2_0).unwrap_err();
    assert!(error.msg.contains("ip4.ip: \"x\""), "{}", error.msg);
}

#[test]
fn before_0_3_0_there_is_exactly_one_address_of_a_family() {
    let mut value = bridge(Version::V0_4_0);
    let read = |value: &Value| Success::from_value(value, Version::V0_4_0).unwrap();
    let old = read(&value).to_value(Version::V0_2_0).unwrap();
    assert_eq!(
        old,
        json!({
            "cniVersion": "0.2.0",
            "ip4": {
                "ip": "10.1.2.9/24", "gateway": "10.1.2.1",
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.254"}]
            },
            "ip6": {"ip": "fd00::9/64", "gateway": "fd00::1", "routes": [{"dst": "::/0"}]},
            "dns": value["dns"]
        })
    );
    value["ips"][1]["address"] = json!("10.1.3.9/24");
    let error = read(&value).to_value(Version::V0_2_0).unwrap_err();
    assert!(error.msg.contains("10.1.2.9/24 and 10.1.3.9/24"), "{}", error.msg);
    value["ips"] = json!([]);
    let error = read(&value).to_json(Version::V0_1_0).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.msg.contains("0.1.0"), "{}", error.msg);
}

#[test]
fn a_route_does_not_change_the_family() {
    for (dst, gw) in [("10.7.0.0/16", "fd00::1"), ("fd07::/64", "10.1.0.1")] {
        let value =
            json!({"ips": [{"address": "10.1.0.5/24"}, {"address": "fd00::5/64"}], "routes": [{"dst": dst, "gw": gw}]});
        let success = Success::from_value(&value, Version::LATEST).unwrap();
        for version in Version::ALL {
            let error = success.to_value(version).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.msg.contains(dst) && error.msg.contains(gw), "{}", error.msg);
        }
    }
}

/// JSON that looks like a result often enough to get past the first check.
fn near_result() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("cniVersion"),
        Just("interfaces"),
        Just("ips"),
        Just("routes"),
        Just("dns"),
        Just("ip4"),
        Just("ip6"),
        Just("ip"),
        Just("address"),
        Just("gateway"),
        Just("interface"),
        Just("dst"),
        Just("gw"),
        Just("mtu"),
        Just("scope"),
        Just("name"),
        Just("search"),
        Just("x"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9.:/]{0,12}".prop_map(Value::from),
        prop_oneof![Just("10.1.0.5/24"), Just("fd00::1"), Just("1.0.0"), Just("0.2.0")].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_panics_and_what_was_read_once_stays_the_same(value in near_result()) {
        for version in Version::ALL {
            if let Ok(success) = Success::from_value(&value, version)
                && let Ok(written) = success.to_value(version)
            {
                let again = Success::from_value(&written, version).unwrap();
                prop_assert_eq!(again.to_value(version).unwrap(), written);
            }
        }
    }
}
