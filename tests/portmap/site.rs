//! A host with a world around it, and containers that publish ports.

use std::fs;

use harness::{Background, Namespace, sh, wait_until};
use serde_json::{Value, json};
use tests::world::{OUTSIDE6, internet};
use tests::{LATEST, Plugin, Scene, State, with};

/// A host with two containers, and the world.
pub(crate) struct Site {
    pub(crate) scene: Scene,
    pub(crate) c2: Namespace,
    pub(crate) world: Namespace,
}

/// What an attachment with published ports consists of.
pub(crate) struct Attached {
    /// The configuration of `bridge`, with its result.
    pub(crate) nic: Value,
    /// That of `portmap`.
    pub(crate) ports: Value,
}

impl Attached {
    /// The container's addresses of IPv4 and of IPv6.
    pub(crate) fn addresses(&self) -> [String; 2] {
        [0, 1].map(|range: usize| {
            let address = self.nic["prevResult"]["ips"][range]["address"].as_str().expect("an address");
            address.split('/').next().expect("it has a prefix").to_owned()
        })
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let scene = Scene::new();
        let (world, c2) = (internet(&scene, "203.0.113.0/24"), scene.host.namespace("c2"));
        Self { scene, c2, world }
    }

    pub(crate) fn c1(&self) -> &Namespace {
        &self.scene.c1
    }

    pub(crate) fn state(&self) -> State {
        State::take(&[&self.scene.c1, &self.c2, &self.world])
    }

    /// A NIC with addresses of both families behind a bridge that is the gateway.
    pub(crate) fn nic(&self, ns: &Namespace, keys: Value) -> Value {
        let config = with(&bridge(), keys);
        let result = self.scene.call_for(ns, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
        with(&config, json!({"prevResult": result}))
    }

    /// What `portmap` is called with behind that NIC.
    pub(crate) fn ports(nic: &Value, mappings: &Value, keys: Value) -> Value {
        let config = json!({"cniVersion": LATEST, "name": nic["name"], "type": "portmap",
            "runtimeConfig": {"portMappings": mappings}, "prevResult": nic["prevResult"]});
        with(&config, keys)
    }

    /// Both, which must succeed.
    pub(crate) fn published(&self, ns: &Namespace, mappings: &Value, keys: Value) -> Attached {
        let nic = self.nic(ns, json!({}));
        let ports = Self::ports(&nic, mappings, keys);
        let result = self.call(ns, "ADD", &ports).ok();
        assert_eq!(result, nic["prevResult"], "the result is passed on");
        Attached { nic, ports }
    }

    /// A call of `portmap` for `eth0`.
    pub(crate) fn call(&self, ns: &Namespace, command: &str, config: &Value) -> harness::Reply {
        self.scene.call_for(ns, "eth0", Plugin::Portmap, command, config.clone()).run()
    }

    /// CHECK of the published ports, which must succeed, and of the NIC.
    pub(crate) fn checked(&self, ns: &Namespace, attached: &Attached) {
        self.call(ns, "CHECK", &attached.ports).ok();
        self.scene.call_for(ns, "eth0", Plugin::Bridge, "CHECK", attached.nic.clone()).run().ok();
    }

    /// DEL of both, the last first.
    pub(crate) fn deleted(&self, ns: &Namespace, attached: &Attached) {
        self.call(ns, "DEL", &attached.ports).ok();
        self.scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", attached.nic.clone()).run().ok();
    }

    /// Waits until the host forwards over IPv6 to its neighbours: it asks for them by link-local addresses, which go through duplicate
    /// detection.
    pub(crate) fn await_ipv6(&self, port: u16) {
        wait_until("the host forwards over IPv6", || seen_from(&self.world, OUTSIDE6, port).is_some());
    }

    /// Forwarding, which the first gateway turns on, is turned off again: nobody takes it back.
    pub(crate) fn stop_forwarding(&self) {
        sh("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding").ok();
    }
}

/// Both families, with the bridge as the gateway.
pub(crate) fn bridge() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]});
    with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipMasq": true, "ipam": ipam}))
}

/// A mapping of TCP.
pub(crate) fn tcp(host_port: u16, container_port: u16) -> Value {
    json!({"hostPort": host_port, "containerPort": container_port, "protocol": "tcp"})
}

/// Whether bridged packets come by the rules for IP.
pub(crate) fn bridged_packets_come_by(yes: bool) {
    for file in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let written = fs::write(format!("/proc/sys/net/bridge/{file}"), if yes { "1" } else { "0" });
        written.expect("the kernel has br_netfilter");
    }
}

/// A server in a container: it tells who asks.
pub(crate) fn server(ns: &Namespace, port: u16) -> Background {
    let server = ns.spawn(&format!("exec ncat -lk -p {port} -c 'printf %s $NCAT_REMOTE_ADDR' 2>/dev/null"));
    wait_until("the server listens", || !ns.sh(&format!("ss -Hltn sport = {port}")).ok().is_empty());
    server
}

/// Whom the server at this address takes a client for that runs where `run` runs it; `None` without an answer.
pub(crate) fn seen(run: impl Fn(&str) -> harness::Output, address: &str, port: u16) -> Option<String> {
    let output = run(&format!("ncat -w 1 --recv-only {address} {port} < /dev/null 2> /dev/null"));
    let seen = output.stdout.trim().trim_start_matches("::ffff:").to_owned();
    (!seen.is_empty()).then_some(seen)
}

/// The same for a client on the host.
pub(crate) fn seen_from_host(address: &str, port: u16) -> Option<String> {
    seen(sh, address, port)
}

/// The same for a client elsewhere.
pub(crate) fn seen_from(ns: &Namespace, address: &str, port: u16) -> Option<String> {
    seen(|script| ns.sh(script), address, port)
}

pub(crate) fn ruleset() -> String {
    sh("nft list ruleset").ok()
}

pub(crate) fn route_localnet(link: &str) -> String {
    sh(&format!("cat /proc/sys/net/ipv4/conf/{link}/route_localnet")).ok()
}
