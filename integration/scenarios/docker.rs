//! NICs for containers that run already, which Docker knows nothing of: ports of Open vSwitch, attached by `plugboard`.

pub(crate) mod daemon;

use std::path::Path;

use harness::{
    Host, Invocation, Namespace, OpenVswitch, Output, Snapshot, bin, bin_dir, ip, row, sh, soak, wait_until,
};
use integration::with;
use serde_json::{Value, json};

use daemon::{Container, Docker};

/// A host with Docker, Open vSwitch with the bridge `br-int`, and `plugboard`.
struct Site {
    // First, because its containers are on what follows.
    docker: Docker,
    ovs: OpenVswitch,
    _host: Host,
}

impl Site {
    fn new() -> Self {
        let host = Host::enter();
        let ovs = OpenVswitch::start();
        ovs.add_bridge(BRIDGE);
        sh("mkdir -p /etc/cni/net.d").ok();
        Self { docker: Docker::start(), ovs, _host: host }
    }

    /// What may not be left changed: the host's links, addresses, routes and rules, what the switch is configured as, addresses in use.
    fn state(&self) -> (Snapshot, Value, String) {
        self.ovs.settle();
        (Snapshot::take::<&str>(&[], &[]), self.ovs.rows(), allocations())
    }

    fn ports(&self) -> Vec<String> {
        self.ovs.vsctl(&format!("list-ports {BRIDGE}")).ok().lines().map(str::to_owned).collect()
    }

    /// The row of a container's interface.
    fn interface(&self, container: &str) -> Value {
        let rows = self.ovs.rows();
        let is_its = |row: &&Value| row["external_ids"]["container_id"] == container;
        rows["Interface"].as_array().into_iter().flatten().find(is_its).cloned().unwrap_or_default()
    }
}

const BRIDGE: &str = "br-int";

/// The addresses that IPAM keeps, and for whom.
fn allocations() -> String {
    sh("cd /var/lib/cni/networks 2> /dev/null && grep -r . --include='[0-9]*' | sort").stdout
}

/// A network on the bridge, whose first two addresses are 192.168.1.3 and .4.
fn network(name: &str, keys: &Value) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "192.168.1.0/24", "rangeStart": "192.168.1.3"}]]});
    let config = json!({"cniVersion": "1.1.0", "name": name, "type": "ovs-port", "bridge": BRIDGE, "ipam": ipam});
    let config = with(&config, keys);
    let plugin = with(&config, &json!({"cniVersion": null, "name": null}));
    let list = json!({"cniVersion": "1.1.0", "name": name, "plugins": [plugin]});
    std::fs::write(format!("/etc/cni/net.d/{name}.conflist"), list.to_string()).expect("a file");
    config
}

/// `plugboard ARGS`, with the plugins under test.
fn plugboard(args: &str) -> Output {
    sh(&format!("CNI_PATH={} {} {args}", bin_dir().display(), bin("plugboard").display()))
}

fn attach(container: &Container<'_>, target: &str, interface: &str, network: &str) -> Output {
    let name = container.name;
    plugboard(&format!("attach --primary {network} --ifname {interface} --container-id {name} {target} {network}"))
}

/// `rcvd` of `rcvd` packets transmitted, as busybox says it.
fn all_answered(ping: &str) -> bool {
    ping.contains("3 packets transmitted, 3 packets received")
}

/// `iperf3` as a server in one container for one test, and as a client in the other: the client's report.
fn iperf3(server: &Container<'_>, client: &Container<'_>, options: &str) -> Value {
    server.docker().call(&format!("exec --detach {} /bin/iperf3 --server --one-off --port 80", server.name));
    wait_until("iperf3 listens", || {
        server.namespace().sh("ss --no-header --listening --tcp 'sport = 80'").ok().contains("LISTEN")
    });
    let report = client.exec(&format!("/bin/iperf3 --client 192.168.1.3 --port 80 --json {options}"));
    serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"))
}

fn is_up(ns: &Namespace, interface: &str) -> bool {
    let link = ns.ip(&format!("link show dev {interface}"));
    let flags = link[0]["flags"].as_array().cloned().unwrap_or_default();
    ["UP", "LOWER_UP"].iter().all(|flag| flags.contains(&(*flag).into()))
}

