//! User-mode Linux, a kernel that is a process and has no KVM to ask for, behind each TAP device of a further NIC.

use harness::{Namespace, ip, soak};
use integration::{World, call, with};
use lab::{Nic, Vm, with_guests_on_virtual_clock};
use serde_json::{Value, json};

fn network(keys: &Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": "guest-net", "type": "veth-secondary",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}});
    with(&config, keys)
}

fn add(ns: &Namespace, config: &Value) -> Value {
    call("ADD", ns, "eth1", config).run().ok()
}

fn address(result: &Value) -> &str {
    result["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address")
}

/// The guest's NIC on the device at that place of a result.
fn nic(result: &Value, place: usize) -> Nic {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let interfaces = &result["interfaces"];
    Nic::new(&text(&interfaces[place]["name"]), &text(&interfaces[2]["mac"]), &text(&result["ips"][0]["address"]))
}

#[test]
#[ignore = "soaks: a kernel for each of the kinds takes more than a minute"]
fn a_guest_is_behind_each_tap_of_a_further_nic() {
    with_guests_on_virtual_clock(|| {
        let world = World::new();
        let [pod1, pod2, c1] = ["pod1", "pod2", "c1"].map(|name| world.node(name));
        let on_host = network(&json!({"nic": "tap"}));
        let inside = with(&on_host, &json!({"tapNamespace": "container"}));
        let (result1, result2) = (add(&pod1, &on_host), add(&pod2, &inside));
        let peer = add(&c1, &network(&json!({})));
        // Each takes ten seconds to boot.
        let mut guests = vec![(Vm::boot_in(&pod2, &[nic(&result2, 2)]), &result2)];
        if soak::is_on() {
            guests.push((Vm::boot(&[nic(&result1, 1)]), &result1));
        }
        for (guest, own) in &guests {
            assert_eq!(guest.sh("cat /sys/class/net/eth0/address").ok(), own["interfaces"][2]["mac"]);
            assert_eq!(guest.ping(address(&peer), 3).received, 3, "{own}");
            assert_eq!(c1.ping(address(own), 3).received, 3, "{own}");
            for options in ["-n 4M", "-R -n 4M"] {
                let sent = guest.iperf3_from(&c1, address(&peer), options);
                println!("{options}: {:.0} Mbit/s", sent.received_bit_s / 1e6);
                assert!(sent.received_bit_s > 0.0, "{:#}", sent.report["end"]);
            }
        }
        if let [(one, _), (_, of_other)] = guests.as_slice() {
            assert_eq!(one.ping(address(of_other), 3).received, 3, "from guest to guest");
        }
        for (ns, config, result) in [(&pod1, &on_host, &result1), (&pod2, &inside, &result2)] {
            call("CHECK", ns, "eth1", &with(config, &json!({"prevResult": result}))).run().ok();
            call("DEL", ns, "eth1", config).run().ok();
        }
        call("DEL", &c1, "eth1", &network(&json!({}))).run().ok();
        assert_eq!(ip("link show").as_array().map(Vec::len), Some(1), "nothing is left");
    });
}
