//! What survives what: NICs while the daemons of the switch are killed and started again, and ports whose container is gone.

use harness::{Datapath, Invocation};
use integration::with;
use serde_json::json;

use super::site::{Attached, Site, network};

#[test]
fn nics_survive_what_they_can_with_the_datapath_of_the_switch() {
    what_survives(Datapath::Netdev);
}

pub(super) fn what_survives(datapath: Datapath) {
    daemons_and_namespaces(datapath);
    a_new_name(datapath);
}

fn daemons_and_namespaces(datapath: Datapath) {
    let site = Site::new(datapath);
    let containers = site.containers(["veth-a", "veth-b", "internal-a", "internal-b", "guarded"]);
    let [veth_a, veth_b, internal_a, internal_b, guarded] = &containers;
    let before = site.state(&[]);
    let internal = network(json!({"nic": "internal"}));
    let veths = [veth_a, veth_b].map(|ns| Attached::new(ns, "eth1", &network(json!({}))));
    let internals =
        [(internal_a, "vnic-1"), (internal_b, "vnic-2")].map(|(ns, name)| Attached::new(ns, name, &internal));
    let guard = Attached::new(guarded, "eth1", &network(json!({"macspoofchk": true})));
    let works = |pair: &[Attached; 2]| {
        pair.iter().for_each(Attached::check);
        assert_eq!(pair[0].answers(&pair[1], 3), 3, "{}", pair[0].ns.name);
    };
    works(&veths);
    works(&internals);

    println!("ovsdb-server is killed and started");
    let rows = site.ovs.rows();
    site.ovs.restart_database();
    assert_eq!(rows, site.ovs.rows());
    works(&veths);
    works(&internals);
    guard.check();

    println!("ovs-vswitchd is killed");
    site.ovs.switch().kill();
    assert_eq!(rows, site.ovs.rows());
    if datapath == Datapath::System {
        // The kernel still has the flows of what passed before.
        assert_eq!(veths[0].answers(&veths[1], 3), 3);
        assert_eq!(internals[0].answers(&internals[1], 3), 3);
    } else {
        assert_eq!(veths[0].answers(&veths[1], 2), 0);
        let said = internals[0].different();
        assert!(said.contains("vnic-1"), "{said}");
    }
    println!("and started");
    site.ovs.restart_switch();
    assert_eq!(rows, site.ovs.rows());
    works(&veths);
    match datapath {
        Datapath::System => works(&internals),
        Datapath::Netdev => {
            let said = internals[0].different();
            assert!(said.contains("restarted") && said.contains("attach the container again"), "{said}");
            assert_eq!(internals[0].answers(&internals[1], 2), 0);
        }
    }
    let said = guard.different();
    assert!(said.contains("flows of port") && said.contains("attach the container again"), "{said}");

    println!("namespaces are deleted");
    veth_b.delete();
    internal_b.delete();
    site.ovs.settle();
    assert_eq!(rows, site.ovs.rows(), "the rows stay");
    for gone in [&veths[1], &internals[1]] {
        let reply = gone.call("CHECK").run();
        println!("{:?}", reply.error());
        assert_ne!(reply.status, 0, "{reply}");
    }
    veths[0].check();
    let attachment = |one: &Attached| json!({"containerID": one.ns.name, "ifname": one.interface});
    let valid: Vec<_> = [&veths[0], &internals[0], &guard].map(attachment).to_vec();
    let valid = with(&network(json!({})), &json!({"cni.dev/valid-attachments": valid}));
    Invocation::new("ovs-port", "GC").config(&valid).run().ok();
    site.ovs.settle();
    assert_eq!(site.ports().len(), 3, "{:?}", site.ports());
    veths[0].check();

    for one in [&veths[0], &internals[0], &guard] {
        one.delete();
    }
    assert_eq!(before, site.state(&[]));
}

/// What somebody in the container renames is another device for the kernel's datapath, at the next change of the switch.
fn a_new_name(datapath: Datapath) {
    let site = Site::new(datapath);
    let [c1, c2] = site.containers(["c1", "c2"]);
    let before = site.state(&[&c1, &c2]);
    let internal = network(json!({"nic": "internal"}));
    let nics = [(&c1, "vnic-1"), (&c2, "vnic-2")].map(|(ns, name)| Attached::new(ns, name, &internal));
    c1.sh("ip link set vnic-1 down && ip link set vnic-1 name other && ip link set other up").ok();
    assert_eq!(nics[0].answers(&nics[1], 3), 3);
    site.ovs.vsctl("add-port br-int another -- set interface another type=internal").ok();
    assert_eq!(nics[0].answers(&nics[1], 2), if datapath == Datapath::System { 0 } else { 2 });
    let said = nics[0].different();
    assert!(said.contains("vnic-1"), "{said}");
    site.ovs.vsctl("del-port br-int another").ok();
    nics.iter().for_each(Attached::delete);
    assert_eq!(before, site.state(&[&c1, &c2]));
}
