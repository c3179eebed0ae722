//! The verbs of published ports beside ADD.

use harness::sh;
use serde_json::{Value, json};
use tests::world::OUTSIDE;
use tests::{LATEST, Plugin, Process, Refusal, cites, codes, with};

use crate::site::{Site, bridge, route_localnet, ruleset, seen_from, server, tcp};

fn bare() -> Value {
    json!({"cniVersion": LATEST, "name": "net", "type": "portmap"})
}

/// Keys of every kind, whose elements are in every set but `waiting`.
fn everything() -> (Value, Value) {
    let udp = json!({"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": OUTSIDE});
    let six = json!({"hostPort": 5353, "containerPort": 53, "protocol": "sctp", "hostIP": "2001:db8::1"});
    (json!([tcp(8080, 80), udp, six]), json!({"masqAll": true, "conditionsV6": ["-i", "wan"]}))
}

#[test]
fn without_ports_the_result_is_passed_on_and_nothing_is_done() {
    cites!("ADD-5", "ADD-6");
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    let before = (site.state(), ruleset());
    for keys in
        [json!({"runtimeConfig": null}), json!({"runtimeConfig": {}}), json!({"runtimeConfig": {"portMappings": []}})]
    {
        let config = with(&Site::ports(&nic, &json!([]), json!({})), keys);
        assert_eq!(site.call(site.c1(), "ADD", &config).ok(), nic["prevResult"]);
        site.call(site.c1(), "CHECK", &config).ok();
        assert_eq!(before, (site.state(), ruleset()));
    }
    let (code, msg, _) =
        site.call(site.c1(), "ADD", &with(&bare(), json!({"runtimeConfig": {"portMappings": [tcp(1, 1)]}}))).error();
    assert!(code == 7 && msg.contains("prevResult"), "{code}: {msg}");
}

#[test]
fn del_needs_nothing_but_the_attachment() {
    cites!("DEL-2", "DEL-3", "DEL-4");
    let site = Site::new();
    let before = site.state();
    let (mappings, keys) = everything();
    let attached = site.published(site.c1(), &mappings, keys);
    for config in [with(&bare(), json!({"snat": 7, "runtimeConfig": {"portMappings": "x"}})), bare()] {
        let call = site.scene.call(Plugin::Portmap, "DEL", config).netns("/nowhere");
        call.run().ok();
        assert!(!sh("nft list tables").ok().contains("plugboard-ports"), "{}", ruleset());
        assert_eq!(route_localnet("br0"), "0");
    }
    site.scene.call(Plugin::Bridge, "DEL", attached.nic).run().ok();
    site.stop_forwarding();
    assert_eq!(before, site.state());
}

#[test]
fn the_ports_go_and_the_nic_stays() {
    let site = Site::new();
    let attached = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let masquerade = sh("nft list table inet plugboard").ok();
    site.call(site.c1(), "DEL", &attached.ports).ok();
    assert_eq!(sh("nft list table inet plugboard").ok(), masquerade);
    assert!(site.c1().ping("10.1.0.1", 1).all_answered());
    // And the other way round: what `bridge` takes away is not the ports.
    site.call(site.c1(), "ADD", &attached.ports).ok();
    site.scene.call(Plugin::Bridge, "DEL", attached.nic).run().ok();
    assert!(ruleset().contains("10.1.0.2 . 80"), "{}", ruleset());
    site.call(site.c1(), "DEL", &bare()).ok();
    assert_eq!(ruleset(), "");
}

