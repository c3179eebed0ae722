//! A Linux bridge, shared by the attachments of a network.

use netlink::bridge::MOST_PORTS;
use netlink::link::{self, Link};
use netlink::{Mac, Request};

use super::migration;
use super::uplink::{NamedPort, Port, Uplink, uplink_of};
use crate::bridge_mac;
use crate::bridge_members::{self, BridgeMembers};
use crate::explained;
use crate::firewall::forward::{self, Members};
use crate::{
    Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Note, Object, Remedy, Session, Shared,
    Side, State, Step, Sysctl, Tag,
};

static KIND: Kind = Kind::found("bridge");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// A bridge on the host. The first attachment makes it, later ones adopt it, the last one out removes it if it was made here.
#[derive(Debug)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// What its tag says when it is made: the network, or what else its members have in common.
    pub shared_by: String,
    /// Its MTU in bytes, if it must have a certain one, whatever its ports have.
    pub mtu: Option<u32>,
    /// It is promiscuous: it receives what is addressed to others.
    pub promiscuous: bool,
    /// Its ports receive only frames of their VLANs.
    pub vlan_filtering: bool,
    /// It is going to have the address of a gateway.
    pub is_gateway: bool,
    /// The link that is going to have it: the bridge, or a VLAN device on it.
    pub gateway: Option<String>,
    /// The gateway's address takes the place of what that link has.
    pub is_gateway_forced: bool,
    /// Its members reach the host at it: it has a link-local address of IPv6, and answers for the host's addresses, as the kernel has
    /// any link do.
    pub reaches_host: bool,
    /// The device of the host that is its port. A bridge that is made here gets its address, MTU, IP addresses and routes.
    pub uplink: Option<Uplink>,
}

