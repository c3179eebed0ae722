//! A Linux bridge, shared by the attachments of a network.

use netlink::Mac;
use netlink::link::{self, Link};

use crate::lock::Mode;
use crate::objects::gateway_vlan::device_on;
use crate::objects::no_vlan_filtering;
use crate::{Device, Difference, Error, Kernel, Object, Side, Step, Sysctl, Tag, shared};

/// A bridge on the host. The first attachment makes it, later ones adopt it, the last one out removes it if it was made here.
#[derive(Debug)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// The network whose tag it gets when it is made.
    pub network: String,
    /// Its MTU in bytes, if it must have a certain one, whatever its ports have.
    pub mtu: Option<u32>,
    /// It receives what is addressed to others.
    pub promiscuous: bool,
    /// Its ports receive only frames of their VLANs.
    pub vlan_filtering: bool,
    /// The VLAN in which its host has a device of its own on it; see [`GatewayVlan`](crate::GatewayVlan).
    pub gateway_vlan: Option<u16>,
}

impl Bridge {
    /// A bridge with the kernel's defaults.
    #[must_use]
    pub fn shared(name: &str, network: &str) -> Self {
        Self {
            name: name.to_owned(),
            network: network.to_owned(),
            mtu: None,
            promiscuous: false,
            vlan_filtering: false,
            gateway_vlan: None,
        }
    }

    fn device(&self) -> Device {
        Device::host(&self.name)
    }

    fn label(&self) -> String {
        format!("bridge {}", self.name)
    }

