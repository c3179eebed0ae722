//! A TAP device, for a virtual machine.

use netlink::{Mac, link, tap};

use super::host_links;
use super::occupied::occupied;
use crate::{
    Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Remedy, Session, Side, Stage, Step,
};

static KIND: Kind = Kind::found("TAP device");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);
static COLLECTOR: Finder = FINDER.for_gc();

/// A TAP device. The process that opens it (QEMU) is its other end; without one it has no carrier.
///
/// On the host it is named after the attachment, and GC finds it by its alias. In the container it has the name of the
/// container interface, and a call that knows no namespace finds it behind the veth pair that it is joined to.
#[derive(Debug)]
pub struct Tap {
    /// The attachment.
    pub identity: Identity,
    /// Where it is.
    pub side: Side,
    /// Its own hardware address; that of the guest's NIC is the guest's affair.
    pub mac: Mac,
    /// Its MTU in bytes.
    pub mtu: Option<u32>,
    /// The user who may open it; root when neither user nor group is given.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
    /// It can be opened once for each queue of the guest.
    pub multi_queue: bool,
}

/// What the kernel says of `/dev/net/tun` when it has no TAP devices, or nobody has made the node.
const NO_TUN: [i32; 4] = [libc::ENOENT, libc::ENODEV, libc::ENXIO, libc::ENOTDIR];

impl Tap {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The same for the GC of plugins that do not make it. What hangs on a stale NIC goes with it.
    pub const COLLECTOR: &'static Finder = &COLLECTOR;

    /// One with the kernel's defaults.
    #[must_use]
    pub fn of(identity: Identity, side: Side) -> Self {
        let mac = if side == Side::Host { identity.host_mac() } else { identity.container_mac() };
        Self { identity, side, mac, mtu: None, owner: None, group: None, multi_queue: false }
    }

    fn device(&self) -> Device {
        match self.side {
            Side::Host => Device::host(self.identity.host_name()),
            Side::Container => Device::container(self.identity.if_name()),
        }
    }

    fn label(&self) -> String {
        format!("TAP device {}", self.device())
    }

    fn request<'a>(&self, device: &'a Device) -> tap::NewTap<'a> {
        tap::NewTap { name: &device.name, owner: self.owner, group: self.group, multi_queue: self.multi_queue }
    }

    /// The device of that name is the one that was made here. In the container, where anybody's may have that name, its alias
    /// says so, or its address if somebody has changed the alias.
    fn is_there(&self, session: &mut Session) -> Result<bool, Error> {
        if self.side == Side::Container && !session.has_container() {
            return Ok(false);
        }
        let (device, alias) = (self.device(), self.identity.alias());
        let own = host_links::own(session, &device, "tun", &alias)?;
        Ok(own.is_some_and(|link| {
            let is_told = link.alias.as_deref() == Some(&alias) || link.mac == Some(self.mac);
            self.side == Side::Host || is_told
        }))
    }

    /// In the container it is an internal port of a switch in user space, which is of the same kind and has the same alias, and not
    /// what serves a guest, which has a joint.
    fn goes_with_its_port(&self, session: &mut Session) -> Result<bool, Error> {
        let joint = session.find(&Device::container(self.identity.joint_name()))?;
        Ok(joint.is_none() && session.find(&self.device())?.is_some_and(|link| link.has_carrier))
    }

    fn explain(&self, source: netlink::Error) -> Error {
        match source {
            netlink::Error::System { call: tap::OPEN, reason }
                if reason.raw_os_error().is_some_and(|errno| NO_TUN.contains(&errno)) =>
            {
                Error::Unsupported {
                    feature: format!("TAP devices: {}: {reason}", tap::OPEN),
                    remedy: Remedy::act(
                        "load the module with `modprobe tun`, and if the device node is missing, make it with \
                         `mkdir -p /dev/net && mknod /dev/net/tun c 10 200`",
                    ),
                }
            }
            source => Error::Refused { action: format!("make {}", self.label()), source },
        }
    }

    /// What a process that opens the device may do with it, and who it may be.
    fn differences_of_settings(&self, have: tap::Settings) -> Vec<Difference> {
        let label = self.label();
        let id = |id: Option<u32>| id.map_or_else(|| "anybody".to_owned(), |id| id.to_string());
        let on = |value| if value { "on" } else { "off" };
        let type_of = |is_tap| if is_tap { "TAP" } else { "TUN" };
        let owner = self.request(&self.device()).effective_owner();
        [
            ("type", type_of(true).to_owned(), type_of(have.is_tap).to_owned()),
            ("owner", id(owner), id(have.owner)),
            ("group", id(self.group), id(have.group)),
            ("multi_queue", on(self.multi_queue).to_owned(), on(have.multi_queue).to_owned()),
            ("vnet_hdr", on(true).to_owned(), on(have.vnet_header).to_owned()),
        ]
        .into_iter()
        .filter(|(_, want, have)| want != have)
        .map(|(setting, want, have)| Difference::new(format!("{label}, {setting}"), want, have))
        .collect()
    }
}

