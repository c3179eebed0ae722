//! For users of ovs-cni: its configurations, and what it has made.

use std::path::Path;

use harness::{Output, sh};
use serde_json::{Value, json};
use tests::libcni::Runtime;
use tests::{cites, with};

use crate::site::{Site, bare, host_interface};

/// As its users have them in their directories of plugins.
const NAMES: [&str; 5] =
    ["ovs", "ovs-mirror-producer", "ovs-mirror-consumer", "ovs-cni-mirror-producer", "ovs-cni-mirror-consumer"];

fn ok(output: &Output) -> Value {
    let text = output.ok();
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("a result") }
}

fn mirrors(site: &Site) -> Vec<Value> {
    site.ovs.rows()["Mirror"].as_array().cloned().unwrap_or_default()
}

#[test]
fn its_lists_with_mirrors_work_unchanged() {
    cites!("CHK-3");
    let site = Site::new();
    let runtime = Runtime::linking(&site.scene, "ovs-port", &NAMES);
    for prefix in ["ovs-", "ovs-cni-"] {
        let list = |name: &str, part: &str, mirror: Value| {
            json!({"cniVersion": "0.4.0", "name": name, "plugins": [
                {"type": "ovs", "bridge": "br0", "vlan": 100, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}},
                {"type": format!("{prefix}mirror-{part}"), "bridge": "br0", "mirrors": [mirror]}]})
        };
        runtime.network(&list("producers", "producer", json!({"name": "mirror-1", "ingress": true, "egress": true})));
        runtime.network(&list("consumers", "consumer", json!({"name": "mirror-1"})));
        let before = site.state();
        let run = |command: &str, network: &str, ns| runtime.run(command, network, ns);
        let first = ok(&run("add", "producers", site.c1()));
        let second = ok(&run("add", "consumers", &site.c2));
        assert_eq!(first["interfaces"].as_array().map(Vec::len), Some(3), "{first:#}");
        let found = mirrors(&site);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0]["name"], "mirror-1");
        assert_eq!(found[0]["select_src_port"], json!(host_interface(&first)));
        assert_eq!(found[0]["select_dst_port"], json!(host_interface(&first)));
        assert_eq!(found[0]["output_port"], json!(host_interface(&second)));
        for (network, ns) in [("producers", site.c1()), ("consumers", &site.c2)] {
            ok(&run("check", network, ns));
        }
        for (network, ns) in [("consumers", &site.c2), ("producers", site.c1())] {
            ok(&run("del", network, ns));
            ok(&run("del", network, ns));
        }
        assert_eq!(before, site.state());
    }
}

#[test]
fn its_flat_file_gives_what_the_configuration_leaves_out() {
    let site = Site::new();
    let before = site.state();
    let port = |site: &Site| {
        let rows = site.ovs.rows();
        let is_ours = |row: &&Value| row["external_ids"]["owner"] == "plugboard";
        rows["Port"].as_array().into_iter().flatten().find(is_ours).cloned().unwrap_or_default()
    };
    for (path, named) in [
        ("/etc/cni/net.d/ovs.d/ovs.conf", json!({})),
        ("/run/scene/flat.conf", json!({"configuration_path": "/run/scene/flat.conf"})),
    ] {
        let directory = Path::new(path).parent().expect("a directory");
        std::fs::create_dir_all(directory).expect("a directory of the test's own");
        let flat = json!({"bridge": "br0", "vlan": 42, "link_state_check_retries": 20, "link_state_check_interval": 500,
            "socket_file": "unix:/run/openvswitch/db.sock"});
        std::fs::write(path, flat.to_string()).expect("the file is written");
        let config = with(&bare(json!({"bridge": null, "type": "ovs"})), named);
        for (keys, tag) in [(json!({}), 42), (json!({"vlan": 43}), 43)] {
            let config = with(&config, keys);
            let (_, attached) = site.added(site.c1(), "eth1", &config);
            assert_eq!(port(&site)["tag"], tag, "{:#}", port(&site));
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(site.c1(), "eth1", &attached);
            assert_eq!(before, site.state());
        }
        for text in ["{", "[]"] {
            std::fs::write(path, text).expect("the file is written");
            let reply = site.call(site.c1(), "eth1", "ADD", &config).run();
            assert!(reply.error().0 == 7 && reply.error().1.contains(path), "{reply}");
            assert_eq!(before, site.state());
        }
        std::fs::remove_file(path).expect("it was written");
    }
}

