//! A device of the host that an attachment takes over.

use std::rc::Rc;

use netlink::link::{self, Link};
use netlink::{LinkChange, Mac};

use super::host_links::whose;
use super::occupied::occupied;
use crate::give_back::{fetch, find_back, restore, restore_commands};
use crate::seal::{Key, is_sealed};
use crate::{
    Device, Difference, Error, Finder, Found, Identity, Item, Kind, Moved, Object, Owner, Remedy, Session, Side, Stage,
    Step, Tag,
};

mod elsewhere;
mod survey;

pub(crate) use elsewhere::Elsewhere;
use elsewhere::give_back_commands;
pub use survey::SurveyedDevice;

static KIND: Kind = Kind::found("host device");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// A device of the host that moves into the container, under the name of the container interface, and comes back. Meanwhile its
/// alias carries what it was: nothing of it is kept on disk. When a namespace dies, the kernel gives a device without
/// `rtnl_link_ops` back to the first namespace, under any name, down and with its alias (`default_device_exit_net` in
/// `net/core/dev.c`); veths and the like die with it.
#[derive(Debug)]
pub struct HostDevice {
    /// The attachment.
    pub identity: Identity,
    /// The device; `None` for one that is compared or given back.
    pub device: Option<SurveyedDevice>,
    /// The MTU in the container in bytes, if it is not that of the host.
    pub mtu: Option<u32>,
    /// The hardware address in the container, if it is not that of the host.
    pub mac: Option<Mac>,
    /// It is looked for under any name, and in any namespace.
    pub is_searched: bool,
}

impl HostDevice {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The one that an attachment may have, to be given back. It is looked for under the names that it has between the steps of an
    /// ADD or a DEL.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        Self { identity, device: None, mtu: None, mac: None, is_searched: false }
    }

    /// The same, looked for under any name, as the kernel gives it back when a namespace dies, and in any namespace.
    #[must_use]
    pub fn anywhere(identity: Identity) -> Self {
        Self { is_searched: true, ..Self::of(identity) }
    }

    fn container(&self) -> Device {
        Device::container(self.identity.if_name())
    }

    fn host(&self) -> Device {
        Device::host(self.identity.host_name())
    }

    fn label(&self) -> String {
        format!("interface {}", self.container())
    }

    /// A container can make a device of any kind but a physical one: that of such an alias comes back whatever has become of it.
    fn is_own(&self, link: &Link) -> bool {
        let is_real = |moved: &Moved<'_>| link.kind.is_empty() || is_sealed(moved, &link.kind);
        Moved::of(link).is_some_and(|moved| moved.is_of(&self.identity) && is_real(&moved))
    }

    /// The device in the container.
    fn find_inside(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        if !session.has_container() {
            return Ok(None);
        }
        let found = session.find(&self.container())?.filter(|link| self.is_own(link));
        if found.is_some() || !self.is_searched {
            return Ok(found);
        }
        let links = link::list(session.socket(Side::Container)?);
        let mut links = links.map_err(Error::refused("list the links of the container"))?.into_iter();
        Ok(links.find(|link| self.is_own(link)))
    }

    fn find_elsewhere(&self) -> Result<Vec<Elsewhere>, Error> {
        Elsewhere::find(|moved| moved.is_of(&self.identity))
    }

    /// What the device keeps of the host's, or was asked for.
    fn wanted(&self, moved: &Moved<'_>) -> (Option<Mac>, u32) {
        (self.mac.or(moved.origin.mac), self.mtu.unwrap_or(moved.origin.mtu))
    }
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(HostDevice::of(identity.clone())))])
}

/// Those that the kernel has given back, those that a killed call has left, and those that are in other namespaces.
fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let is_one = |link: &&Link| matches!(Tag::of(link), Some(Tag::Moved { network: of }) if of == network);
    let found = |link: &Link| {
        let host_name = Moved::of(link).map(|moved| moved.host_name.to_owned()).unwrap_or_default();
        let (index, printed) = (link.index, link.clone());
        let found = Found::own(Owner::HostName(host_name), Stage::Nic, move |session| {
            match session.find_index(Side::Host, index)?.filter(Tag::is_moved) {
                Some(link) => restore(session, &link),
                None => Ok(()),
            }
        });
        found.printed_by(move |_| Ok([vec![whose(&printed)], restore_commands(&printed)].concat()))
    };
    let mut all: Vec<Found> = session.host_links()?.iter().filter(is_one).map(found).collect();
    for device in Elsewhere::find(|moved| moved.network == network)?.into_iter().map(Rc::new) {
        let printed = Rc::clone(&device);
        let found =
            Found::own(Owner::HostName(device.host_name()), Stage::Nic, move |session| device.give_back(session));
        all.push(found.printed_by(move |_| Ok([vec![whose(&printed.link)], printed.commands()].concat())));
    }
    Ok(all)
}

