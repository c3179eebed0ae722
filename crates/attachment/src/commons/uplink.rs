//! A device of the host as a port of a bridge, which puts the bridge's members into the physical network.

use std::fs;
use std::io::ErrorKind;

use netlink::layer3::Layer3;
use netlink::link::{self, Link, NAME_BYTES};
use netlink::vlan;

use super::migration;
use crate::explained;
use crate::{Device, Difference, Error, Remedy, Session, Side, Step, Tag};

/// What a host does with router advertisements, and whether it has IPv6, moves to the bridge with its addresses.
const INHERITED: [&str; 6] =
    ["disable_ipv6", "accept_ra", "accept_ra_defrtr", "accept_ra_pinfo", "autoconf", "use_tempaddr"];

/// The device of the host through which a bridge is in the physical network, or in one VLAN of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The device.
    pub device: String,
    /// The VLAN, by the device's logical VLAN device; without one the device itself is the port.
    pub vlan: Option<UplinkVlan>,
}

/// A VLAN of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UplinkVlan {
    /// 1 to 4094.
    pub id: u16,
    /// Make a VLAN device that the host lacks.
    pub automatic: bool,
}

/// What is, or will be, the port.
#[derive(Debug)]
pub(super) enum Port {
    /// A link of the host.
    There(Link),
    /// A VLAN device that is still to be made.
    ToMake {
        /// Its name.
        name: String,
        /// The link that will carry it.
        parent: Link,
    },
}

impl Port {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::There(link) => &link.name,
            Self::ToMake { name, .. } => name,
        }
    }

    /// The host's addresses and routes on it, which move to the bridge.
    pub(super) fn layer3(&self, session: &mut Session, bridge: &str) -> Result<Layer3, Error> {
        match self {
            Self::There(link) => migration::survey(session, link, bridge),
            Self::ToMake { .. } => Ok(Layer3::default()),
        }
    }

    /// The link whose address and MTU the port has.
    pub(super) fn link(&self) -> &Link {
        match self {
            Self::There(link) | Self::ToMake { parent: link, .. } => link,
        }
    }
}

/// A port for printing.
#[derive(Debug)]
pub(super) struct NamedPort {
    pub(super) name: String,
    /// It is a VLAN device that is still to be made.
    pub(super) is_made_here: bool,
    /// The MTU in bytes that it gets from the device below it, if that is known.
    mtu: Option<u32>,
}

impl NamedPort {
    pub(super) fn of(port: &Port) -> Self {
        Self {
            name: port.name().to_owned(),
            is_made_here: matches!(port, Port::ToMake { .. }),
            mtu: Some(port.link().mtu),
        }
    }
}

