//! A Linux bridge, shared by the attachments of a network.

use netlink::Mac;
use netlink::link::{self, Link};

use crate::lock::Mode;
use crate::{Device, Difference, Error, Kernel, Object, Side, Step, Sysctl, Tag, shared};

/// A bridge on the host. The first attachment makes it, later ones adopt it, the last one out removes it if it was made here.
#[derive(Debug)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// The network whose tag it gets when it is made.
    pub network: String,
    /// Its MTU in bytes, when it is made.
    pub mtu: Option<u32>,
    /// It receives what is addressed to others.
    pub promiscuous: bool,
}

impl Bridge {
    /// A bridge with the kernel's defaults.
    #[must_use]
    pub fn shared(name: &str, network: &str) -> Self {
        Self { name: name.to_owned(), network: network.to_owned(), mtu: None, promiscuous: false }
    }

    fn device(&self) -> Device {
        Device::host(&self.name)
    }

    fn label(&self) -> String {
        format!("bridge {}", self.name)
    }

    /// The bridge, if it exists and can serve.
    fn find(&self, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
        match kernel.find(&self.device())? {
            Some(link) if link.kind != "bridge" => Err(Error::Conflict {
                object: format!("link {}", self.name),
                want: "a bridge of that name".to_owned(),
                have: format!("is {}", of_kind(&link.kind)),
                remedy: "choose another name for the bridge, or remove the link".to_owned(),
            }),
            found => Ok(found),
        }
    }

    fn adopt(&self, link: &Link, kernel: &mut Kernel) {
        if !link.is_up {
            let action = format!("set {} up", self.label());
            kernel.queue(Step::change(Side::Host, action, link::set_up(&self.name)));
        }
        self.set_promiscuous(kernel);
    }

    /// A member of the bridge must not be able to give the host a default route (CVE-2020-10749).
    fn no_router_advertisements(&self) -> Sysctl {
        let path = format!("net/ipv6/conf/{}/accept_ra", self.name);
        Sysctl { side: Side::Host, path, value: "0", optional: true }
    }

    fn set_promiscuous(&self, kernel: &mut Kernel) {
        if self.promiscuous {
            let action = format!("set {} promiscuous", self.label());
            kernel.queue(Step::change(Side::Host, action, link::set_promiscuous(&self.name)));
        }
    }
}

impl Object for Bridge {
    /// Holds the lock until the description's other objects are made, so that the bridge is not removed before it has its
    /// new port.
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        kernel.lock(Mode::Use)?;
        if let Some(link) = self.find(kernel)? {
            self.adopt(&link, kernel);
            return Ok(());
        }
        kernel.lock(Mode::Change)?;
        if let Some(link) = self.find(kernel)? {
            self.adopt(&link, kernel);
            return Ok(());
        }
        // Another one for each bridge: two hosts with a bridge of the same name may share a segment.
        let mac = Mac::random().map_err(Error::refused("choose an address for the bridge"))?;
        let bridge = netlink::bridge::Bridge { name: &self.name, mac, mtu: self.mtu };
        kernel.queue(Step::make(Side::Host, format!("make {}", self.label()), bridge.create()));
        // In the same send as the creation: a kill cannot leave a bridge without its tag.
        let tag = link::set_alias(&self.name, &Tag::shared(&self.network));
        kernel.queue(Step::change(Side::Host, format!("tag {}", self.label()), tag));
        self.set_promiscuous(kernel);
        self.no_router_advertisements().create(kernel)
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let Some(link) = kernel.find(&self.device())? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let mut differences = Vec::new();
        if link.kind != "bridge" {
            differences.push(Difference::new(format!("link {}", self.name), "a bridge", of_kind(&link.kind)));
        } else if !link.is_up {
            differences.push(Difference::new(self.label(), "up", "down"));
        } else if self.promiscuous && !link.is_promiscuous {
            differences.push(Difference::new(self.label(), "promiscuous", "not promiscuous"));
        }
        Ok(differences)
    }

    /// Removes it if it was made here and has no port left.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        shared::tear_down(kernel, &self.name)
    }

    fn commands(&self) -> Vec<String> {
        let mtu = self.mtu.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
        let mut commands = vec![
            format!("ip link add {}{mtu} up type bridge", self.name),
            // An address that was set stays; the kernel's own choice changes with the ports.
            format!("ip link set {0} address $(cat /sys/class/net/{0}/address)", self.name),
            format!("ip link set {} alias '{}'", self.name, Tag::shared(&self.network)),
        ];
        commands.extend(self.no_router_advertisements().commands());
        if self.promiscuous {
            commands.push(format!("ip link set {} promisc on", self.name));
        }
        commands
    }
}

fn of_kind(kind: &str) -> String {
    if kind.is_empty() { "a physical device".to_owned() } else { format!("of kind {kind}") }
}
