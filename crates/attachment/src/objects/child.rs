//! A child of a link: a macvlan, ipvlan or VLAN device in the container.

use netlink::child::{NewChild, Sort};
use netlink::link::{self, IPV6_MTU_BYTES, Link};
use netlink::{Mac, Namespace, ipvlan, macvlan};

use super::children;
use super::occupied::{occupied, with_article};
use crate::{
    Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Remedy, Session, Side, Stage, Step, Tag,
};

static KIND: Kind = Kind::found("child of a link");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);
static COLLECTOR: Finder = FINDER.for_gc();

/// What the kernel says of a kind that it does not have, beside `EOPNOTSUPP`.
const UNKNOWN: &str = "Unknown device type";

/// A child of a link, as the container interface. It is made in the container's namespace under [`Identity::interim_name`]; the
/// alias and the name of the container interface follow in one message. So whatever a kill leaves says whose it is.
#[derive(Debug)]
pub struct Child {
    /// The attachment.
    pub identity: Identity,
    /// The link that it is on, on the host or in the container.
    pub parent: Device,
    /// What it is.
    pub sort: Sort,
    /// Its address. Without one it is the parent's.
    pub mac: Option<Mac>,
    /// Its MTU in bytes; the parent's when not given.
    pub mtu: Option<u32>,
    /// It is removed under whatever name, and wherever it is if the container is not known.
    pub is_searched: bool,
}

impl Child {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The same for the GC of plugins that do not make it. What hangs on a stale NIC goes with it.
    pub const COLLECTOR: &'static Finder = &COLLECTOR;

    /// What an attachment may have, to be removed: its kind is as the kernel tells. It is looked for in the container under the names
    /// that it is made with.
    fn left(identity: Identity) -> Self {
        Self { identity, parent: Device::host(""), sort: Sort::Vlan(0), mac: None, mtu: None, is_searched: false }
    }

    /// The same, looked for under any name and in all namespaces that can be reached. That takes longer the more there are: it is for
    /// calls that know of such a NIC.
    #[must_use]
    pub fn anywhere(identity: Identity) -> Self {
        Self { is_searched: true, ..Self::left(identity) }
    }

    fn device(&self) -> Device {
        Device::container(self.identity.if_name())
    }

    fn label(&self) -> String {
        format!("{} {}", self.sort.kind(), self.device())
    }

    /// Fails unless the parent is there and can have such a child.
    ///
    /// # Errors
    /// [`Error::Unusable`] or [`Error::Conflict`], with what to do; the kernel cannot be asked.
    pub fn refuse_parent(&self, session: &mut Session) -> Result<(), Error> {
        self.usable_parent(session).map(drop)
    }