/// Two containers get a NIC each, reach each other, and are gone without a word; nothing of the NICs is left.
fn two_containers(site: &Site, kind: &str) {
    println!("{kind}");
    let name = format!("{kind}-net");
    let config = network(&name, &json!({"nic": kind}));
    let before = site.state();
    let [one, two] = ["ctn-1", "ctn-2"].map(|name| site.docker.run(name));
    // By the process, and by the path that Docker says. A veth is not in the way of another one of its name.
    let names = if kind == "internal" { ["vnic-1", "vnic-2"] } else { ["vnic-1", "vnic-1"] };
    let targets = [format!("pid:{}", one.pid), two.sandbox.display().to_string()];
    for ((container, target), interface) in [&one, &two].into_iter().zip(&targets).zip(names) {
        let lines = attach(container, target, interface, &name).ok();
        println!("{lines}");
        let ns = container.namespace();
        assert!(is_up(&ns, interface), "{:#}", ns.ip("link show"));
        let row = site.interface(container.name);
        assert_eq!(row["external_ids"]["container_iface"], interface, "{row:#}");
        assert_eq!(row["type"], if kind == "internal" { kind } else { "" }, "{row:#}");
        assert_eq!(row["name"] == interface, kind == "internal", "{row:#}");
        plugboard(&format!("check --container-id {} {target}", container.name)).ok();
    }
    let listed = plugboard("ls").ok();
    println!("{listed}");
    for (container, address) in [(&one, "192.168.1.3/24"), (&two, "192.168.1.4/24")] {
        let line = listed.lines().find(|line| line.starts_with(container.name)).unwrap_or_default();
        let port = site.interface(container.name)["name"].as_str().expect("a name").to_owned();
        // An internal port has no end on the host.
        let end = if kind == "internal" { "-" } else { port.as_str() };
        assert!(line.contains(address) && line.ends_with(end), "{listed}");
    }

    let ping = one.exec(&format!("/bin/busybox ping -I {} -c 3 -W 2 192.168.1.4", names[0]));
    assert!(all_answered(&ping), "{ping}");
    let arrived = two.namespace().streams_to(&one.namespace(), "192.168.1.3", 10_000_000);
    assert_eq!(arrived, 10_000_000, "bytes by TCP");
    let seconds = soak::size(1, 10);
    let udp = iperf3(&one, &two, &format!("-b 100M -P 100 -u -t {seconds}"));
    let end = &udp["end"];
    assert_eq!(end["streams"].as_array().map(Vec::len), Some(100), "{end:#}");
    let (sent, lost) = (end["sum"]["packets"].as_u64(), end["sum"]["lost_packets"].as_u64());
    println!("100 streams of UDP: {sent:?} datagrams, {lost:?} of them lost");
    assert!(sent > lost && sent > Some(0), "{:#}", end["sum"]);

    if kind == "internal" {
        // Each container that measures has another name for its NIC; both directions are measured from within.
        let measured = plugboard(&format!("verify --seconds 1 --container-id ctn-1 {} {}", targets[0], names[0])).ok();
        println!("{measured}");
        let rates = measured.lines().filter(|line| line.contains("rate, TCP"));
        assert_eq!(rates.map(|line| line.split(' ').next()).collect::<Vec<_>>(), [Some("download"), Some("upload")]);
    }
    let ports = site.ports();
    let host_ends =
        [&one, &two].map(|container| site.interface(container.name)["name"].as_str().expect("a name").to_owned());
    assert!(host_ends.iter().all(|name| ports.contains(name)), "{ports:?}");
    one.kill();
    two.kill();
    assert_eq!(ports, site.ports(), "the switch does not notice by itself");

    let command = format!("detach --container-id ctn-1 {}", targets[0]);
    plugboard(&command).ok();
    assert!(!site.ports().contains(&host_ends[0]) && site.ports().contains(&host_ends[1]), "{:?}", site.ports());
    plugboard(&command).ok();
    let deletion = Invocation::new("ovs-port", "DEL").container("ctn-1").ifname(names[0]).config(&config);
    deletion.clone().run().ok();
    deletion.netns(&targets[1]).run().ok();

    let collected = plugboard("gc").ok();
    println!("{collected}");
    let learned = site.ovs.appctl(&format!("fdb/show {BRIDGE}")).ok();
    assert_eq!(learned.lines().filter(|line| !line.contains("LOCAL")).count(), 1, "the heading: {learned}");
    assert_eq!(before, site.state());
    assert_eq!(plugboard("ls --json").ok(), "[]");
}

