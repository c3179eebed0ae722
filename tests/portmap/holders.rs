//! A port of the host has one holder.

use harness::sh;
use serde_json::{Value, json};
use tests::world::OUTSIDE;
use tests::{Plugin, cites, codes, with};

use crate::site::{Site, ruleset, seen_from, seen_from_host, server, tcp};

#[test]
fn a_port_that_another_container_has_is_refused_with_its_name() {
    cites!("ADD-1");
    let site = Site::new();
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let nic = site.nic(&site.c2, json!({}));
    let before = (site.state(), ruleset());
    for mapping in
        [tcp(8080, 81), with(&tcp(8080, 81), json!({"hostIP": OUTSIDE})), with(&tcp(8080, 81), json!({"hostIP": "::"}))]
    {
        let (code, msg, _) =
            site.call(&site.c2, "ADD", &Site::ports(&nic, &json!([tcp(9090, 90), mapping]), json!({}))).error();
        assert!(code == codes::CONFLICT && msg.contains("is published by eth0 on net of c1"), "{code}: {msg}");
        assert!(msg.contains("port 8080/tcp") && msg.contains("detach c1 first"), "{msg}");
        assert_eq!(before, (site.state(), ruleset()));
    }
    // Another protocol, and another port.
    let other = with(&tcp(8080, 80), json!({"protocol": "udp"}));
    site.call(&site.c2, "ADD", &Site::ports(&nic, &json!([other, tcp(8081, 80)]), json!({}))).ok();
    site.deleted(site.c1(), &first);
    // It is free now.
    let ports = Site::ports(&nic, &json!([tcp(8080, 80)]), json!({}));
    site.call(&site.c2, "DEL", &ports).ok();
    site.call(&site.c2, "ADD", &ports).ok();
    let _server = server(&site.c2, 80);
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some());
    site.call(&site.c2, "CHECK", &ports).ok();
    site.call(&site.c2, "DEL", &ports).ok();
}

#[test]
fn an_address_is_taken_by_all_addresses_and_all_by_one() {
    let site = Site::new();
    let at = |address: &str| with(&tcp(8080, 80), json!({"hostIP": address}));
    let first = site.published(site.c1(), &json!([at(OUTSIDE)]), json!({}));
    let nic = site.nic(&site.c2, json!({}));
    let call = |mapping: Value| site.call(&site.c2, "ADD", &Site::ports(&nic, &json!([mapping]), json!({})));
    assert_eq!(call(tcp(8080, 80)).error().0, codes::CONFLICT);
    assert_eq!(call(at(OUTSIDE)).error().0, codes::CONFLICT);
    call(at("10.1.0.1")).ok();
    let _servers = (server(site.c1(), 80), server(&site.c2, 80));
    for address in [OUTSIDE, "10.1.0.1"] {
        assert!(seen_from_host(address, 8080).is_some(), "{address}");
    }
    site.deleted(site.c1(), &first);
    assert!(seen_from_host("10.1.0.1", 8080).is_some());
    assert_eq!(seen_from_host(OUTSIDE, 8080), None);
}

