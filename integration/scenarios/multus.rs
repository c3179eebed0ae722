//! Containers with several interfaces, as Multus asks for them, and many containers at once.

use std::collections::BTreeSet;

use harness::{Host, Reply, ip, row, sh, tc};
use integration::{all_at_once, call, links, with};
use serde_json::{Value, json};

const CONTAINERS: usize = 50;

/// A network with a bridge and a subnet of its own, and what limits it.
fn network(number: usize) -> [Value; 2] {
    let name = format!("net{number}");
    let bridge = json!({"cniVersion": "1.1.0", "name": name, "type": "bridge", "bridge": format!("br{number}"),
        "isGateway": true, "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]}});
    [bridge, json!({"cniVersion": "1.1.0", "name": name, "type": "netem-shaper"})]
}

#[test]
fn four_networks_in_one_container_and_fifty_containers_on_one_new_bridge() {
    let _row = row("M70");
    let host = Host::enter();
    let pod = host.namespace("pod");
    for number in 1..=4 {
        // By runtimeConfig on two of them, by CNI_ARGS on the others.
        let (interface, rate) = (format!("net{number}"), format!("{number}0Mbps"));
        let (mac, address) = (format!("02:00:00:00:00:0{number}"), format!("10.{number}.0.4{number}"));
        let (keys, shaping, args) = if number % 2 == 1 {
            (json!({"mac": mac, "ips": [address]}), json!({"shaping": {"bw": rate}}), String::new())
        } else {
            (json!({}), json!({}), format!("IgnoreUnknown=1;MAC={mac};IP={address};BW={rate}"))
        };
        let [bridge, shaper] = network(number);
        let made =
            call("ADD", &pod, &interface, &with(&bridge, &json!({"runtimeConfig": keys}))).args(&args).run().ok();
        let shaper = with(&shaper, &json!({"runtimeConfig": shaping, "prevResult": made}));
        call("ADD", &pod, &interface, &shaper).args(&args).run().ok();

        let link = pod.ip(&format!("address show dev {interface}"));
        assert_eq!(link[0]["address"], mac.as_str(), "{interface}");
        assert_eq!(link[0]["addr_info"][0]["local"], address.as_str(), "{interface}");
        let device = made["interfaces"][1]["name"].as_str().expect("a name");
        let queues = tc(&format!("qdisc show dev {device}"));
        assert_eq!(queues[0]["options"]["rate"], number * 10_000_000 / 8, "bytes per second: {queues:#}");
        assert_eq!(pod.ping(&format!("10.{number}.0.1"), 3).received, 3, "{interface}");
    }
    assert_eq!(links(&pod), ["lo", "net1", "net2", "net3", "net4"]);

    let [bridge, _] = network(9);
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