    fn usable_parent(&self, session: &mut Session) -> Result<Link, Error> {
        let (parent, kind) = (&self.parent, self.sort.kind());
        let unusable = |problem: String, remedy: &str| Error::Unusable { problem, remedy: Remedy::act(remedy) };
        let another = "name another link";
        let Some(link) = session.known(parent)? else {
            return Err(unusable(
                format!("there is no link {parent} for {} on it", with_article(kind)),
                "make it, or name the link that leads to the network",
            ));
        };
        let conflict = |have: String, want: &str, remedy: String| Error::Conflict {
            object: format!("link {parent}"),
            want: format!("{} on it{want}", with_article(kind)),
            have,
            remedy: Remedy::Act(remedy),
        };
        if link.is_loopback {
            return Err(unusable(format!("{parent} is the loopback device, which has no {kind}"), another));
        }
        if Tag::is_attachment(&link) && parent.side == Side::Host {
            return Err(unusable(format!("{parent} is an attachment's interface"), another));
        }
        if link.mac.is_none() {
            return Err(unusable(format!("{parent} is no Ethernet device, and has no {kind}"), another));
        }
        if !link.is_up {
            let inside = match parent.side {
                Side::Host => String::new(),
                Side::Container => format!("nsenter --net={} ", session.container()?.path().display()),
            };
            let remedy = format!("set it up with `{inside}ip link set {} up`", parent.name);
            return Err(conflict("is down".to_owned(), ", which cannot be up then", remedy));
        }
        if let Some(bytes) = self.mtu.filter(|bytes| *bytes > link.mtu) {
            let remedy = format!("leave the MTU to {parent}, or raise it there");
            return Err(conflict(format!("has MTU {}", link.mtu), &format!(" with MTU {bytes}"), remedy));
        }
        if self.mac.is_some() && self.mac == link.mac && matches!(self.sort, Sort::Macvlan(_)) {
            let remedy = "choose another address".to_owned();
            return Err(conflict(
                "has the address itself".to_owned(),
                &format!(" with address {}", in_words(self.mac)),
                remedy,
            ));
        }
        if let Some(index) = link.master.filter(|_| self.takes_the_frames()) {
            let master = session.known_index(parent.side, index)?;
            if let Some(master) = master.filter(|master| master.kind == "bridge") {
                let remedy = format!("use the bridge, or its own link {}, or take {parent} out of it", master.name);
                return Err(conflict(format!("is a port of bridge {}", master.name), "", remedy));
            }
        }
        Ok(link)
    }

    /// All that the parent receives passes through the driver of such children, of which there can be only one
    /// (`netdev_rx_handler_register`).
    fn takes_the_frames(&self) -> bool {
        !matches!(self.sort, Sort::Vlan(_))
    }

    /// The kernel may give it a link-local address. What it derives for an ipvlan depends on how many there are.
    fn has_link_local(&self, mtu_bytes: u32) -> bool {
        !matches!(self.sort, Sort::Ipvlan(_)) || mtu_bytes < IPV6_MTU_BYTES
    }

    /// A mode is that of all ipvlans on the link, and the last one that is made sets it: those of others would change theirs.
    fn refuse_other_modes(&self, session: &mut Session, mode: ipvlan::Mode, parent: &Link) -> Result<(), Error> {
        let below = parent.peer.filter(|_| parent.kind == ipvlan::KIND).unwrap_or(parent.index);
        let mut all = children::ipvlans_on(session, self.parent.side, below)?.into_iter();
        let other = all.find_map(|(place, link)| Some((place, link.name, link.ipvlan.filter(|have| *have != mode)?)));
        let Some((place, name, have)) = other else { return Ok(()) };
        let (object, mode, have) = (format!("link {}", self.parent), mode.word(), have.word());
        Err(Error::Conflict {
            object,
            want: format!("an ipvlan on it in mode {mode}"),
            have: format!("has one in mode {have}, {name} {place}"),
            remedy: Remedy::act("all on a link have the same mode: choose that one, or another link"),
        })
    }

    /// Whether the link is on this parent, or on the link below it, where the parent is itself of its kind: the kernel puts such
    /// children side by side.
    fn is_on(&self, session: &mut Session, link: &Link, parent: &Link) -> Result<bool, Error> {
        let is_sibling = parent.kind == link.kind && self.takes_the_frames();
        match (self.parent.side, is_sibling) {
            (Side::Container, true) => Ok((link.peer, link.peer_namespace) == (parent.peer, parent.peer_namespace)),
            (Side::Container, false) => Ok(link.peer == Some(parent.index) && link.peer_namespace.is_none()),
            (Side::Host, true) if parent.peer_namespace.is_some() => Ok(link.peer == parent.peer),
            (Side::Host, _) => {
                let below = parent.peer.filter(|_| is_sibling).unwrap_or(parent.index);
                let host = Namespace::own().map_err(Error::Namespace)?;
                link::is_on(session.socket(Side::Container)?, link, below, &host)
                    .map_err(Error::refused(format!("look up what {} is on", self.device())))
            }
        }
    }
}