impl Bridge {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// A bridge with the kernel's defaults.
    #[must_use]
    pub fn shared(name: &str, by: &str) -> Self {
        Self {
            name: name.to_owned(),
            shared_by: by.to_owned(),
            mtu: None,
            promiscuous: false,
            vlan_filtering: false,
            is_gateway: false,
            gateway: None,
            is_gateway_forced: false,
            reaches_host: true,
            uplink: None,
        }
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
    fn check(&self, link: &Link) -> Result<(), Error> {
        let conflict =
            |want, have, remedy| Err(Error::Conflict { object: format!("link {}", self.name), want, have, remedy });
        if link.kind != "bridge" {
            return conflict(
                "a bridge of that name".to_owned(),
                format!("is {}", of_kind(&link.kind)),
                Remedy::act(match link.kind.as_str() {
                    "openvswitch" => "for a bridge of Open vSwitch use the plugin ovs-port",
                    // That is what a bridge of its userspace datapath looks like.
                    "tun" => {
                        "if it is a bridge of Open vSwitch, use the plugin ovs-port; else choose another name for the bridge, or \
                         remove the link"
                    }
                    // Not a network's: its name follows from something else.
                    _ if self.shared_by.contains(' ') => "remove the link, or choose another port or VNI",
                    _ => "choose another name for the bridge, or remove the link",
                }),
            );
        }
        if let Some(mtu) = self.own_mtu().filter(|mtu| *mtu != link.mtu) {
            return conflict(
                format!("an MTU of {mtu} bytes"),
                format!("is a bridge with an MTU of {} bytes", link.mtu),
                Remedy::BridgeMtu { bridge: self.name.clone(), mtu_bytes: mtu },
            );
        }
        if self.is_gateway && self.uplink.is_none() && uplink_of(link).is_some() {
            return conflict(
                "a gateway's address on it".to_owned(),
                "is the bridge of an uplink, and its addresses are the host's".to_owned(),
                Remedy::AskForUplink,
            );
        }
        if self.vlan_filtering && link.default_pvid.is_none() {
            return Err(Error::no_vlan_filtering(&self.name));
        }
        if self.vlan_filtering && !link.vlan_filtering {
            return conflict(
                "VLANs".to_owned(),
                "is a bridge that does not filter them".to_owned(),
                Remedy::Act(format!("turn that on with `ip link set {} type bridge vlan_filtering 1`", self.name)),
            );
        }
        Ok(())
    }

    /// The bridge, if it exists and can serve.
    fn find(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        let found = session.find(&self.device())?;
        found.iter().try_for_each(|link| self.check(link))?;
        Ok(found)
    }

    /// The bridge, if it was made here, and its uplink.
    fn made_here(&self, session: &mut Session) -> Result<Option<(Link, Option<Link>)>, Error> {
        let Some(link) = session.known(&self.device())? else { return Ok(None) };
        let Some(Tag::Shared { uplink, .. }) = Tag::of(&link) else { return Ok(None) };
        let uplink = match uplink {
            Some(name) => session.find(&Device::host(name))?,
            None => None,
        };
        Ok(Some((link, uplink)))
    }

    /// The bridge as it was last seen, if it can serve.
    fn known(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        let found = session.known(&self.device())?;
        found.iter().try_for_each(|link| self.check(link))?;
        Ok(found)
    }

    fn refuse_uplink(&self, uplink: &Uplink, session: &mut Session) -> Result<(), Error> {
        let bridge = self.find(session)?;
        let port = uplink.refuse(session, &self.name, bridge.as_ref())?;
        self.refuse_mtu(port.link())
    }

    /// Fails if the bridge is to have a larger MTU than the link of its uplink.
    fn refuse_mtu(&self, path: &Link) -> Result<(), Error> {
        match self.mtu.filter(|mtu| *mtu > path.mtu) {
            None => Ok(()),
            Some(mtu) => Err(Error::Conflict {
                object: format!("uplink {}", path.name),
                want: format!("mtu {mtu}"),
                have: format!("has mtu {}", path.mtu),
                remedy: Remedy::UplinkMtu,
            }),
        }
    }

    fn is_complete(&self, bridge: &Link, session: &mut Session) -> Result<bool, Error> {
        self.uplink.as_ref().map_or(Ok(true), |uplink| uplink.is_port_of(bridge, session))
    }

    fn alias(&self, port: Option<&str>) -> String {
        port.map_or_else(|| Tag::shared(&self.shared_by), |port| Tag::shared_over(&self.shared_by, port))
    }

    /// A bridge of ours without members may have been left by a call that was killed before it had made the settings.
    fn complete(&self, link: &Link, session: &mut Session) -> Result<(), Error> {
        if let Some(gateway) = &self.gateway {
            bridge_mac::keep_for(session, link, gateway, self.is_gateway_forced)?;
        }
        if !link.is_up {
            let action = format!("set {} up", self.label());
            self.take_back_with(session, "down again", link::set_down(&self.name));
            session.queue(Step::change(Side::Host, action, link::set_up(&self.name)));
        }
        if !link.is_promiscuous {
            if self.promiscuous {
                self.take_back_with(session, "not promiscuous again", link::unset_promiscuous(&self.name));
            }
            self.set_promiscuous(session);
        }
        if link.is_running || !Tag::is_shared(link) {
            return Ok(());
        }
        match &self.uplink {
            Some(uplink) if uplink.has_own_settings() => {
                Uplink::pass_settings(session, &uplink.port_name(), &self.name)
            }
            _ => self.settings().iter().try_for_each(|setting| setting.create(session)),
        }
    }

    /// What keeps its members from misleading the host, or from reaching it at all.
    fn settings(&self) -> Vec<Sysctl> {
        let mut settings = vec![Sysctl::no_router_advertisements(&self.name)];
        if !self.reaches_host {
            settings.extend(Sysctl::no_way_to_the_host(&self.name));
        }
        settings
    }

    /// How to take back a change of a bridge that was there before.
    fn take_back_with(&self, session: &mut Session, state: &str, request: Request) {
        let (device, action) = (self.device(), format!("set {} {state}", self.label()));
        let members = BridgeMembers { bridge: self.name.clone() };
        session.on_undo_unless(
            move |session| members.is_used(session),
            move |session| {
                if session.find(&device)?.is_some() {
                    session.queue(Step::change(Side::Host, action, request));
                }
                Ok(())
            },
        );
    }

    /// One that does not reach the host is left down until its first port is there ([`Lac`](crate::Lac) sets it up): the kernel gives
    /// a link that comes up its address, and goes through all routes of IPv6 whenever it looks at a bridge that is up without a port.
    ///
    /// A different address for each bridge, because two hosts with a bridge of the same name may share a segment; one with an
    /// uplink represents the host in the physical network, and keeps the address that its neighbours know.
    fn make_link(&self, port: Option<&Port>, session: &mut Session) -> Result<(), Error> {
        let known = port.and_then(|port| port.link().mac);
        let mac = known.map_or_else(Mac::random, Ok).map_err(Error::refused("choose an address for the bridge"))?;
        let mtu = port.map(|port| port.link().mtu).or(self.mtu).map(|bytes| bytes.min(link::LARGEST_MTU_BYTES));
        let (name, vlan_filtering, is_up) = (self.name.as_str(), self.vlan_filtering, self.reaches_host);
        let bridge = netlink::bridge::NewBridge { name, mac, mtu, vlan_filtering, is_up };
        let label = self.label();
        let step = Step::make(Side::Host, format!("make {label}"), bridge.create());
        session.queue(step.explained(explained::kind(KIND.name, "CONFIG_BRIDGE", &self.name)));
        // In the same send as the creation: a kill cannot leave a bridge without its tag.
        let alias = self.alias(port.map(Port::name));
        let tag = match self.reaches_host {
            true => link::set_alias(&self.name, &alias),
            false => link::set_alias_without_link_local(&self.name, &alias, self.mtu),
        };
        session.queue(Step::change(Side::Host, format!("tag {label}"), tag));
        if let Some(request) = bridge.fix_mtu() {
            session.queue(Step::change(Side::Host, format!("set the mtu of {label}"), request));
        }
        self.set_promiscuous(session);
        if self.vlan_filtering {
            self.verify_filtering(session)?;
        }
        if forward::has_legacy_filter() && !forward::is_lacking(session, Members::OfBridge(&self.name))? {
            session.note(Note::LegacyIptables { bridge: self.name.clone() });
        }
        match port {
            Some(Port::There(link)) => Uplink::pass_settings(session, &link.name, &self.name),
            _ => self.settings().iter().try_for_each(|setting| setting.create(session)),
        }
    }

    /// A kernel without VLAN filtering refuses the bridge, or makes one that does not filter.
    fn verify_filtering(&self, session: &mut Session) -> Result<(), Error> {
        match session.flush() {
            Err(Error::Refused { source, .. }) if source.errno() == Some(libc::EOPNOTSUPP) => {
                Err(Error::no_vlan_filtering(&self.name))
            }
            Err(error) => Err(error),
            Ok(()) => self.find(session).map(drop),
        }
    }

    fn set_promiscuous(&self, session: &mut Session) {
        if self.promiscuous {
            let action = format!("set {} promiscuous", self.label());
            session.queue(Step::change(Side::Host, action, link::set_promiscuous(&self.name)));
        }
    }
}

fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let bridge = bridge_members::of_attachment(session, identity)?;
    Ok(bridge.map(|bridge| Item::Shared(Box::new(Bridge::shared(&bridge, identity.network())))).into_iter().collect())
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let bridges = bridge_members::of_network(session, network)?;
    Ok(bridges.iter().map(|bridge| Found::shared(Bridge::shared(bridge, network))).collect())
}

