//! The VXLAN device of a Local Area Cloud: it joins the cloud's bridge on this host to those of other hosts.

mod id;
mod memberships;
mod mode;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink::link::{self, Link, PortState};
use netlink::vxlan::{NewVxlan, Settings};
use netlink::{fdb, offload};

pub use id::LacId;
pub use mode::LacMode;

use crate::bridge_members::BridgeMembers;
use crate::{
    Bridge, Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Remedy, Session, Shared, Side,
    State, Step, Tag, bridge_members,
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
    /// The device of the host that they leave by.
    pub underlay: String,
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
}

impl Reach {
    /// What a VXLAN device has as its remote.
    fn remote(&self) -> IpAddr {
        match self {
            Self::Group(group) | Self::Flooded(group) => *group,
            Self::Hosts { is_ipv6: false, .. } => Ipv4Addr::UNSPECIFIED.into(),
            Self::Hosts { is_ipv6: true, .. } => Ipv6Addr::UNSPECIFIED.into(),
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
        Self { id, device: id.device(), reach, underlay: String::new(), ttl: 0, mtu: 0 }
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
            Reach::Group(_) | Reach::Hosts { .. } => (0, 0),
        }
    }

    fn settings(&self, session: &mut Session) -> Result<Settings, Error> {
        Ok(Settings {
            vni: self.id.vni,
            port: self.id.port,
            remote: self.reach.remote(),
            local: None,
            underlay: Some(session.index(&Device::host(&self.underlay))?),
            ttl: self.ttl,
            learning: !matches!(self.reach, Reach::Flooded(_)),
            source_ports: self.source_ports(),
            is_external: false,
        })
    }

