//! Port security: what a container may send.

use std::time::{Duration, Instant};

use harness::{Namespace, sh};
use serde_json::{Value, json};
use tests::{cites, codes, with};

use crate::site::{Site, address, bare, network};

fn guarded(keys: Value) -> Value {
    with(&network(json!({"macspoofchk": true, "ipspoofchk": true})), keys)
}

/// Flows of attachments, by their cookies.
fn flows(site: &Site, bridge: &str) -> usize {
    site.ovs.ofctl(&format!("dump-flows {bridge}")).ok().lines().filter(|line| line.contains("cookie=0x706200")).count()
}

#[test]
fn what_is_not_its_own_reaches_nobody() {
    cites!("CHK-5", "DEL-4");
    let site = Site::new();
    let before = site.state();
    let (far, peer) = site.added(&site.c3, "eth1", &network(json!({})));
    for nic in ["veth", "internal"] {
        let config = guarded(json!({"nic": nic}));
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        site.checked(site.c1(), "eth1", &attached);
        assert!(site.c1().ping(&address(&far), 2).all_answered(), "{nic}");
        site.c1().sh("ip address add 10.1.0.99/24 dev eth1").ok();
        let stranger = |ns: &Namespace| ns.ping_with(&address(&far), "-c2 -i.05 -W.5 -I 10.1.0.99").received;
        assert_eq!(stranger(site.c1()), 0, "{nic}: an address that is another's");
        site.c1().sh("ip address del 10.1.0.99/24 dev eth1 && ip link set eth1 address 02:00:00:00:00:99").ok();
        assert_eq!(
            site.c1().ping_with(&address(&far), "-c2 -i.05 -W.5").received,
            0,
            "{nic}: another hardware address"
        );
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(flows(&site, "br0"), 0, "{nic}");
    }
    site.deleted(&site.c3, "eth1", &peer);
    assert_eq!(before, site.state());
}

#[test]
fn a_restarted_switch_has_forgotten_them_and_check_says_so() {
    let site = Site::new();
    let config = guarded(json!({}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    site.ovs.restart_switch();
    assert!(site.different(site.c1(), "eth1", &attached).contains("flows of port"));
    site.deleted(site.c1(), "eth1", &attached);
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
}

#[test]
fn they_go_by_what_the_port_says() {
    cites!("DEL-5", "GC-1");
    let site = Site::new();
    let before = site.state();
    let config = guarded(json!({}));
    // The configuration has changed since.
    site.added(site.c1(), "eth1", &config);
    site.deleted(site.c1(), "eth1", &network(json!({})));
    assert_eq!((flows(&site, "br0"), before == site.state()), (0, true));
    // Nobody's: the port was removed by hand.
    site.added(site.c1(), "eth1", &config);
    let (_, other) = site.added(&site.c2, "eth1", &with(&config, json!({"name": "net2"})));
    let name = site.ovs.vsctl("--bare --columns=name find port external_ids:container_id=c1").ok();
    site.ovs.vsctl(&format!("del-port {}", name.trim())).ok();
    let whole = flows(&site, "br0");
    site.collect(&with(&config, json!({"name": "net3"})), &[]).ok();
    assert!(flows(&site, "br0") < whole, "flows without a port are of nobody");
    site.checked(&site.c2, "eth1", &other);
    site.deleted(site.c1(), "eth1", &config);
    site.deleted(&site.c2, "eth1", &other);
    assert_eq!(before, site.state());
}

/// A port is there before its flows: who lists ports first takes flows that come meanwhile for nobody's.
#[test]
fn those_that_come_while_gc_works_stay() {
    let site = Site::new();
    let config = guarded(json!({"name": "net2"}));
    let collection = with(&guarded(json!({"name": "net3"})), json!({"cni.dev/valid-attachments": []}));
    let config_file = "/run/collection.json";
    std::fs::write(config_file, collection.to_string()).expect("a file");
    // Both of its connections begin late: to the database, and to the bridge.
    let plugin = harness::bin_dir().join("ovs-port");
    let mut late = harness::spawn(&format!(
        "CNI_COMMAND=GC CNI_PATH={} exec strace -f -o /dev/null -e trace=connect -e inject=connect:delay_enter=700000 {} < {config_file}",
        harness::bin_dir().display(),
        plugin.display()
    ));
    std::thread::sleep(Duration::from_millis(900)); // the database has been asked, and the bridge not yet
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    late.child().wait().expect("it ends");
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
}

#[test]
fn a_switch_that_hangs_is_not_waited_for() {
    let site = Site::new();
    let config = guarded(json!({}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    site.ovs.switch().freeze();
    let begin = Instant::now();
    let reply = site.call(site.c1(), "eth1", "DEL", &attached).run();
    let took = begin.elapsed();
    site.ovs.switch().thaw();
    reply.ok();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(reply.stderr.contains("flows of ports that are gone may be left on bridge br0"), "{reply}");
    site.ovs.settle();
    site.collect(&config, &[]).ok();
    assert_eq!(flows(&site, "br0"), 0);
}

#[test]
fn a_guarded_port_keeps_its_number() {
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &guarded(json!({})));
    let name = site.ovs.vsctl("--bare --columns=name find port external_ids:container_id=c1").ok();
    let number = site.ovs.column("Interface", name.trim(), "ofport");
    let reply = site.call(&site.c2, "eth1", "ADD", &network(json!({"ofport_request": number}))).run();
    assert_eq!(reply.error().0, codes::CONFLICT, "{reply}");
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
}

#[test]
fn a_bridge_of_a_controller_is_left_to_it() {
    let site = Site::new();
    site.ovs.vsctl("set-controller br0 tcp:127.0.0.1:6653").ok();
    let before = site.state();
    for keys in [json!({"macspoofchk": true}), json!({"ipspoofchk": true})] {
        let reply = site.call(site.c1(), "eth1", "ADD", &network(keys)).run();
        assert_eq!(reply.error().0, codes::CONFLICT, "{reply}");
        assert!(reply.error().1.contains("controller"), "{reply}");
    }
    let reply = site.call(site.c1(), "eth1", "ADD", &bare(json!({"ipspoofchk": true}))).run();
    assert_eq!(reply.error().0, 7, "{reply}");
    assert_eq!(before, site.state());
}

/// As when a node is drained: the bridge goes while others are at their flows.
#[test]
fn many_go_at_once_with_their_bridge() {
    cites!("DEL-8");
    let site = Site::new();
    let before = site.state();
    let namespaces: Vec<Namespace> = (0..20).map(|number| site.scene.host.namespace(&format!("n{number}"))).collect();
    let config = guarded(json!({"bridge": "br-made", "datapath_type": "netdev"}));
    for command in ["ADD", "DEL"] {
        std::thread::scope(|scope| {
            let calls = namespaces.iter().map(|ns| site.call(ns, "eth1", command, &config));
            let running: Vec<_> = calls.map(|call| scope.spawn(move || call.run())).collect();
            running.into_iter().for_each(|call| drop(call.join().expect("the call ends").ok()));
        });
    }
    namespaces.iter().for_each(Namespace::delete);
    assert_eq!(before, site.state());
    assert_eq!(sh("ls /run/openvswitch/br-made.mgmt").status, 2);
}
