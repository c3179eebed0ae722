//! Failures and containers that are gone: what scripts do not notice.

use harness::{Invocation, row, sh};
use integration::{call, links, with};
use serde_json::{Value, json};

use super::site::{Member, Site, at, network, of_kind};
use crate::process_container::Container;

/// Addresses from 10.0.0.2 on, which the hosts have in common here.
fn numbered(keys: &Value) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}]]});
    with(&network(keys), &json!({"ipam": ipam}))
}

#[test]
fn each_failure_says_what_and_changes_nothing() {
    let _row = row("M65");
    let site = Site::<2>::new();
    let [host, far] = &site.hosts;
    let [ctn, other, remote] = ["ctn-1", "ctn-2", "ctn-3"].map(|name| site.container(name));
    host.sh("nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }'").ok();
    host.sh("ip link add own0 up type vxlan id 77 group 239.7.7.7 dev eth0 dstport 14789 && ip link add vx14789-78 type bridge")
        .ok();
    let members = [
        Member::new(host, &ctn, "eth0", &network(&json!({})), "10.0.0.1/24"),
        Member::new(far, &remote, "eth0", &network(&json!({})), "10.0.0.9/24"),
    ];
    assert_eq!(members[0].answered_by(&members[1]), 3);
    let add = |interface: &str, keys: Value| call("ADD", &ctn, interface, &network(&keys));
    let fails: Vec<(&str, Invocation, u64, &str)> = vec![
        // usage
        ("no interface", add("eth1", json!({})).unset("CNI_IFNAME"), 4, "CNI_IFNAME"),
        ("no container", add("eth1", json!({})).unset("CNI_CONTAINERID"), 4, "CNI_CONTAINERID"),
        ("unknown command", add("eth1", json!({})).env("CNI_COMMAND", "APPEND"), 4, "APPEND"),
        ("no configuration", add("eth1", json!({})).stdin("{"), 6, ""),
        ("a wrong type", add("eth1", json!({"vni": "two"})), 7, "vni"),
        ("no group", add("eth1", json!({"group": null})), 7, "group"),
        ("the address of a host", add("eth1", json!({"group": "10.0.0.1"})), 7, "10.0.0.1"),
        ("contradicting keys", add("eth1", json!({"remotes": ["192.168.7.2"]})), 7, "remotes"),
        ("a key of other networks", add("eth1", json!({"bridge": "br0"})), 7, "bridge"),
        ("an underlay that is missing", add("eth1", json!({"if": "eth9"})), 7, "eth9"),
        ("an MTU beyond the underlay's", add("eth1", json!({"mtu": 1451})), 7, "1450"),
        // an unknown container
        ("no namespace", add("eth1", json!({})).netns("/run/netns/nobody"), 8, "/run/netns/nobody"),
        ("no namespace but a file", add("eth1", json!({})).netns("/etc/passwd"), 8, "/etc/passwd"),
        // what is there already
        ("a duplicate NIC", add("eth0", json!({})), 101, "eth0"),
        ("a duplicate NIC in another cloud", add("eth0", json!({"vni": 9})), 101, "eth0"),
        ("another group for the same", add("eth1", json!({"group": "234.0.0.9"})), 102, "234.0.0.9"),
        ("a device of the operator", add("eth1", json!({"vni": 77})), 102, "77"),
        ("a bridge of that name", add("eth1", json!({"vni": 78})), 102, "vx14789-78"),
        // IPAM
        ("no such IPAM", add("eth1", json!({"ipam": {"type": "nobody"}})), 4, "nobody"),
        ("no such IPAM in a new cloud", add("eth1", json!({"vni": 9, "ipam": {"type": "nobody"}})), 4, "nobody"),
        (
            "an address that somebody on another host has",
            call("ADD", &other, "eth0", &network(&at("10.0.0.9/24"))),
            102,
            "10.0.0.9",
        ),
    ];
    // As a snapshot of everything takes as long as all calls, each looks at links and rules, and the last at the rest.
    let glance = || {
        host.sh("ip -o link show | sed 's/ state .*//' && nft --stateless list ruleset && ip maddress show dev eth0")
            .ok()
            + &links(&other).join(" ")
    };
    let (before, at_a_glance) = (site.state(&[&ctn, &other]), glance());
    for (what, call, expected, culprit) in fails {
        let reply = call.on(host).run();
        let (code, msg, details) = reply.error();
        println!("{what}: {code} {msg} {details}");
        assert_eq!(code, expected, "{what}\n{reply}");
        assert!(!msg.is_empty() && format!("{msg} {details}").contains(culprit), "{what}: {culprit}\n{reply}");
        assert!(["cniVersion", "details"].iter().all(|key| reply.json()[key].is_string()), "{what}\n{reply}");
        assert_eq!(at_a_glance, glance(), "{what} changes nothing");
    }
    assert_eq!(before, site.state(&[&ctn, &other]));
    members.iter().for_each(Member::delete);
}

