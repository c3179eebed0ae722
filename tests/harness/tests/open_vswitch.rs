//! Open vSwitch of a test's own does what the real one does, and nothing of it remains.

use harness::{Datapath, Host, Listeners, OpenVswitch, sh};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

#[test]
fn both_daemons_serve_the_test_alone_and_end_with_it() {
    let host = Host::enter();
    let c1 = host.namespace("c1");
    let start = Instant::now();
    let ovs = OpenVswitch::start();
    println!("started in {:?}", start.elapsed());
    let pids = [ovs.switch().pid(), ovs.database().pid()];
    ovs.add_bridge("br0");
    ovs.add_bridge_of(Datapath::Netdev, "br1");
    ovs.vsctl("set port br1 tag=7").ok();
    let before = ovs.rows();
    assert_eq!(before["Bridge"].as_array().map(Vec::len), Some(2), "{before:#}");
    assert_eq!(before["Bridge"][1]["datapath_type"], "netdev");

    sh("ip link add v0 up type veth peer name eth0 netns c1").ok();
    c1.sh("ip link set eth0 up && ethtool -K eth0 tx off && ip address add 10.0.0.2/24 dev eth0").ok();
    sh("ip link set br1 up && ip address add 10.0.0.1/24 dev br1").ok();
    ovs.vsctl(
        "add-port br1 v0 tag=7 external_ids:a=b \
        -- --id=@q create qos type=linux-htb other_config:max-rate=1000000 -- set port v0 qos=@q",
    )
    .ok();
    assert!(c1.ping("10.0.0.1", 3).all_answered());
    let rows = ovs.rows();
    assert_ne!(before, rows);
    let port = rows["Port"].as_array().into_iter().flatten().find(|row| row["name"] == "v0").expect("the port");
    assert_eq!(port["tag"], 7);
    assert_eq!(port["interfaces"], "v0");
    assert_eq!(port["external_ids"], json!({"a": "b"}));
    assert_eq!(port["qos"]["other_config"], json!({"max-rate": "1000000"}));
    assert_eq!(rows["QoS"][0], port["qos"]);
    assert!(ovs.column("Interface", "v0", "ofport").is_i64());
    assert_eq!(ovs.column("Interface", "nobody", "ofport"), Value::Null);
    assert!(ovs.ofctl("dump-flows br1").ok().contains("actions=NORMAL"));
    assert!(ovs.appctl("version").ok().contains("ovs-vswitchd"));

    ovs.restart_switch();
    ovs.restart_database();
    assert_eq!(rows, ovs.rows());
    assert!(c1.ping("10.0.0.1", 3).all_answered());

    ovs.switch().freeze();
    ovs.vsctl("--no-wait --all destroy qos -- clear port v0 qos").ok();
    ovs.vsctl("--no-wait del-port v0").ok();
    assert!(ovs.ofctl("--timeout=1 dump-flows br1").status != 0, "a stopped process answers");
    ovs.switch().thaw();
    ovs.settle();
    assert_eq!(before, ovs.rows());

    let directory = ovs.directory().to_owned();
    drop(ovs);
    assert!(!directory.exists());
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} still runs");
    }
}

#[test]
fn the_database_listens_on_tcp_and_tls() {
    let _host = Host::enter();
    let listeners = Listeners { tcp_port: Some(6640), tls_port: Some(6641) };
    let ovs = OpenVswitch::listening("/run/other-ovs", &listeners);
    for remote in ["tcp:127.0.0.1:6640", &format!("ssl:127.0.0.1:6641 {}", ovs.tls().client_options())] {
        assert!(sh(&format!("ovsdb-client --timeout=5 list-dbs {remote}")).ok().contains("Open_vSwitch"), "{remote}");
    }
    assert_ne!(sh("ovsdb-client --timeout=2 list-dbs ssl:127.0.0.1:6641").status, 0);
}