impl Uplink {
    /// The MTU of the physical network in bytes; `None` while the device is missing.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn mtu(&self, session: &mut Session) -> Result<Option<u32>, Error> {
        let Some(device) = session.find(&Device::host(&self.device))? else { return Ok(None) };
        Ok(Some(match self.vlan_link(session, &device)? {
            Some(vlan) => vlan.mtu,
            None => device.mtu,
        }))
    }

    /// The port; fails when the device cannot serve at all, whatever the bridge.
    pub(super) fn usable(&self, session: &mut Session) -> Result<Port, Error> {
        session.sharing(|session| self.find(session)) // nobody is in the middle of making a VLAN device
    }

    /// Whether the bridge may have a gateway's address: what it has at the end goes to its port, unless that was made here and
    /// is removed with it.
    ///
    /// # Errors
    /// [`Error::Conflict`] with an operator's VLAN device; what is missing.
    pub fn refuse_gateway(&self, session: &mut Session) -> Result<(), Error> {
        match self.find(session)? {
            Port::There(link) if !Tag::is_shared(&link) => Err(Error::Conflict {
                object: format!("VLAN device {}", link.name),
                want: "a gateway's address on its bridge".to_owned(),
                have: "was made by an operator, and gets the bridge's addresses back at the end".to_owned(),
                remedy: Remedy::GatewayOnVlan { device: link.name },
            }),
            _ => Ok(()),
        }
    }

    /// The port, which can serve.
    pub(super) fn find(&self, session: &mut Session) -> Result<Port, Error> {
        let device = match session.find(&Device::host(&self.device))? {
            Some(device) => device,
            None => return Err(self.missing(session)?),
        };
        self.refuse_kind(&device)?;
        refuse_down(&device)?;
        let Some(UplinkVlan { id, automatic }) = self.vlan else { return Ok(Port::There(device)) };
        if let Some(vlan) = self.vlan_link(session, &device)? {
            refuse_down(&vlan)?;
            return Ok(Port::There(vlan));
        }
        if !automatic {
            return Err(self.undefined(id));
        }
        let name = self.vlan_name(id);
        if let Some(other) = session.find(&Device::host(&name))? {
            return Err(Error::Conflict {
                object: format!("link {name}"),
                want: format!("a VLAN device of that name with id {id} on {}", self.device),
                have: format!("is something else{}", of_kind(&other)),
                remedy: Remedy::act("rename it, or define the VLAN device under another name"),
            });
        }
        Ok(Port::ToMake { name, parent: device })
    }

    /// The device itself, where it is there.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn link(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        session.find(&Device::host(&self.device))
    }

    /// The VLAN device on `device`, whatever its name. The usual names are tried before all VLAN devices are listed.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn vlan_link(&self, session: &mut Session, device: &Link) -> Result<Option<Link>, Error> {
        let Some(UplinkVlan { id, .. }) = self.vlan else { return Ok(None) };
        let is_it =
            |link: &Link| link.vlan_id == Some(id) && link.peer == Some(device.index) && link.peer_namespace.is_none();
        for name in [format!("{}.{id}", self.device), format!("vlan{id}")] {
            if name.len() <= NAME_BYTES
                && let Some(link) = session.find(&Device::host(name))?.filter(is_it)
            {
                return Ok(Some(link));
            }
        }
        let action = format!("list the VLAN devices on {}", device.name);
        let all = link::vlans_on(session.socket(Side::Host)?, device.index).map_err(Error::refused(action))?;
        Ok(all.into_iter().find(is_it))
    }

    /// The name of a VLAN device that is made here.
    fn vlan_name(&self, id: u16) -> String {
        let name = format!("{}.{id}", self.device);
        if name.len() <= NAME_BYTES { name } else { format!("vlan{id}") }
    }

    fn missing(&self, session: &mut Session) -> Result<Error, Error> {
        let others = list(session)?;
        let mut names: Vec<&str> = others.iter().filter(|link| !link.is_loopback).map(|link| &*link.name).collect();
        names.truncate(NAMES_LISTED);
        let has = if names.is_empty() { "no device but lo".to_owned() } else { names.join(", ") };
        Ok(Error::Conflict {
            object: format!("uplink {}", self.device),
            want: "a device of that name".to_owned(),
            have: format!("does not exist (the host has: {has})"),
            remedy: Remedy::act("name the device that leads to the physical network"),
        })
    }

    fn undefined(&self, id: u16) -> Error {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let device = &self.device;
        Error::Unusable {
            problem: format!("vlan {id} not defined for host {}: no VLAN device with id {id} on {device}", host.trim()),
            remedy: Remedy::DefineVlan {
                command: format!("ip link add link {device} name {} up type vlan id {id}", self.vlan_name(id)),
            },
        }
    }

    fn refuse_kind(&self, device: &Link) -> Result<(), Error> {
        let unusable = |reason: &str, remedy| {
            Err(Error::Unusable { problem: format!("uplink: {} {reason}", device.name), remedy })
        };
        let other = || Remedy::act("name the device that leads to the physical network");
        if device.is_loopback {
            unusable("is the loopback device", other())
        } else if device.kind == "bridge" && self.vlan.is_none() {
            unusable("is a bridge itself", Remedy::IsBridge)
        } else if Tag::is_attachment(device) {
            unusable("is an attachment's interface", other())
        } else {
            Ok(())
        }
    }

    /// Fails unless the port is in the bridge, or can be put there. `bridge` is `None` while the bridge is still to be made.
    pub(super) fn refuse(&self, session: &mut Session, name: &str, bridge: Option<&Link>) -> Result<Port, Error> {
        let port = self.find(session)?;
        let master = if let Port::There(link) = &port { link.master } else { None };
        if master.is_some() && master == bridge.map(|bridge| bridge.index) {
            return Ok(port);
        }
        let conflict = |have: String, remedy: Remedy| Error::Conflict {
            object: format!("uplink {}", port.name()),
            want: format!("it as a port of bridge {name}"),
            have,
            remedy,
        };
        if let Some(index) = master {
            let other = link::find_index(session.socket(Side::Host)?, index)
                .map_err(Error::refused(format!("look up link {index}")))?;
            let other = other.map_or_else(|| format!("link {index}"), |link| link.name);
            let have = format!("is a port of {other}");
            return Err(conflict(have, Remedy::OtherBridge { bridge: other }));
        }
        match bridge {
            None => Ok(port),
            Some(bridge) if !Tag::is_shared(bridge) => {
                let remedy = Remedy::Act(format!(
                    "put it there with `ip link set {} master {name}`, or let a bridge be made under another name",
                    port.name()
                ));
                Err(conflict("is not a port of it, and the bridge is an operator's".to_owned(), remedy))
            }
            Some(bridge) if uplink_of(bridge) == Some(port.name()) => Ok(port),
            Some(bridge) => {
                let have = match uplink_of(bridge) {
                    Some(other) => format!("is not the bridge's uplink, which is {other}"),
                    None => "is not a port of it, and the bridge was made without an uplink".to_owned(),
                };
                Err(conflict(have, Remedy::act("choose another name for the bridge")))
            }
        }
    }

    /// Whether the port is in the bridge, and its addresses have followed it onto one of ours.
    pub(super) fn is_port_of(&self, bridge: &Link, session: &mut Session) -> Result<bool, Error> {
        match self.find(session)? {
            Port::There(link) if link.master == Some(bridge.index) => {
                Ok(!Tag::is_shared(bridge) || !migration::is_due(session, &link)?)
            }
            _ => Ok(false),
        }
    }

    /// Puts the port into the bridge, and on the bridge what the port `had` of addresses and routes.
    pub(super) fn attach(
        &self,
        session: &mut Session,
        bridge: &Link,
        (port, had): (&Port, &Layer3),
        network: &str,
    ) -> Result<(), Error> {
        match port {
            Port::There(link) if link.master == Some(bridge.index) && !Tag::is_shared(bridge) => Ok(()),
            Port::There(link) => migration::onto(session, link, had, bridge),
            Port::ToMake { name, parent } => self.make_vlan(session, bridge, name, parent, network),
        }
    }

    /// In one send: a kill cannot leave a VLAN device without its tag, nor one that its bridge does not lead to.
    fn make_vlan(
        &self,
        session: &mut Session,
        bridge: &Link,
        name: &str,
        parent: &Link,
        network: &str,
    ) -> Result<(), Error> {
        let Some(UplinkVlan { id, .. }) = self.vlan else { return Ok(()) };
        let device = vlan::NewVlan { name, below: parent.index, id };
        let action = format!("make VLAN device {name} with id {id} on {}", parent.name);
        session.queue(Step::make(Side::Host, action, device.create()));
        let mut change = |what: &str, request| {
            session.queue(Step::change(Side::Host, format!("{what} {name}"), request));
        };
        change("tag", link::set_alias_without_link_local(name, &Tag::shared(network), Some(parent.mtu)));
        change("set up", link::set_up(name));
        let step = Step::change(
            Side::Host,
            format!("make {name} a port of bridge {}", bridge.name),
            link::set_master(name, bridge.index),
        );
        session.queue(step.explained(explained::port(name, &bridge.name)));
        session.flush().map_err(|error| match error {
            Error::Refused { source, .. } if source.errno() == Some(libc::EOPNOTSUPP) => {
                Error::no_vlan_devices(&format!("vlan {id} on {}", parent.name))
            }
            other => other,
        })
    }

    /// The bridge takes over its port's IPv6 settings.
    pub(super) fn pass_settings(session: &mut Session, from: &str, to: &str) -> Result<(), Error> {
        session.within(Side::Host, || INHERITED.iter().try_for_each(|setting| pass_setting(setting, from, to)))?
    }

    /// The commands of [`Uplink::attach`]. What moves is known only when they run.
    pub(super) fn commands(&self, port: &NamedPort, bridge: &str, network: &str) -> Vec<String> {
        let (device, NamedPort { name: port, is_made_here, mtu }) = (&self.device, port);
        let mut commands = Vec::new();
        match self.vlan {
            Some(UplinkVlan { id, .. }) if *is_made_here => {
                commands.push(format!("ip link add link {device} name {port} type vlan id {id}"));
                if link::may_have_ipv6(*mtu) {
                    commands.push(format!("ip link set {port} addrgenmode none"));
                }
                commands.push(format!("ip link set {port} alias '{}' up", Tag::shared(network)));
                commands.push(format!("ip link set {port} master {bridge}"));
            }
            _ => {
                for setting in INHERITED {
                    let file = |name: &str| format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
                    commands.push(format!("cat {} > {}", file(port), file(bridge)));
                }
                commands.push(format!("ip link set {port} master {bridge}"));
                commands.extend(migration::commands(port, bridge));
                commands.push(format!("ip address flush dev {port} scope global"));
            }
        }
        commands
    }

    /// The port is a link of the host's, whose settings the bridge gets.
    pub(super) fn has_own_settings(&self) -> bool {
        !self.vlan.is_some_and(|vlan| vlan.automatic)
    }

    /// The name of the port, where a VLAN device is called as usual.
    pub(super) fn port_name(&self) -> String {
        self.vlan.map_or_else(|| self.device.clone(), |vlan| self.vlan_name(vlan.id))
    }

    /// The port on a host of which nothing is known.
    pub(super) fn usual_port(&self) -> NamedPort {
        NamedPort { name: self.port_name(), is_made_here: !self.has_own_settings(), mtu: None }
    }

    /// For CHECK.
    pub(super) fn differences(&self, session: &mut Session, bridge: &Link) -> Result<Vec<Difference>, Error> {
        let Some(device) = session.find(&Device::host(&self.device))? else {
            return Ok(vec![Difference::missing(format!("uplink {}", self.device))]);
        };
        let port = match self.vlan {
            None => device,
            Some(UplinkVlan { id, .. }) => match self.vlan_link(session, &device)? {
                Some(vlan) => vlan,
                None => return Ok(vec![Difference::missing(format!("VLAN device with id {id} on {}", self.device))]),
            },
        };
        let what = format!("uplink {}", port.name);
        Ok(if port.master != Some(bridge.index) {
            let have = port.master.map_or_else(|| "no port".to_owned(), |index| format!("a port of link {index}"));
            vec![Difference::new(what, format!("a port of bridge {}", bridge.name), have)]
        } else if !port.is_up {
            vec![Difference::new(what, "up", "down")]
        } else {
            Vec::new()
        })
    }
}

