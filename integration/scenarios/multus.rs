//! Containers with several interfaces, as Multus asks for them, and many containers at once.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Host, Namespace, Reply, ip, row, sh, tc};
use integration::{all_at_once, call, links, with};
use serde_json::{Value, json};
use tests::{Guest, Station};

const CONTAINERS: usize = 50;

/// A network with a subnet of its own, and what limits it.
fn network(number: usize, nic: &Value) -> [Value; 2] {
    let name = format!("net{number}");
    let config = json!({"cniVersion": "1.1.0", "name": name,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]}});
    [with(&config, nic), json!({"cniVersion": "1.1.0", "name": name, "type": "netem-shaper"})]
}

/// A NIC on a bridge of its own.
fn on_bridge(plugin: &str, number: usize) -> Value {
    json!({"type": plugin, "bridge": format!("br{number}"), "isGateway": true})
}

/// Attaches `net1` to `net4` of one pod, asked for by `runtimeConfig` or by `CNI_ARGS`; each can reach its gateway.
fn four_networks(pod: &Namespace, nics: &[Value; 4]) {
    for (number, nic) in (1..).zip(nics) {
        // By runtimeConfig on two of them, by CNI_ARGS on the others.
        let (interface, rate) = (format!("net{number}"), format!("{number}0Mbps"));
        let (mac, address) = (format!("02:00:00:00:00:0{number}"), format!("10.{number}.0.4{number}"));
        let (keys, shaping, args) = if number % 2 == 1 {
            (json!({"mac": mac, "ips": [address]}), json!({"shaping": {"bw": rate}}), String::new())
        } else {
            (json!({}), json!({}), format!("IgnoreUnknown=1;MAC={mac};IP={address};BW={rate}"))
        };
        let [config, shaper] = network(number, nic);
        let made = call("ADD", pod, &interface, &with(&config, &json!({"runtimeConfig": keys}))).args(&args).run().ok();
        let shaper = with(&shaper, &json!({"runtimeConfig": shaping, "prevResult": made}));
        call("ADD", pod, &interface, &shaper).args(&args).run().ok();

        let link = pod.ip(&format!("address show dev {interface}"));
        assert_eq!(link[0]["address"], mac.as_str(), "{interface}");
        assert_eq!(made["ips"][0]["address"], format!("{address}/24"), "{interface}");
        let [.., device, _] = made["interfaces"].as_array().expect("interfaces").as_slice() else { panic!("{made}") };
        let queues = tc(&format!("qdisc show dev {}", device["name"].as_str().expect("a name")));
        assert_eq!(queues[0]["options"]["rate"], number * 10_000_000 / 8, "bytes per second: {queues:#}");
        let gateway = format!("10.{number}.0.1");
        if nic["nic"] == "tap" {
            let station = Station {
                mac: [2, 0, 0, 0, 0, number.try_into().expect("a byte")],
                ip: address.parse().expect("an address"),
            };
            let mut guest = Guest::open_in(pod, &interface).expect("the machine's process opens it by its name");
            let answer = guest.who_has(station, gateway.parse().expect("an address"), Duration::from_secs(5));
            assert!(answer.is_some(), "{interface}: nobody has {gateway}");
        } else {
            assert_eq!(link[0]["addr_info"][0]["local"], address.as_str(), "{interface}");
            assert_eq!(pod.ping(&gateway, 3).received, 3, "{interface}");
        }
    }
    let made: Vec<_> = links(pod).into_iter().filter(|name| name.starts_with("net")).collect();
    assert_eq!(made, ["net1", "net2", "net3", "net4"]);
}

/// Attaches many containers to one new bridge at the same time.
fn fifty_at_once(host: &Host, plugin: &str) {
    let number = 9;
    let [bridge, _] = network(number, &on_bridge(plugin, number));
    let containers: Vec<_> = (0..CONTAINERS).map(|number| host.namespace(&format!("p{number}"))).collect();
    let replies = all_at_once(containers.iter().map(|ns| call("ADD", ns, "net1", &bridge)).collect());
    assert!(replies.iter().all(|reply| !reply.to_string().contains("exists")), "{replies:?}");
    let addresses: BTreeSet<_> =
        replies.iter().map(Reply::ok).map(|result| result["ips"][0]["address"].to_string()).collect();
    assert_eq!(addresses.len(), CONTAINERS, "each has an address of its own");
    let bridges = ip("link show type bridge");
    let made = bridges.as_array().into_iter().flatten().filter(|link| link["ifname"] == "br9").count();
    assert_eq!(made, 1, "one bridge");
    assert_eq!(sh("ls /sys/class/net/br9/brif | wc -l").ok(), CONTAINERS.to_string());
    let [first, .., last] = containers.as_slice() else { panic!("there are {CONTAINERS}") };
    let address =
        last.ip("-4 address show dev net1")[0]["addr_info"][0]["local"].as_str().unwrap_or_default().to_owned();
    assert_eq!(first.ping(&address, 3).received, 3);
}

#[test]
fn four_networks_in_one_container_and_fifty_containers_on_one_new_bridge() {
    let _row = row("M70");
    let further = |keys: Value| with(&json!({"type": "veth-secondary"}), &keys);
    let of_four_kinds = [
        on_bridge("veth-secondary", 1),
        further(json!({"mode": "routed"})),
        with(&on_bridge("veth-secondary", 3), &json!({"nic": "tap", "tapNamespace": "container"})),
        on_bridge("bridge", 4),
    ];
    for (plugin, nics) in
        [("bridge", [1, 2, 3, 4].map(|number| on_bridge("bridge", number))), ("veth-secondary", of_four_kinds)]
    {
        println!("{plugin}");
        let host = Host::enter();
        four_networks(&host.namespace("pod"), &nics);
        fifty_at_once(&host, plugin);
    }
}