    /// Fails when a link of its name cannot serve. What an operator made is not changed.
    ///
    /// # Errors
    /// [`Error::Conflict`], and [`Error::Unsupported`] where no bridge of this kernel could.
    pub fn check(&self, link: &Link) -> Result<(), Error> {
        let conflict =
            |want, have, remedy| Err(Error::Conflict { object: format!("link {}", self.name), want, have, remedy });
        if link.kind != "bridge" {
            return conflict(
                "a bridge of that name".to_owned(),
                format!("is {}", of_kind(&link.kind)),
                "choose another name for the bridge, or remove the link".to_owned(),
            );
        }
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu != link.mtu) {
            return conflict(
                format!("an MTU of {mtu} bytes"),
                format!("is a bridge with an MTU of {} bytes", link.mtu),
                format!("set it with `ip link set {} mtu {mtu}`, or change the key mtu", self.name),
            );
        }
        if self.vlan_filtering && link.default_pvid.is_none() {
            return Err(no_vlan_filtering(&self.name));
        }
        if self.vlan_filtering && !link.vlan_filtering {
            return conflict(
                "VLANs".to_owned(),
                "is a bridge that does not filter them".to_owned(),
                format!("turn that on with `ip link set {} type bridge vlan_filtering 1`", self.name),
            );
        }
        Ok(())
    }

    /// The bridge, if it exists and can serve.
    fn find(&self, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
        let found = kernel.find(&self.device())?;
        found.iter().try_for_each(|link| self.check(link))?;
        Ok(found)
    }

    fn adopt(&self, link: &Link, kernel: &mut Kernel) {
        if !link.is_up {
            let action = format!("set {} up", self.label());
            kernel.queue(Step::change(Side::Host, action, link::set_up(&self.name)));
        }
        self.set_promiscuous(kernel);
    }

    fn make(&self, kernel: &mut Kernel) -> Result<(), Error> {
        // Another one for each bridge: two hosts with a bridge of the same name may share a segment.
        let mac = Mac::random().map_err(Error::refused("choose an address for the bridge"))?;
        let bridge =
            netlink::bridge::Bridge { name: &self.name, mac, mtu: self.mtu, vlan_filtering: self.vlan_filtering };
        let label = self.label();
        kernel.queue(Step::make(Side::Host, format!("make {label}"), bridge.create()));
        // In the same send as the creation: a kill cannot leave a bridge without its tag.
        let tag = link::set_alias(&self.name, &Tag::shared(&self.network));
        kernel.queue(Step::change(Side::Host, format!("tag {label}"), tag));
        if let Some(request) = bridge.fix_mtu() {
            kernel.queue(Step::change(Side::Host, format!("set the mtu of {label}"), request));
        }
        self.set_promiscuous(kernel);
        if self.vlan_filtering {
            self.verify_filtering(kernel)?;
        }
        self.no_router_advertisements().create(kernel)
    }

    /// A kernel without VLAN filtering refuses the bridge, or makes one that does not filter.
    fn verify_filtering(&self, kernel: &mut Kernel) -> Result<(), Error> {
        match kernel.flush() {
            Err(Error::Refused { source, .. }) if source.errno() == Some(libc::EOPNOTSUPP) => {
                Err(no_vlan_filtering(&self.name))
            }
            Err(error) => Err(error),
            Ok(()) => self.find(kernel).map(drop),
        }
    }

    /// A member of the bridge must not be able to give the host a default route (CVE-2020-10749).
    fn no_router_advertisements(&self) -> Sysctl {
        let path = format!("net/ipv6/conf/{}/accept_ra", self.name);
        Sysctl { side: Side::Host, path, value: "0", optional: true }
    }

    /// All that the lock is needed for is there.
    fn has_gateway(&self, kernel: &mut Kernel) -> Result<bool, Error> {
        self.gateway_vlan.map_or(Ok(true), |id| Ok(kernel.find(&device_on(&self.name, id))?.is_some()))
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
    /// new port, and nobody else makes its gateway in a VLAN.
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        kernel.lock(Mode::Use)?;
        if let Some(link) = self.find(kernel)?
            && self.has_gateway(kernel)?
        {
            self.adopt(&link, kernel);
            return Ok(());
        }
        kernel.lock(Mode::Change)?;
        if !self.has_gateway(kernel)? {
            kernel.mark_made(); // what is not left to others goes with an ADD that fails, when its NIC has gone
        }
        match self.find(kernel)? {
            Some(link) => {
                self.adopt(&link, kernel);
                Ok(())
            }
            None => self.make(kernel),
        }
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let Some(link) = kernel.find(&self.device())? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let mut differences = Vec::new();
        if link.kind != "bridge" {
            differences.push(Difference::new(format!("link {}", self.name), "a bridge", of_kind(&link.kind)));
            return Ok(differences);
        }
        let mut note = |is_met: bool, property: &str, want: &str, have: &str| {
            if !is_met {
                differences.push(Difference::new(format!("{}{property}", self.label()), want, have));
            }
        };
        note(link.is_up, "", "up", "down");
        note(!self.promiscuous || link.is_promiscuous, "", "promiscuous", "not promiscuous");
        note(!self.vlan_filtering || link.vlan_filtering, " vlan_filtering", "1", "0");
        if let Some(mtu) = self.mtu {
            note(mtu == link.mtu, " mtu", &mtu.to_string(), &link.mtu.to_string());
        }
        Ok(differences)
    }

    /// Removes it if it was made here and has no port left.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        shared::tear_down(kernel, &self.name)
    }

    fn commands(&self) -> Vec<String> {
        let filtering = if self.vlan_filtering { " vlan_filtering 1" } else { "" };
        let mut commands = vec![
            format!("ip link add {} up type bridge{filtering}", self.name),
            // An address that was set stays; the kernel's own choice changes with the ports.
            format!("ip link set {0} address $(cat /sys/class/net/{0}/address)", self.name),
            format!("ip link set {} alias '{}'", self.name, Tag::shared(&self.network)),
        ];
        // Only a change of it makes it stay.
        commands.extend(self.mtu.filter(|bytes| *bytes == 1500).map(|_| format!("ip link set {} mtu 1499", self.name)));
        commands.extend(self.mtu.map(|bytes| format!("ip link set {} mtu {bytes}", self.name)));
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