    /// What cannot be changed in a device that members use: they are on another LAC then.
    fn fixed_differences(&self, link: &Link, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let Some(have) = &link.vxlan else {
            return Ok(vec![Difference::new(label, "a VXLAN device", words_of_kind(&link.kind))]);
        };
        let want = self.settings(session)?;
        let have_underlay = match have.underlay {
            Some(index) if want.underlay != Some(index) => session.known_index(Side::Host, index)?,
            _ => None,
        };
        let mut differences = Vec::new();
        let mut note = |is_met: bool, property: &str, want: String, have: String| {
            if !is_met {
                differences.push(Difference::new(format!("{label} {property}"), want, have));
            }
        };
        note(want.vni == have.vni, "vni", want.vni.to_string(), have.vni.to_string());
        note(want.port == have.port, "port", want.port.to_string(), have.port.to_string());
        if let Some(mode) = LacMode::of(have) {
            note(mode == self.reach.mode(), "mode", self.reach.mode().word().to_owned(), mode.word().to_owned());
        }
        // Without a remote the kernel does not tell the family.
        let is_same = want.remote == have.remote || [want.remote, have.remote].iter().all(IpAddr::is_unspecified);
        note(is_same, "group", words_of_remote(want.remote), words_of_remote(have.remote));
        note(
            want.underlay == have.underlay && link.peer_namespace.is_none(),
            "underlay",
            self.underlay.clone(),
            match (link.peer_namespace, have_underlay) {
                (Some(_), _) => "one of another namespace".to_owned(),
                (None, Some(link)) => link.name,
                (None, None) => "none".to_owned(),
            },
        );
        let words = |local: Option<IpAddr>| local.map_or_else(|| "the route's".to_owned(), |local| local.to_string());
        note(want.local == have.local, "local address", words(want.local), words(have.local));
        note(want.ttl == have.ttl, "ttl", words_of_ttl(want.ttl), words_of_ttl(have.ttl));
        note(want.learning == have.learning, "learning", on_or_off(want.learning), on_or_off(have.learning));
        note(
            want.source_ports == have.source_ports,
            "source ports",
            words_of_range(want.source_ports),
            words_of_range(have.source_ports),
        );
        note(!have.is_external, "external", on_or_off(false), on_or_off(true));
        Ok(differences)
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
        })
    }

    /// Whom it sends that, as the kernel has it.
    fn remotes_of(&self, link: &Link, session: &mut Session) -> Result<Remotes, Error> {
        let entries = fdb::list(session.socket(Side::Host)?, link.index)
            .map_err(Error::refused(format!("list the remotes of {}", self.label())))?;
        Ok(entries.iter().filter(|entry| entry.mac.is_none()).map(|entry| (entry.host, entry.by)).collect())
    }

    /// Programs get the frames of its packets as they are, and would get checksums that nobody fills in where the underlay leaves them to
    /// the receiver, as a veth does.
    fn fills_in_checksums(&self) -> bool {
        matches!(self.reach, Reach::Flooded(_))
    }

    fn leaves_checksums(&self, session: &mut Session) -> Result<bool, Error> {
        if !self.fills_in_checksums() {
            return Ok(false);
        }
        let name = self.device.clone();
        session
            .within(Side::Host, || offload::fills_in_checksums(&name))?
            .map_err(Error::refused(format!("look up the offloads of {}", self.label())))
    }

    fn take_checksums(&self, session: &mut Session) -> Result<(), Error> {
        let name = self.device.clone();
        session
            .within(Side::Host, || offload::take_checksums_from(&name))?
            .map_err(Error::refused(format!("have the kernel fill in the checksums of {}", self.label())))
    }

    /// What can be changed in a device in use.
    fn changeable_differences(&self, link: &Link, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let mut differences = Vec::new();
        if !link.is_up {
            differences.push(Difference::new(&label, "up", "down"));
        }
        if link.mtu != self.mtu {
            differences.push(Difference::new(format!("{label} mtu"), self.mtu, link.mtu));
        }
        if link.master.is_none() || link.master != self.bridge(session)? {
            let have = match link.master {
                None => "a port of no bridge".to_owned(),
                Some(index) => match session.known_index(Side::Host, index)? {
                    Some(master) => format!("a port of {}", master.name),
                    None => format!("a port of link {index}"),
                },
            };
            differences.push(Difference::new(&label, format!("a port of bridge {}", self.id.bridge()), have));
        }
        if self.leaves_checksums(session)? {
            differences.push(Difference::new(format!("{label} tx checksumming"), "off", "on"));
        }
        let (want, have) = (self.remotes(session)?, self.remotes_of(link, session)?);
        if want != have {
            let what = format!("{label} remotes");
            differences.push(Difference::new(what, words_of_remotes(&want), words_of_remotes(&have)));
        }
        Ok(differences)
    }

    /// What keeps frames from passing between the bridge and the device.
    fn port_differences(&self, link: &Link) -> Vec<Difference> {
        let port = format!("bridge port {}", self.device);
        let has_port = link.is_up && link.master.is_some();
        let is_forwarding = link.port_state == Some(PortState::Forwarding);
        let as_made = [
            (is_forwarding, "forwarding", "in another state"),
            (!link.isolated, "not isolated", "isolated"),
            (link.floods_and_learns, "learning, with unknown, multicast and broadcast frames", "without some of that"),
        ];
        let differs = as_made.into_iter().filter(|(is_met, ..)| has_port && !is_met);
        differs.map(|(_, want, have)| Difference::new(&port, want, have)).collect()
    }

    /// Makes the device, in one send: a kill cannot leave one without its tag.
    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let Some(bridge) = self.bridge(session)? else {
            return Err(Error::Missing(format!("bridge {}", self.id.bridge())));
        };
        let (name, label, settings) = (self.device.clone(), self.label(), self.settings(session)?);
        let device = NewVxlan { name: &name, settings: &settings, mtu: self.mtu };
        let step = Step::make(Side::Host, format!("make {label}"), device.create());
        let lac = self.clone();
        session.queue(step.explained(move |error| lac.explain(error)));
        let tag = link::set_alias_without_link_local(&name, &Tag::shared(&self.id.shared_by()), Some(self.mtu));
        session.queue(Step::change(Side::Host, format!("tag {label}"), tag));
        let step = Step::change(Side::Host, format!("set {label} up"), link::set_up_in(&name, bridge));
        let lac = self.clone();
        session.queue(step.explained(move |error| lac.explain(error)));
        session.forget_link(&Device::host(self.id.bridge())); // its MTU follows that of the new port
        if self.fills_in_checksums() {
            self.take_checksums(session)?;
        }
        if let Reach::Hosts { hosts, .. } = &self.reach
            && !hosts.is_empty()
        {
            let index = session.index(&self.device())?;
            hosts.iter().for_each(|host| self.add_remote(index, *host, None, session));
        }
        Ok(())
    }

    fn add_remote(&self, index: u32, host: IpAddr, by: Option<u32>, session: &mut Session) {
        let label = self.label();
        let step = Step::change(
            Side::Host,
            format!("add {host} to the remotes of {label}"),
            fdb::append_remote(index, host, by),
        );
        session.queue(step.explained(move |error| match &error {
            Error::Refused { source, .. } if source.errno() == Some(libc::EAFNOSUPPORT) => Error::Conflict {
                object: label.clone(),
                want: format!("the remote {host}"),
                have: format!("is for remotes of {}", if host.is_ipv6() { "IPv4" } else { "IPv6" }),
                remedy: Remedy::act(OTHER_LAC),
            },
            _ => error,
        }));
    }

    fn remove_remote(&self, index: u32, host: IpAddr, by: Option<u32>, session: &mut Session) {
        let action = format!("remove {host} from the remotes of {}", self.label());
        let step = Step::change(Side::Host, action, fdb::delete_remote(index, host, by));
        session.queue(step.tolerating(&[libc::ENOENT]));
    }

    /// What the kernel's refusal of the device means.
    fn explain(&self, error: Error) -> Error {
        let (port, vni) = (self.id.port, self.id.vni);
        let in_the_way = |object: String, have: &str, remedy: &str| Error::Conflict {
            object,
            want: format!("it for {}", self.label()),
            have: have.to_owned(),
            remedy: Remedy::act(remedy),
        };
        let errno = match &error {
            Error::Exists(_) => Some(libc::EEXIST),
            Error::Refused { source, .. } => source.errno(),
            _ => None,
        };
        match errno {
            Some(libc::EEXIST) => in_the_way(
                format!("VNI {vni} on UDP port {port}"),
                "belongs to another VXLAN device of this host",
                "find that with `ip -d link show type vxlan`, perhaps in the namespace that it was moved to, and remove it, or choose \
                 another port or VNI",
            ),
            Some(libc::EADDRINUSE) => in_the_way(
                format!("UDP port {port}"),
                "is in use by a program, such as a client of VDE, or by a VXLAN device with other checks of checksums",
                "stop that, run it in a network namespace of its own, or choose another port",
            ),
            Some(libc::EOPNOTSUPP) => Error::Unsupported {
                feature: format!("VXLAN devices (vxlan), which {} needs", self.label()),
                remedy: Remedy::act("load the module with `modprobe vxlan`, or use a kernel with CONFIG_VXLAN"),
            },
            Some(libc::ENOBUFS) if !self.reach.is_ipv6() => memberships::exhausted(port, self.reach.remote()),
            _ => error,
        }
    }

    /// Changes what is there into what is wanted, with undo. Remotes are added before others are removed, and those that stay are not
    /// touched.
    fn complete(&self, link: &Link, session: &mut Session) -> Result<(), Error> {
        let Some(bridge) = self.bridge(session)? else {
            return Err(Error::Missing(format!("bridge {}", self.id.bridge())));
        };
        let (name, label) = (self.device.clone(), self.label());
        if link.mtu != self.mtu {
            let (device, mtu) = (name.clone(), link.mtu);
            self.take_back_with(session, move |_| vec![link::set_mtu(&device, mtu)]);
            session.queue(Step::change(Side::Host, format!("set the mtu of {label}"), link::set_mtu(&name, self.mtu)));
        }
        if !link.is_up || link.master != Some(bridge) {
            let lac = self.clone();
            let step = Step::change(Side::Host, format!("set {label} up"), link::set_up_in(&name, bridge));
            session.queue(step.explained(move |error| lac.explain(error)));
        }
        if self.leaves_checksums(session)? {
            self.take_checksums(session)?;
        }
        let (want, have) = (self.remotes(session)?, self.remotes_of(link, session)?);
        let new: Vec<_> = want.difference(&have).copied().collect();
        let old: Vec<_> = have.difference(&want).copied().collect();
        if !new.is_empty() || !old.is_empty() {
            let (added, removed) = (new.clone(), old.clone());
            self.take_back_with(session, move |index| {
                let added_again = removed.iter().map(|(host, by)| fdb::append_remote(index, *host, *by));
                added_again.chain(added.iter().map(|(host, by)| fdb::delete_remote(index, *host, *by))).collect()
            });
        }
        new.iter().for_each(|(host, by)| self.add_remote(link.index, *host, *by, session));
        old.iter().for_each(|(host, by)| self.remove_remote(link.index, *host, *by, session));
        match &self.reach {
            Reach::Hosts { hosts, .. } => self.forget_others(link, hosts, session),
            Reach::Group(_) | Reach::Flooded(_) => Ok(()),
        }
    }

    /// Frames for hardware addresses that were learned to be at other hosts must not go there any more either. One of these that still
    /// sends is learned again.
    fn forget_others(&self, link: &Link, hosts: &BTreeSet<IpAddr>, session: &mut Session) -> Result<(), Error> {
        let entries = fdb::list(session.socket(Side::Host)?, link.index)
            .map_err(Error::refused(format!("list what {} has learned", self.label())))?;
        for entry in entries.iter().filter(|entry| !entry.is_permanent && !hosts.contains(&entry.host)) {
            let Some(mac) = entry.mac else { continue };
            let action = format!("have {} forget that {} has {mac}", self.label(), entry.host);
            let step = Step::change(Side::Host, action, fdb::forget(link.index, mac, entry.host));
            session.queue(step.tolerating(&[libc::ENOENT]));
        }
        Ok(())
    }

    /// How to take back a change of a device that was there before, where that still is.
    fn take_back_with(&self, session: &mut Session, requests: impl FnOnce(u32) -> Vec<netlink::Request> + 'static) {
        let (device, action) = (self.device(), format!("make {} as it was", self.label()));
        session.on_undo(move |session| {
            if let Some(link) = session.find(&device)? {
                for request in requests(link.index) {
                    session.queue(Step::change(Side::Host, &action, request).tolerating(&[libc::ENOENT]));
                }
            }
            Ok(())
        });
    }

    fn creation_commands(&self) -> Vec<String> {
        let (name, bridge) = (self.device.clone(), self.id.bridge());
        let LacId { port, vni } = self.id;
        let mut device =
            format!("ip link add {name} mtu {} type vxlan id {vni} dstport {port} dev {}", self.mtu, self.underlay);
        match &self.reach {
            Reach::Group(group) => device.push_str(&format!(" group {group}")),
            Reach::Flooded(group) => {
                let (first, end) = self.source_ports();
                device.push_str(&format!(" group {group} nolearning srcport {first} {end}"));
            }
            Reach::Hosts { is_ipv6: true, .. } => device.push_str(" remote ::"),
            Reach::Hosts { .. } => {}
        }
        if self.ttl != 0 {
            device.push_str(&format!(" ttl {}", self.ttl));
        }
        let tag = Tag::shared(&self.id.shared_by());
        let mut commands = vec![
            device,
            format!("ip link set {name} alias '{tag}' addrgenmode none"),
            format!("ip link set {name} master {bridge} up"),
        ];
        commands.extend(self.checksum_command());
        if let Reach::Hosts { hosts, .. } = &self.reach {
            commands.extend(hosts.iter().map(|host| self.remote_command("append", *host)));
        }
        commands
    }

    fn checksum_command(&self) -> Option<String> {
        self.fills_in_checksums().then(|| format!("ethtool -K {} tx off", self.device))
    }

    fn remote_command(&self, verb: &str, host: IpAddr) -> String {
        let via = if host.is_multicast() { format!(" via {}", self.underlay) } else { String::new() };
        let permanent = if verb == "append" { " permanent" } else { "" };
        format!("bridge fdb {verb} 00:00:00:00:00:00 dev {} dst {host}{via} self{permanent}", self.device)
    }
}

fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let Some(bridge) = bridge_members::of_attachment(session, identity)? else { return Ok(Vec::new()) };
    let id = session.known(&Device::host(bridge))?.and_then(|bridge| lac_of(&bridge));
    Ok(id.map(|id| Item::Shared(Box::new(Lac::named(id)))).into_iter().collect())
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
        match self.find(session)? {
            None => self.create(session),
            Some(link) => self.complete(&link, session),
        }
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
        if !link.is_up || link.master.is_none() || link.master != self.bridge(session)? {
            commands.push(format!("ip link set {name} master {} up", self.id.bridge()));
        }
        if self.leaves_checksums(session)? {
            commands.extend(self.checksum_command());
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

fn words_of_kind(kind: &str) -> String {
    if kind.is_empty() { "a physical device".to_owned() } else { format!("a device of kind {kind}") }
}

fn words_of_remote(remote: IpAddr) -> String {
    if remote.is_unspecified() { "none".to_owned() } else { remote.to_string() }
}

fn words_of_ttl(ttl: u8) -> String {
    if ttl == 0 { "of the host's own".to_owned() } else { ttl.to_string() }
}

fn words_of_range((first, end): (u16, u16)) -> String {
    match (first, end) {
        (0, 0) => "any".to_owned(),
        _ => format!("{first} to {}", end.saturating_sub(1)),
    }
}

fn words_of_remotes(remotes: &Remotes) -> String {
    if remotes.is_empty() {
        return "none".to_owned();
    }
    remotes.iter().map(|(host, _)| host.to_string()).collect::<Vec<_>>().join(", ")
}

fn on_or_off(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}
