//! Two ends on two hosts, and what connects them.

use anyhow::{Result, bail};
use harness::{Host, Invocation, Namespace, VdeClient, sh};
use serde_json::{Value, json};

use super::maker::Maker;
use super::mode::{KEY, Mode};
use crate::maker::INTERFACE;
use crate::options::Options;

/// The underlay's device and its addresses; see [`harness::Lan`].
const UNDERLAY: &str = "eth0";
const HOSTS: [&str; 2] = ["192.168.7.1", "192.168.7.2"];
/// A port of their own: the kernel has that of LACs.
const VDE: &str = "vxvde://234.0.0.1/port=14790";
const TAP: &str = "tap0";
/// The bridge, the VXLAN device and the host's end of the pair of the LAC made by hand.
const BRIDGE: &str = "hand";
const DEVICE: &str = "vxhand";
const PORT: &str = "port";

/// Two ends that are connected.
#[derive(Debug)]
pub(super) struct Connection<'a> {
    maker: Maker,
    mode: Mode,
    hosts: &'a [Namespace; 2],
    /// Containers, or the hosts themselves.
    ends: [Namespace; 2],
    /// The programs of the TAP devices.
    clients: Vec<VdeClient>,
}

impl<'a> Connection<'a> {
    /// Makes it. `number` tells its namespaces from those of other turns, which stay.
    ///
    /// # Errors
    /// A plugin fails.
    pub(super) fn make(
        owner: &Host,
        hosts: &'a [Namespace; 2],
        (maker, mode): (Maker, Mode),
        number: usize,
    ) -> Result<Self> {
        let ends = match maker {
            Maker::Ours => ["near", "far"].map(|end| owner.namespace(&format!("{mode}-ours-{end}-{number}"))),
            Maker::Hand => ["near", "far"].map(|end| owner.namespace(&format!("{mode}-hand-{end}-{number}"))),
            Maker::Vde | Maker::Underlay => hosts.clone(),
        };
        if mode == Mode::Sealed {
            sh(&format!("mkdir -p /etc/cni && (umask 077; head -c 32 /dev/urandom | base64 > {KEY})")).ok();
        }
        let mut connection = Self { maker, mode, hosts, ends, clients: Vec::new() };
        match maker {
            Maker::Ours => {
                connection.call_for_both("ADD")?;
                connection.for_each(|place, _, end| set_up(end, &connection.address(place)));
            }
            Maker::Hand => connection.for_each(|place, host, end| connection.make_by_hand(place, host, end)),
            Maker::Vde => {
                let connect =
                    |place: usize, host| VdeClient::tap(host, TAP, VDE, &format!("{}/16", connection.address(place)));
                connection.clients = hosts.iter().enumerate().map(|(place, host)| connect(place, host)).collect();
                let mtu = mode.mtu();
                connection.for_each(|_, host, _| _ = host.sh(&format!("ip link set {TAP} mtu {mtu}")).ok());
            }
            Maker::Underlay => {}
        }
        // Each end knows where the other is.
        let [near, _] = &connection.ends;
        near.sh(&format!("ping -c1 -W5 {}", connection.address(1))).ok();
        Ok(connection)
    }

    /// What the first end sends in bit/s until it has sent so many bytes.
    pub(super) fn rate(&self, bytes: &str) -> f64 {
        let [near, far] = &self.ends;
        near.iperf3_from(far, &self.address(1), &format!("--bytes {bytes}")).sent_bit_s
    }

    /// What a transfer sends.
    pub(super) fn bytes(&self, options: &Options) -> String {
        options.bytes_over_lac(self.maker == Maker::Vde || (self.mode == Mode::Vde && self.maker != Maker::Underlay))
    }

    /// Leaves the namespaces, empty: removing them is work for the kernel that would go on beside the next turn.
    ///
    /// # Errors
    /// A plugin fails.
    pub(super) fn remove(mut self) -> Result<()> {
        match self.maker {
            Maker::Ours => self.call_for_both("DEL")?,
            Maker::Hand => self.for_each(|_, host, _| {
                host.sh(&format!("ip link delete {PORT} && ip link delete {DEVICE} && ip link delete {BRIDGE}")).ok();
                if self.mode == Mode::Sealed {
                    // The plugin has removed its own already.
                    host.sh("ip xfrm state flush && ip xfrm policy flush").ok();
                }
            }),
            Maker::Vde => {
                self.clients.clear();
                self.for_each(|_, host, _| _ = host.sh(&format!("ip link delete {TAP}")).ok());
            }
            Maker::Underlay => {}
        }
        Ok(())
    }

    fn for_each(&self, mut work: impl FnMut(usize, &Namespace, &Namespace)) {
        for (place, (host, end)) in self.hosts.iter().zip(&self.ends).enumerate() {
            work(place, host, end);
        }
    }

    /// The address of one of the ends.
    fn address(&self, place: usize) -> String {
        let subnet = match self.maker {
            Maker::Ours => "10.9.0",
            Maker::Hand => "10.10.0",
            Maker::Vde => "10.11.0",
            Maker::Underlay => "192.168.7",
        };
        format!("{subnet}.{}", place + 1)
    }

    fn make_by_hand(&self, place: usize, host: &Namespace, end: &Namespace) {
        let (arguments, container) = (self.mode.arguments(), &end.name);
        let further = self.mode.further_command(DEVICE, other(place));
        let (mtu, port) = (self.mode.mtu(), self.mode.port_by_hand());
        if let Some(commands) = self.mode.sealing_by_hand(HOSTS.get(place).unwrap_or(&""), other(place)) {
            host.sh(&format!("ip -batch - <<'END'\n{commands}\nEND")).ok();
        }
        host.sh(&format!(
            "ip link add {BRIDGE} up type bridge && \
             ip link add {DEVICE} mtu {mtu} type vxlan id 2 dstport {port} dev {UNDERLAY} {arguments} && \
             ip link set {DEVICE} master {BRIDGE} up && {further} && \
             ip link add {PORT} mtu {mtu} master {BRIDGE} up type veth peer name {INTERFACE} mtu {mtu} netns {container}"
        ))
        .ok();
        set_up(end, &self.address(place));
    }

    fn call_for_both(&self, verb: &str) -> Result<()> {
        for (place, (host, end)) in self.hosts.iter().zip(&self.ends).enumerate() {
            let mut config = json!({ "cniVersion": "1.0.0", "name": "lac", "type": "vxlan-overlay" });
            if let (Value::Object(config), Value::Object(keys)) = (&mut config, self.mode.keys(other(place))) {
                config.extend(keys);
            }
            let call = Invocation::new("vxlan-overlay", verb).on(host);
            let call = call.container(&end.name).netns(&end.path).ifname(INTERFACE).config(&config);
            match call.run() {
                reply if reply.status == 0 => {}
                reply => bail!("vxlan-overlay {verb}: {}", reply.stdout.trim()),
            }
        }
        Ok(())
    }
}

/// The address of the other host.
fn other(place: usize) -> &'static str {
    let [first, second] = HOSTS;
    if place == 0 { second } else { first }
}

fn set_up(end: &Namespace, address: &str) {
    end.sh(&format!("ip address add {address}/16 dev {INTERFACE} && ip link set {INTERFACE} up")).ok();
}
