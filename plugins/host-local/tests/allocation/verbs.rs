//! CHECK, DEL, GC and STATUS.

use std::fs;

use crate::common::{
    BLUE, OURS, REFERENCE, Scene, address, addresses, assert_empty, blue, files, named, taken, visible, with,
};
use harness::{Invocation, sh};
use serde_json::{Value, json};

fn dual() -> Value {
    blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}))
}

/// A configuration for GC with these valid attachments.
fn valid(config: &Value, attachments: &[(&str, &str)]) -> Value {
    let list: Vec<Value> =
        attachments.iter().map(|(id, ifname)| json!({"containerID": id, "ifname": ifname})).collect();
    with(&with(config, "cniVersion", json!("1.1.0")), "cni.dev/valid-attachments", json!(list))
}

#[test]
fn check_finds_what_add_gave_and_nothing_else() {
    let scene = Scene::new();
    let config = dual();
    let result = scene.add(OURS, "c1", &config).ok();
    let checked = with(&config, "prevResult", result);
    let check = |plugin, config: &Value| scene.call(plugin, "CHECK", "c1", config).run();

    let before = files(BLUE);
    assert_eq!(check(OURS, &checked).ok(), Value::Null);
    assert_eq!(check(REFERENCE, &checked).ok(), Value::Null);
    assert_eq!(files(BLUE), before, "CHECK changes nothing");

    let (code, msg, _) = check(OURS, &config).error();
    assert_eq!((code, msg.contains("prevResult missing")), (7, true), "{msg}");

    let mut other = checked.clone();
    other["prevResult"]["ips"][0]["address"] = json!("10.1.2.99/24");
    let (code, msg, _) = check(OURS, &other).error();
    assert_eq!(code, 104);
    assert!(msg.contains("prevResult has 10.1.2.99, fd00::2") && msg.contains("files have 10.1.2.2, fd00::2"), "{msg}");

    let mut foreign = checked.clone();
    foreign["prevResult"]["ips"].as_array_mut().unwrap().push(json!({"address": "192.0.2.7/24"}));
    assert_eq!(check(OURS, &foreign).ok(), Value::Null, "an address of another plugin is none of ours");

    fs::write(format!("{BLUE}/fd00::2"), "c2\r\neth0").unwrap();
    assert_eq!(check(OURS, &checked).error().0, 104, "another container holds the address");
    fs::write(format!("{BLUE}/fd00::2"), "c1\r\neth0").unwrap();
    check(OURS, &checked).ok();

    scene.del(OURS, "c1", &config).ok();
    let (code, msg, _) = check(OURS, &checked).error();
    assert_eq!((code, msg.contains("the files have none")), (104, true), "{msg}");
}

#[test]
fn check_of_what_the_reference_gave() {
    let scene = Scene::new();
    let config = dual();
    let result = scene.add(REFERENCE, "c1", &config).ok();
    scene.call(OURS, "CHECK", "c1", &with(&config, "prevResult", result)).run().ok();
}

#[test]
fn del_releases_one_attachment_and_may_be_repeated() {
    let scene = Scene::new();
    let config = dual();
    assert_eq!(scene.del(OURS, "c1", &config).ok(), Value::Null);
    assert!(!fs::exists("/var/lib/cni/networks").unwrap(), "DEL makes no directory");

    scene.add(OURS, "c1", &config).ok();
    scene.call(OURS, "ADD", "c1", &config).ifname("eth1").run().ok();
    scene.add(OURS, "c2", &config).ok();
    assert_eq!(taken(BLUE).len(), 6);

    for _ in 0..2 {
        assert_eq!(scene.del(OURS, "c1", &config).ok(), Value::Null);
        assert_eq!(taken(BLUE).values().filter(|holder| *holder == "c1\r\neth0").count(), 0);
        assert_eq!(taken(BLUE).len(), 4);
    }
    scene.call(OURS, "DEL", "c1", &config).ifname("eth1").unset("CNI_NETNS").run().ok();
    scene.del(OURS, "c2", &config).ok();
    assert_empty(BLUE);
}

#[test]
fn del_needs_neither_the_ranges_of_add_nor_valid_ones() {
    let scene = Scene::new();
    for ipam in [json!({"subnet": "192.0.2.0/24"}), json!({"subnet": "10.1.2.0/32"}), json!({})] {
        scene.add(OURS, "c1", &dual()).ok();
        scene.del(OURS, "c1", &blue(ipam)).ok();
        assert_empty(BLUE);
    }
}

