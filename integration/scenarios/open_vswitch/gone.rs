//! Containers that are gone without DEL.

use harness::{Datapath, Invocation, row, sh};
use integration::with;
use serde_json::{Value, json};

use super::site::{Site, allocations, network};
use crate::process_container::Container;

#[test]
fn a_container_that_is_gone_leaves_no_port() {
    let _row = row("M66");
    for keys in [json!({}), json!({"nic": "internal"}), json!({"nic": "tap"}), json!({"macspoofchk": true})] {
        println!("{keys}");
        nothing_is_left_of(&network(keys));
    }
}

/// Names of container interfaces, which internal ports have in the switch.
const INTERFACES: [&str; 3] = ["vnic-1", "vnic-2", "vnic-3"];

/// The port and the hardware address of a NIC.
fn nic(result: &Value) -> (String, String) {
    let interfaces = result["interfaces"].as_array().expect("interfaces");
    let inside = interfaces.last().expect("a NIC");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&interfaces[1]["name"]), text(&inside["mac"]))
}

fn nothing_is_left_of(config: &Value) {
    let site = Site::new(Datapath::Netdev);
    let before = site.state(&[]);
    let learned = || site.ovs.appctl("fdb/show br-int").ok();
    let mut containers: [_; 3] =
        std::array::from_fn(|place| Container::start(["gone", "forgotten", "stays"][place], INTERFACES[place], config));
    let results = containers.each_mut().map(|container| container.call("ADD").run().ok());
    let nics = results.each_ref().map(nic);
    let ports = site.ports();
    assert_eq!(ports.len(), 3, "{ports:?}");
    let [gone, forgotten, stays] = &mut containers;
    let is_a_guests = config["nic"] == "tap";
    for (container, peer) in
        [(&mut *gone, "192.168.1.5"), (&mut *forgotten, "192.168.1.5"), (&mut *stays, "192.168.1.3")]
    {
        let id = container.child().id();
        if !is_a_guests {
            sh(&format!("nsenter --net=/proc/{id}/ns/net ping -c1 -W2 {peer}")).ok();
        }
    }
    assert!(is_a_guests || nics.iter().all(|(_, mac)| learned().contains(mac)), "all are known: {}", learned());

    gone.kill();
    gone.call("DEL").run().ok();
    site.ovs.settle();
    assert_eq!(site.ports().len(), 2, "{:?}", site.ports());
    assert!(!site.ovs.rows().to_string().contains("gone"), "{:#}", site.ovs.rows());
    assert!(!learned().contains(&nics[0].1), "the switch has forgotten it: {}", learned());
    gone.call("DEL").run().ok();

    forgotten.kill();
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "stays", "ifname": "vnic-3"}]});
    let collect = || Invocation::new("ovs-port", "GC").config(with(config, &valid)).run();
    collect().ok();
    site.ovs.settle();
    assert_eq!(site.ports().len(), 1, "{:?}", site.ports());
    assert!(!learned().contains(&nics[1].1), "{}", learned());
    let kept = allocations();
    assert!(kept.contains("192.168.1.5") && kept.lines().filter(|line| line.contains("vnic-")).count() == 1, "{kept}");
    let checked = with(config, &json!({"prevResult": results[2]}));
    stays.call("CHECK").config(&checked).run().ok();

    // What the list calls valid stays, although its container is gone as well.
    stays.kill();
    collect().ok();
    assert_eq!(site.ports().len(), 1, "{:?}", site.ports());

    stays.call("DEL").run().ok();
    stays.call("DEL").run().ok();
    assert_eq!(before, site.state(&[]), "nothing is left with the last");
}
