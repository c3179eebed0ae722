//! Pods with several interfaces, as Multus asks for them, and many pods at once on a bridge that is not there yet.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Datapath, Namespace, Reply, row};
use integration::{all_at_once, call, links, with};
use serde_json::{Value, json};
use tests::{Guest, Station};

use super::site::{Attached, Site};

const PODS: usize = 50;

/// A network with addresses of its own, which `bridge` or `ovs-port` gives a NIC.
fn network(number: usize, keys: &Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": format!("net{number}"), "type": "ovs-port", "bridge": "br-int",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]}});
    with(&config, keys)
}

#[test]
fn four_networks_in_one_pod_and_fifty_pods_on_one_new_bridge() {
    let _row = row("M70");
    let site = Site::new(Datapath::Netdev);
    let [pod, peer] = site.containers(["pod", "peer"]);
    let before = site.state(&[&pod, &peer]);
    four_networks(&pod, &peer);
    assert_eq!(before, site.state(&[&pod, &peer]));
    fifty_at_once(&site);
}

/// `net1` to `net4`, with what the pod asks for by `runtimeConfig` or by `CNI_ARGS`; a peer on each network answers.
fn four_networks(pod: &Namespace, peer: &Namespace) {
    let nics = [
        json!({"type": "bridge", "bridge": "br1"}),
        json!({"nic": "veth", "vlan": 20}),
        json!({"nic": "internal"}),
        json!({"nic": "tap", "tapNamespace": "container"}),
    ];
    let mut attached = Vec::new();
    for (number, keys) in (1_u8..).zip(&nics) {
        let interface = format!("net{number}");
        let (mac, address) = (format!("02:00:00:00:00:0{number}"), format!("10.{number}.0.4{number}"));
        let plain = network(number.into(), keys);
        let (config, args) = if number % 2 == 1 {
            (with(&plain, &json!({"runtimeConfig": {"mac": mac, "ips": [address]}})), String::new())
        } else {
            (plain.clone(), format!("IgnoreUnknown=1;MAC={mac};IP={address}"))
        };
        let result = call("ADD", pod, &interface, &config).args(&args).run().ok();
        assert_eq!(result["ips"][0]["address"], format!("{address}/24"), "{result:#}");
        let nic = Attached { ns: pod.clone(), interface: interface.clone(), config, result };
        nic.call("CHECK").args(&args).run().ok();
        assert_eq!(nic.link()["address"], mac.as_str(), "{interface}");

        let of_peer = with(&plain, &json!({"nic": if number == 1 { json!(null) } else { json!("veth") }}));
        let of_peer = with(&of_peer, &json!({"tapNamespace": null}));
        let other = Attached::new(peer, &format!("eth{number}"), &of_peer);
        if keys["nic"] == "tap" {
            let station = Station { mac: [2, 0, 0, 0, 0, number], ip: address.parse().expect("an address") };
            let mut guest = Guest::open_in(pod, &interface).expect("the machine's process opens it by its name");
            let wanted = other.address().parse().expect("an address");
            assert!(guest.who_has(station, wanted, Duration::from_secs(5)).is_some(), "{interface}: nobody answers");
        } else {
            assert_eq!(nic.answers(&other, 3), 3, "{interface}");
        }
        attached.extend([nic, other]);
    }
    let made: BTreeSet<_> = links(pod).into_iter().filter(|name| name.starts_with("net")).collect();
    assert!(made.iter().eq(["net1", "net2", "net3", "net4"]), "{made:?}");
    attached.iter().for_each(Attached::delete);
}

fn fifty_at_once(site: &Site) {
    let config = network(9, &json!({"bridge": "br-new", "datapath_type": site.datapath.name()}));
    let pods: Vec<_> = (0..PODS).map(|number| site.host.namespace(&format!("p{number}"))).collect();
    let before = site.ovs.rows();
    let replies = all_at_once(pods.iter().map(|ns| call("ADD", ns, "net1", &config)).collect());
    let results: Vec<Value> = replies.iter().map(Reply::ok).collect();
    assert!(replies.iter().all(|reply| !reply.to_string().contains("exists")), "{replies:?}");
    let addresses: BTreeSet<_> = results.iter().map(|result| result["ips"][0]["address"].to_string()).collect();
    assert_eq!(addresses.len(), PODS, "each has an address of its own");
    let bridges = site.ovs.vsctl("list-br").ok();
    assert_eq!(bridges.lines().filter(|name| *name == "br-new").count(), 1, "{bridges}");
    assert_eq!(site.ovs.vsctl("list-ports br-new").ok().lines().count(), PODS);
    let attached: Vec<_> = pods
        .into_iter()
        .zip(results)
        .map(|(ns, result)| Attached { ns, interface: "net1".to_owned(), config: config.clone(), result })
        .collect();
    let [first, .., last] = attached.as_slice() else { panic!("there are {PODS}") };
    assert_eq!(first.answers(last, 3), 3);
    let gone = all_at_once(attached.iter().map(|one| one.call("DEL")).collect());
    gone.iter().for_each(|reply| _ = reply.ok());
    assert_eq!(before, site.ovs.rows(), "the bridge goes with the last");
}