impl Object for HostDevice {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    /// Both of its names must be free: the one in the container, and the one under which it comes back.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        if let Some(link) = session.find(&self.host())? {
            return Err(occupied(format_args!("host interface {}", self.host()), &link));
        }
        if let Some(link) = session.find(&self.container())? {
            let place = session.container()?.path().display();
            return Err(occupied(format_args!("interface {} in {place}", self.identity.if_name()), &link));
        }
        Ok(())
    }

    /// The alias goes first, and with the move in one send: a kill leaves the device untouched, or with an alias that tells all. It
    /// goes with the move once more, because of two calls for one device it is the second whose alias would stay.
    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let Some(surveyed) = &self.device else {
            return Err(Error::Invalid("a device to be moved must be known (a bug in the plugin)".to_owned()));
        };
        let alias = surveyed.alias(&self.identity, &Key::get()?);
        let SurveyedDevice { index, origin, .. } = surveyed.clone();
        let identity = self.identity.clone();
        session.on_undo(move |session| Self::anywhere(identity).remove(session));
        let namespace = session.container()?;
        let place = namespace.path().display().to_string();
        let change = LinkChange::of(index).namespace(namespace).name(self.identity.if_name()).alias(&alias);
        let (device, tag) = (&origin.name, LinkChange::of(index).alias(&alias));
        for (action, change) in [
            (format!("tag device {device} before its move to {place}"), tag),
            (format!("move device {device} to {place}"), change),
        ] {
            let name = device.clone();
            let step = Step::change(Side::Host, action, change.request());
            session.queue(step.explained(move |error| explain_move(error, &name)));
        }
        let container = self.container();
        let mut change = |what: &str, request| {
            session.queue(Step::change(Side::Container, format!("{what} {container}"), request));
        };
        if let Some(mac) = self.mac.filter(|mac| origin.mac != Some(*mac)) {
            change("set the address of", link::set_mac(&container.name, mac));
        }
        if let Some(bytes) = self.mtu.filter(|bytes| origin.mtu != *bytes) {
            change("set the MTU of", link::set_mtu(&container.name, bytes));
        }
        session.flush()
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let Some(link) = session.find(&self.container())? else { return Ok(vec![Difference::missing(label)]) };
        let Some(moved) = Moved::of(&link).filter(|moved| moved.is_of(&self.identity)) else {
            let have = link.alias.unwrap_or_else(|| "none".to_owned());
            return Ok(vec![Difference::new(format!("{label}, alias"), "that of a device of the host", have)]);
        };
        let (mac, mtu) = self.wanted(&moved);
        let mut differences = Vec::new();
        if !is_sealed(&moved, &link.kind) {
            let have = "changed, or the host's key was";
            differences.push(Difference::new(format!("{label}, alias"), "as it was sealed", have));
        }
        if let Some(want) = mac.filter(|want| link.mac != Some(*want)) {
            let have = link.mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string());
            differences.push(Difference::new(format!("{label}, address"), want, have));
        }
        if link.mtu != mtu {
            differences.push(Difference::new(format!("{label}, mtu"), mtu, link.mtu));
        }
        Ok(differences)
    }

    /// Gives it back to the host, as what it was there.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let inside = self.find_inside(session)?;
        if let Some(link) = &inside {
            fetch(session.socket(Side::Container)?, link, &self.identity.host_name())?;
        }
        // Who else renames what appears on the host may have been quicker.
        let is_searched = self.is_searched || inside.is_some();
        match find_back(session, &self.identity.host_name(), is_searched)? {
            Some(link) => restore(session, &link),
            None if self.is_searched => self.find_elsewhere()?.iter().try_for_each(|device| device.give_back(session)),
            None => Ok(()),
        }
    }

    fn commands(&self) -> Vec<String> {
        let Some(surveyed) = &self.device else { return Vec::new() };
        let (container, device) = (self.container(), &surveyed.origin.name);
        let (tool, name) = (container.tool("ip"), &container.name);
        let mut commands = match Key::known() {
            Some(key) => {
                let alias = surveyed.alias(&self.identity, &key).replace('\'', r"'\''");
                vec![format!("ip link set {device} alias '{alias}'")]
            }
            None => vec![format!(
                "# the alias that would bring {device} back is missing: this host has no key yet to seal it with, or it may not be read"
            )],
        };
        commands.push(format!("ip link set {device} netns CONTAINER name {name}"));
        commands.extend(self.mac.map(|mac| format!("{tool} link set {name} address {mac}")));
        commands.extend(self.mtu.map(|bytes| format!("{tool} link set {name} mtu {bytes}")));
        commands
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let host_name = self.identity.host_name();
        if let Some(link) = self.find_inside(session)? {
            return Ok(give_back_commands(&self.container().tool("ip"), &link, &host_name));
        }
        match find_back(session, &host_name, self.is_searched)? {
            Some(link) => Ok(restore_commands(&link)),
            None if self.is_searched => Ok(self.find_elsewhere()?.iter().flat_map(Elsewhere::commands).collect()),
            None => Ok(Vec::new()),
        }
    }
}

fn explain_move(error: Error, name: &str) -> Error {
    match error {
        Error::Refused { source, .. } if source.errno() == Some(libc::EINVAL) => Error::Unusable {
            problem: format!("device {name} cannot leave its network namespace ({source})"),
            remedy: Remedy::act("name another one: the kernel moves no bridges, for example"),
        },
        Error::Refused { source, .. } if source.is_missing() => Error::Missing(format!("device {name}")),
        error => error,
    }
}
