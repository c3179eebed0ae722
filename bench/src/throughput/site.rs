//! Two ends that data go between, and how they are connected.

use anyhow::{Result, bail};
use harness::{Host, Invocation, Namespace, sh};
use serde_json::{Value, json};

use crate::by_hand;
use crate::kind::{Kind, VLAN};
use crate::maker::Maker;

const CNI_VERSION: &str = "1.0.0";

/// A container, whose NIC is measured, and what it sends to: a container of the same kind, or the end beyond a link of the host.
#[derive(Debug)]
pub(crate) struct Site {
    maker: Maker,
    kind: Kind,
    near: Namespace,
    far: Namespace,
}

impl Site {
    /// Makes it. `number` tells its namespaces from those of other turns, which stay.
    ///
    /// # Errors
    /// A plugin fails.
    pub(crate) fn make(host: &Host, maker: Maker, kind: Kind, number: usize) -> Result<Self> {
        let [near, far] = ["near", "far"].map(|end| host.namespace(&format!("{kind}-{end}-{}-{number}", maker.link())));
        let site = Self { maker, kind, near, far };
        if kind.has_link() {
            site.make_link();
        }
        let made = match maker {
            Maker::Hand => {
                by_hand::connect(kind, &site.near, &site.far);
                Ok(())
            }
            Maker::Ours => site.call_for_all("ADD"),
        };
        if let Err(error) = made {
            // What was made of it is in the way of the next one.
            drop(site.remove());
            return Err(error);
        }
        Ok(site)
    }

    /// What the container sends in bit/s until it has sent so many bytes. What arrived would not do: iperf3 does not wait for all of it.
    pub(crate) fn rate(&self, bytes: &str) -> f64 {
        let address = format!("{}.0.{}", self.maker.subnet(), if self.kind.has_link() { 1 } else { 3 });
        self.near.iperf3_from(&self.far, &address, &format!("--bytes {bytes}")).sent_bit_s
    }

    /// Leaves the namespaces, empty: removing them is work for the kernel that would go on beside the next turn.
    ///
    /// # Errors
    /// A plugin fails.
    pub(crate) fn remove(&self) -> Result<()> {
        let removed = match self.maker {
            Maker::Ours => self.call_for_all("DEL"),
            Maker::Hand => {
                by_hand::remove(self.kind, &self.near);
                Ok(())
            }
        };
        if self.kind.has_link() {
            // Unless it has gone with the container's interface that it was.
            sh(&format!("ip link delete {}", self.maker.link()));
        }
        removed
    }

    /// A veth pair whose one end is on the host, where it is the link, and the other is what is beyond.
    fn make_link(&self) {
        let (link, subnet) = (self.maker.link(), self.maker.subnet());
        sh(&format!("ip link add {link} up type veth peer name beyond netns {}", self.far.name)).ok();
        let end = if self.kind == Kind::Vlan {
            self.far.sh(&format!("ip link add link beyond name tagged type vlan id {VLAN}")).ok();
            "tagged"
        } else {
            "beyond"
        };
        let up = format!("ip link set beyond up && ip link set {end} up && ip address add {subnet}.0.1/16 dev {end}");
        self.far.sh(&up).ok();
    }

    fn call_for_all(&self, verb: &str) -> Result<()> {
        self.call(verb, &self.near, 2)?;
        if self.kind.has_link() { Ok(()) } else { self.call(verb, &self.far, 3) }
    }

    /// The address that host-local gives to the first one is .2, and to the second one .3.
    fn call(&self, verb: &str, namespace: &Namespace, number: u8) -> Result<()> {
        let (link, subnet) = (self.maker.link(), self.maker.subnet());
        let range = json!({
            "subnet": format!("{subnet}.0.0/16"),
            "rangeStart": format!("{subnet}.0.{number}"),
            "rangeEnd": format!("{subnet}.0.{number}"),
        });
        let plugin = self.kind.plugin();
        let ipam = json!({ "type": "host-local", "ranges": [[range]] });
        let mut config = json!({ "cniVersion": CNI_VERSION, "name": link, "type": plugin, "ipam": ipam });
        if let (Value::Object(config), Value::Object(keys)) = (&mut config, self.kind.keys(link)) {
            config.extend(keys);
        }
        let call = Invocation::new(plugin, verb)
            .container(&namespace.name)
            .netns(&namespace.path)
            .ifname(&self.kind.interface(self.maker, number))
            .config(&config);
        match call.run() {
            reply if reply.status == 0 => Ok(()),
            reply => bail!("{plugin} {verb}: {}", reply.stdout.trim()),
        }
    }
}