/// How many links an error about a missing one names.
const NAMES_LISTED: usize = 20;

/// The uplink of a bridge that was made here.
pub(super) fn uplink_of(bridge: &Link) -> Option<&str> {
    match Tag::of(bridge) {
        Some(Tag::Shared { uplink, .. }) => uplink,
        _ => None,
    }
}

fn refuse_down(link: &Link) -> Result<(), Error> {
    if link.is_up {
        return Ok(());
    }
    Err(Error::Conflict {
        object: format!("uplink {}", link.name),
        want: "it to carry what its guests send".to_owned(),
        have: "is down".to_owned(),
        remedy: Remedy::Act(format!("set it up first: `ip link set {} up`", link.name)),
    })
}

fn of_kind(link: &Link) -> String {
    if link.kind.is_empty() { String::new() } else { format!(", of kind {}", link.kind) }
}

fn list(session: &mut Session) -> Result<Vec<Link>, Error> {
    link::list(session.socket(Side::Host)?).map_err(Error::refused("list the links of the host"))
}

fn pass_setting(setting: &str, from: &str, to: &str) -> Result<(), Error> {
    let file = |name: &str| format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
    let passed = fs::read_to_string(file(from)).and_then(|value| match fs::read_to_string(file(to)) {
        Ok(have) if have == value => Ok(()), // /proc/sys may be read-only where all is as it should be
        _ => fs::write(file(to), value),
    });
    match passed {
        // A kernel without IPv6 has no settings for it.
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::Setting {
            action: format!("set net.ipv6.conf.{to}.{setting} as for {from}"),
            source,
            remedy: Remedy::act("call the plugin where /proc/sys can be written"),
        }),
        _ => Ok(()),
    }
}
