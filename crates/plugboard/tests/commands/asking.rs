//! Addresses that are asked for.

use crate::support::{Lab, assert_refused};
use harness::Namespace;
use serde_json::{Value, json};

const MAC: &str = "02:00:00:00:0a:05";

fn networks(lab: &Lab) {
    let ranges = json!([[{"subnet": "10.8.0.0/24"}], [{"subnet": "fd00:8::/64"}]]);
    let pool = json!({"type": "host-local", "ranges": ranges, "dataDir": "/run/ipam"});
    lab.network_with(
        "pool",
        &json!({"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "bridge": "br0", "ipam": pool}]}),
    );
    let fixed = json!({"type": "static", "addresses": [{"address": "10.9.0.2/24"}]});
    lab.network_with(
        "fixed",
        &json!({"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "bridge": "br1", "ipam": fixed}]}),
    );
    lab.network_with("plain", &json!({"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "bridge": "br2"}]}));
}

fn addresses(namespace: &Namespace, interface: &str) -> Vec<String> {
    let link = namespace.ip(&format!("address show dev {interface} scope global"));
    let address = |one: &Value| format!("{}/{}", one["local"], one["prefixlen"]).replace('"', "");
    let all = link[0]["addr_info"].as_array().expect("addresses");
    all.iter().filter(|one| one["local"].is_string()).map(address).collect()
}

#[test]
fn what_is_asked_for_is_given() {
    let lab = Lab::with_own_plugins();
    given(&lab);
    lab.plugboard("check c1").ok();
    lab.plugboard("detach c1").ok();
}

#[test]
fn what_is_asked_for_is_given_by_the_reference_plugins_too() {
    let lab = Lab::with_reference_plugins();
    given(&lab);
    lab.plugboard("detach c1").ok();
}

fn given(lab: &Lab) {
    networks(lab);
    let c1 = lab.host.namespace("c1");
    lab.plugboard(&format!("attach c1 pool --ip 10.8.0.77 --ip fd00:8::77 --mac {MAC}")).ok();
    assert_eq!(addresses(&c1, "eth0"), ["10.8.0.77/24", "fd00:8::77/64"]);
    assert_eq!(c1.ip("link show eth0")[0]["address"], MAC);
    lab.plugboard("attach c1 'fixed[ip=10.9.0.5/24,mac=02:00:00:00:0a:06],plain[mac=02:00:00:00:0a:07]'").ok();
    assert_eq!(addresses(&c1, "eth1"), ["10.9.0.5/24"]);
    assert_eq!(c1.ip("link show eth1")[0]["address"], "02:00:00:00:0a:06");
    assert_eq!(c1.ip("link show eth2")[0]["address"], "02:00:00:00:0a:07");
}

#[test]
fn what_cannot_be_given_is_an_error_and_nothing_is_made() {
    let lab = Lab::with_own_plugins();
    networks(&lab);
    let c1 = lab.host.namespace("c1");
    for (arguments, message) in [
        ("c1 pool --ip 10.7.0.7", "10.7.0.7 is in none of"),
        ("c1 plain --ip 10.7.0.7", "network 'plain' gives no addresses, because it has no ipam"),
        ("c1 'plain[ip=10.7.0.7]'", "leave 10.7.0.7 out, and configure it in the container"),
    ] {
        assert_refused(&lab.plugboard(&format!("attach {arguments}")), message);
    }
    for (arguments, message) in [
        ("c1 pool,plain --ip 10.8.0.7", "there are 2 networks: write NETWORK[ip=ADDRESS,mac=ADDRESS]"),
        ("c1 'pool[ip=10.8.0.7]' --ip 10.8.0.8", "one address of each family may be asked for"),
        ("c1 'pool[mac=02:00:00:00:00:01]' --mac 02:00:00:00:00:02", "two hardware addresses are asked for"),
        ("c1 'pool[ip=10.8.0.7,ip=10.8.0.8]'", "'ip' is given twice for network 'pool'"),
        ("c1 pool --ip 10.8.0", "an address is expected"),
        ("c1 pool --mac nonsense", "is not a hardware address"),
    ] {
        let refused = lab.plugboard(&format!("attach {arguments}"));
        assert!(refused.status == 2 && refused.stderr.contains(message), "{arguments}: {refused:?}");
    }
    assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(1));
    lab.assert_nothing_remembered();
}

/// Not every plugin knows of such arguments.
#[test]
fn a_plugin_that_does_not_listen_is_found_out() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("lan", &json!([{"type": "wire", "ipam": {"type": "wire"}}]));
    lab.host.namespace("c1");
    assert_refused(
        &lab.plugboard("attach c1 lan --ip 10.0.0.9"),
        "eth0 should have the address 10.0.0.9, and has 10.0.0.5",
    );
    assert_refused(
        &lab.plugboard(&format!("attach c1 lan --mac {MAC}")),
        "should have the hardware address 02:00:00:00:0a:05, and has 02:00:00:00:00:01",
    );
    let calls = lab.calls_in_short();
    assert_eq!(calls, ["ADD wire eth0", "DEL wire eth0", "ADD wire eth0", "DEL wire eth0"]);
    lab.assert_nothing_remembered();
    lab.plugboard("attach c1 lan --ip 10.0.0.5 --mac 02:00:00:00:00:01").ok();
}

#[test]
fn a_preset_in_brackets_is_handed_over() {
    let lab = Lab::new();
    lab.recorders(&["wire", "netem-shaper"]);
    lab.network("lan", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 'lan[preset=lte,bw=5Mbps]'").ok();
    let told = lab.calls().into_iter().find(|call| call["type"] == "netem-shaper").expect("a call");
    assert_eq!(told["stdin"]["runtimeConfig"]["shaping"], json!({"bw": "5Mbps", "preset": "lte"}));
}
