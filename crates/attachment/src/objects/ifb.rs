//! The device whose queues shape what an interface's host side receives.

use netlink::ifb;
use netlink::link::{self, Link};

use super::{Redirect, host_links};
use crate::{
    Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Owner, Remedy, Session, Side, Stage, Step,
    Tag,
};

static KIND: Kind = Kind::found("ifb");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);
static COLLECTOR: Finder = FINDER.for_gc();

/// An ifb of an attachment, named after it, on the side where its interface's queues are.
#[derive(Debug, Clone)]
pub struct Ifb {
    /// The attachment.
    pub identity: Identity,
    /// The container interface that it serves.
    pub interface: String,
    /// Where it is.
    pub side: Side,
}

impl Ifb {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The same for the GC of plugins that do not make it. An ifb may be left by a shaper that was taken out of the chain.
    pub const COLLECTOR: &'static Finder = &COLLECTOR;

    /// The device.
    #[must_use]
    pub fn device(&self) -> Device {
        Device { side: self.side, name: self.identity.ifb_name(&self.interface) }
    }

    fn alias(&self) -> String {
        self.identity.ifb_alias(&self.interface)
    }

    /// It is there, and is this attachment's.
    fn find(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        // It may have been removed since it was last seen.
        match session.find(&self.device())? {
            Some(_) => self.known(session),
            None => Ok(None),
        }
    }

    fn known(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        host_links::own(session, &self.device(), KIND.name, &self.alias())
    }

    /// What `device` receives is sent to it: so the device, whoever has made it, is the one that it serves.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn serves(&self, device: &Device, session: &mut Session) -> Result<bool, Error> {
        if self.find(session)?.is_none() {
            return Ok(false);
        }
        let redirect = Redirect { from: device.clone(), to: self.device() };
        Ok(redirect.differences(session)?.is_empty())
    }

    fn label(&self) -> String {
        format!("ifb {} of {}", self.device(), self.alias())
    }
}

/// The kernel says `EOPNOTSUPP` when it has no such kind of link.
fn explain(device: &Device, error: Error) -> Error {
    match error {
        Error::Refused { source, .. } if source.errno() == Some(libc::EOPNOTSUPP) => Error::Unsupported {
            feature: format!("device of kind ifb, which {device} is to be"),
            remedy: Remedy::act("load the module with `modprobe ifb numifbs=0`, or use a kernel with CONFIG_IFB"),
        },
        error => error,
    }
}

/// That of the attachment's own interface on the host. One in the container goes with it; and those of other interfaces are named by
/// the configuration.
fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let interface = identity.if_name().to_owned();
    Ok(vec![Item::Object(Box::new(Ifb { identity: identity.clone(), interface, side: Side::Host }))])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let links = session.host_links()?;
    let mut found = Vec::new();
    for link in links.iter().filter(|link| link.kind == "ifb") {
        let owner = match Tag::of(link) {
            Some(Tag::Attachment { network: of, other }) if of == network => owner(link, other),
            _ => continue,
        };
        let (ifb, index) = (Device::host(&link.name), link.index);
        let (printed, whose) = (ifb.clone(), host_links::whose(link));
        let one = Found::own(owner, Stage::Nic, move |session| {
            unhook(session, &ifb, index)?;
            session.remove(Side::Host, format!("remove {ifb}"), link::delete(&ifb.name))
        });
        found.push(one.printed_by(move |session| {
            let mut commands = removal_of(session, &printed)?;
            if !commands.is_empty() {
                commands.insert(0, whose.clone());
            }
            Ok(commands)
        }));
    }
    Ok(found)
}

