//! Links: finding, reading, changing and removing them. The kinds have files of their own.

use netlink_packet_core::Nla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, BridgePortState, In6AddrGenMode, InfoBridge, InfoBridgePort, InfoData, InfoKind,
    InfoPortData, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage, State,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::{Error, Mac, Request, Socket};

/// The longest name of a link in bytes (`IFNAMSIZ` less the zero byte).
pub const NAME_BYTES: usize = 15;

/// The longest alias of a link in bytes: the kernel takes an attribute of 255 (`IFALIASZ` less one), and ours ends with a
/// zero byte.
pub const ALIAS_BYTES: usize = 254;

/// `IFLA_LINK_NETNSID`: present when the other end of a veth is in another namespace.
const IFLA_LINK_NETNSID: u16 = 37;

/// A link as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its index in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, `tun` and so on; empty for a physical device.
    pub kind: String,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// It is administratively up.
    pub is_up: bool,
    /// It is up and has carrier (`operstate` is up, or unknown for a device that does not tell).
    pub is_running: bool,
    /// It receives what is addressed to others.
    pub is_promiscuous: bool,
    /// The index of the bridge or switch that it is a port of.
    pub master: Option<u32>,
    /// The index of the other end of a veth, in that end's namespace.
    pub peer: Option<u32>,
    /// The other end is in another namespace.
    pub is_peer_elsewhere: bool,
    /// Its alias.
    pub alias: Option<String>,
    /// For a bridge: VLAN filtering is on.
    pub vlan_filtering: bool,
    /// For the port of a bridge: whether frames pass.
    pub port_state: Option<PortState>,
    /// For the port of a bridge: frames may leave through the port that they came in by.
    pub hairpin: bool,
}

/// Whether frames pass a port of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortState {
    /// None do: the port or the bridge is down, or has no carrier.
    Disabled,
    /// They do, or will when the spanning tree agrees.
    Enabled,
}

impl Link {
    fn read(message: LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut link = Self {
            index: message.header.index,
            is_up: flags.contains(LinkFlags::Up),
            is_promiscuous: flags.contains(LinkFlags::Promisc),
            ..Self::default()
        };
        let mut state = State::Unknown;
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
                LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok().map(Mac),
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::Controller(index) => link.master = Some(index),
                LinkAttribute::Link(index) => link.peer = Some(index),
                LinkAttribute::LinkNetNsId(_) => link.is_peer_elsewhere = true,
                LinkAttribute::Other(other) if other.kind() == IFLA_LINK_NETNSID => link.is_peer_elsewhere = true,
                LinkAttribute::OperState(found) => state = found,
                LinkAttribute::Promiscuity(count) => link.is_promiscuous |= count > 0,
                LinkAttribute::LinkInfo(infos) => infos.into_iter().for_each(|info| link.read_info(info)),
                _ => {}
            }
        }
        link.is_running = link.is_up && matches!(state, State::Up | State::Unknown);
        link
    }

    fn read_info(&mut self, info: LinkInfo) {
        match info {
            LinkInfo::Kind(kind) => self.kind = kind.to_string(),
            LinkInfo::Data(InfoData::Bridge(settings)) => {
                self.vlan_filtering = settings.contains(&InfoBridge::VlanFiltering(true));
            }
            LinkInfo::PortData(InfoPortData::BridgePort(settings)) => {
                self.hairpin = settings.contains(&InfoBridgePort::HairpinMode(true));
                self.port_state = settings.iter().find_map(|setting| match setting {
                    InfoBridgePort::State(BridgePortState::Disabled) => Some(PortState::Disabled),
                    InfoBridgePort::State(_) => Some(PortState::Enabled),
                    _ => None,
                });
            }
            _ => {}
        }
    }

    /// Reads an answer to [`get`] or to an echoed creation; `None` if it carries no link.
    #[must_use]
    pub fn from_answer(message: Option<RouteNetlinkMessage>) -> Option<Self> {
        match message {
            Some(RouteNetlinkMessage::NewLink(message)) => Some(Self::read(message)),
            _ => None,
        }
    }
}