#[test]
fn a_container_in_several_networks_holds_its_port_until_the_last_one_goes() {
    let site = Site::new();
    let mappings = json!([tcp(8080, 80), with(&tcp(5353, 53), json!({"protocol": "udp", "hostIP": OUTSIDE}))]);
    let first = site.published(site.c1(), &mappings, json!({}));
    let further = |number: u8, keys: Value| {
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]});
        let name = format!("net{number}");
        let config = with(&crate::site::bridge(), json!({"name": name, "bridge": format!("br{number}"), "ipam": ipam}));
        let ifname = format!("eth{number}");
        let call = |plugin, command: &str, config: &Value| {
            site.scene.call_for(site.c1(), &ifname, plugin, command, config.clone()).run()
        };
        let nic = with(&config, json!({"prevResult": call(Plugin::Bridge, "ADD", &config).ok()}));
        let ports = with(&Site::ports(&nic, &mappings, json!({})), keys);
        call(Plugin::Portmap, "ADD", &ports).ok();
        call(Plugin::Portmap, "CHECK", &ports).ok();
        (ifname.clone(), nic, ports)
    };
    let (second, third) = (further(2, json!({})), further(3, json!({})));
    let deleted = |(ifname, nic, ports): &(String, Value, Value)| {
        for (plugin, config) in [(Plugin::Portmap, ports), (Plugin::Bridge, nic)] {
            site.scene.call_for(site.c1(), ifname, plugin, "DEL", config.clone()).run().ok();
        }
    };
    let leads_to = |address: &str| {
        let rules = ruleset();
        assert!(
            rules.contains(&format!(": {address} . 80")) && rules.contains(&format!(": {address} . 53")),
            "{address}: {rules}"
        );
    };
    let _server = server(site.c1(), 80);
    leads_to("10.1.0.2");
    site.checked(site.c1(), &first);
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some());
    // One that waits goes without a trace.
    deleted(&second);
    leads_to("10.1.0.2");
    let second = further(2, json!({}));
    let print = site.scene.call(Plugin::Portmap, "PRINT", first.ports.clone()).env("CNI_PRINT", "DEL").run().ok();
    let takes_over = "create element inet plugboard-ports ports4 { 6 . 8080 comment";
    assert!(print["commands"].to_string().contains(takes_over), "{print:#}");
    site.deleted(site.c1(), &first);
    leads_to("10.2.0.3");
    site.c1().sh("ip route replace default via 10.2.0.1").ok();
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some(), "{}", ruleset());
    for (ifname, _, ports) in [&second, &third] {
        site.scene.call_for(site.c1(), ifname, Plugin::Portmap, "CHECK", ports.clone()).run().ok();
    }
    deleted(&second);
    leads_to("10.3.0.2");
    deleted(&third);
    assert_eq!(ruleset(), "");
}

#[test]
fn parallel_calls_for_one_port_have_one_winner() {
    let site = Site::new();
    let containers: Vec<_> = (10..22).map(|number| site.scene.host.namespace(&format!("c{number}"))).collect();
    let nics: Vec<Value> = containers.iter().map(|ns| site.nic(ns, json!({}))).collect();
    let calls: Vec<_> = containers
        .iter()
        .zip(&nics)
        .map(|(ns, nic)| {
            let config = Site::ports(nic, &json!([tcp(8080, 80), tcp(8081, 81)]), json!({}));
            let call = tests::Process::new(Plugin::Portmap, "ADD").attachment(ns, "eth0");
            call.start(&config)
        })
        .collect();
    let outcomes: Vec<bool> =
        calls.into_iter().map(|call| call.wait_with_output().expect("it ends").status.success()).collect();
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}\n{}", ruleset());
    let winner = outcomes.iter().position(|won| *won).expect("one has won");
    let address = nics[winner]["prevResult"]["ips"][0]["address"]
        .as_str()
        .expect("an address")
        .trim_end_matches("/24")
        .to_owned();
    let rules = ruleset();
    assert!(rules.contains(&format!(": {address} . 80")) && rules.contains(&format!(": {address} . 81")), "{rules}");
    for ns in &containers {
        let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"});
        site.call(ns, "DEL", &config).ok();
    }
    assert!(!sh("nft list tables").ok().contains("plugboard-ports"));
}

/// A further network of a container, and calls for it.
struct Further<'a> {
    site: &'a Site,
    ifname: String,
    nic: Value,
    ports: Value,
}

impl<'a> Further<'a> {
    fn attach(site: &'a Site, number: u8, network: &str, mappings: &Value, keys: Value) -> Self {
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]});
        let config =
            with(&crate::site::bridge(), json!({"name": network, "bridge": format!("br{number}"), "ipam": ipam}));
        let mut further = Self { site, ifname: format!("eth{number}"), nic: config, ports: Value::Null };
        let result = further.call(Plugin::Bridge, "ADD", &further.nic).ok();
        further.nic = with(&further.nic, json!({"prevResult": result}));
        further.ports = with(&Site::ports(&further.nic, mappings, json!({})), keys);
        further.call(Plugin::Portmap, "ADD", &further.ports).ok();
        further.call(Plugin::Portmap, "CHECK", &further.ports).ok();
        further
    }

    fn call(&self, plugin: Plugin, command: &str, config: &Value) -> harness::Reply {
        self.site.scene.call_for(self.site.c1(), &self.ifname, plugin, command, config.clone()).run()
    }

    fn delete(&self) {
        self.call(Plugin::Portmap, "DEL", &self.ports).ok();
    }
}