impl Shared for Bridge {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn name(&self) -> String {
        self.label()
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(BridgeMembers { bridge: self.name.clone() })
    }

    /// Only with an uplink: without one nothing can be in the way of a bridge that is still to be made.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        match &self.uplink {
            Some(uplink) => session.sharing(|session| self.refuse_uplink(uplink, session)),
            None => Ok(()),
        }
    }

    /// Also where it has no room for another port, for which ADD does not list them.
    fn refuse_unusable(&self, session: &mut Session) -> Result<(), Error> {
        let found = self.find(session)?;
        if let Some(uplink) = &self.uplink {
            self.refuse_mtu(uplink.usable(session)?.link())?;
        }
        let Some(bridge) = found else { return Ok(()) };
        let ports = link::ports(session.socket(Side::Host)?, bridge.index)
            .map_err(Error::refused(format!("list the ports of {}", self.label())))?;
        if ports.len() < MOST_PORTS { Ok(()) } else { Err(explained::no_more_ports(&self.name)) }
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        Ok(match self.known(session)? {
            Some(link) if self.is_complete(&link, session)? => State::Whole,
            _ => State::Lacking,
        })
    }

    fn adopt(&self, session: &mut Session) -> Result<(), Error> {
        match session.known(&self.device())? {
            Some(link) => self.complete(&link, session),
            None => Err(Error::Missing(self.label())),
        }
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let found = self.find(session)?;
        let Some(uplink) = &self.uplink else {
            return match &found {
                Some(link) => self.complete(link, session),
                None => self.make_link(None, session),
            };
        };
        let port = uplink.refuse(session, &self.name, found.as_ref())?;
        let had = port.layer3(session, &self.name)?;
        match &found {
            Some(link) => self.complete(link, session)?,
            None => self.make_link(Some(&port), session)?,
        }
        let Some(bridge) = session.find(&self.device())? else { return Err(Error::Missing(self.label())) };
        uplink.attach(session, &bridge, (&port, &had), &self.shared_by)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(link) = session.find(&self.device())? else {
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
            differences.extend(uplink.differences(session, &link)?);
        }
        Ok(differences)
    }

    /// The steps go out in one send: a kill cannot leave the host without its addresses.
    fn release(&self, session: &mut Session) -> Result<(), Error> {
        let Some((link, uplink)) = self.made_here(session)? else { return Ok(()) };
        if let Some(uplink) = &uplink {
            migration::back(session, &link, uplink)?;
        }
        session.queue(removal("bridge", &self.name));
        if let Some(vlan) = uplink.filter(Tag::is_shared) {
            session.queue(removal("VLAN device", &vlan.name));
        }
        session.flush()
    }

    fn commands(&self) -> Vec<String> {
        self.commands_with(self.uplink.as_ref().map(Uplink::usual_port).as_ref())
    }

    /// One that is there is used as it is.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let port = match &self.uplink {
            Some(uplink) => Some(NamedPort::of(&uplink.find(session)?)),
            None => None,
        };
        let Some(link) = self.find(session)? else { return Ok(self.commands_with(port.as_ref())) };
        let mut commands = vec![format!("# {} exists already", self.label())];
        if !link.is_up {
            commands.push(format!("ip link set {} up", self.name));
        }
        if self.promiscuous && !link.is_promiscuous {
            commands.push(format!("ip link set {} promisc on", self.name));
        }
        if let Some(gateway) = &self.gateway
            && bridge_mac::is_due(session, &link, gateway, self.is_gateway_forced)?
        {
            commands.push(bridge_mac::command(&self.name));
        }
        if let (Some(uplink), Some(port)) = (&self.uplink, &port)
            && !self.is_complete(&link, session)?
        {
            commands.extend(uplink.commands(port, &self.name, &self.shared_by));
        }
        Ok(commands)
    }

    /// As it is released.
    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let Some((link, uplink)) = self.made_here(session)? else { return Ok(Vec::new()) };
        let mut commands = Vec::new();
        let mut going = vec![self.name.clone()];
        match uplink {
            Some(vlan) if Tag::is_shared(&vlan) => going.push(vlan.name),
            Some(uplink) if uplink.master.is_none_or(|master| master == link.index) => {
                commands = migration::commands(&self.name, &uplink.name);
                commands.push(format!("ip link set {} nomaster", uplink.name));
            }
            _ => {}
        }
        for name in going {
            commands.push(format!("ip link delete {name}"));
            session.count_as_gone(name);
        }
        Ok(commands)
    }
}

