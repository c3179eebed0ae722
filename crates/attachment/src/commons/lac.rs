//! The VXLAN device of a Local Area Cloud: it joins the cloud's bridge on this host to those of other hosts.

mod compared;
pub(super) mod devices;
mod evpn;
mod id;
mod made;
mod memberships;
mod mode;
mod printed;
mod vtep;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink::fdb;
use netlink::link::{self, Link};
use netlink::vxlan::Settings;

pub use id::LacId;
pub use mode::LacMode;
pub use vtep::{Vtep, is_wide};

use crate::bridge_members::BridgeMembers;
use crate::{
    Bridge, Checksums, Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Remedy,
    Session, Shared, Side, State, Step, Tag, bridge_members,
};

static KIND: Kind = Kind::found("VXLAN device");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// What to do about a device that members of another cloud use.
const OTHER_LAC: &str = "a host is in one LAC of each port and VNI: choose another port or VNI, or the same settings, or detach all \
                         its members here first";

/// A Local Area Cloud: one Ethernet across hosts, by VXLAN (RFC 7348). The first of its members on a host makes its device, later
/// ones adopt it, the last one out removes it if it was made here. Whatever networks the members are of, they share it.
#[derive(Debug, Clone)]
pub struct Lac {
    /// What identifies it here.
    pub id: LacId,
    /// The name of its VXLAN device: [`LacId::device`], unless somebody has renamed it.
    pub device: String,
    /// How frames reach the other hosts.
    pub reach: Reach,
    /// The device of the host that they leave by; with EVPN that is left to the routes, and this is empty.
    pub underlay: String,
    /// The address that they leave from, where that is not left to the routes.
    pub local: Option<IpAddr>,
    /// The TTL or hop limit of the packets; 0 for the host's own, which is 1 to a group.
    pub ttl: u8,
    /// The MTU of the VXLAN device in bytes.
    pub mtu: u32,
}

/// Whom a VXLAN device sends what is for all, each with the index of the link that packets leave by, where that is not left to the
/// routes.
type Remotes = BTreeSet<(IpAddr, Option<u32>)>;

/// How frames reach the other hosts of a LAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// By a multicast group; who has which hardware address is learned, and gets its frames directly.
    Group(IpAddr),
    /// By a multicast group, all of them, and from the port that they are sent to: clients of VDE's vxvde receive what is for others
    /// than one of them at the group alone, and answer to the port that a packet came from.
    Flooded(IpAddr),
    /// By a copy for each of the other hosts, until it is learned who has the hardware address.
    Hosts {
        /// The hosts, without this one.
        hosts: BTreeSet<IpAddr>,
        /// They are of IPv6.
        is_ipv6: bool,
    },
    /// By what a daemon that speaks BGP tells of the others (EVPN, RFC 8365): it has the forwarding database of the device for itself.
    Evpn {
        /// They are of IPv6.
        is_ipv6: bool,
    },
}

impl Reach {
    /// What a VXLAN device has as its remote.
    fn remote(&self) -> IpAddr {
        match self {
            Self::Group(group) | Self::Flooded(group) => *group,
            Self::Hosts { is_ipv6: false, .. } | Self::Evpn { is_ipv6: false } => Ipv4Addr::UNSPECIFIED.into(),
            Self::Hosts { is_ipv6: true, .. } | Self::Evpn { is_ipv6: true } => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// It is over IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.remote().is_ipv6()
    }

    fn mode(&self) -> LacMode {
        match self {
            Self::Group(_) => LacMode::Multicast,
            Self::Flooded(_) => LacMode::Vxvde,
            Self::Hosts { .. } => LacMode::Remotes,
            Self::Evpn { .. } => LacMode::Evpn,
        }
    }
}

impl Lac {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The one of this port and VNI, to be removed.
    #[must_use]
    pub fn named(id: LacId) -> Self {
        let reach = Reach::Hosts { hosts: BTreeSet::new(), is_ipv6: false };
        Self { id, device: id.device(), reach, underlay: String::new(), local: None, ttl: 0, mtu: 0 }
    }

    /// The address that the device that is there sends from, where that is not left to the routes.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn local_in_use(id: LacId, session: &mut Session) -> Result<Option<IpAddr>, Error> {
        let found = session.find(&Device::host(id.device()))?.filter(Tag::is_shared);
        Ok(found.and_then(|link| link.vxlan).and_then(|settings| settings.local))
    }

