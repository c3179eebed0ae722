//! Logical ports of OVN: containers whose NICs are on its bridge, as `ovs-port` makes them.

use harness::{Datapath, Host, Namespace, OpenVswitch, Ovn, wait_until};
use integration::{call, with};
use serde_json::{Value, json};

/// A host with OVN, whose switch `sw0` has two ports that let nothing but these addresses through.
struct Site {
    // First, because it is of no use without what follows.
    ovn: Ovn,
    ovs: OpenVswitch,
    host: Host,
}

const PORTS: [[&str; 3]; 2] = [["lp1", "02:00:00:00:01:01", "10.7.0.3"], ["lp2", "02:00:00:00:01:02", "10.7.0.4"]];

impl Site {
    fn new() -> Self {
        let host = Host::enter();
        let ovs = OpenVswitch::start();
        let ovn = Ovn::start(&ovs, Datapath::of_this_kernel());
        ovn.add_switch("sw0", &PORTS);
        Self { ovn, ovs, host }
    }

    /// What `ovs-vsctl` has in `external_ids` of the interface that is a logical port.
    fn external_ids(&self, port: &str) -> Value {
        let rows = self.ovs.rows();
        let mut ids = rows["Interface"].as_array().into_iter().flatten().map(|row| &row["external_ids"]);
        ids.find(|ids| ids["iface-id"] == port).cloned().unwrap_or_default()
    }

    /// What the switch is configured as, except for what OVN notes of itself.
    fn ports(&self) -> Value {
        self.ovs.settle();
        let rows = self.ovs.rows();
        json!([rows["Port"], rows["Interface"]])
    }

    fn chassis(&self, port: &str) -> String {
        self.ovn.sbctl(&format!("--bare --columns=chassis find port_binding logical_port={port}")).ok()
    }
}

/// A network of OVN: `ovnPort` is all that an attachment says.
fn network(address: &str, keys: &Value) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": format!("{address}/24")}]});
    with(&json!({"cniVersion": "1.1.0", "name": "ovn-net", "type": "ovs-port", "ipam": ipam}), keys)
}

#[test]
fn logical_ports_are_claimed_reach_each_other_and_are_released() {
    let site = Site::new();
    let containers = PORTS.map(|[port, ..]| site.host.namespace(&format!("pod-{port}")));
    let before = site.ports();
    for kind in ["veth", "internal"] {
        for way in ["CNI_ARGS", "args", "key"] {
            println!("{kind}, ovnPort by {way}");
            claimed(&site, &containers, kind, way);
            assert_eq!(before, site.ports());
        }
    }
}

fn claimed(site: &Site, containers: &[Namespace; 2], kind: &str, way: &str) {
    let mut attached = Vec::new();
    for (ns, [port, mac, address]) in containers.iter().zip(PORTS) {
        // An internal port's name is one of all the switch.
        let interface = format!("net-{port}");
        let said = json!({"ovnPort": port, "mac": mac});
        let (keys, args) = match way {
            "CNI_ARGS" => (json!({}), format!("ovnPort={port};MAC={mac};")),
            "args" => (json!({"args": {"cni": said}}), String::new()),
            _ => (said, String::new()),
        };
        let args = format!("{args}IgnoreUnknown=1;K8S_POD_UID=uid-of-{port}");
        let config = with(&network(address, &keys), &json!({"nic": kind}));
        assert!(!site.ovn.is_up(port) && site.chassis(port).is_empty());
        let result = call("ADD", ns, &interface, &config).args(&args).run().ok();
        assert_eq!(result["interfaces"][0]["name"], "br-int");
        assert_eq!(ns.ip(&format!("link show dev {interface}"))[0]["address"], mac);
        attached.push((ns, interface, args, with(&config, &json!({"prevResult": result}))));
    }
    for ([port, mac, address], (ns, interface, args, config)) in PORTS.iter().zip(&attached) {
        wait_until(&format!("{port} is claimed"), || site.ovn.is_up(port));
        assert!(!site.chassis(port).is_empty());
        let ids = site.external_ids(port);
        let uid = format!("uid-of-{port}");
        let expected = [
            ("iface-id-ver", uid.as_str()),
            ("attached_mac", mac),
            ("ip_addresses", &format!("{address}/24")),
            ("sandbox", &ns.name),
            // What ovn-controller has added, CHECK does not mind.
            ("ovn-installed", "true"),
        ];
        site.ovn.settle();
        for (key, value) in expected {
            assert_eq!(ids[key], value, "{key} of {ids:#}");
        }
        call("CHECK", ns, interface, config).args(args).run().ok();
    }
    site.ovn.settle();
    assert!(containers[0].ping(PORTS[1][2], 3).all_answered());

    for ([port, ..], (ns, interface, args, config)) in PORTS.iter().zip(&attached) {
        call("DEL", ns, interface, config).args(args).run().ok();
        wait_until(&format!("{port} is released"), || !site.ovn.is_up(port) && site.chassis(port).is_empty());
    }
}

/// All flows of OVN's bridge are its own: one of ours would let frames past its pipeline.
#[test]
fn flows_that_guard_a_port_are_refused_on_ovns_bridge() {
    let site = Site::new();
    let pod = site.host.namespace("pod");
    let [port, mac, address] = PORTS[0];
    // It is secure also where somebody has made the bridge otherwise.
    site.ovs.vsctl("clear bridge br-int fail_mode").ok();
    wait_until("ovn-controller secures its bridge", || site.ovs.column("Bridge", "br-int", "fail_mode") == "secure");
    let (before, flows) = (site.ports(), || site.ovs.ofctl("--no-stats dump-flows br-int").ok());
    let flows_before = flows();
    for check in ["macspoofchk", "ipspoofchk"] {
        let plain = network(address, &json!({"bridge": "br-int", "mac": mac, check: true}));
        let of_ovn = with(&plain, &json!({"bridge": null, "ovnPort": port}));
        for (config, expected, said) in [(&plain, 102, "fail_mode secure"), (&of_ovn, 7, "lsp-set-port-security")] {
            let reply = call("ADD", &pod, "net1", config).run();
            let (code, message, details) = reply.error();
            println!("{check}: {code} {message} {details}");
            assert!(code == expected && format!("{message} {details}").contains(said), "{reply}");
            assert_eq!(before, site.ports());
            assert_eq!(flows_before, flows());
        }
        let status = call("STATUS", &pod, "net1", &plain).run();
        assert!(status.error().0 == 50 && status.error().1.contains("fail_mode secure"), "{status}");
    }
    let plain = network(address, &json!({"bridge": "br-int", "mac": mac, "macspoofchk": false}));
    call("ADD", &pod, "net1", &plain).run().ok();
    call("DEL", &pod, "net1", &plain).run().ok();
}