/// What the kernel's refusal of a creation means: it has few words of its own for it.
fn explained(error: Error, sort: Sort, parent: &Device, label: &str) -> Error {
    let Error::Refused { source, .. } = &error else { return error };
    let kind = sort.kind();
    let (errno, text) = match source {
        netlink::Error::Kernel(refusal) => (refusal.errno, refusal.text.as_deref()),
        _ => return error,
    };
    let conflict = |have: String, remedy: &str| Error::Conflict {
        object: format!("link {parent}"),
        want: format!("{} on it", with_article(kind)),
        have,
        remedy: Remedy::act(remedy),
    };
    let passthru = macvlan::Mode::Passthru;
    match (errno, sort) {
        (libc::EOPNOTSUPP, sort) if text.is_none_or(|text| text == UNKNOWN) => match sort {
            Sort::Vlan(_) => Error::no_vlan_devices(label),
            Sort::Macvlan(_) | Sort::Ipvlan(_) => Error::Unsupported {
                feature: format!("{kind} devices, which {label} needs"),
                remedy: Remedy::Act(format!(
                    "load the module with `modprobe {kind}`, or use a kernel with CONFIG_{}",
                    kind.to_ascii_uppercase()
                )),
            },
        },
        (libc::EEXIST, Sort::Vlan(id)) if text.is_none_or(|text| text.contains("VLAN")) => conflict(
            format!("has a device of VLAN {id} already, on the host or in a container"),
            "choose another VLAN, or remove that device; several containers can be in a VLAN on a bridge that has it as its \
             uplink",
        ),
        (libc::EEXIST, _) => Error::Exists(label.to_owned()),
        (libc::EBUSY, Sort::Macvlan(_) | Sort::Ipvlan(_)) => conflict(
            "hands what it receives to something else: to children of another sort (a link has either macvlans or ipvlans), to \
             a bridge, a bond or a switch"
                .to_owned(),
            "choose the sort that the link has already, or another link",
        ),
        (libc::EINVAL, Sort::Macvlan(settings)) if text.is_none() => match settings.mode {
            Some(mode) if mode == passthru => conflict(
                "has other macvlans".to_owned(),
                "remove them, or choose another mode: in mode passthru there can be only one",
            ),
            _ => conflict(
                "has a macvlan in mode passthru, which must be the only one".to_owned(),
                "remove that, or choose another link",
            ),
        },
        (libc::ENODEV, _) => Error::Missing(format!("link {parent}")),
        _ => error,
    }
}

fn of_kind(link: &Link) -> String {
    if link.kind.is_empty() { "a physical device".to_owned() } else { with_article(&link.kind) }
}

fn in_words(mac: Option<Mac>) -> String {
    mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string())
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(Child::left(identity.clone())))])
}

fn of_network(_: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    children::of_network(network)
}