/// Asks for one link: `ip link show dev NAME`.
#[must_use]
pub fn get(name: &str) -> Request {
    question(LinkUnspec::new_with_name(name))
}

/// Asks for a link without its counters, which are a third of the answer.
fn question(link: LinkMessageBuilder<LinkUnspec>) -> Request {
    let link = link.append_extra_attribute(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::get(RouteNetlinkMessage::GetLink(link.build()))
}

/// Finds one link; `None` if there is none of that name.
///
/// # Errors
/// Whatever the kernel says other than that there is none.
pub fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>, Error> {
    find_by(socket, get(name))
}

/// Finds one link by its index; `None` if there is none.
///
/// # Errors
/// Whatever the kernel says other than that there is none.
pub fn find_index(socket: &mut Socket, index: u32) -> Result<Option<Link>, Error> {
    find_by(socket, question(LinkUnspec::new_with_index(index)))
}

fn find_by(socket: &mut Socket, request: Request) -> Result<Option<Link>, Error> {
    match socket.request(request) {
        Ok(answer) => Ok(Link::from_answer(answer)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// All links of the socket's namespace: `ip link`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    read_all(socket, LinkMessage::default())
}

/// The ports of a bridge: `ip link show master BRIDGE`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn ports(socket: &mut Socket, bridge: u32) -> Result<Vec<Link>, Error> {
    let mut links = read_all(socket, LinkMessageBuilder::<LinkUnspec>::default().controller(bridge).build())?;
    links.retain(|link| link.master == Some(bridge)); // kernels before 4.14 do not filter
    Ok(links)
}

fn read_all(socket: &mut Socket, message: LinkMessage) -> Result<Vec<Link>, Error> {
    let messages = socket.dump("links", &Request::dump(RouteNetlinkMessage::GetLink(message)))?;
    Ok(messages.into_iter().filter_map(|message| Link::from_answer(Some(message))).collect())
}

/// `ip link set dev NAME alias ALIAS`. In a creation the kernel ignores the alias, so it takes a message of its own.
#[must_use]
pub fn set_alias(name: &str, alias: &str) -> Request {
    let message = LinkUnspec::new_with_name(name).alias(alias).build();
    Request::change(RouteNetlinkMessage::SetLink(message))
}

/// `ip link set dev NAME addrgenmode none`: the link gets no link-local address by itself. In a creation the kernel ignores
/// it. A kernel without IPv6 refuses it with `EAFNOSUPPORT`.
#[must_use]
pub fn set_no_link_local(name: &str) -> Request {
    let setting = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    let message =
        LinkUnspec::new_with_name(name).append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![setting])).build();
    Request::change(RouteNetlinkMessage::SetLink(message))
}

/// `ip link set dev NAME up`.
#[must_use]
pub fn set_up(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).up().build()))
}

/// `ip link set dev NAME promisc on`.
#[must_use]
pub fn set_promiscuous(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).promiscuous(true).build()))
}

/// `ip link set dev NAME master BRIDGE`.
#[must_use]
pub fn set_master(name: &str, bridge: u32) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).controller(bridge).build()))
}

/// `ip link set dev NAME address MAC`.
#[must_use]
pub fn set_mac(name: &str, mac: Mac) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).address(mac.0.to_vec()).build()))
}

/// `ip link set dev NAME mtu BYTES`.
#[must_use]
pub fn set_mtu(name: &str, mtu: u32) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).mtu(mtu).build()))
}

/// `ip link del dev NAME`.
#[must_use]
pub fn delete(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::DelLink(LinkUnspec::new_with_name(name).build()))
}

/// A message that changes a link that exists, sent as `RTM_NEWLINK` without `NLM_F_CREATE`: port settings in
/// `RTM_SETLINK` are acknowledged and ignored.
pub(crate) fn change(message: LinkMessage) -> Request {
    Request::change(RouteNetlinkMessage::NewLink(message))
}

/// A builder for a link of `kind`.
pub(crate) fn of_kind(kind: InfoKind) -> LinkMessageBuilder<LinkUnspec> {
    LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(kind)
}