/// Files of the reference before 0.8 name the container only.
#[test]
fn old_files_are_found() {
    let scene = Scene::new();
    let config = blue(json!({"subnet": "10.1.2.0/24"}));
    for plugin in [OURS, REFERENCE] {
        fs::create_dir_all(BLUE).unwrap();
        fs::write(format!("{BLUE}/10.1.2.9"), "c1").unwrap();
        let previous = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.9/24"}]});
        scene.call(OURS, "CHECK", "c1", &with(&config, "prevResult", previous)).run().ok();
        scene.del(plugin, "c1", &config).ok();
        assert_eq!(taken(BLUE).len(), 0, "released by {plugin}");

        fs::write(format!("{BLUE}/10.1.2.9"), "c1").unwrap();
        scene.call(plugin, "ADD", "c1", &config).ifname("eth1").run().error();
        fs::write(format!("{BLUE}/10.1.2.8"), "c1\r\neth1").unwrap();
        scene.call(plugin, "DEL", "c1", &config).ifname("eth1").run().ok();
        assert_eq!(taken(BLUE).into_keys().collect::<Vec<_>>(), ["10.1.2.9"], "it may be another interface's");
        fs::remove_dir_all(BLUE).unwrap();
    }
}

#[test]
fn gc_releases_what_is_not_in_the_list() {
    let scene = Scene::new();
    let config = dual();
    let red = named("red", json!({"subnet": "10.9.0.0/24"}));
    scene.add(OURS, "c1", &config).ok();
    scene.add(REFERENCE, "c2", &config).ok();
    scene.call(OURS, "ADD", "c1", &config).ifname("eth1").run().ok();
    scene.add(OURS, "c3", &config).ok();
    scene.add(OURS, "c4", &red).ok();
    fs::write(format!("{BLUE}/10.1.2.77"), "c5").unwrap();
    fs::write(format!("{BLUE}/10.1.2.78"), "c6").unwrap();
    fs::write(format!("{BLUE}/10.1.2.79"), "").unwrap();

    let keep = [("c2", "eth0"), ("c1", "eth1"), ("c5", "eth0"), ("c4", "eth0")];
    assert_eq!(scene.network_verb("GC", &valid(&config, &keep)).ok(), Value::Null);
    let mut holders: Vec<String> = taken(BLUE).into_values().collect();
    holders.sort();
    assert_eq!(holders, ["c1\r\neth1", "c1\r\neth1", "c2\r\neth0", "c2\r\neth0", "c5"]);
    assert_eq!(taken("/var/lib/cni/networks/red").len(), 1, "another network");

    let before = files(BLUE);
    let missing = with(&config, "cniVersion", json!("1.1.0"));
    let (code, msg, _) = scene.network_verb("GC", &missing).error();
    assert_eq!((code, msg.contains("cni.dev/valid-attachments")), (7, true), "{msg}");
    assert_eq!(files(BLUE), before);

    scene.network_verb("GC", &valid(&config, &[])).ok();
    assert_empty(BLUE);
    scene.network_verb("GC", &valid(&named("none", json!({"subnet": "10.9.0.0/24"})), &[])).ok();
    assert!(!fs::exists("/var/lib/cni/networks/none").unwrap(), "GC makes no directory");
}

/// GC-3: the rest is released, then the error is told.
#[test]
fn gc_keeps_what_it_cannot_read_and_says_so() {
    let scene = Scene::new();
    let config = dual();
    scene.add(OURS, "c1", &config).ok();
    fs::write(format!("{BLUE}/10.1.2.200"), b"{\"id\": 1}").unwrap();
    let (code, msg, _) = scene.network_verb("GC", &valid(&config, &[])).error();
    assert_eq!(code, 5);
    assert!(msg.contains(&format!("{BLUE}/10.1.2.200: cannot tell who holds this address")), "{msg}");
    assert_eq!(taken(BLUE).into_keys().collect::<Vec<_>>(), ["10.1.2.200"]);
}