impl Object for Child {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let interface = self.device();
        if let Some(link) = session.find(&interface)? {
            let place = session.container()?.path().display();
            return Err(occupied(format_args!("interface {} in {place}", interface.name), &link));
        }
        if self.parent.side == Side::Container && !session.has_container() {
            return Ok(()); // commands are printed, and it cannot be seen
        }
        let parent = self.usable_parent(session)?;
        match self.sort {
            Sort::Ipvlan(mode) => self.refuse_other_modes(session, mode, &parent),
            Sort::Macvlan(_) | Sort::Vlan(_) => Ok(()),
        }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let parent = self.usable_parent(session)?;
        let name = self.identity.interim_name();
        let namespace = match self.parent.side {
            Side::Host => Some(session.container()?),
            Side::Container => None,
        };
        let child = NewChild { name: &name, parent: parent.index, namespace, mac: self.mac, mtu: self.mtu };
        let (request, sort, below, label) = (child.create(self.sort), self.sort, self.parent.clone(), self.label());
        let action = format!("create {label} on {below}");
        let explain = move |error| explained(error, sort, &below, &label);
        session.queue(Step::make(self.parent.side, action, request).explained(explain));
        let made = Device::container(name);
        let index = session.find(&made)?.ok_or_else(|| Error::Missing(format!("link {made}")))?.index;
        let action = format!("name {made} {}", self.identity.if_name());
        let has_link_local = self.has_link_local(self.mtu.unwrap_or(parent.mtu));
        let request = link::rename_and_tag(index, self.identity.if_name(), &self.identity.alias(), has_link_local);
        session.queue(Step::change(Side::Container, action, request));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = format!("interface {}", self.device());
        let Some(link) = session.find(&self.device())? else { return Ok(vec![Difference::missing(label)]) };
        if link.kind != self.sort.kind() {
            return Ok(vec![Difference::new(label, with_article(self.sort.kind()), of_kind(&link))]);
        }
        let mut differences = Vec::new();
        let mut compare = |what: &str, want: String, have: String| {
            if want != have {
                differences.push(Difference::new(format!("{label}{what}"), want, have));
            }
        };
        match self.sort {
            Sort::Macvlan(want) => {
                let have = link.macvlan.unwrap_or_default();
                let mode = |mode: Option<macvlan::Mode>| mode.map_or("another", macvlan::Mode::word).to_owned();
                compare(" mode", mode(want.mode), mode(have.mode));
                if let (Some(want), Some(have)) = (want.broadcast_queue_length, have.broadcast_queue_length) {
                    compare(" broadcast queue length", want.to_string(), have.to_string());
                }
            }
            Sort::Ipvlan(want) => {
                let have = link.ipvlan.map_or("another", ipvlan::Mode::word);
                compare(" mode", want.word().to_owned(), have.to_owned());
            }
            Sort::Vlan(want) => {
                let have = link.vlan_id.map_or_else(|| "none of 802.1Q".to_owned(), |id| id.to_string());
                compare(" VLAN", want.to_string(), have);
            }
        }
        if let Some(want) = self.mac {
            compare(" address", want.to_string(), in_words(link.mac));
        }
        if let Some(want) = self.mtu {
            compare(" mtu", want.to_string(), link.mtu.to_string());
        }
        match session.find(&self.parent)? {
            None => differences.push(Difference::missing(format!("link {}", self.parent))),
            Some(parent) if !self.is_on(session, &link, &parent)? => {
                differences.push(Difference::new(label, format!("on {}", self.parent), "on another link"));
            }
            Some(_) => {}
        }
        Ok(differences)
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        children::remove(session, &self.identity, self.is_searched)
    }

    fn commands(&self) -> Vec<String> {
        let (name, own) = (self.identity.interim_name(), self.device());
        let place = if self.parent.side == Side::Host { " netns CONTAINER" } else { "" };
        let mac = self.mac.map(|mac| format!(" address {mac}")).unwrap_or_default();
        let mtu = self.mtu.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
        let settings = match self.sort {
            Sort::Macvlan(settings) => {
                let length = settings.broadcast_queue_length.map(|length| format!(" bcqueuelen {length}"));
                let mode = settings.mode.map(|mode| format!(" mode {}", mode.word()));
                mode.into_iter().chain(length).collect()
            }
            Sort::Ipvlan(mode) => format!(" mode {}", mode.word()),
            Sort::Vlan(id) => format!(" id {id}"),
        };
        let mode = if self.has_link_local(self.mtu.unwrap_or(IPV6_MTU_BYTES)) { "" } else { " addrgenmode none" };
        let (tool, inside, kind) = (self.parent.tool("ip"), own.tool("ip"), self.sort.kind());
        vec![
            format!("{tool} link add link {} name {name}{place}{mac}{mtu} type {kind}{settings}", self.parent.name),
            format!("{inside} link set {name} name {} alias '{}'{mode}", own.name, self.identity.alias()),
        ]
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        children::removal_commands(session, &self.identity, self.is_searched)
    }
}