#[test]
fn a_port_of_ovn_is_on_its_bridge_and_says_what_ovn_looks_for() {
    let site = Site::new();
    site.ovs.add_bridge_of(harness::Datapath::Netdev, "br-int");
    let before = site.state();
    let config = bare(json!({"bridge": null}));
    let mac = "02:00:00:00:00:42";
    for kind in ["veth", "internal"] {
        let config = with(&config, json!({"nic": kind}));
        let by_args = with(&config, json!({"args": {"cni": {"ovnPort": "lsp-1", "mac": mac}}}));
        let by_key = with(&config, json!({"ovnPort": "lsp-1", "mac": mac}));
        for (config, arguments) in [
            (&by_args, "IgnoreUnknown=1;K8S_POD_UID=uid-1"),
            (&by_key, "IgnoreUnknown=1;K8S_POD_UID=uid-1"),
            (&config, "ovnPort=lsp-1;IgnoreUnknown=1;MAC=02:00:00:00:00:42;K8S_POD_UID=uid-1"),
            (&config, "OvnPort=lsp-1;mac=02:00:00:00:00:42;K8S_POD_UID=uid-1;IgnoreUnknown=1"),
            (&config, "IgnoreUnknown=true;OVNPORT=lsp-1;Mac=02:00:00:00:00:42;K8S_POD_UID=uid-1"),
        ] {
            let result = site.call(site.c1(), "eth1", "ADD", config).args(arguments).run().ok();
            assert_eq!(result["interfaces"][0]["name"], "br-int");
            let interface = site.ovs.rows()["Interface"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|row| row["external_ids"]["owner"] == "plugboard")
                .cloned()
                .expect("the interface");
            let ids = &interface["external_ids"];
            let found = ["iface-id", "attached_mac", "iface-id-ver", "sandbox"]
                .map(|key| ids[key].as_str().unwrap_or_default());
            assert_eq!(found, ["lsp-1", mac, "uid-1", "c1"], "{ids:#}");
            assert_eq!(site.c1().ip("link show dev eth1")[0]["address"], mac);
            let attached = with(config, json!({"prevResult": result}));
            site.call(site.c1(), "eth1", "CHECK", &attached).args(arguments).run().ok();
            site.ovs
                .vsctl(&format!(
                    "set interface {} external_ids:iface-id=other",
                    interface["name"].as_str().unwrap_or_default()
                ))
                .ok();
            let reply = site.call(site.c1(), "eth1", "CHECK", &attached).args(arguments).run();
            assert!(reply.error().1.contains("external_ids:iface-id"), "{reply}");
            site.call(site.c1(), "eth1", "DEL", &attached).args(arguments).run().ok();
            assert_eq!(before, site.state(), "{kind} {arguments}");
        }
    }
}

/// A NIC as ovs-cni leaves it: a veth whose host end is a port, which says the namespace and the interface.
fn made_by_ovs_cni(site: &Site, ns: &harness::Namespace, port: &str) -> Value {
    sh(&format!("ip link add {port} up type veth peer name eth1 netns {}", ns.name)).ok();
    ns.sh("ip link set eth1 up").ok();
    let netns = ns.path.display();
    site.ovs
        .vsctl(&format!(
            "add-port br0 {port} -- set port {port} external_ids:contNetns={netns} external_ids:contIface=eth1 \
             external_ids:owner=ovs-cni.network.kubevirt.io"
        ))
        .ok();
    json!({"cniVersion": "0.4.0", "interfaces": [{"name": port}, {"name": "eth1", "sandbox": ns.path}]})
}

#[test]
fn what_it_has_made_is_removed() {
    cites!("DEL-8");
    let site = Site::new();
    let before = site.state();
    let config = bare(json!({"type": "ovs", "cniVersion": "0.4.0"}));
    for has_result in [true, false] {
        let result = made_by_ovs_cni(&site, site.c1(), "veth12345678");
        let own = site.added(&site.c2, "eth1", &config);
        let attached = if has_result { with(&config, json!({"prevResult": result})) } else { config.clone() };
        site.deleted(&site.c2, "eth1", &own.1);
        assert_ne!(before, site.state());
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{has_result}");
    }
    // Its namespace is gone, and with it the veth.
    let gone = site.scene.host.namespace("gone");
    let result = made_by_ovs_cni(&site, &gone, "veth12345678");
    gone.delete();
    site.deleted(&gone, "eth1", &with(&config, json!({"prevResult": result})));
    assert_eq!(before, site.state());
    // Without the path, the result tells the port.
    let result = made_by_ovs_cni(&site, site.c1(), "veth12345678");
    let call = site.call(site.c1(), "eth1", "DEL", &with(&config, json!({"prevResult": result})));
    call.unset("CNI_NETNS").run().ok();
    assert_eq!(before, site.state());
}

#[test]
fn what_it_has_made_for_another_container_stays() {
    let site = Site::new();
    let config = bare(json!({"type": "ovs", "cniVersion": "0.4.0"}));
    let result = made_by_ovs_cni(&site, site.c1(), "veth12345678");
    let before = site.state();
    let of_an_earlier =
        with(&result, json!({"interfaces": [{"name": "veth00000000"}, {"name": "eth1", "sandbox": site.c1().path}]}));
    site.deleted(site.c1(), "eth1", &with(&config, json!({"prevResult": of_an_earlier})));
    site.deleted(site.c1(), "eth2", &config);
    site.deleted(&site.c2, "eth1", &with(&config, json!({"prevResult": result})));
    assert_eq!(before, site.state());
}