    /// The underlay of the device that is there, for a configuration that names none.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn underlay_in_use(id: LacId, session: &mut Session) -> Result<Option<Link>, Error> {
        let found = session.find(&Device::host(id.device()))?.filter(Tag::is_shared);
        match found.and_then(|link| link.vxlan).and_then(|settings| settings.underlay) {
            Some(index) => session.known_index(Side::Host, index),
            None => Ok(None),
        }
    }

    fn device(&self) -> Device {
        Device::host(&self.device)
    }

    fn label(&self) -> String {
        format!("VXLAN device {}", self.device)
    }

    /// Frames to all go to one port, from one port: the range has its end as its second number.
    fn source_ports(&self) -> (u16, u16) {
        match self.reach {
            Reach::Flooded(_) => (self.id.port, self.id.port.saturating_add(1)),
            Reach::Group(_) | Reach::Hosts { .. } | Reach::Evpn { .. } => (0, 0),
        }
    }

    fn settings(&self, session: &mut Session) -> Result<Settings, Error> {
        Ok(Settings {
            vni: self.id.vni,
            port: self.id.port,
            remote: self.reach.remote(),
            local: self.local,
            underlay: match self.is_evpn() {
                true => None,
                false => Some(session.index(&Device::host(&self.underlay))?),
            },
            ttl: self.ttl,
            learning: self.learns(),
            source_ports: self.source_ports(),
            is_external: false,
        })
    }

    /// It learns who has which hardware address.
    fn learns(&self) -> bool {
        !matches!(self.reach, Reach::Flooded(_) | Reach::Evpn { .. })
    }

    /// Fails when a device of its name cannot serve. What others use is not changed.
    fn check(&self, link: &Link, session: &mut Session) -> Result<(), Error> {
        let Some(first) = self.fixed_differences(link, session)?.into_iter().next() else { return Ok(()) };
        let property = first.what.strip_prefix(&self.label()).unwrap_or_default();
        let is_vxlan = link.vxlan.is_some();
        Err(Error::Conflict {
            object: self.label(),
            want: format!("{}{property} {}", if is_vxlan { "" } else { "it as" }, first.want).trim_start().to_owned(),
            have: if is_vxlan { format!("has{property} {}", first.have) } else { format!("is {}", first.have) },
            remedy: Remedy::act(if is_vxlan { OTHER_LAC } else { "remove the link, or choose another port or VNI" }),
        })
    }

    /// As [`Lac::check`]; of a device that an operator has made nothing is changed, so all of it must be right.
    fn refuse(&self, link: &Link, session: &mut Session) -> Result<(), Error> {
        self.check(link, session)?;
        if lac_of(link) == Some(self.id) {
            return Ok(());
        }
        match self.changeable_differences(link, session)?.into_iter().next() {
            None => Ok(()),
            Some(Difference { what, want, have }) => Err(Error::Conflict {
                object: what,
                want,
                have: format!("is {have}, as an operator has made it"),
                remedy: Remedy::act("change it there, or remove the device: then it is made here"),
            }),
        }
    }

    /// The device, if it exists and can serve.
    fn find(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        let found = session.find(&self.device())?;
        if let Some(link) = &found {
            self.refuse(link, session)?;
        }
        Ok(found)
    }

    /// The device, if it was made here: the one of its name, or a port of the cloud's bridge that somebody has renamed.
    fn made_here(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        let is_its = |link: &Link| lac_of(link) == Some(self.id) && link.vxlan.is_some();
        if let Some(link) = session.find(&self.device())?.filter(is_its) {
            return Ok(Some(link));
        }
        let Some(bridge) = self.bridge(session)? else { return Ok(None) };
        let ports = link::ports(session.socket(Side::Host)?, bridge)
            .map_err(Error::refused(format!("list the ports of bridge {}", self.id.bridge())))?;
        Ok(ports.into_iter().find(is_its))
    }

    fn bridge(&self, session: &mut Session) -> Result<Option<u32>, Error> {
        Ok(session.known(&Device::host(self.id.bridge()))?.map(|bridge| bridge.index))
    }

    /// Whom the device is to send what is for all.
    fn remotes(&self, session: &mut Session) -> Result<Remotes, Error> {
        Ok(match &self.reach {
            Reach::Group(group) | Reach::Flooded(group) => {
                Remotes::from([(*group, Some(session.index(&Device::host(&self.underlay))?))])
            }
            Reach::Hosts { hosts, .. } => hosts.iter().map(|host| (*host, None)).collect(),
            Reach::Evpn { .. } => Remotes::new(),
        })
    }

    /// Whom it sends that, as the kernel has it; none of those that a daemon has entered.
    fn remotes_of(&self, link: &Link, session: &mut Session) -> Result<Remotes, Error> {
        if self.is_evpn() {
            return Ok(Remotes::new());
        }
        let entries = fdb::list(session.socket(Side::Host)?, link.index)
            .map_err(Error::refused(format!("list the remotes of {}", self.label())))?;
        Ok(entries.iter().filter(|entry| entry.mac.is_none()).map(|entry| (entry.host, entry.by)).collect())
    }

    /// Programs get the frames of its packets as they are, and would get checksums that nobody fills in where the underlay leaves them to
    /// the receiver, as a veth does.
    fn checksums(&self) -> Option<Checksums> {
        matches!(self.reach, Reach::Flooded(_)).then(|| Checksums { device: self.device() })
    }
}

fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let id = lac_of_attachment(session, identity)?;
    Ok(id.map(|id| Item::Shared(Box::new(Lac::named(id)))).into_iter().collect())
}

