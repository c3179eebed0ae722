//! The reference's `dhcp` with its daemon, and `dnsmasq` as the server: an IPAM plugin that speaks through the NIC.

use std::fs;
use std::path::Path;

use harness::{Background, Namespace, wait_until};
use serde_json::{Value, json};
use tests::{Plugin, Scene, cites, codes, with};

/// Debian's: it speaks up to 1.0.0.
const VERSION: &str = "1.0.0";
const SOCKET: &str = "/run/dhcp.sock";
const LEASES: &str = "/run/leases";

/// A host whose operator's bridge `br0` leads to a DHCP server, also by way of the device `up0`.
struct Lan {
    scene: Scene,
    server: Namespace,
    _daemons: [Background; 2],
}

impl Lan {
    fn new() -> Self {
        let scene = Scene::new();
        let server = scene.host.namespace("server");
        harness::sh(
            "ip link add br0 type bridge && ip link set br0 up && \
             ip link add s0 type veth peer name eth0 netns server && ip link set s0 master br0 up && \
             ip -n server link set eth0 up && ip -n server address add 10.55.0.1/24 dev eth0 && \
             ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 master br0 up",
        )
        .ok();
        let dnsmasq = server.spawn(&format!(
            "exec dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --port=0 --no-ping --interface=eth0 \
             --bind-interfaces --dhcp-range=10.55.0.100,10.55.0.150,255.255.255.0,600 --dhcp-leasefile={LEASES}"
        ));
        wait_until("dnsmasq serves", || !server.sh("ss -H -u -l -n 'sport = 67'").ok().is_empty());
        let daemon = harness::spawn(&format!(
            "exec /usr/lib/cni/dhcp daemon -socketpath {SOCKET} -pidfile /run/dhcp.pid -timeout 5s -resendmax 1s"
        ));
        wait_until("the daemon serves", || Path::new(SOCKET).exists());
        Self { scene, server, _daemons: [dnsmasq, daemon] }
    }

    fn call(&self, plugin: Plugin, command: &str, config: &Value) -> harness::Invocation {
        let path = format!("{}:/usr/lib/cni", harness::bin_dir().display());
        self.scene.call(plugin, command, config.clone()).path(path)
    }

    /// The addresses that the server has given.
    fn leases() -> Vec<String> {
        let text = fs::read_to_string(LEASES).unwrap_or_default();
        text.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect()
    }

    fn lives(&self, plugin: Plugin, keys: Value) {
        let before = self.scene.state();
        let config = with(&plugin.config(VERSION), json!({"ipam": {"type": "dhcp", "daemonSocketPath": SOCKET}}));
        let config = with(&config, keys);
        let result = self.call(plugin, "ADD", &config).run().ok();
        let address = result["ips"][0]["address"].as_str().expect("an address").to_owned();
        let (local, _) = address.split_once('/').expect("a length");
        assert_eq!(Lan::leases(), [local], "{config}");
        let interface = self.scene.c1.ip("-4 address show dev eth0");
        assert_eq!(interface[0]["addr_info"][0]["local"], local, "{config}");
        assert_eq!(self.scene.c1.ip("route show default")[0]["gateway"], "10.55.0.1", "as the server says");
        assert_eq!(self.scene.c1.ping("10.55.0.1", 1).received, 1);
        assert_eq!(self.server.ping(local, 1).received, 1);

        // One more ADD is refused before the daemon is asked, and keeps the lease.
        assert_eq!(self.call(plugin, "ADD", &config).run().error().0, codes::EXISTS);
        assert_eq!(Lan::leases(), [local]);
        let attached = with(&config, json!({"prevResult": result}));
        self.call(plugin, "CHECK", &attached).run().ok();
        self.call(plugin, "DEL", &attached).run().ok();
        wait_until("the lease is given back", || Lan::leases().is_empty());
        assert_eq!(before, self.scene.state(), "{config}");
    }
}

/// It is called when the NIC is up and on its network: nothing is waited for, no second try of the client is needed.
#[test]
fn a_nic_gets_the_address_of_a_server_of_its_network() {
    cites!("DLG-2", "DLG-4");
    let lan = Lan::new();
    lan.lives(Plugin::Bridge, json!({"bridge": "br0"}));
    lan.lives(Plugin::Secondary, json!({"bridge": "br0"}));
    lan.lives(Plugin::Secondary, json!({"bridge": null, "nic": "macvlan", "master": "up0"}));
    lan.lives(Plugin::Bridge, json!({"bridge": "br1", "uplink": "up0"}));
}
