//! Published ports.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::dry_run;
use crate::support::{Lab, assert_refused};
use harness::{Namespace, Snapshot, sh};
use serde_json::{Value, json};

/// Longer than anything takes that does come, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// A plugin that takes ports.
fn portmap() -> Value {
    json!({"type": "portmap", "capabilities": {"portMappings": true}})
}

/// A host with the address 192.0.2.1 and three networks, of which `plain` publishes no ports.
fn lab() -> Lab {
    let lab = Lab::with_own_plugins();
    sh("ip address add 192.0.2.1/32 dev lo").ok();
    for (network, subnet) in [("lan", "10.8.0.0/24"), ("wan", "10.7.0.0/24"), ("plain", "10.9.0.0/24")] {
        let routes = if network == "lan" { json!([{"dst": "0.0.0.0/0"}]) } else { json!([]) };
        let ipam = json!({"type": "host-local", "subnet": subnet, "routes": routes, "dataDir": "/run/ipam"});
        let bridge = json!({"type": "bridge", "bridge": network, "isGateway": true, "ipam": ipam});
        let further = (network != "plain").then(portmap);
        let plugins: Vec<Value> = [bridge].into_iter().chain(further).collect();
        lab.network_with(network, &json!({"cniVersion": "1.0.0", "plugins": plugins}));
    }
    lab
}

/// Two networks that publish ports and one that does not, with plugins that write down their calls.
fn recording() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["wire", "portmap"]);
    for network in ["lan", "wan"] {
        lab.network(network, &json!([{"type": "wire"}, portmap()]));
    }
    lab.network("plain", &json!([{"type": "wire"}]));
    lab
}

/// What a container sends over TCP to whoever connects from the host to this address; `None` where nobody listens.
fn heard(listener: &TcpListener, address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut client = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello").unwrap();
    drop(server);
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    Some(heard)
}

fn listed(lab: &Lab) -> Vec<Value> {
    serde_json::from_str(&lab.plugboard("ls --json").ok()).unwrap()
}

fn links(namespace: &Namespace) -> usize {
    namespace.ip("link show").as_array().map_or(0, Vec::len)
}

#[test]
fn a_published_port_leads_into_the_container_until_it_is_detached() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    let attached = lab.plugboard("attach c1 lan,plain -p 192.0.2.1:8080:80 --publish=5300-5301:53-54/udp").ok();
    let last = |line: &str| line.split_whitespace().last().unwrap_or_default().to_owned();
    let ports = "5300-5301->53-54/udp,192.0.2.1:8080->80/tcp";
    assert_eq!(attached.lines().map(last).collect::<Vec<_>>(), [ports, "-"], "{attached}");

    let listener = c1.within(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    assert_eq!(heard(&listener, "192.0.2.1:8080").as_deref(), Some("hello"));
    let receiver = c1.within(|| UdpSocket::bind("0.0.0.0:54")).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"question", "192.0.2.1:5301").unwrap();
    let mut received = [0; 16];
    assert_eq!(receiver.recv(&mut received).map(|length| received[..length].to_vec()).unwrap(), b"question");

    lab.plugboard("check c1").ok();
    let table = lab.plugboard("ls").ok();
    assert_eq!(table.lines().map(last).collect::<Vec<_>>(), ["PORTS", ports, "-"], "{table}");
    let port = |address: &str, host: u16, container: u16, protocol: &str| json!({"hostIP": address, "hostPort": host, "containerPort": container, "protocol": protocol});
    let entries = listed(&lab);
    let expected = [port("", 5300, 53, "udp"), port("", 5301, 54, "udp"), port("192.0.2.1", 8080, 80, "tcp")];
    assert_eq!((&entries[0]["ports"], &entries[1]["ports"]), (&json!(expected), &json!([])));

    lab.plugboard("detach c1 lan").ok();
    assert_eq!(heard(&listener, "192.0.2.1:8080"), None);
    let table = lab.plugboard("ls").ok();
    assert!(table.lines().next().unwrap().ends_with("HOST INTERFACE"), "only where there is one: {table}");
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
}

#[test]
fn the_next_network_of_the_call_takes_a_port_over() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 lan,wan -p 8080:80").ok();
    let listener = c1.within(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    assert_eq!(heard(&listener, "10.8.0.1:8080").as_deref(), Some("hello"));
    lab.plugboard("detach c1 lan").ok();
    assert_eq!(heard(&listener, "10.7.0.1:8080").as_deref(), Some("hello"));
    lab.plugboard("check c1").ok();
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
}

/// The calls of `portmap` since the last time, each with the ports that it was told.
fn told(lab: &Lab) -> Vec<(String, Value)> {
    let (of_portmap, others): (Vec<Value>, Vec<Value>) =
        lab.calls().into_iter().partition(|call| call["type"] == "portmap");
    assert!(others.iter().all(|call| call["stdin"]["runtimeConfig"].is_null()), "{others:?}");
    let words = |call: &Value| ["verb", "ifname"].map(|key| call[key].as_str().unwrap_or_default()).join(" ");
    of_portmap.iter().map(|call| (words(call), call["stdin"]["runtimeConfig"]["portMappings"].clone())).collect()
}

