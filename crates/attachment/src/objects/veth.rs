//! A veth pair: one end on the host, one in the container.

use netlink::link::{self, Link};
use netlink::{Mac, veth};

use super::occupied::occupied;
use super::{host_links, tap_behind};
use crate::explained;
use crate::{Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::found("veth");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);
static COLLECTOR: Finder = FINDER.for_gc();

/// A veth pair. Its host interface is named after the attachment.
#[derive(Debug)]
pub struct Veth {
    /// The attachment.
    pub identity: Identity,
    /// The address of the container's end.
    pub container_mac: Mac,
    /// The container's end does not serve the container: it is joined to a TAP device there ([`crate::Redirect`]), has a name
    /// of its own and no address.
    pub joint: bool,
    /// The MTU of both ends in bytes.
    pub mtu: Option<u32>,
    /// The container interface is left down, for the container to set up.
    pub is_disabled: bool,
}

impl Veth {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The same for the GC of plugins that do not make it. What hangs on a stale NIC goes with it.
    pub const COLLECTOR: &'static Finder = &COLLECTOR;

    /// One with the kernel's defaults, whose container's end has the attachment's own address.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        let container_mac = identity.container_mac();
        Self { identity, container_mac, joint: false, mtu: None, is_disabled: false }
    }

    fn host(&self) -> Device {
        Device::host(self.identity.host_name())
    }

    fn container(&self) -> Device {
        Device::container(if self.joint { self.identity.joint_name() } else { self.identity.if_name().to_owned() })
    }
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(Veth::of(identity.clone())))])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    host_links::of_network(session, network, "veth")
}

impl Object for Veth {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    /// The host interface may be that of an attachment of the same name in another namespace, which must not lose its address
    /// and its rules to the undoing of this one.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let (host, interface) = (self.host(), self.container());
        if let Some(link) = session.find(&host)? {
            return Err(occupied(format_args!("host interface {host}"), &link));
        }
        if let Some(link) = session.find(&interface)? {
            let place = session.container()?.path().display();
            return Err(occupied(format_args!("interface {} in {place}", interface.name), &link));
        }
        Ok(())
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let (host, container) = (self.host(), self.container());
        let namespace = session.container()?;
        let action = format!("make veth {} with {} in {}", host.name, container.name, namespace.path().display());
        let pair = veth::NewVeth {
            name: &host.name,
            mac: self.identity.host_mac(),
            mtu: self.mtu,
            peer: veth::Peer { namespace, name: &container.name, mac: self.container_mac },
        };
        let request = pair.create();
        let step = Step::make(Side::Host, action, request);
        session.queue(step.explained(explained::kind("veth", "CONFIG_VETH", &host.name)));
        // In the same send as the creation: a kill cannot leave a pair without its tag.
        let tag = link::set_alias_without_link_local(&host.name, &self.identity.alias(), self.mtu);
        session.queue(Step::change(Side::Host, format!("tag {}", host.name), tag));
        if self.joint {
            let tag = link::set_alias_without_link_local(&container.name, &self.identity.alias(), self.mtu);
            session.queue(Step::change(Side::Container, format!("tag {container}"), tag));
        }
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let (host, container) = (self.host(), self.container());
        let mut differences = Vec::new();
        let near = session.find(&host)?;
        let far = session.find(&container)?;
        let label = |device: &Device| format!("interface {device}");
        for (device, found, may_be_down) in [(&host, &near, false), (&container, &far, self.is_disabled)] {
            match found {
                None => differences.push(Difference::missing(label(device))),
                Some(Link { kind, .. }) if kind != "veth" => {
                    differences.push(Difference::new(label(device), "a veth", kind));
                }
                Some(Link { is_up: false, .. }) if !may_be_down => {
                    differences.push(Difference::new(label(device), "up", "down"));
                }
                Some(_) => {}
            }
        }
        if let (Some(near), Some(far)) = (near, far) {
            if !session.is_pair(&near, &far)? {
                differences.push(Difference::new(
                    label(&container),
                    format!("the other end of {host}"),
                    "another link",
                ));
            }
            if far.mac != Some(self.container_mac) {
                let have = far.mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string());
                differences.push(Difference::new(format!("{} address", label(&container)), self.container_mac, have));
            }
            if let Some(want) = self.mtu.filter(|want| *want != far.mtu) {
                differences.push(Difference::new(format!("{} mtu", label(&container)), want, far.mtu));
            }
        }
        Ok(differences)
    }

    /// The host interface takes the container interface with it. A TAP device that this is joined to goes by itself, unless its
    /// namespace cannot be entered.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let host = self.host();
        if host_links::own(session, &host, KIND.name, &self.identity.alias())?.is_none() {
            return Ok(());
        }
        let behind = if session.has_container() { Ok(()) } else { tap_behind::remove(session, &host.name) };
        behind.and(session.remove(Side::Host, format!("remove {}", host.name), link::delete(&host.name)))
    }

    fn commands(&self) -> Vec<String> {
        let mtu = self.mtu.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
        let (host, container) = (self.host().name, self.container());
        let mut commands = vec![
            format!(
                "ip link add {host} address {}{mtu} up type veth peer name {} address {}{mtu} netns CONTAINER",
                self.identity.host_mac(),
                container.name,
                self.container_mac
            ),
            format!("ip link set {host} alias '{}'", self.identity.alias()),
        ];
        if link::may_have_ipv6(self.mtu) {
            commands.push(format!("ip link set {host} addrgenmode none"));
        }
        if self.joint {
            let (tool, name) = (container.tool("ip"), &container.name);
            commands.push(format!("{tool} link set {name} alias '{}'", self.identity.alias()));
            if link::may_have_ipv6(self.mtu) {
                commands.push(format!("{tool} link set {name} addrgenmode none"));
            }
        }
        commands
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let host = self.host();
        match host_links::own(session, &host, KIND.name, &self.identity.alias())? {
            Some(_) => host_links::removal(session, &host.name),
            None => Ok(Vec::new()),
        }
    }
}