impl Bridge {
    /// With this port to its uplink.
    fn commands_with(&self, port: Option<&NamedPort>) -> Vec<String> {
        let alias = self.alias(port.map(|port| port.name.as_str()));
        let filtering = if self.vlan_filtering { " vlan_filtering 1" } else { "" };
        let (up, link_local) = if self.reaches_host { (" up", "") } else { ("", " addrgenmode none") };
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
                format!("ip link add {}{up} type bridge no_linklocal_learn 1{filtering}", self.name),
                // An address that was set stays; the kernel's own choice changes with the ports.
                format!("ip link set {0} address $(cat /sys/class/net/{0}/address)", self.name),
            ],
        };
        commands.push(format!("ip link set {} alias '{alias}'{link_local}", self.name));
        // Only a change of it makes it stay.
        let mtu = self.own_mtu();
        commands.extend(mtu.filter(|bytes| *bytes == 1500).map(|_| format!("ip link set {} mtu 1499", self.name)));
        commands.extend(mtu.map(|bytes| format!("ip link set {} mtu {bytes}", self.name)));
        if port.is_none_or(|port| port.is_made_here) {
            commands.extend(self.settings().iter().flat_map(Object::commands));
        }
        if !self.reaches_host {
            commands.push(format!("ip link set {} up", self.name));
        }
        if self.promiscuous {
            commands.push(format!("ip link set {} promisc on", self.name));
        }
        if let (Some(uplink), Some(port)) = (&self.uplink, port) {
            commands.extend(uplink.commands(port, &self.name, &self.shared_by));
        }
        commands
    }
}

fn removal(kind: &str, name: &str) -> Step {
    Step::change(Side::Host, format!("remove {kind} {name}"), link::delete(name)).tolerating(&[libc::ENODEV])
}

fn of_kind(kind: &str) -> String {
    if kind.is_empty() { "a physical device".to_owned() } else { format!("of kind {kind}") }
}