#[test]
fn every_call_has_the_ports_that_were_asked_for() {
    let lab = recording();
    let first = json!([
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "::1"},
    ]);
    let second = json!([{"hostPort": 3868, "containerPort": 3868, "protocol": "sctp"}]);
    let call = |words: &str, ports: &Value| (words.to_owned(), ports.clone());
    lab.host.namespace("c1");
    lab.plugboard("attach c1 lan,plain,wan -p 8080:80 -p '[::1]:53:5353/UDP'").ok();
    lab.plugboard("check c1").ok();
    lab.plugboard("detach c1 wan").ok();
    assert_eq!(
        told(&lab),
        ["ADD eth0", "ADD eth2", "CHECK eth0", "CHECK eth2", "DEL eth2"].map(|words| call(words, &first))
    );
    let recorded = |network: &str, if_name: &str| lab.remembered(network, "c1", if_name).unwrap();
    assert_eq!(recorded("lan", "eth0")["capabilityArgs"], json!({"portMappings": first}));
    assert_eq!(recorded("plain", "eth1")["capabilityArgs"], Value::Null);

    // As after a reboot.
    sh("ip netns delete c1 && ip netns add c1").ok();
    lab.plugboard("attach c1 lan -p 3868:3868/sctp").ok();
    assert_eq!(told(&lab), [call("DEL eth0", &first), call("ADD eth0", &second)]);
    sh("ip netns delete c1").ok();
    lab.plugboard("gc lan").ok();
    assert_eq!(told(&lab), [call("DEL eth0", &second), call("GC ", &Value::Null)]);

    sh("ip netns add c1").ok();
    lab.plugboard("attach c1 lan").ok();
    assert_eq!(told(&lab), [call("ADD eth0", &Value::Null)], "none without the option");
}

#[test]
fn what_cannot_be_published_is_an_error_and_nothing_is_made() {
    let lab = recording();
    let c1 = lab.host.namespace("c1");
    lab.network("small", &json!([{"type": "wire"}, {"type": "portmap"}]));
    let before = Snapshot::take(&[&c1], &["/var/lib/cni"]);
    for (arguments, message) in [
        ("lan -p 80", "the port of the host is missing, and none is chosen at random: write HOSTPORT:80"),
        ("lan -p 127.0.0.1::80", "write 127.0.0.1:HOSTPORT:80"),
        ("lan -p 8000-8010:80", "8000-8010 is 11, and 80 is 1"),
        ("lan -p 8080:80,8081:81", "give the option once for each"),
        ("lan -p ::1:8080:80", "write [::1]:8080:80"),
        ("lan -p 8080:80/icmp", "'icmp' is no protocol"),
        ("lan -p 8080:80 -p 127.0.0.1:8000-8090:8000-8090", "both ask for port 8080/tcp of the host"),
        ("lan -p 1-20001:1-20001", "20001 ports are asked for, and 20000 are the most"),
    ] {
        for end in ["", " --dry-run"] {
            let refused = lab.plugboard(&format!("attach c1 {arguments}{end}"));
            assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{arguments}: {refused:?}");
            assert!(refused.stderr.contains(message), "{arguments}: {refused:?}");
        }
    }
    let entry = r#"{"type": "portmap", "capabilities": {"portMappings": true}}"#;
    for (arguments, message) in [
        ("plain", format!("network 'plain' has no plugin that publishes ports: its plugins need {entry}")),
        (
            "small,plain",
            format!(
                "none of the networks 'small', 'plain' has a plugin that publishes ports: the plugins of one need {entry}"
            ),
        ),
    ] {
        for end in ["", " --dry-run"] {
            assert_refused(&lab.plugboard(&format!("attach c1 {arguments} -p 8080:80{end}")), &message);
        }
    }
    assert_eq!(lab.calls(), Vec::<Value>::new());
    assert_eq!(links(&c1), 1);
    assert_eq!(before, Snapshot::take(&[&c1], &["/var/lib/cni"]));
}

#[test]
fn the_script_of_a_dry_run_publishes_the_port() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    let script = lab.plugboard("attach --dry-run c1 lan -p 192.0.2.1:8080:80").ok();
    let (_, part) = script.split_once("\n# eth0 on lan, by portmap\n").expect("a part of its own");
    assert!(part.contains("192.0.2.1 . 8080") && part.contains("ETH0_ADDRESS . 80"), "{part}");
    assert_eq!(links(&c1), 1);
    lab.assert_nothing_remembered();
    dry_run::run(&script.replace("ETH0_ADDRESS", "10.8.0.2"));
    let listener = c1.within(|| TcpListener::bind("10.8.0.2:80")).unwrap();
    assert_eq!(heard(&listener, "192.0.2.1:8080").as_deref(), Some("hello"));
}

#[test]
fn ports_that_other_runtimes_published_are_listed() {
    let lab = recording();
    lab.host.namespace("c1");
    lab.plugboard("attach c1 lan,plain").ok();
    let publish = |network: &str, if_name: &str, mappings: Value| {
        let path = format!("/var/lib/cni/results/{network}-c1-{if_name}");
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record["capabilityArgs"] = json!({"portMappings": mappings});
        record.as_object_mut().unwrap().remove("plugboard");
        fs::write(path, record.to_string()).unwrap();
    };
    // As containerd writes them, and Podman, which also does where the network has no such plugin.
    publish("lan", "eth0", json!([{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "127.0.0.1"}]));
    publish("plain", "eth1", json!([{"hostPort": 8081, "containerPort": 81, "protocol": "tcp", "hostIP": ""}]));
    let table = lab.plugboard("ls").ok();
    let ends: Vec<_> = table.lines().map(|line| line.split_whitespace().last().unwrap_or_default()).collect();
    assert_eq!(ends, ["PORTS", "127.0.0.1:8080->80/tcp", "-"], "{table}");
    let port = json!({"hostIP": "127.0.0.1", "hostPort": 8080, "containerPort": 80, "protocol": "tcp"});
    assert_eq!(listed(&lab)[0]["ports"], json!([port]));
}