/// A file that cannot be removed keeps its address, and the next GC finds it again.
#[test]
fn gc_releases_the_rest_when_one_file_stays() {
    let scene = Scene::new();
    let config = blue(json!({"subnet": "10.1.2.0/24"}));
    for id in ["c1", "c2", "c3"] {
        scene.add(OURS, id, &config).ok();
    }
    sh(&format!(
        "touch /run/held && mount --bind /run/held {BLUE}/10.1.2.3 && printf 'c2\\r\\neth0' > {BLUE}/10.1.2.3"
    ))
    .ok();
    let (code, msg, _) = scene.network_verb("GC", &valid(&config, &[])).error();
    assert_eq!(code, 5);
    assert!(msg.contains("10.1.2.3: cannot remove this file to release the address"), "{msg}");
    assert_eq!(taken(BLUE).into_keys().collect::<Vec<_>>(), ["10.1.2.3"]);
    sh(&format!("umount {BLUE}/10.1.2.3")).ok();
    scene.network_verb("GC", &valid(&config, &[])).ok();
    assert_empty(BLUE);
}

#[test]
fn status_tells_a_pool_without_a_free_address() {
    let scene = Scene::new();
    let config = with(
        &blue(
            json!({"ranges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.0", "rangeEnd": "10.1.2.3"}], [{"subnet": "fd00::/64"}]]}),
        ),
        "cniVersion",
        json!("1.1.0"),
    );
    let status = || scene.network_verb("STATUS", &config);
    assert_eq!(status().ok(), Value::Null);
    assert!(!fs::exists("/var/lib/cni/networks").unwrap(), "STATUS makes no directory");
    let mut given = Vec::new();
    for id in ["c1", "c2", "c3"] {
        assert_eq!(status().ok(), Value::Null);
        given.push(address(&scene.add(OURS, id, &config).ok()));
    }
    assert_eq!(given, ["10.1.2.0", "10.1.2.2", "10.1.2.3"], "all but the gateway");
    let (code, msg, details) = status().error();
    assert_eq!((code, msg.as_str()), (50, "no IP addresses available in range set: 10.1.2.0-10.1.2.3"));
    assert!(details.contains(BLUE), "{details}");
    let (code, msg, _) = scene.add(OURS, "c4", &config).error();
    assert_eq!(code, 11);
    assert!(msg.contains("failed to allocate for range 0: no IP addresses available in range set"), "{msg}");

    scene.del(OURS, "c2", &config).ok();
    assert_eq!(status().ok(), Value::Null);
    assert_eq!(addresses(&scene.add(OURS, "c4", &config).ok()), ["10.1.2.2", "fd00::5"]);
}

/// Trying again later would not help.
#[test]
fn a_set_that_can_never_give_an_address_is_a_wrong_configuration() {
    let scene = Scene::new();
    let only_gateway =
        json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.9", "gateway": "10.1.2.9"});
    let runtime = with(&blue(json!({})), "runtimeConfig", json!({"ipRanges": [[only_gateway]]}));
    for (config, place) in [
        (blue(only_gateway.clone()), "ipam.subnet can never give an address: 10.1.2.9-10.1.2.9"),
        (blue(json!({"ranges": [[{"subnet": "fd00::/64"}], [only_gateway]]})), "ipam.ranges[1] can never"),
        (runtime, "runtimeConfig.ipRanges[0] can never"),
    ] {
        let config = with(&config, "cniVersion", json!("1.1.0"));
        for reply in [scene.add(OURS, "c1", &config), scene.network_verb("STATUS", &config)] {
            let (code, msg, _) = reply.error();
            assert!(code == 7 && msg.contains(place), "{config}: {code} {msg}");
        }
        assert!(!fs::exists(BLUE).unwrap());
        // What an earlier configuration has given can be taken back.
        scene.del(OURS, "c1", &config).ok();
        scene.network_verb("GC", &with(&config, "cni.dev/valid-attachments", json!([]))).ok();
    }
}

