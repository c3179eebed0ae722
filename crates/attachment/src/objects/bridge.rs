//! A Linux bridge, shared by the attachments of a network.

use netlink::Mac;
use netlink::link::{self, Link};

use crate::lock::Mode;
use crate::objects::gateway_vlan::device_on;
use crate::objects::no_vlan_filtering;
use crate::uplink::{Port, uplink_of};
use crate::{Device, Difference, Error, Kernel, Object, Side, Step, Sysctl, Tag, Uplink, shared};

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
    /// It is going to have the address of a gateway.
    pub is_gateway: bool,
    /// The VLAN in which its host has a device of its own on it; see [`GatewayVlan`](crate::GatewayVlan).
    pub gateway_vlan: Option<u16>,
    /// The device of the host that is its port. A bridge that is made here gets its address, MTU, IP addresses and routes.
    pub uplink: Option<Uplink>,
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
            is_gateway: false,
            gateway_vlan: None,
            uplink: None,
        }
    }

    /// The link of this name as it is between two calls: nobody is in the middle of making it. The lock is held from then on,
    /// so that the link is still so when it is adopted.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn settled(&self, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
        kernel.lock(Mode::Use)?;
        kernel.known(&self.device())
    }

    fn device(&self) -> Device {
        Device::host(&self.name)
    }

    fn label(&self) -> String {
        format!("bridge {}", self.name)
    }

    /// The MTU that is asked for; with an uplink the bridge has the uplink's, whatever its guests have.
    fn own_mtu(&self) -> Option<u32> {
        self.mtu.filter(|_| self.uplink.is_none())
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
        if let Some(mtu) = self.own_mtu().filter(|mtu| *mtu != link.mtu) {
            return conflict(
                format!("an MTU of {mtu} bytes"),
                format!("is a bridge with an MTU of {} bytes", link.mtu),
                format!("set it with `ip link set {} mtu {mtu}`, or change the key mtu", self.name),
            );
        }
        if self.is_gateway && self.uplink.is_none() && uplink_of(link).is_some() {
            return conflict(
                "a gateway's address on it".to_owned(),
                "is the bridge of an uplink, and its addresses are the host's".to_owned(),
                "choose another name for the bridge, or set uplink and vlan here, too".to_owned(),
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

    /// The bridge as it was seen under the lock, if it can serve.
    fn find_settled(&self, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
        let found = self.settled(kernel)?;
        found.iter().try_for_each(|link| self.check(link))?;
        Ok(found)
    }

    fn refuse_uplink(&self, uplink: &Uplink, kernel: &mut Kernel) -> Result<(), Error> {
        let bridge = self.find(kernel)?;
        let port = uplink.refuse(kernel, &self.name, bridge.as_ref())?;
        let path = port.link();
        match self.mtu.filter(|mtu| *mtu > path.mtu) {
            None => Ok(()),
            Some(mtu) => Err(Error::Conflict {
                object: format!("uplink {}", path.name),
                want: format!("mtu {mtu}"),
                have: format!("has mtu {}", path.mtu),
                remedy: "leave mtu out to take that of the uplink, or raise it there".to_owned(),
            }),
        }
    }

    fn is_complete(&self, bridge: &Link, kernel: &mut Kernel) -> Result<bool, Error> {
        self.uplink.as_ref().map_or(Ok(true), |uplink| uplink.is_port_of(bridge, kernel))
    }

    fn alias(&self, port: Option<&str>) -> String {
        port.map_or_else(|| Tag::shared(&self.network), |port| Tag::shared_over(&self.network, port))
    }

    /// One of ours that carries nothing yet may have been left by a call that was killed before it had made the settings.
    fn adopt(&self, link: &Link, kernel: &mut Kernel) -> Result<(), Error> {
        if !link.is_up {
            let action = format!("set {} up", self.label());
            kernel.queue(Step::change(Side::Host, action, link::set_up(&self.name)));
        }
        self.set_promiscuous(kernel);
        if link.is_running || !shared::is_made_here(link) {
            return Ok(());
        }
        match &self.uplink {
            Some(uplink) if uplink.has_own_settings() => Uplink::pass_settings(kernel, &uplink.port_name(), &self.name),
            _ => Sysctl::no_router_advertisements(&self.name).create(kernel),
        }
    }

    /// Another address for each bridge, because two hosts with a bridge of the same name may share a segment; one with an
    /// uplink is the host in the physical network, and keeps the address that its neighbours know.
    fn make(&self, port: Option<&Port>, kernel: &mut Kernel) -> Result<(), Error> {
        let known = port.and_then(|port| port.link().mac);
        let mac = known.map_or_else(Mac::random, Ok).map_err(Error::refused("choose an address for the bridge"))?;
        let mtu = port.map(|port| port.link().mtu).or(self.mtu);
        let bridge = netlink::bridge::Bridge { name: &self.name, mac, mtu, vlan_filtering: self.vlan_filtering };
        let label = self.label();
        kernel.queue(Step::make(Side::Host, format!("make {label}"), bridge.create()));
        // In the same send as the creation: a kill cannot leave a bridge without its tag.
        let tag = link::set_alias(&self.name, &self.alias(port.map(Port::name)));
        kernel.queue(Step::change(Side::Host, format!("tag {label}"), tag));
        if let Some(request) = bridge.fix_mtu() {
            kernel.queue(Step::change(Side::Host, format!("set the mtu of {label}"), request));
        }
        self.set_promiscuous(kernel);
        if self.vlan_filtering {
            self.verify_filtering(kernel)?;
        }
        match port {
            Some(Port::There(link)) => Uplink::pass_settings(kernel, &link.name, &self.name),
            _ => Sysctl::no_router_advertisements(&self.name).create(kernel),
        }
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
    /// Only where there is an uplink: without one nothing can be in the way of a bridge that is not said when it is made.
    fn refuse_existing(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(uplink) = &self.uplink else { return Ok(()) };
        kernel.lock(Mode::Use)?; // nobody is in the middle of making it
        let usable = self.refuse_uplink(uplink, kernel);
        kernel.unlock();
        usable
    }

    /// Holds the lock until the description's other objects are made, so that the bridge is not removed before it has its
    /// new port, and nobody else makes its gateway in a VLAN.
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        // Whoever made it may have left meanwhile, because of us: what nobody uses goes with an ADD that fails.
        kernel.mark_made();
        if let Some(link) = self.find_settled(kernel)?
            && self.has_gateway(kernel)?
            && self.is_complete(&link, kernel)?
        {
            return self.adopt(&link, kernel);
        }
        kernel.lock(Mode::Change)?;
        let found = self.find(kernel)?;
        let Some(uplink) = &self.uplink else {
            return match &found {
                Some(link) => self.adopt(link, kernel),
                None => self.make(None, kernel),
            };
        };
        let port = uplink.refuse(kernel, &self.name, found.as_ref())?;
        let had = port.layer3(kernel, &self.name)?;
        match &found {
            Some(link) => self.adopt(link, kernel)?,
            None => self.make(Some(&port), kernel)?,
        }
        let Some(bridge) = kernel.find(&self.device())? else { return Err(Error::Missing(self.label())) };
        uplink.attach(kernel, &bridge, (&port, &had), &self.network)
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
        if let Some(mtu) = self.own_mtu() {
            note(mtu == link.mtu, " mtu", &mtu.to_string(), &link.mtu.to_string());
        }
        if let Some(uplink) = self.uplink.as_ref().filter(|_| link.is_up) {
            differences.extend(uplink.differences(kernel, &link)?);
        }
        Ok(differences)
    }

    /// Removes it if it was made here and has no port left.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        shared::tear_down(kernel, &self.name)
    }

    fn commands(&self) -> Vec<String> {
        let port = self.uplink.as_ref().map(Uplink::port_name);
        let alias = self.alias(port.as_deref());
        let filtering = if self.vlan_filtering { " vlan_filtering 1" } else { "" };
        let mut commands = match &self.uplink {
            Some(Uplink { device, .. }) => vec![
                format!(
                    "ip link add {} address $(cat /sys/class/net/{device}/address) up type bridge no_linklocal_learn 1",
                    self.name
                ),
                format!("ip link set {} mtu $(($(cat /sys/class/net/{device}/mtu) - 1))", self.name),
                format!("ip link set {} mtu $(cat /sys/class/net/{device}/mtu)", self.name),
            ],
            None => vec![
                format!("ip link add {} up type bridge no_linklocal_learn 1{filtering}", self.name),
                // An address that was set stays; the kernel's own choice changes with the ports.
                format!("ip link set {0} address $(cat /sys/class/net/{0}/address)", self.name),
            ],
        };
        commands.push(format!("ip link set {} alias '{alias}'", self.name));
        // Only a change of it makes it stay.
        let mtu = self.own_mtu();
        commands.extend(mtu.filter(|bytes| *bytes == 1500).map(|_| format!("ip link set {} mtu 1499", self.name)));
        commands.extend(mtu.map(|bytes| format!("ip link set {} mtu {bytes}", self.name)));
        if !self.uplink.as_ref().is_some_and(Uplink::has_own_settings) {
            commands.extend(Sysctl::no_router_advertisements(&self.name).commands());
        }
        if self.promiscuous {
            commands.push(format!("ip link set {} promisc on", self.name));
        }
        if let Some(uplink) = &self.uplink {
            commands.extend(uplink.commands(&self.name, &self.network));
        }
        commands
    }
}

fn of_kind(kind: &str) -> String {
    if kind.is_empty() { "a physical device".to_owned() } else { format!("of kind {kind}") }
}