/// The names of an attachment's devices differ in their second letter. By the alias, if somebody has changed the name.
fn owner(ifb: &Link, other: Option<&str>) -> Owner {
    if !Identity::is_device_name(&ifb.name) {
        let (alias, other) = (ifb.alias.clone(), other.map(str::to_owned));
        return Owner::Whoever(Box::new(move |identity| {
            let interface = other.as_deref().unwrap_or(identity.if_name());
            alias.as_deref() == Some(&identity.ifb_alias(interface))
        }));
    }
    match (other, ifb.name.get(2..)) {
        (None, Some(rest)) => Owner::HostName(format!("pb{rest}")),
        _ => {
            let (name, interface) = (ifb.name.clone(), other.unwrap_or_default().to_owned());
            Owner::Whoever(Box::new(move |identity| identity.ifb_name(&interface) == name))
        }
    }
}

/// Takes back the redirections to an ifb that is about to go: with them alone, what the devices receive would be lost. All of the
/// host's links are looked at, because the ifb does not tell which device it serves.
pub(super) fn unhook(session: &mut Session, ifb: &Device, index: u32) -> Result<(), Error> {
    let links = session.host_links()?;
    links.iter().filter(|link| may_lead(link)).try_for_each(|link| {
        Redirect { from: Device::host(&link.name), to: ifb.clone() }.remove_from(link.index, index, session)
    })
}

/// What a device of this kind receives may be sent to an ifb.
pub(super) fn may_lead(link: &Link) -> bool {
    !["ifb", "bridge"].contains(&link.kind.as_str())
}

/// The commands that remove an ifb of the host, and what leads to it.
pub(super) fn removal_of(session: &mut Session, ifb: &Device) -> Result<Vec<String>, Error> {
    let Some(link) = session.find(ifb)? else { return Ok(Vec::new()) };
    let mut commands = Vec::new();
    if link.kind == "ifb" {
        for other in session.host_links()?.iter().filter(|other| may_lead(other)) {
            let redirect = Redirect { from: Device::host(&other.name), to: ifb.clone() };
            commands.extend(redirect.removal_from(other.index, link.index, session)?);
        }
    }
    commands.extend(host_links::removal(session, &ifb.name)?);
    Ok(commands)
}

impl Object for Ifb {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    /// The tag goes out with the creation, and would reach one that is there.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        match session.find(&self.device())? {
            Some(_) => Err(Error::Exists(self.label())),
            None => Ok(()),
        }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let device = self.device();
        let explained = device.clone();
        let step = Step::make(self.side, format!("make {}", self.label()), ifb::create(&device.name));
        session.queue(step.explained(move |error| explain(&explained, error)));
        // In the same send as the creation: a kill cannot leave a device without its tag.
        let tag = link::set_alias(&device.name, &self.alias());
        session.queue(Step::change(self.side, format!("tag {device}"), tag));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let device = self.device();
        let label = format!("ifb {device}");
        Ok(match session.find(&device)? {
            None => vec![Difference::missing(label)],
            Some(link) if link.kind != "ifb" => vec![Difference::new(label, "an ifb", link.kind)],
            Some(_) => Vec::new(),
        })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let device = self.device();
        if device.side == Side::Container && !session.has_container() {
            return Ok(()); // it has gone with its namespace
        }
        let Some(link) = self.find(session)? else { return Ok(()) };
        if device.side == Side::Host {
            unhook(session, &device, link.index)?;
        }
        session.remove(self.side, format!("remove {}", self.label()), link::delete(&device.name))
    }

    fn undo(&self, session: &mut Session) -> Result<(), Error> {
        if self.known(session)?.is_none() {
            return Ok(());
        }
        session.remove(self.side, format!("remove {}", self.label()), link::delete(&self.device().name))
    }

    fn commands(&self) -> Vec<String> {
        let device = self.device();
        let (tool, name) = (device.tool("ip"), &device.name);
        vec![
            format!("{tool} link add {name} mtu {} type ifb", ifb::MTU),
            format!("{tool} link set {name} alias '{}'", self.alias()),
        ]
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let device = self.device();
        if self.find(session)?.is_none() {
            return Ok(Vec::new());
        }
        match device.side {
            Side::Host => removal_of(session, &device),
            Side::Container => Ok(vec![format!("{} link delete {}", device.tool("ip"), device.name)]),
        }
    }
}
