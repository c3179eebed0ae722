//! Results, files and errors of ADD, beside those of the reference.

use crate::common::{BLUE, OURS, REFERENCE, Scene, addresses, blue, files, taken, visible, with};
use serde_json::{Value, json};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The reference of the package speaks up to 1.0.0; 1.1.0 differs from it in what it adds only (RES-11).
fn reference_version(version: &str) -> &str {
    if version == "1.1.0" { "1.0.0" } else { version }
}

/// Go prints an empty `dns` always (RES-25).
fn comparable(mut result: Value) -> Value {
    if result["dns"] == json!({}) {
        result.as_object_mut().unwrap().remove("dns");
    }
    result
}

#[test]
fn results_and_files_equal_the_references_in_every_version() {
    let scene = Scene::new();
    std::fs::write(
        "/run/resolv.conf",
        "# local\nnameserver 192.0.2.53\nnameserver 2001:db8::53\ndomain blue.test\nsearch a.test b.test\noptions ndots:2\n",
    )
    .unwrap();
    let routes =
        json!([{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.9"}, {"dst": "::/0", "gw": "fd00::1"}]);
    let single = blue(
        json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20", "rangeEnd": "10.1.2.30", "gateway": "10.1.2.254"}),
    );
    let dual = blue(json!({
        "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:0:1::/64", "rangeStart": "2001:db8:0:1::1:0:0"}]],
        "routes": routes, "resolvConf": "/run/resolv.conf",
    }));
    let from_runtime = with(
        &blue(json!({})),
        "runtimeConfig",
        json!({"ipRanges": [[{"subnet": "10.7.0.0/16"}]], "ips": ["10.7.1.1/8"]}),
    );
    let from_args = with(&single, "args", json!({"cni": {"ips": ["10.1.2.25"]}}));
    let small = blue(
        json!({"ranges": [[{"subnet": "10.1.2.0/30", "gateway": ""}]], "dataDir": "", "resolvConf": "", "routes": null}),
    );
    for config in [single, dual, from_runtime, from_args, small] {
        for version in VERSIONS {
            let reference_config = with(&config, "cniVersion", json!(reference_version(version)));
            let mut expected = comparable(scene.add(REFERENCE, "c1", &reference_config).ok());
            expected["cniVersion"] = json!(version);
            let expected_files = visible(BLUE);
            std::fs::remove_dir_all(BLUE).unwrap();

            let config = with(&config, "cniVersion", json!(version));
            assert_eq!(comparable(scene.add(OURS, "c1", &config).ok()), expected, "{config}");
            assert_eq!(visible(BLUE), expected_files, "{config}");
            std::fs::remove_dir_all(BLUE).unwrap();
        }
    }
}

/// The largest pools that there are, from both ends, and the smallest; no call goes through the addresses.
#[test]
fn pools_of_any_size() {
    let scene = Scene::new();
    let last_v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    for (subnet, last, expected) in [
        ("0.0.0.0/0", "0.0.0.1", ["0.0.0.2", "0.0.0.3"]),
        ("0.0.0.0/0", "255.255.255.253", ["255.255.255.254", "0.0.0.2"]),
        ("10.0.0.0/8", "10.255.255.254", ["10.0.0.2", "10.0.0.3"]),
        ("255.255.255.252/30", "255.255.255.252", ["255.255.255.254", ""]),
        ("::/0", last_v6, ["::2", "::3"]),
        ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", [last_v6, "::2"]),
        ("fd00::/8", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", ["fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00::2"]),
        ("fd00::/64", "fd00::ffff:ffff:ffff:ffff", ["fd00::2", "fd00::3"]),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", "::", ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", last_v6]),
    ] {
        let config = with(&blue(json!({ "subnet": subnet })), "cniVersion", json!("1.1.0"));
        std::fs::create_dir_all(BLUE).unwrap();
        std::fs::write(format!("{BLUE}/last_reserved_ip.0"), last).unwrap();
        for (number, expected) in expected.iter().enumerate() {
            let status = scene.network_verb("STATUS", &config);
            let reply = scene.add(OURS, &format!("c{number}"), &config);
            if expected.is_empty() {
                assert_eq!((status.error().0, reply.error().0), (50, 11), "{subnet}");
            } else {
                status.ok();
                assert_eq!(addresses(&reply.ok()), [*expected], "{subnet} after {last}");
            }
        }
        std::fs::remove_dir_all(BLUE).unwrap();
    }
}