#[test]
fn two_containers_of_docker_have_nics_on_open_vswitch() {
    let site = Site::new();
    for kind in ["internal", "veth"] {
        two_containers(&site, kind);
    }
}

/// The plugin says what is wrong, and so does `plugboard`; both leave all as it was.
#[test]
fn each_failure_with_a_container_of_docker_says_what_and_changes_nothing() {
    let _row = row("M65");
    let site = Site::new();
    let [one, two, gone] = ["web-1", "web-2", "web-3"].map(|name| site.docker.run(name));
    let internal = network("int-net", &json!({"nic": "internal"}));
    let nowhere = network("no-net", &json!({"bridge": "br-nowhere"}));
    let veth = network("veth-net", &json!({}));
    let without_ipam = network("taken-net", &json!({"nic": "internal", "ipam": null}));
    attach(&one, &format!("pid:{}", one.pid), "vnic-1", "int-net").ok();
    let (left, ended) = (gone.sandbox.clone(), gone.pid);
    gone.kill();

    let of = |container: &Container<'_>| format!("/proc/{}/ns/net", container.pid);
    let left = left.display().to_string();
    let ended = format!("/proc/{ended}/ns/net");
    // What it is, the target, the interface, the network, the plugin's code, and what both name.
    let fails: [(&str, &str, &str, &Value, u64, &str); 7] = [
        ("no such bridge", &of(&two), "vnic-2", &nowhere, 7, "br-nowhere"),
        ("a NIC that the container has", &of(&one), "vnic-1", &veth, 101, "vnic-1"),
        ("the loopback device", &of(&two), "lo", &veth, 101, "lo"),
        ("a name that another container's port has", &of(&two), "vnic-1", &without_ipam, 102, "vnic-1"),
        ("the name of the bridge", &of(&two), BRIDGE, &internal, 102, BRIDGE),
        ("a container that is gone", &ended, "vnic-3", &veth, 8, &ended),
        ("what Docker leaves of one", &left, "vnic-3", &veth, 8, &left),
    ];
    let state = || (site.state(), one.namespace().ip("address show"), two.namespace().ip("address show"));
    let before = state();
    for (what, target, interface, config, expected, culprit) in fails {
        let call = Invocation::new("ovs-port", "ADD").container(two.name).netns(target).ifname(interface);
        let reply = call.config(config).run();
        let (code, msg, details) = reply.error();
        println!("{what}: {code} {msg} {details}");
        assert_eq!(code, expected, "{what}\n{reply}");
        assert!(format!("{msg} {details}").contains(culprit), "{what}: {culprit}\n{reply}");
        assert!(before == state(), "{what} changes nothing");

        let said = attach(&two, target, interface, config["name"].as_str().expect("a name"));
        println!("  {}", said.stderr.trim());
        assert!(said.status == 1 && said.stderr.contains(culprit) && said.stdout.is_empty(), "{what}: {said:?}");
        assert!(before == state(), "{what} changes nothing");
    }
    for wrong in ["attach web-2", "attach --ifname vnic-2 --ifname-prefix vnic web-2 veth-net"] {
        let said = plugboard(wrong);
        assert!(said.status == 2 && said.stderr.contains("Usage"), "{said:?}");
    }
    assert!(Path::new("/run/netns/web-2").exists());
    let said = plugboard("attach --primary veth-net --ifname vnic-2 web-2 veth-net,int-net");
    assert!(said.status == 2 && said.stderr.contains("2 networks"), "{said:?}");
    assert!(before == state());
    plugboard("detach web-1").ok();
    assert_eq!(ip("link show type veth").as_array().map_or(0, Vec::len), 0);
}