#[test]
fn a_container_that_is_gone_leaves_nothing() {
    let _row = row("M66");
    for keys in
        [json!({}), json!({"compat": "vxvde"}), json!({"group": null, "remotes": ["192.168.7.1", "192.168.7.2"]})]
    {
        println!("{keys}");
        nothing_is_left_of(&numbered(&keys));
    }
}

fn nothing_is_left_of(config: &Value) {
    let site = Site::<2>::new();
    let before = site.state(&[]);
    let [host, far] = &site.hosts;
    // Its address is in no range.
    let remote =
        Member::new(far, &site.container("remote"), "eth0", &with(config, &json!({"ipam": null})), "10.0.0.200/24");
    let mut containers = ["gone", "forgotten", "stays"].map(|id| Container::start(id, "vnic-1", config));
    let results = containers.each_mut().map(|container| container.call("ADD").on(host).run().ok());
    let nics = results.each_ref().map(|result| {
        let text = |place: usize, key: &str| result["interfaces"][place][key].as_str().expect("a text").to_owned();
        (text(2, "mac"), text(1, "name"))
    });
    for container in &mut containers {
        let id = container.child().id();
        let pinged = sh(&format!("nsenter --net=/proc/{id}/ns/net ping -q -c1 -W2 {}", remote.address));
        assert_eq!(pinged.status, 0, "{pinged:?}");
    }
    let learned = || host.sh("bridge fdb show").ok();
    assert!(nics.iter().all(|(mac, _)| learned().contains(mac)), "{}", learned());
    let [gone, forgotten, stays] = &mut containers;
    gone.kill();
    gone.call("DEL").on(host).run().ok();
    let ports = || host.ip("link show type veth").to_string();
    assert!(!learned().contains(&nics[0].0) && !ports().contains(&nics[0].1), "{}", learned());
    gone.call("DEL").on(host).run().ok();

    forgotten.kill();
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "stays", "ifname": "vnic-1"}]});
    Invocation::new("vxlan-overlay", "GC").config(with(config, &valid)).on(host).run().ok();
    assert!(!learned().contains(&nics[1].0) && !ports().contains(&nics[1].1), "GC has removed the rest");
    let allocated = sh("ls /var/lib/cni/networks/lac").ok();
    assert!(allocated.contains("10.0.0.4") && !allocated.contains("10.0.0.3"), "{allocated}");
    assert!(!allocated.contains("10.0.0.2\n"), "{allocated}");
    assert!(learned().contains(&nics[2].0) && ports().contains(&nics[2].1), "the valid one is left alone");
    assert_eq!(of_kind(host, "vxlan").len(), 1);

    stays.call("DEL").on(host).run().ok();
    stays.call("DEL").on(host).run().ok();
    remote.delete();
    assert_eq!(before, site.state(&[]), "nothing is left with the last");
}
