//! Ports of a host that lead into containers, by the chains that runtimes call: libcni runs them.

use harness::chance::RATE;
use harness::{Namespace, Output, row, sh, tc};
use integration::{page, web_server};
use serde_json::{Value, json};
use tests::Scene;
use tests::libcni::Runtime;
use tests::udp::{answer, server};
use tests::world::{INTERNET, OUTSIDE, internet};

use crate::docker::daemon::Docker;

/// A host behind which the world is, the container `c1`, and a runtime.
struct Site {
    // Before the host that it is on.
    runtime: Runtime,
    world: Namespace,
    scene: Scene,
}

impl Site {
    fn new() -> Self {
        let scene = Scene::new();
        let world = internet(&scene, "203.0.113.0/24");
        Self { runtime: Runtime::new(&scene), world, scene }
    }

    fn network(&self, name: &str, plugins: &[Value]) {
        self.runtime.network(&json!({"cniVersion": "1.0.0", "name": name, "plugins": plugins}));
    }

    fn call(&self, command: &str, network: &str, ports: &Value) -> Output {
        let capabilities = json!({"portMappings": ports});
        self.runtime.run_with(command, network, &self.scene.c1, "eth0", &capabilities)
    }

    fn add(&self, network: &str, ports: &Value) -> Value {
        serde_json::from_str(&self.call("add", network, ports).ok()).expect("a result")
    }

    /// What `curl` gets in the world.
    fn page(&self, address: &str, port: u16) -> String {
        page(|script| self.world.sh(script), address, port)
    }
}

fn portmap() -> Value {
    json!({"type": "portmap", "capabilities": {"portMappings": true}})
}