/// On the host it has the name that any NIC of the attachment has there.
fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let tap = |side| Item::Object(Box::new(Tap::of(identity.clone(), side)));
    Ok(vec![tap(Side::Host), tap(Side::Container)])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    host_links::of_network(session, network, "tun")
}

impl Object for Tap {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        match session.find(&self.device())? {
            Some(link) if link.kind == "tun" => Err(occupied(self.label(), &link)),
            Some(link) => Err(occupied(format_args!("interface {}", self.device()), &link)),
            None => Ok(()),
        }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        session.make(|session| {
            let device = self.device();
            let tap = self.request(&device);
            let made = session.within(self.side, || tap.create())?.map_err(|source| self.explain(source))?;
            let mut change = |what: &str, request| {
                session.queue(Step::change(self.side, format!("{what} {device}"), request));
            };
            change("tag", link::set_alias_without_link_local(&device.name, &self.identity.alias(), None));
            change("set the address of", link::set_mac(&device.name, self.mac));
            if let Some(bytes) = self.mtu {
                change("set the MTU of", link::set_mtu(&device.name, bytes));
            }
            change("set up", link::set_up(&device.name));
            // It must have its tag before it stays: GC and DEL know it by nothing else.
            session.flush()?;
            made.keep().map_err(Error::refused(format!("keep {}", self.label())))
        })
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let Some(link) = session.find(&self.device())? else { return Ok(vec![Difference::missing(label)]) };
        if link.kind != "tun" {
            return Ok(vec![Difference::new(label, "a TAP device", link.kind)]);
        }
        let mut differences = link.tap.map(|have| self.differences_of_settings(have)).unwrap_or_default();
        if !link.is_up {
            differences.push(Difference::new(&label, "up", "down"));
        }
        if link.mac != Some(self.mac) {
            let have = link.mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string());
            differences.push(Difference::new(format!("{label}, address"), self.mac, have));
        }
        if let Some(want) = self.mtu.filter(|want| *want != link.mtu) {
            differences.push(Difference::new(format!("{label}, mtu"), want, link.mtu));
        }
        Ok(differences)
    }

    /// In the container only if the namespace is still there, and the device is the one that was made here.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let device = self.device();
        if !self.is_there(session)? {
            return Ok(());
        }
        session.remove(self.side, format!("remove {}", self.label()), link::delete(&device.name))
    }

    fn commands(&self) -> Vec<String> {
        let device = self.device();
        let (tool, name) = (device.tool("ip"), &device.name);
        let owner = self.request(&device).effective_owner();
        let user = owner.map(|id| format!(" user {id}")).unwrap_or_default();
        let group = self.group.map(|id| format!(" group {id}")).unwrap_or_default();
        let several = if self.multi_queue { " multi_queue" } else { "" };
        let mtu = self.mtu.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
        vec![
            format!("{tool} tuntap add dev {name} mode tap vnet_hdr{several}{user}{group}"),
            format!("{tool} link set {name} addrgenmode none"),
            format!("{tool} link set {name} address {}{mtu} up alias '{}'", self.mac, self.identity.alias()),
        ]
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let device = self.device();
        Ok(match self.side {
            _ if !self.is_there(session)? => Vec::new(),
            Side::Host => host_links::removal(session, &device.name)?,
            Side::Container if self.goes_with_its_port(session)? => Vec::new(),
            Side::Container => vec![format!("{} link delete {}", device.tool("ip"), device.name)],
        })
    }
}