/// The LAC that the host interface of an attachment is in.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn lac_of_attachment(session: &mut Session, identity: &Identity) -> Result<Option<LacId>, Error> {
    let Some(bridge) = bridge_members::of_attachment(session, identity)? else { return Ok(None) };
    Ok(session.known(&Device::host(bridge))?.and_then(|bridge| lac_of(&bridge)))
}

/// Those of all networks: their tags tell no network. Whether one is used is asked before it is released.
fn of_network(session: &mut Session, _network: &str) -> Result<Vec<Found>, Error> {
    let links = session.host_links()?;
    let device = |link: &Link| Some(Lac::named(lac_of(link)?)).filter(|_| link.vxlan.is_some());
    let found = links.iter().filter_map(|link| Some(Lac { device: link.name.clone(), ..device(link)? }));
    Ok(found.map(Found::shared).collect())
}

/// The LAC whose bridge or VXLAN device a link is, by its tag.
#[must_use]
pub fn lac_of(link: &Link) -> Option<LacId> {
    match Tag::of(link)? {
        Tag::Shared { by, .. } => LacId::read(by),
        Tag::Attachment { .. } | Tag::Moved { .. } => None,
    }
}

impl Shared for Lac {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn name(&self) -> String {
        self.label()
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(BridgeMembers { bridge: self.id.bridge() })
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        session.sharing(|session| match session.known(&self.device())? {
            Some(link) => self.refuse(&link, session),
            None => Ok(()),
        })
    }

    fn refuse_unusable(&self, session: &mut Session) -> Result<(), Error> {
        match (self.find(session)?, &self.reach) {
            (None, Reach::Group(group) | Reach::Flooded(group)) => {
                memberships::refuse_full(session, self.id.port, *group, &self.underlay)
            }
            _ => Ok(()),
        }
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        let Some(link) = session.known(&self.device())? else { return Ok(State::Lacking) };
        self.check(&link, session)?;
        Ok(match self.changeable_differences(&link, session)?.is_empty() {
            true => State::Whole,
            false => State::Lacking,
        })
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let bridge = self.id.bridge();
        let is_up = session.known(&Device::host(&bridge))?.is_some_and(|link| link.is_up);
        match self.find(session)? {
            None => self.create(session),
            Some(link) => self.complete(&link, session),
        }?;
        if !is_up {
            session.queue(Step::change(Side::Host, format!("set bridge {bridge} up"), link::set_up(&bridge)));
        }
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(link) = session.find(&self.device())? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let mut differences = self.fixed_differences(&link, session)?;
        if link.vxlan.is_some() {
            differences.extend(self.changeable_differences(&link, session)?);
            differences.extend(self.port_differences(&link));
        }
        Ok(differences)
    }

    fn update(&self, session: &mut Session) -> Result<(), Error> {
        match self.find(session)? {
            None => Err(Error::Missing(self.label())),
            Some(link) => self.complete(&link, session),
        }
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = self.made_here(session)? else { return Ok(()) };
        let step = Step::change(Side::Host, format!("remove VXLAN device {}", link.name), link::delete(&link.name));
        session.queue(step.tolerating(&[libc::ENODEV]));
        session.flush()
    }

    fn commands(&self) -> Vec<String> {
        self.creation_commands()
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let Some(link) = self.find(session)? else { return Ok(self.creation_commands()) };
        let (name, mut commands) = (self.device.clone(), vec![format!("# {} exists already", self.label())]);
        if link.mtu != self.mtu {
            commands.push(format!("ip link set {name} mtu {}", self.mtu));
        }
        let local = link.vxlan.as_ref().and_then(|settings| settings.local);
        if let Some(wanted) = self.local.filter(|wanted| local != Some(*wanted)) {
            commands.push(format!("ip link set {name} type vxlan local {wanted}"));
        }
        let is_elsewhere = link.master.is_none() || link.master != self.bridge(session)?;
        if self.is_evpn() && is_elsewhere {
            commands.extend(self.told_commands());
        } else if !link.is_up || is_elsewhere {
            commands.push(format!("ip link set {name} master {} up", self.id.bridge()));
        }
        if !is_elsewhere && !self.told_differences(&link).is_empty() {
            commands.push(self.told_command());
        }
        if let Some(checksums) = self.checksums()
            && !checksums.differences(session)?.is_empty()
        {
            commands.extend(checksums.commands());
        }
        let (want, have) = (self.remotes(session)?, self.remotes_of(&link, session)?);
        commands.extend(want.difference(&have).map(|(host, _)| self.remote_command("append", *host)));
        commands.extend(have.difference(&want).map(|(host, _)| self.remote_command("delete", *host)));
        Ok(commands)
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let Some(link) = self.made_here(session)? else { return Ok(Vec::new()) };
        session.count_as_gone(&link.name);
        Ok(vec![format!("ip link delete {}", link.name)])
    }
}

impl Bridge {
    /// The bridge of a LAC, of which all its members on this host are ports. Members of other hosts are to find no address of this
    /// one on it.
    #[must_use]
    pub fn of_lac(id: LacId) -> Self {
        Self { reaches_host: false, ..Self::shared(&id.bridge(), &id.shared_by()) }
    }
}