#[test]
fn several_networks_with_conditions_wait_for_each_other() {
    let site = Site::new();
    let mappings = json!([tcp(8080, 80)]);
    let keys = json!({"conditionsV4": ["!", "-s", "192.0.2.0/29"]});
    let first = site.published(site.c1(), &mappings, keys.clone());
    let long =
        "myproject-production_backend-services-network-of-a-name-that-leaves-no-room-for-the-whole-id-of-a-container";
    let [second, third] =
        [(2, "net2"), (3, long)].map(|(number, name)| Further::attach(&site, number, name, &mappings, keys.clone()));
    site.deleted(site.c1(), &first);
    second.call(Plugin::Portmap, "CHECK", &second.ports).ok();
    third.call(Plugin::Portmap, "CHECK", &third.ports).ok();
    second.delete();
    third.call(Plugin::Portmap, "CHECK", &third.ports).ok();
    third.delete();
    assert!(!sh("nft list tables").ok().contains("plugboard-ports"), "{}", ruleset());
}

#[test]
fn a_network_without_conditions_opens_nothing_that_the_first_has_closed() {
    let site = Site::new();
    let mappings = json!([tcp(8080, 80)]);
    let first = site.published(site.c1(), &mappings, json!({"conditionsV4": ["-s", "192.0.2.9"]}));
    let second = Further::attach(
        &site,
        2,
        "net2",
        &json!([tcp(8080, 80), with(&tcp(8080, 80), json!({"hostIP": OUTSIDE}))]),
        json!({}),
    );
    let _server = server(site.c1(), 80);
    assert_eq!(seen_from(&site.world, OUTSIDE, 8080), None, "{}", ruleset());
    site.call(site.c1(), "DEL", &first.ports).ok();
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some(), "{}", ruleset());
    second.call(Plugin::Portmap, "CHECK", &second.ports).ok();
}

#[test]
fn an_add_that_is_repeated_leaves_the_port_to_whoever_waits() {
    let site = Site::new();
    let mappings = json!([tcp(8080, 80)]);
    let first = site.published(site.c1(), &mappings, json!({}));
    let second = Further::attach(&site, 2, "net2", &mappings, json!({}));
    site.call(site.c1(), "ADD", &first.ports).ok();
    site.call(site.c1(), "CHECK", &first.ports).ok();
    second.call(Plugin::Portmap, "CHECK", &second.ports).ok();
    let print = site
        .scene
        .call(Plugin::Portmap, "PRINT", second.ports.clone())
        .ifname("eth2")
        .env("CNI_PRINT", "ADD")
        .run()
        .ok();
    assert!(print["commands"].to_string().contains("nft 'delete element"), "what is there goes first: {print:#}");
}

#[test]
fn a_long_name_of_a_network_makes_no_two_containers_one() {
    let site = Site::new();
    let name = "n".repeat(105);
    let attach = |ns: &harness::Namespace| {
        let nic = site.nic(ns, json!({"name": name}));
        (site.call(ns, "ADD", &Site::ports(&nic, &json!([tcp(8080, 80)]), json!({}))), nic)
    };
    attach(site.c1()).0.ok();
    assert_eq!(attach(&site.c2).0.error().0, codes::CONFLICT);
}

#[test]
fn many_ports_beside_many_take_no_longer_than_alone() {
    let site = Site::new();
    let many = |from: u16| -> Value { (0..1000).map(|number| tcp(from + number, 80)).collect() };
    site.published(site.c1(), &many(10_000), json!({"conditionsV4": ["!", "-s", "192.0.2.0/29"]}));
    let begin = std::time::Instant::now();
    let second = site.published(&site.c2, &many(20_000), json!({}));
    site.checked(&site.c2, &second);
    // It was half a minute once.
    assert!(begin.elapsed() < std::time::Duration::from_secs(8), "{:?}", begin.elapsed());
    site.deleted(&site.c2, &second);
    site.call(site.c1(), "DEL", &json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"})).ok();
    assert!(!sh("nft list tables").ok().contains("plugboard-ports"));
}