/// As vagga does: guests behind a bridge in a gateway that is at the end of a /30.
#[test]
fn a_port_of_the_gateway_leads_to_a_server_in_a_guest() {
    let _row = row("M46");
    let site = Site::new();
    let guest = &site.scene.c1;
    sh("ip address add 172.18.255.2/30 dev wan").ok();
    site.world.sh("ip address add 172.18.255.1/30 dev eth0").ok();
    let ipam =
        json!({"type": "host-local", "ranges": [[{"subnet": "172.18.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]});
    let bridge = json!({"type": "bridge", "bridge": "guests", "isGateway": true, "ipMasq": true, "ipam": ipam});
    site.network("guests", &[bridge, portmap()]);
    let before = site.scene.state();
    let ports = json!([{"hostPort": 8000, "containerPort": 8000, "protocol": "tcp"}]);
    let result = site.add("guests", &ports);
    assert_eq!(result["ips"][0]["gateway"], "172.18.0.1", "{result:#}");
    let _server = web_server(guest, 8000);
    for address in ["172.18.255.2", OUTSIDE, "172.18.0.1"] {
        let (outside, within) = (site.page(address, 8000), page(sh, address, 8000));
        // The world has no route to what is behind the gateway.
        let expected = if address == "172.18.0.1" { " 000" } else { "c1 200" };
        assert_eq!((outside.as_str(), within.as_str()), (expected, "c1 200"), "{address}");
    }
    assert_eq!(page(sh, "127.0.0.1", 8000), "c1 200");
    assert_eq!(page(|script| guest.sh(script), "172.18.255.2", 8000), "c1 200", "the guest itself");
    site.call("check", "guests", &ports).ok();
    site.call("del", "guests", &ports).ok();
    for address in ["172.18.255.2", "172.18.0.1", "127.0.0.1"] {
        assert_eq!(page(sh, address, 8000), " 000", "{address}");
    }
    assert_eq!(site.page("172.18.255.2", 8000), " 000");
    assert_eq!(sh("nft list ruleset").ok(), "");
    sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
    assert_eq!(before, site.scene.state());
}

/// Before and behind the shaper.
#[test]
fn a_published_port_keeps_the_limit_of_its_container() {
    let _row = row("M69");
    let site = Site::new();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]});
    let bridge = json!({"type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true, "ipam": ipam});
    let shaper = json!({"type": "netem-shaper", "bw": "50Mbps", "upload": {"rate": "20Mbit"}, "capabilities": {"bandwidth": true}});
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 5201, "containerPort": 5201, "protocol": "tcp"}]);
    let before = site.scene.state();
    let _server = web_server(&site.scene.c1, 80);
    for (network, chain) in
        [("ports-last", [&bridge, &shaper, &portmap()]), ("shaper-last", [&bridge, &portmap(), &shaper])]
    {
        site.network(network, &chain.map(Clone::clone));
        site.add(network, &ports);
        let limits = tc("qdisc show");
        let limits = limits.as_array().into_iter().flatten().filter(|one| one["kind"] == "tbf");
        let mut rates: Vec<_> = limits.filter_map(|limit| limit["options"]["rate"].as_u64()).collect();
        rates.sort_unstable();
        assert_eq!(rates, [20_000_000 / 8, 50_000_000 / 8], "bytes per second");
        assert_eq!(site.page(OUTSIDE, 8080), "c1 200", "{network}");
        let mbit = |options: &str| {
            site.world.iperf3_from(&site.scene.c1, OUTSIDE, &format!("{options} -t 2")).received_bit_s / 1e6
        };
        RATE.assert_within("download in Mbit/s", 46.0, 49.0, || mbit(""));
        RATE.assert_within("upload in Mbit/s", 18.0, 20.0, || mbit("-R"));
        site.call("check", network, &ports).ok();
        site.call("del", network, &ports).ok();
        assert_eq!(site.page(OUTSIDE, 8080), " 000", "{network}");
        sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
        assert_eq!(before, site.scene.state(), "{network}");
    }
}

/// The list that nerdctl 2 writes for its network `bridge`, and what it calls it with for `nerdctl run -p 8080:80 -p 127.0.0.1:8053:53/udp`:
/// the names of a mapping's fields are those of its Go structure.
#[test]
fn the_chain_of_nerdctl_publishes_its_ports() {
    let site = Site::new();
    let guest = &site.scene.c1;
    let ipam = json!({"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"gateway": "10.4.0.1", "subnet": "10.4.0.0/24"}]]});
    let bridge = json!({"type": "bridge", "bridge": "nerdctl0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": ipam});
    let firewall = json!({"type": "firewall", "ingressPolicy": "same-bridge"});
    site.runtime.network(&json!({"cniVersion": "1.0.0", "name": "bridge",
        "nerdctlID": "17f29b073143d8cd97b5bbe492bdeffec1c5fee55cc1fe2112c8b9335f8b6121",
        "nerdctlLabels": {"nerdctl/default-network": "true"},
        "plugins": [bridge, portmap(), firewall, {"type": "tuning"}]}));
    let ports = json!([{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "0.0.0.0"},
        {"HostPort": 8053, "ContainerPort": 53, "Protocol": "udp", "HostIP": "127.0.0.1"}]);
    let call = |command: &str| {
        let args = "NERDCTL_CNI_DHCP_HOSTNAME=web;IgnoreUnknown=1";
        let capabilities = json!({"portMappings": ports});
        site.runtime.run_with_args(command, "bridge", guest, args, &capabilities)
    };
    let _servers = (web_server(guest, 80), server(guest, 53));
    // The reference's firewall leaves its chains behind.
    call("add").ok();
    call("del").ok();
    let before = site.scene.state();
    for policy in ["ACCEPT", "DROP"] {
        sh(&format!("iptables -P FORWARD {policy}")).ok();
        call("add").ok();
        assert_eq!(site.page(OUTSIDE, 8080), "c1 200", "{policy}");
        let own: [&dyn Fn(&str) -> Output; 2] = [&|script| sh(script), &|script| guest.sh(script)];
        for (who, run) in ["the host", "the container"].iter().zip(own) {
            assert_eq!(page(run, "10.4.0.1", 8080), "c1 200", "{who}, {policy}");
        }
        assert_eq!(page(sh, "127.0.0.1", 8080), "c1 200", "{policy}");
        assert_eq!(answer("127.0.0.1:8053").as_deref(), Some("c1"), "{policy}");
        let outside = site.world.within(|| answer(&format!("{OUTSIDE}:8053")));
        assert_eq!(outside, None, "only at 127.0.0.1, {policy}");
        assert!(guest.ping(INTERNET, 2).all_answered(), "{policy}");
        call("check").ok();
        call("del").ok();
        assert_eq!(site.page(OUTSIDE, 8080), " 000", "{policy}");
        let rules = sh("nft list ruleset; iptables-save").ok();
        assert!(!rules.contains("plugboard") && !rules.contains("10.4.0."), "{rules}");
        sh("iptables -P FORWARD ACCEPT").ok();
        assert_eq!(before, site.scene.state(), "{policy}");
    }
}

/// Docker drops what is forwarded, save for its own.
#[test]
fn ports_of_docker_and_ours_are_published_at_once() {
    let site = Site::new();
    let guest = &site.scene.c1;
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]});
    let bridge = json!({"type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true, "ipam": ipam});
    site.network("ours", &[bridge, portmap()]);
    let docker = Docker::with_a_bridge();
    let serve = "echo -n docker > /tmp/index.html && exec /bin/busybox httpd -f -h /tmp";
    docker.call(&format!("run --detach --name web --publish 8081:80 box /bin/busybox sh -c '{serve}'"));
    let saved = || {
        let rules = sh("iptables-save | sed -e '/^#/d' -e 's/ \\[.*//'").ok();
        rules + &sh("ip6tables-save | sed -e '/^#/d' -e 's/ \\[.*//'").ok()
    };
    let before = saved();
    assert!(before.contains(":FORWARD DROP"), "{before}");
    assert_eq!(site.page(OUTSIDE, 8081), "docker 200");
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let _server = web_server(guest, 80);
    for _ in 0..2 {
        site.add("ours", &ports);
        for (port, expected) in [(8080, "c1 200"), (8081, "docker 200")] {
            assert_eq!(site.page(OUTSIDE, port), expected, "{}", saved());
            assert_eq!(page(sh, OUTSIDE, port), expected, "the host");
            assert_eq!(page(|script| guest.sh(script), OUTSIDE, port), expected, "our container");
        }
        let read = docker.call(&format!("exec web /bin/busybox wget -q -O - http://{OUTSIDE}:8080/"));
        assert_eq!(read, "c1", "Docker's container");
        site.call("check", "ours", &ports).ok();
        site.call("del", "ours", &ports).ok();
        assert_eq!(saved(), before);
        assert_eq!((site.page(OUTSIDE, 8080).as_str(), site.page(OUTSIDE, 8081).as_str()), (" 000", "docker 200"));
    }
    docker.call("rm --force web");
}