#[test]
fn check_misses_every_element() {
    cites!("CHK-3");
    let site = Site::new();
    let (mappings, keys) = everything();
    let attached = site.published(site.c1(), &mappings, keys);
    site.checked(site.c1(), &attached);
    let own = |line: &str| line.contains("eth0 on net of c1");
    let table = || sh("nft list table inet plugboard-ports").ok();
    // Of each set, its name and the key of each element.
    let mut elements = Vec::new();
    let mut set = String::new();
    for line in table().lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("set ").or_else(|| line.strip_prefix("map ")) {
            set = name.trim_end_matches(" {").to_owned();
        }
        if line.starts_with("chain ") {
            break;
        }
        for element in line.trim_start_matches("elements = {").split(',').filter(|element| own(element)) {
            let key = element.split(" comment ").next().expect("a key").trim().to_owned();
            elements.push((set.clone(), key));
        }
    }
    let sets: std::collections::BTreeSet<&str> = elements.iter().map(|(set, _)| set.as_str()).collect();
    let all = [
        "all4",
        "all6",
        "conditional",
        "hairpin4",
        "hairpin6",
        "hostports4",
        "own4",
        "own6",
        "ports4",
        "published4",
        "published6",
    ];
    assert_eq!(sets.into_iter().collect::<Vec<_>>(), all, "{elements:?}\n{}", table());
    for (set, key) in &elements {
        sh(&format!("nft 'delete element inet plugboard-ports {set} {{ {key} }}'")).ok();
        let (code, msg, _) = site.call(site.c1(), "CHECK", &attached.ports).error();
        assert!(
            code == codes::DIFFERENT && msg.contains(&format!("in set {set} of table inet plugboard-ports")),
            "{set}: {msg}"
        );
        site.call(site.c1(), "DEL", &attached.ports).ok();
        site.call(site.c1(), "ADD", &attached.ports).ok();
    }
    // It leads elsewhere.
    sh("nft 'delete element inet plugboard-ports ports4 { tcp . 8080 }' && \
        nft 'add element inet plugboard-ports ports4 { tcp . 8080 comment \"somebody\" : 10.9.9.9 . 80 }'")
    .ok();
    let (code, msg, _) = site.call(site.c1(), "CHECK", &attached.ports).error();
    assert!(code == codes::DIFFERENT && msg.contains("8080"), "{code}: {msg}");
    sh("nft flush chain inet plugboard-ports output").ok();
    let (_, msg, _) = site.call(site.c1(), "CHECK", &attached.ports).error();
    assert!(msg.contains("8080"), "{msg}");
}

#[test]
fn gc_removes_the_ports_of_invalid_attachments_of_the_network_alone() {
    cites!("GC-1", "GC-2");
    let site = Site::new();
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    site.published(&site.c2, &json!([tcp(8081, 80)]), json!({}));
    let c3 = site.scene.host.namespace("c3");
    let other = with(
        &bridge(),
        json!({"name": "other", "bridge": "br9", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}}),
    );
    let result = site.scene.call_for(&c3, "eth0", Plugin::Bridge, "ADD", other.clone()).run().ok();
    let of_other = Site::ports(&with(&other, json!({"prevResult": result})), &json!([tcp(8082, 80)]), json!({}));
    site.call(&c3, "ADD", &of_other).ok();
    let gc = |name: &str, valid: Value| {
        let config = with(&bare(), json!({"name": name, "cni.dev/valid-attachments": valid}));
        site.scene.call(Plugin::Portmap, "GC", config).run().ok();
    };
    gc("net", json!([{"containerID": "c1", "ifname": "eth0"}]));
    let rules = ruleset();
    assert!(rules.contains("tcp . 8080") && !rules.contains("tcp . 8081") && rules.contains("tcp . 8082"), "{rules}");
    site.checked(site.c1(), &first);
    gc("net", json!([]));
    assert!(!ruleset().contains("tcp . 8080") && ruleset().contains("tcp . 8082"));
    assert_eq!((route_localnet("br0"), route_localnet("br9")), ("0".to_owned(), "1".to_owned()));
    gc("other", json!([]));
    assert!(!sh("nft list tables").ok().contains("plugboard-ports"), "{}", ruleset());
    assert_eq!(route_localnet("br9"), "0");
}

