//! Ports that the reference plugin has published, and that our DEL and GC take away once our executable has taken its place.

use std::path::Path;

use harness::{Invocation, Namespace, sh};
use serde_json::{Value, json};
use tests::world::OUTSIDE;
use tests::{Plugin, with};

use crate::site::{Site, ruleset, seen_from, server, tcp};

/// `containernetworking-plugins` of Debian, whose `portmap` runs iptables.
const REFERENCE: &str = "/usr/lib/cni";
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn reference(command: &str, ns: &Namespace, config: &Value) -> Invocation {
    assert!(Path::new(REFERENCE).join("portmap").is_file(), "Debian's containernetworking-plugins are not installed");
    let call = Invocation::new(&format!("{REFERENCE}/portmap"), command).path(REFERENCE).env("PATH", PATH);
    call.config(config.clone()).container(&ns.name).netns(&ns.path).ifname("eth0")
}

/// Without what only later versions know.
fn of_version(config: &Value) -> Value {
    let text = config.to_string().replace("\"cniVersion\":\"1.1.0\"", "\"cniVersion\":\"1.0.0\"");
    serde_json::from_str(&text).expect("JSON")
}

/// What a later release of the reference makes by nftables for a container that publishes port 8080.
fn by_nftables(container: &str, address: &str) {
    sh(&format!(
        "nft -f - <<'X'
        add table ip cni_hostport {{ comment \"CNI portmap plugin\"; }}
        add chain ip cni_hostport hostports
        add chain ip cni_hostport hostip_hostports
        add chain ip cni_hostport prerouting {{ type nat hook prerouting priority dstnat; }}
        add rule ip cni_hostport prerouting jump hostip_hostports
        add rule ip cni_hostport prerouting jump hostports
        add chain ip cni_hostport masquerading {{ type nat hook postrouting priority srcnat; }}
        add rule ip cni_hostport hostports tcp dport 8080 dnat to {address}:80 comment \"{container}\"
        add rule ip cni_hostport masquerading ip saddr {address} ip daddr {address} masquerade comment \"{container}\"
X"
    ))
    .ok();
}

#[test]
fn del_takes_away_what_the_reference_published_by_iptables() {
    let site = Site::new();
    let [first, second] = [site.c1(), &site.c2].map(|ns| {
        let port = if ns.name == "c1" { 8080 } else { 8081 };
        let nic = of_version(&site.nic(ns, json!({})));
        let ports = of_version(&Site::ports(&nic, &json!([tcp(port, 80)]), json!({})));
        reference("ADD", ns, &ports).run().ok();
        ports
    });
    let _servers = (server(site.c1(), 80), server(&site.c2, 80));
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some(), "{}", ruleset());
    let bare = with(&first, json!({"prevResult": null, "runtimeConfig": null}));
    site.call(site.c1(), "DEL", &bare).ok();
    let jumps = |tool: &str| sh(&format!("{tool} -t nat -S CNI-HOSTPORT-DNAT")).stdout.matches("-j CNI-DN-").count();
    assert_eq!((jumps("iptables"), jumps("ip6tables")), (1, 1), "those of the other container are left");
    assert_eq!(seen_from(&site.world, OUTSIDE, 8080), None);
    assert!(seen_from(&site.world, OUTSIDE, 8081).is_some());
    let gc =
        with(&of_version(&second), json!({"cniVersion": "1.1.0", "prevResult": null, "cni.dev/valid-attachments": []}));
    site.scene.call(Plugin::Portmap, "GC", gc).run().ok();
    assert_eq!((jumps("iptables"), jumps("ip6tables")), (0, 0));
    assert!(!ruleset().contains("chain CNI-DN-"), "{}", ruleset());
}

#[test]
fn del_takes_away_what_a_later_reference_published_by_nftables() {
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    let address =
        nic["prevResult"]["ips"][0]["address"].as_str().expect("an address").trim_end_matches("/24").to_owned();
    by_nftables("c1", &address);
    by_nftables("c9", "10.1.0.99");
    site.call(site.c1(), "DEL", &json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"})).ok();
    let rules = ruleset();
    assert!(!rules.contains("comment \"c1\"") && rules.matches("comment \"c9\"").count() == 2, "{rules}");
}

#[test]
fn ours_works_beside_what_the_reference_published() {
    let site = Site::new();
    let nic = of_version(&site.nic(&site.c2, json!({})));
    let theirs = of_version(&Site::ports(&nic, &json!([tcp(8081, 80)]), json!({})));
    reference("ADD", &site.c2, &theirs).run().ok();
    let before = ruleset();
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let _servers = (server(site.c1(), 80), server(&site.c2, 80));
    for port in [8080, 8081] {
        assert!(seen_from(&site.world, OUTSIDE, port).is_some(), "{port}: {}", ruleset());
    }
    site.deleted(site.c1(), &first);
    assert!(seen_from(&site.world, OUTSIDE, 8081).is_some());
    let without_counters = |rules: &str| {
        let words = rules.split_whitespace().filter(|word| word.parse::<u64>().is_err());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_counters(&ruleset()), without_counters(&before));
}