/// The names of files are addresses: with another spelling of one, two containers would get it.
#[test]
fn addresses_are_spelt_as_the_reference_spells_them() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [
        [{"subnet": "2001:DB8:0:0:1::/80", "rangeStart": "2001:db8:0000:0:1::000A", "rangeEnd": "2001:db8::1:0:0:b"}],
        [{"subnet": "2001:db8:0:1:1:1::/96", "rangeStart": "2001:db8:0:1:1:1:0:0", "rangeEnd": "2001:db8:0:1:1:1:0:2"}],
        [{"subnet": "fd00:0:0:1::/64", "rangeStart": "fd00:0:0:1:0:0:0:8", "rangeEnd": "fd00:0:0:1::9"}],
    ]}));
    let ours = scene.add(OURS, "c1", &config).ok();
    let files = visible(BLUE);
    std::fs::remove_dir_all(BLUE).unwrap();
    assert_eq!(comparable(ours), comparable(scene.add(REFERENCE, "c1", &config).ok()));
    assert_eq!(files, visible(BLUE));
    assert!(addresses(&scene.add(OURS, "c2", &config).ok()).iter().all(|address| !files.contains_key(address)));
    for plugin in [OURS, REFERENCE] {
        assert_ne!(scene.add(plugin, "c3", &config).status, 0, "two of each: {plugin}");
    }
}

#[test]
fn several_addresses_of_a_family_from_0_3_0_on() {
    let scene = Scene::new();
    let config =
        blue(json!({"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "10.3.0.0/24"}]]}));
    for version in VERSIONS {
        let config = with(&config, "cniVersion", json!(version));
        let reply = scene.add(OURS, &format!("c-{version}"), &config);
        if version < "0.3.0" {
            let (code, msg, _) = reply.error();
            assert_eq!(code, 7);
            assert!(msg.contains("does not support more than 1 address per family"), "{msg}");
            assert!(taken(BLUE).is_empty());
        } else {
            let found = addresses(&reply.ok());
            assert_eq!(found.iter().map(|ip| &ip[..5]).collect::<Vec<_>>(), ["10.1.", "10.2.", "10.3."]);
        }
    }
}

#[test]
fn route_attributes_pass_in_every_version() {
    let scene = Scene::new();
    let route = json!({"dst": "192.168.0.0/16", "gw": "10.1.2.9", "mtu": 1400, "advmss": 1360, "priority": 7, "table": 100, "scope": 0});
    let config = blue(json!({"subnet": "10.1.2.0/24", "routes": [route]}));
    let result = scene.add(OURS, "c1", &with(&config, "cniVersion", json!("1.1.0"))).ok();
    assert_eq!(result["routes"], json!([route]));
    let result = scene.add(OURS, "c2", &config).ok();
    assert_eq!(result["routes"], json!([route]));
}

#[test]
fn asked_for_addresses_and_their_precedence() {
    let scene = Scene::new();
    let dual = blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}));
    let runtime = json!({"ips": ["10.1.2.50/24"]});
    let args = json!({"cni": {"ips": ["10.1.2.60", "fd00::60"]}});
    for (config, variable, expected) in [
        (dual.clone(), "", ["10.1.2.2", "fd00::2"]),
        (dual.clone(), "IP=10.1.2.70", ["10.1.2.70", "fd00::3"]),
        (dual.clone(), "IP=10.1.2.71/16", ["10.1.2.71", "fd00::4"]),
        (dual.clone(), "IP=::ffff:10.1.2.72", ["10.1.2.72", "fd00::5"]),
        (dual.clone(), "IgnoreUnknown=1;K8S_POD_NAME=p;IP=", ["10.1.2.73", "fd00::6"]),
        (with(&dual, "args", args.clone()), "IP=10.1.2.70", ["10.1.2.60", "fd00::60"]),
        (with(&with(&dual, "args", args), "runtimeConfig", runtime), "IP=10.1.2.70", ["10.1.2.50", "fd00::60"]),
    ] {
        let reply = scene.call(OURS, "ADD", "c1", &config).args(variable).run();
        assert_eq!(addresses(&reply.ok()), expected, "{config} {variable}");
        scene.del(OURS, "c1", &config).ok();
    }
}