#[test]
fn an_add_that_fails_leaves_nothing() {
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    let before = (site.state(), ruleset());
    let config = Site::ports(&nic, &json!([tcp(8080, 80)]), json!({}));
    let process = Process::new(Plugin::Portmap, "ADD").attachment(site.c1(), "eth0").refusing(&Refusal::PACKET_FILTER);
    let output = process.start(&config).wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("nf_tables") && text.contains("modprobe"), "{text}");
    assert_eq!(before, (site.state(), ruleset()));
    let status = Process::new(Plugin::Portmap, "STATUS").refusing(&Refusal::PACKET_FILTER);
    let output = status.start(&bare()).wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("\"code\":50") || text.contains("\"code\": 50"), "{text}");
    site.scene.call(Plugin::Portmap, "STATUS", bare()).run().ok();
    assert_eq!(before, (site.state(), ruleset()));
}

#[test]
fn what_a_killed_add_has_left_makes_room_for_the_next() {
    let site = Site::new();
    let (mappings, keys) = everything();
    let attached = site.published(site.c1(), &mappings, keys);
    // The container is attached anew, at another address: nobody has called DEL.
    let moved = attached.ports.to_string().replace("10.1.0.2/", "10.1.0.77/");
    let moved: Value = serde_json::from_str(&moved).expect("JSON");
    site.call(site.c1(), "ADD", &moved).ok();
    let rules = ruleset();
    assert!(rules.contains(": 10.1.0.77 . 80") && !rules.contains("10.1.0.2 . 80"), "{rules}");
    site.call(site.c1(), "CHECK", &moved).ok();
    site.call(site.c1(), "DEL", &moved).ok();
    assert!(!sh("nft list tables").ok().contains("plugboard-ports"));
}

#[test]
fn what_is_printed_makes_the_same() {
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    let (mappings, keys) = everything();
    let config = Site::ports(&nic, &mappings, keys);
    let print = |command: &str, config: &Value| {
        let call = site.scene.call(Plugin::Portmap, "PRINT", config.clone()).env("CNI_PRINT", command);
        let printed = call.run().ok();
        let commands = printed["commands"].as_array().expect("a list").clone();
        commands.iter().map(|line| line.as_str().expect("a text").to_owned() + "\n").collect::<String>()
    };
    let sorted = || {
        let rules = ruleset().replace("elements = {", "").replace('}', "");
        let mut lines: Vec<String> = rules.split(['\n', ',']).map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    };
    let before = ruleset();
    let script = print("ADD", &config);
    assert_eq!(ruleset(), before, "printing changes nothing");
    site.call(site.c1(), "ADD", &config).ok();
    let made = sorted();
    let removal = print("DEL", &config);
    site.call(site.c1(), "DEL", &config).ok();
    sh(&script).ok();
    let again = sorted();
    let differ: Vec<_> = again.iter().filter(|line| !made.contains(line)).collect();
    let lacks: Vec<_> = made.iter().filter(|line| !again.contains(line)).collect();
    assert_eq!((differ, lacks), (Vec::new(), Vec::new()), "{script}");
    assert_eq!(route_localnet("br0"), "1");
    site.call(site.c1(), "CHECK", &config).ok();
    sh(&removal).ok();
    assert_eq!((ruleset(), route_localnet("br0")), (before, "0".to_owned()), "{removal}");
}

#[test]
fn a_thousand_ports_are_published_and_found() {
    let site = Site::new();
    let mappings: Vec<Value> = (0..1000).map(|number| tcp(20_000 + number, 80)).collect();
    let attached = site.published(site.c1(), &json!(mappings), json!({}));
    let _server = server(site.c1(), 80);
    for port in [20_000, 20_500, 20_999] {
        assert!(seen_from(&site.world, OUTSIDE, port).is_some());
    }
    site.checked(site.c1(), &attached);
    site.deleted(site.c1(), &attached);
    assert_eq!(ruleset(), "");
}