/// Each set has to have a free address.
#[test]
fn status_tells_which_of_several_sets_is_used_up() {
    let scene = Scene::new();
    let set = |subnet: &str, start: &str, end: &str| json!([{"subnet": subnet, "rangeStart": start, "rangeEnd": end}]);
    let both =
        blue(json!({"ranges": [set("10.1.2.0/24", "10.1.2.8", "10.1.2.9"), set("fd00::/64", "fd00::8", "fd00::9")]}));
    let both = with(&both, "cniVersion", json!("1.1.0"));
    let status = |used_up: Option<&str>| {
        let reply = scene.network_verb("STATUS", &both);
        match used_up {
            None => assert_eq!(reply.ok(), Value::Null),
            Some(set) => assert_eq!(reply.error().0, 50, "{set}"),
        }
        assert!(used_up.is_none_or(|set| reply.error().1.contains(set)), "{reply}");
    };
    let only = |set: Value| blue(json!({ "ranges": [set] }));
    let v6 = only(set("fd00::/64", "fd00::8", "fd00::9"));
    status(None);
    scene.add(REFERENCE, "a", &v6).ok();
    status(None);
    scene.add(OURS, "b", &v6).ok();
    status(Some("fd00::8-fd00::9"));
    assert_eq!(scene.add(OURS, "c", &both).error().0, 11);
    assert_eq!(taken(BLUE).len(), 2, "the other set's address is free again");
    scene.del(REFERENCE, "b", &v6).ok();
    status(None);
    scene.add(OURS, "d", &both).ok();
    status(Some("fd00::8-fd00::9"));
    scene.del(OURS, "a", &v6).ok();
    scene.add(REFERENCE, "e", &only(set("10.1.2.0/24", "10.1.2.8", "10.1.2.9"))).ok();
    status(Some("10.1.2.8-10.1.2.9"));
    scene.del(OURS, "d", &both).ok();
    status(None);
}

#[test]
fn status_tells_a_directory_that_cannot_be_used() {
    let scene = Scene::new();
    let config = with(&blue(json!({"subnet": "10.1.2.0/24", "dataDir": "/run/pool"})), "cniVersion", json!("1.1.0"));
    let status = || scene.network_verb("STATUS", &config).error();
    fs::write("/run/pool", "").unwrap();
    let (code, msg, _) = status();
    assert_eq!((code, msg.contains("/run/pool")), (50, true), "{msg}");

    sh("rm /run/pool && mkdir /run/pool && mount -t tmpfs -o size=64k none /run/pool").ok();
    scene.network_verb("STATUS", &config).ok();
    assert_ne!(sh("mkdir /run/pool/blue; head -c 1M /dev/zero > /run/pool/fill").status, 0, "the disk is full");
    let (code, msg, _) = status();
    assert_eq!((code, msg.contains("no space left on device")), (50, true), "{msg}");

    sh("rm /run/pool/fill && mount -o remount,ro /run/pool").ok();
    let (code, msg, _) = status();
    assert_eq!(
        (code, msg.contains("/run/pool/blue: cannot keep allocations here: Read-only file system")),
        (50, true),
        "{msg}"
    );

    let config = with(&blue(json!({"subnet": "10.1.2.0/99"})), "cniVersion", json!("1.1.0"));
    assert_eq!(scene.network_verb("STATUS", &config).error().0, 7);
}

/// The runtime passes no `runtimeConfig` with STATUS.
#[test]
fn status_without_the_ranges_that_the_runtime_gives() {
    let scene = Scene::new();
    let config = with(&blue(json!({})), "cniVersion", json!("1.1.0"));
    assert_eq!(scene.network_verb("STATUS", &config).error().0, 7);
    scene.network_verb("STATUS", &with(&config, "capabilities", json!({"ipRanges": true}))).ok();
}

#[test]
fn unknown_keys_of_ipam_are_told_on_stderr() {
    let scene = Scene::new();
    let config = blue(json!({"subnet": "10.1.2.0/24", "rangeStrat": "10.1.2.9"}));
    let reply = scene.add(OURS, "c1", &config);
    reply.ok();
    assert!(reply.stderr.contains("did you mean \"rangeStart\"?"), "{}", reply.stderr);
}

#[test]
fn version_needs_no_network() {
    let reply = Invocation::new(OURS, "VERSION").stdin("{\"cniVersion\": \"1.1.0\"}").run().ok();
    assert_eq!(reply["supportedVersions"].as_array().unwrap().len(), 7);
}

/// The example of the documentation, as a runtime splits it up.
#[test]
fn the_example_gives_an_address_of_both_families() {
    let scene = Scene::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conf-examples/host-local.conflist");
    let list: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut config = list["plugins"][0].clone();
    config["name"] = list["name"].clone();
    config["cniVersion"] = list["cniVersions"].as_array().unwrap().last().unwrap().clone();
    scene.network_verb("STATUS", &config).ok();
    let reply = scene.add(OURS, "c1", &config);
    assert_eq!(addresses(&reply.ok()), ["10.22.0.10", "fd00:22::2"]);
    assert_eq!(reply.stderr, "");
    let visible: Vec<String> = visible("/var/lib/cni/networks/blue").into_keys().collect();
    assert_eq!(visible, ["10.22.0.10", "fd00:22::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
}