/// The file counts where nothing else gives a range.
#[test]
fn a_range_from_a_file() {
    let scene = Scene::new();
    let file = "/run/range.json";
    let ipam = json!({"rangeFromFile": file, "routes": [{"dst": "0.0.0.0/0"}]});
    let status = |config: &Value| scene.network_verb("STATUS", &with(config, "cniVersion", json!("1.1.0")));
    let add = |config: &Value| {
        let reply = scene.add(OURS, "c1", config);
        scene.del(OURS, "c1", config).ok();
        reply
    };
    std::fs::write(
        file,
        r#"{"subnet": "10.4.0.0/16", "rangeStart": "10.4.3.2", "rangeEnd": "10.4.3.9", "gateway": "10.4.0.9"}"#,
    )
    .unwrap();
    status(&blue(ipam.clone())).ok();
    let ips = add(&blue(ipam.clone())).ok()["ips"].clone();
    assert_eq!(ips, json!([{"address": "10.4.3.2/16", "gateway": "10.4.0.9"}]));

    let mut configured = blue(ipam.clone());
    configured["ipam"]["ranges"] = json!([[{"subnet": "10.5.0.0/24"}]]);
    assert_eq!(addresses(&add(&configured).ok()), ["10.5.0.2"]);
    let runtime = with(&blue(ipam.clone()), "runtimeConfig", json!({"ipRanges": [[{"subnet": "10.6.0.0/24"}]]}));
    assert_eq!(addresses(&add(&runtime).ok()), ["10.6.0.2"]);

    for (content, code, expected) in [
        (Some("[[]]"), 7, "ipam.rangeFromFile: /run/range.json is not a range"),
        (Some(""), 7, "ipam.rangeFromFile: /run/range.json is not a range"),
        (Some("{}"), 7, "subnet is missing"),
        (None, 5, "/run/range.json: cannot read it for ipam.rangeFromFile: No such file"),
    ] {
        std::fs::remove_file(file).unwrap();
        content.iter().for_each(|content| std::fs::write(file, content).unwrap());
        for reply in [add(&blue(ipam.clone())), status(&blue(ipam.clone()))] {
            let (found, msg, _) = reply.error();
            assert!(found == code && msg.contains(expected), "{content:?}: {found} {msg}");
        }
    }
}

