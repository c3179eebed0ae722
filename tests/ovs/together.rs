//! Many calls at the same time.

use harness::{Namespace, Reply};
use serde_json::{Value, json};
use tests::{State, cites};

use crate::site::{Site, network};

/// As many as a node starts at once after it has come up.
const COUNT: usize = 50;

fn at_once(site: &Site, namespaces: &[Namespace], command: &str, config: &Value) -> Vec<Reply> {
    std::thread::scope(|scope| {
        let call = |ns| site.call(ns, "eth1", command, config);
        let running: Vec<_> = namespaces.iter().map(call).map(|call| scope.spawn(move || call.run())).collect();
        running.into_iter().map(|call| call.join().expect("the call ends")).collect()
    })
}

#[test]
fn a_bridge_is_made_once_and_goes_once() {
    cites!("ADD-8");
    let site = Site::new();
    let before = site.state();
    let namespaces: Vec<Namespace> =
        (0..COUNT).map(|number| site.scene.host.namespace(&format!("n{number}"))).collect();
    let config = network(json!({"bridge": "br-made", "datapath_type": "netdev", "patchTo": "br0",
        "mirrors": [{"name": "m1", "ingress": true}]}));
    at_once(&site, &namespaces, "ADD", &config).iter().for_each(|reply| drop(reply.ok()));
    let rows = site.ovs.rows();
    let named = |table: &str, name: &str| {
        rows[table].as_array().into_iter().flatten().filter(|row| row["name"] == name).count()
    };
    assert_eq!((named("Bridge", "br-made"), named("Mirror", "m1"), named("Port", "patch-br-made-to-br0")), (1, 1, 1));
    assert_eq!(State::allocations().len(), COUNT);
    let (first, last) = (&namespaces[0], &namespaces[COUNT - 1]);
    let addresses = last.ip("-4 address show dev eth1");
    let address = addresses[0]["addr_info"][0]["local"].as_str().expect("an address");
    assert!(first.ping(address, 2).all_answered());
    at_once(&site, &namespaces, "DEL", &config).iter().for_each(|reply| drop(reply.ok()));
    namespaces.iter().for_each(Namespace::delete);
    assert_eq!(before, site.state());
}

#[test]
fn those_who_come_and_those_who_go_agree_about_the_bridge() {
    cites!("ADD-8", "DEL-8");
    let site = Site::new();
    let before = site.state();
    let config = network(json!({"bridge": "br-made", "datapath_type": "netdev"}));
    std::thread::scope(|scope| {
        for ns in [site.c1(), &site.c2, &site.c3] {
            let calls: Vec<_> = (0..10)
                .map(|_| (site.call(ns, "eth1", "ADD", &config), site.call(ns, "eth1", "DEL", &config)))
                .collect();
            scope.spawn(move || {
                for (add, del) in calls {
                    add.run().ok();
                    del.run().ok();
                }
            });
        }
    });
    assert_eq!(before, site.state());
}