/// The code and a part of the message of each refusal; nothing is left behind by any.
#[test]
fn refusals() {
    let scene = Scene::new();
    let subnet = |ipam: Value| blue(ipam);
    let plain = blue(json!({"subnet": "10.1.2.0/24"}));
    let runtime_ips = |ips: Value| with(&plain, "runtimeConfig", json!({ "ips": ips }));
    let dual =
        blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/30", "rangeEnd": "10.1.3.1"}]]}));
    for (config, args, code, expected) in [
        (json!({"cniVersion": "1.0.0", "name": "blue", "type": "bridge"}), "", 7, "ipam"),
        (subnet(json!({})), "", 7, "no IP ranges specified"),
        (subnet(json!({"rangeStart": "10.1.2.9"})), "", 7, "no IP ranges specified"),
        (subnet(json!({"ranges": []})), "", 7, "no IP ranges specified"),
        (subnet(json!({"ranges": [[]]})), "", 7, "ipam.ranges[0]: it has no range"),
        (subnet(json!({"ranges": [[{"rangeStart": "10.1.2.9"}]]})), "", 7, "subnet is missing"),
        (subnet(json!({"ranges": "10.1.2.0/24"})), "", 7, "ranges"),
        (subnet(json!({"subnet": "10.1.2.0"})), "", 7, "10.1.2.0"),
        (subnet(json!({"subnet": "10.1.2.3/24"})), "", 7, "host bits"),
        (subnet(json!({"subnet": "10.1.2.0/31"})), "", 7, "too small"),
        (subnet(json!({"subnet": "fd00::/128"})), "", 7, "too small"),
        (
            subnet(json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"})),
            "",
            7,
            "rangeStart 10.1.3.1 is not in network",
        ),
        (
            subnet(json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.8"})),
            "",
            7,
            "is after rangeEnd",
        ),
        (
            subnet(json!({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "fd00::/64"}]]})),
            "",
            7,
            "mixed address families",
        ),
        (subnet(json!({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.2.0/25"}]]})), "", 7, "overlap"),
        (
            subnet(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.0/25"}]]})),
            "",
            7,
            "overlaps with ipam.ranges",
        ),
        (subnet(json!({"subnet": "10.1.2.0/24", "routes": [{"dst": "here"}]})), "", 7, "routes[0]"),
        (
            subnet(json!({"subnet": "10.1.2.0/24", "resolvConf": "/run/none"})),
            "",
            5,
            "/run/none: cannot read it for ipam.resolvConf: No such file",
        ),
        (
            subnet(json!({"subnet": "10.1.2.0/24", "dataDir": "/proc/none"})),
            "",
            5,
            "/proc/none/blue: cannot make this directory: ",
        ),
        (plain.clone(), "IP=x", 4, "CNI_ARGS"),
        (plain.clone(), "IP=10.1.3.7", 4, "failed to allocate all requested IPs: 10.1.3.7"),
        (plain.clone(), "IP=10.1.2.1", 4, "requested ip 10.1.2.1 is subnet's gateway"),
        (plain.clone(), "K8S_POD_NAME=p", 4, "K8S_POD_NAME"),
        (plain.clone(), "ip=10.1.2.7", 4, "ip"),
        (runtime_ips(json!(["10.1.2.5", "10.1.2.6"])), "", 7, "failed to allocate all requested IPs"),
        (runtime_ips(json!(["10.1.2.5/33"])), "", 7, "10.1.2.5/33"),
        (runtime_ips(json!("10.1.2.5")), "", 7, "ips"),
        (dual, "", 7, "ipam.ranges[1] can never give an address: 10.1.3.1-10.1.3.1 has only gateways"),
    ] {
        let before = taken(BLUE);
        let (found, msg, details) = scene.call(OURS, "ADD", "c1", &config).args(args).run().error();
        assert_eq!(found, code, "{config} {args}: {msg}");
        assert!(msg.contains(expected), "{config} {args}: {msg} {details}");
        assert_eq!(taken(BLUE), before, "{config} {args}");
        assert!(!files(BLUE).contains_key(".new"));
    }
}

#[test]
fn a_taken_address_is_refused_and_the_other_set_undone() {
    let scene = Scene::new();
    let dual = blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}));
    scene.call(OURS, "ADD", "c1", &dual).args("IP=fd00::7").run().ok();
    let before = taken(BLUE);
    let (code, msg, details) = scene.call(OURS, "ADD", "c2", &dual).args("IP=fd00::7").run().error();
    assert_eq!(code, 11);
    assert!(msg.contains("failed to allocate for range 1: requested IP address fd00::7 is not available"), "{msg}");
    assert!(msg.ends_with(": container c1 has it, by eth0"), "{msg}");
    assert!(details.contains(BLUE), "{details}");
    assert_eq!(taken(BLUE), before);
}

/// ADD-7: both refuse the second ADD of an attachment, whoever made the first.
#[test]
fn a_second_add_is_refused_and_the_first_kept() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}));
    for (first, second) in [(OURS, OURS), (REFERENCE, OURS), (OURS, REFERENCE)] {
        scene.add(first, "c1", &config).ok();
        let before = taken(BLUE);
        let (code, msg, _) = scene.add(second, "c1", &config).error();
        assert_eq!(code, if second == OURS { 110 } else { 999 });
        assert!(msg.contains("has been allocated to c1, duplicate allocation is not allowed"), "{msg}");
        assert_eq!(taken(BLUE), before);
        assert_eq!(before.len(), 2);
        scene.call(second, "ADD", "c1", &config).ifname("eth1").run().ok();
        scene.del(first, "c1", &config).ok();
        scene.call(second, "DEL", "c1", &config).ifname("eth1").run().ok();
        crate::common::assert_empty(BLUE);
    }
}
