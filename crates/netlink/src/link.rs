//! Links: finding, reading, changing and removing them. The kinds have files of their own.

use std::path::Path;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoKind, LinkAttribute, LinkExtentMask, LinkMessage,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::attributes::{iterate, read_text, read_u16, read_u32, value_of};
use crate::spanning_tree::SpanningTree;
use crate::{Error, Mac, Namespace, Object, Request, Socket, ipvlan, macvlan, tap, vxlan};

pub use crate::name::NAME_BYTES;

/// The longest alias of a link in bytes: the kernel takes an attribute of 255 (`IFALIASZ` less one), and ours ends with a
/// zero byte.
pub const ALIAS_BYTES: usize = 254;

/// The least and the largest MTU in bytes of bridges, veths and other Ethernet devices that the kernel makes (`ETH_MIN_MTU` and
/// `ETH_MAX_MTU` in `include/uapi/linux/if_ether.h`).
pub const LEAST_MTU_BYTES: u32 = 68;
/// See [`LEAST_MTU_BYTES`].
pub const LARGEST_MTU_BYTES: u32 = 65_535;

/// The least MTU in bytes of a link with IPv6 (RFC 8200, 5).
pub const IPV6_MTU_BYTES: u32 = 1280;

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
    /// The least and the largest MTU in bytes that it can have, where the kernel tells (Linux 4.19) and there is such a bound.
    pub mtu_range: (Option<u32>, Option<u32>),
    /// It is administratively up.
    pub is_up: bool,
    /// It is up and has carrier (`operstate` is up, or unknown for a device that does not tell).
    pub is_running: bool,
    /// It has carrier by now, which `operstate` may tell up to a second later (`net/core/link_watch.c`).
    pub has_carrier: bool,
    /// It leads back to its own host.
    pub is_loopback: bool,
    /// It receives what is addressed to others.
    pub is_promiscuous: bool,
    /// The kind of the queueing discipline at its root, `noqueue` where there is none.
    pub qdisc: String,
    /// The index of the bridge or switch that it is a port of.
    pub master: Option<u32>,
    /// The kind of that, as in [`Link::kind`]; empty where there is none.
    pub master_kind: String,
    /// The index of the other end of a veth, in that end's namespace; of a macvlan, ipvlan or VLAN device that of the link below it.
    pub peer: Option<u32>,
    /// Where that is in another namespace: the number of that namespace here; see [`Namespace::number_here`].
    ///
    /// [`Namespace::number_here`]: crate::Namespace::number_here
    pub peer_namespace: Option<i32>,
    /// Its alias.
    pub alias: Option<String>,
    /// For a TUN or TAP device: its settings, where the kernel tells them.
    pub tap: Option<tap::Settings>,
    /// For the port of a bridge: whether frames pass.
    pub port_state: Option<PortState>,
    /// For the port of a bridge: frames may leave through the port that they came in by.
    pub hairpin: bool,
    /// For the port of a bridge: it reaches only ports that are not isolated.
    pub isolated: bool,
    /// For the port of a bridge: what is not known, and what is for many or all, leaves by it.
    pub floods: bool,
    /// For the port of a bridge: what arrives by it is learned from.
    pub learns: bool,
    /// For the port of a bridge: questions for addresses that the bridge's neighbour table has do not leave by it (`neigh_suppress`).
    pub suppresses_neighbours: bool,
    /// For a bridge: ports receive only frames of their VLANs.
    pub vlan_filtering: bool,
    /// For a bridge: the VLAN that new ports are in, 0 for none; `None` from a kernel without VLAN filtering.
    pub default_pvid: Option<u16>,
    /// For a bridge that runs the spanning tree protocol.
    pub spanning_tree: Option<SpanningTree>,
    /// For a VLAN device: its VLAN.
    pub vlan_id: Option<u16>,
    /// For a macvlan device: its settings.
    pub macvlan: Option<macvlan::Settings>,
    /// For an ipvlan device: its mode.
    pub ipvlan: Option<ipvlan::Mode>,
    /// For a VXLAN device: its settings.
    pub vxlan: Option<Box<vxlan::Settings>>,
}

/// Whether frames pass a port of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortState {
    /// None do: the port or the bridge is down, or has no carrier.
    Disabled,
    /// They will in a while: the port listens, or learns.
    Waiting,
    /// They do not: the spanning tree sees a loop, or has not looked yet.
    Blocked,
    /// They do.
    Forwarding,
}

// Attributes of a link (`if_link.h`).
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_QDISC: u16 = 6;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_CARRIER: u16 = 33;
const IFLA_MIN_MTU: u16 = 50;
const IFLA_MAX_MTU: u16 = 51;
/// Present when the other end of a veth is in another namespace.
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
const IFLA_BRPORT_MCAST_FLOOD: u16 = 27;
const IFLA_BRPORT_BCAST_FLOOD: u16 = 30;
const IFLA_BRPORT_NEIGH_SUPPRESS: u16 = 32;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VLAN_PROTOCOL: u16 = 5;
/// The protocol of 802.1Q, as on the wire (`if_ether.h`); devices of 802.1ad are of the same kind.
const ETH_P_8021Q: [u8; 2] = [0x81, 0x00];

const RTM_NEWLINK: u16 = 16;
/// The length of a `struct ifinfomsg`; its index and its flags are at these offsets.
const HEADER_BYTES: usize = 16;
const INDEX_OFFSET: usize = 4;
const FLAGS_OFFSET: usize = 8;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_PROMISC: u32 = 0x100;
/// `operstate` (RFC 2863): a device that does not tell, and one that is up.
const OPERSTATES_RUNNING: [u8; 2] = [0, 6];
/// States of a bridge's port (`if_bridge.h`). With others it listens, or learns.
const BR_STATE_DISABLED: u8 = 0;
const BR_STATE_FORWARDING: u8 = 3;
const BR_STATE_BLOCKING: u8 = 4;

impl Link {
    /// By what this end says: `far` is in the namespace that has this number here.
    fn is_other_end_of(&self, far: &Self, number: Option<i32>) -> bool {
        self.kind == "veth" && self.peer == Some(far.index) && number.is_some() && self.peer_namespace == number
    }

    /// Reads an answer to [`get`]; `None` if it carries no link.
    #[must_use]
    pub fn read(object: &Object) -> Option<Self> {
        if object.message_type != RTM_NEWLINK {
            return None;
        }
        let flags = read_u32(&object.payload, FLAGS_OFFSET)?;
        let mut link = Self {
            index: read_u32(&object.payload, INDEX_OFFSET)?,
            is_up: flags & IFF_UP != 0,
            is_loopback: flags & IFF_LOOPBACK != 0,
            is_promiscuous: flags & IFF_PROMISC != 0,
            ..Self::default()
        };
        (link.is_running, link.has_carrier) = (link.is_up, link.is_up);
        for (kind, value) in iterate(object.payload.get(HEADER_BYTES..)?) {
            match kind {
                IFLA_IFNAME => link.name = read_text(value),
                IFLA_IFALIAS => link.alias = Some(read_text(value)),
                IFLA_ADDRESS => link.mac = value.try_into().ok().map(Mac),
                IFLA_MTU => link.mtu = read_u32(value, 0)?,
                IFLA_MIN_MTU => link.mtu_range.0 = read_u32(value, 0).filter(|bytes| *bytes != 0),
                IFLA_MAX_MTU => link.mtu_range.1 = read_u32(value, 0).filter(|bytes| *bytes != 0),
                IFLA_QDISC => link.qdisc = read_text(value),
                IFLA_MASTER => link.master = read_u32(value, 0),
                IFLA_LINK => link.peer = read_u32(value, 0),
                IFLA_LINK_NETNSID => link.peer_namespace = read_u32(value, 0).map(u32::cast_signed),
                IFLA_OPERSTATE => {
                    link.is_running &= value.first().is_some_and(|state| OPERSTATES_RUNNING.contains(state));
                }
                IFLA_CARRIER => link.has_carrier = value.first() != Some(&0),
                IFLA_PROMISCUITY => link.is_promiscuous |= read_u32(value, 0)? > 0,
                IFLA_LINKINFO => link.read_info(value),
                _ => {}
            }
        }
        Some(link)
    }

    fn read_info(&mut self, info: &[u8]) {
        let is_on = |settings, kind| value_of(settings, kind).is_some_and(|value| value.first() != Some(&0));
        for (kind, value) in iterate(info) {
            match kind {
                IFLA_INFO_KIND => self.kind = read_text(value),
                IFLA_INFO_DATA if self.kind == "tun" => self.tap = Some(tap::Settings::read(value)),
                IFLA_INFO_DATA if self.kind == "bridge" => {
                    self.vlan_filtering = is_on(value, IFLA_BR_VLAN_FILTERING);
                    self.default_pvid = value_of(value, IFLA_BR_VLAN_DEFAULT_PVID).and_then(|id| read_u16(id, 0));
                    self.spanning_tree = SpanningTree::read(value);
                }
                IFLA_INFO_DATA if self.kind == "vlan" => {
                    let is_8021q = value_of(value, IFLA_VLAN_PROTOCOL).is_none_or(|found| found == ETH_P_8021Q);
                    self.vlan_id = value_of(value, IFLA_VLAN_ID).filter(|_| is_8021q).and_then(|id| read_u16(id, 0));
                }
                IFLA_INFO_DATA if self.kind == macvlan::KIND => self.macvlan = Some(macvlan::Settings::read(value)),
                IFLA_INFO_DATA if self.kind == vxlan::KIND => self.vxlan = Some(Box::new(vxlan::Settings::read(value))),
                IFLA_INFO_DATA if self.kind == ipvlan::KIND => self.ipvlan = ipvlan::Mode::read(value),
                IFLA_INFO_SLAVE_KIND => self.master_kind = read_text(value),
                IFLA_INFO_SLAVE_DATA if self.master_kind == "bridge" => {
                    self.hairpin = is_on(value, IFLA_BRPORT_MODE);
                    self.isolated = is_on(value, IFLA_BRPORT_ISOLATED);
                    self.suppresses_neighbours = is_on(value, IFLA_BRPORT_NEIGH_SUPPRESS);
                    let is_off = |kind| value_of(value, kind).is_some_and(|value| value.first() == Some(&0));
                    self.learns = !is_off(IFLA_BRPORT_LEARNING);
                    self.floods = ![IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_BCAST_FLOOD]
                        .into_iter()
                        .any(is_off);
                    self.port_state = value_of(value, IFLA_BRPORT_STATE).map(|state| match state.first() {
                        Some(&BR_STATE_DISABLED) => PortState::Disabled,
                        Some(&BR_STATE_FORWARDING) => PortState::Forwarding,
                        Some(&BR_STATE_BLOCKING) => PortState::Blocked,
                        _ => PortState::Waiting,
                    });
                }
                _ => {}
            }
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

/// Finds the end in the socket's namespace of the veth whose other end is the link `far` of the namespace `there`; `None` if
/// there is none. Only what this namespace's link says counts: the numbers of a link that a container may have made prove
/// nothing, because it can choose them.
///
/// # Errors
/// Whatever the kernel says other than that there is none.
pub fn find_other_end(socket: &mut Socket, far: &Link, there: &Namespace) -> Result<Option<Link>, Error> {
    let Some(index) = far.peer.filter(|_| far.kind == "veth" && far.peer_namespace.is_some()) else { return Ok(None) };
    // In this order: to show the link, the kernel numbers the namespace.
    let questions = vec![question(LinkUnspec::new_with_index(index)), there.number_here()];
    let mut answers = socket.batch(questions)?.into_iter();
    let (near, number) = (answers.next().unwrap_or(Ok(None)), answers.next().unwrap_or(Ok(None)));
    let near = match near {
        Ok(answer) => answer.as_ref().and_then(Link::read),
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(error),
    };
    let number = number?.as_ref().and_then(Namespace::read_number);
    Ok(near.filter(|near| near.is_other_end_of(far, number)))
}

/// Whether `near`, of the socket's namespace, is the other end of `far`, a veth of the namespace `there`.
///
/// # Errors
/// The kernel cannot be asked for the namespace.
pub fn is_pair(socket: &mut Socket, near: &Link, far: &Link, there: &Namespace) -> Result<bool, Error> {
    let number = socket.request(there.number_here())?.as_ref().and_then(Namespace::read_number);
    Ok(near.is_other_end_of(far, number))
}

/// Whether `child`, a macvlan, ipvlan or VLAN device of the socket's namespace, is on the link `below` of the namespace `there`.
///
/// # Errors
/// The kernel cannot be asked for the namespace.
pub fn is_on(socket: &mut Socket, child: &Link, below: u32, there: &Namespace) -> Result<bool, Error> {
    if child.peer != Some(below) || child.peer_namespace.is_none() {
        return Ok(false);
    }
    Ok(child.peer_namespace == socket.request(there.number_here())?.as_ref().and_then(Namespace::read_number))
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
        Ok(answer) => Ok(answer.as_ref().and_then(Link::read)),
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

/// The VLAN devices on a link: `ip link show type vlan`, of those the ones with that link below them.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn vlans_on(socket: &mut Socket, below: u32) -> Result<Vec<Link>, Error> {
    let mut links = read_all(socket, of_kind(InfoKind::Vlan).build())?;
    links.retain(|link| link.kind == "vlan" && link.peer == Some(below) && link.peer_namespace.is_none());
    Ok(links)
}

/// The ipvlan devices: `ip link show type ipvlan`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn ipvlans(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    let mut links = read_all(socket, of_kind(InfoKind::IpVlan).build())?;
    links.retain(|link| link.kind == ipvlan::KIND);
    Ok(links)
}

fn read_all(socket: &mut Socket, message: LinkMessage) -> Result<Vec<Link>, Error> {
    socket.expect_large_objects();
    let messages = socket.dump("links", &Request::dump(RouteNetlinkMessage::GetLink(message)))?;
    Ok(messages.iter().filter_map(Link::read).collect())
}

/// `ip link set dev NAME alias ALIAS`. In a creation the kernel ignores the alias, so it takes a message of its own.
#[must_use]
pub fn set_alias(name: &str, alias: &str) -> Request {
    let message = LinkUnspec::new_with_name(name).alias(alias).build();
    Request::change(RouteNetlinkMessage::SetLink(message))
}

/// `ip link set dev OLD name NAME alias ALIAS [addrgenmode none]`, of a link that is down, by its index: one message, so that no kill
/// falls between the two. The last is for a link that has IPv6 and is not to get a link-local address of its own.
#[must_use]
pub fn rename_and_tag(index: u32, name: &str, alias: &str, has_link_local: bool) -> Request {
    let link = LinkUnspec::new_with_index(index).name(name).alias(alias);
    let link = if has_link_local { link } else { without_link_local(link) };
    Request::change(RouteNetlinkMessage::SetLink(link.build()))
}

/// `ip link set dev NAME alias ALIAS addrgenmode none`: a tagged link without a link-local address of its own, nor the frames
/// that look for duplicates of one. One message, because each makes the kernel tell everyone about the link (10 us). The second part
/// is left out with an MTU that is too small for IPv6: the kernel would refuse all of it.
#[must_use]
pub fn set_alias_without_link_local(name: &str, alias: &str, mtu: Option<u32>) -> Request {
    let link = LinkUnspec::new_with_name(name).alias(alias);
    let link = if may_have_ipv6(mtu) { without_link_local(link) } else { link };
    Request::change(RouteNetlinkMessage::SetLink(link.build()))
}

fn without_link_local(link: LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec> {
    if !has_ipv6() {
        return link; // a kernel without IPv6 would refuse all of it
    }
    let setting = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    link.append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![setting]))
}

/// Whether a link with this MTU in bytes may have IPv6; without one it has the kernel's own.
#[must_use]
pub fn may_have_ipv6(mtu: Option<u32>) -> bool {
    mtu.is_none_or(|bytes| bytes >= IPV6_MTU_BYTES)
}

fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// `ip link set dev NAME up`.
#[must_use]
pub fn set_up(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).up().build()))
}

/// `ip link set dev NAME master BRIDGE up`.
#[must_use]
pub fn set_up_in(name: &str, bridge: u32) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).controller(bridge).up().build()))
}

/// `ip link set dev NAME down`.
#[must_use]
pub fn set_down(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).down().build()))
}

/// `ip link set dev NAME promisc on`.
#[must_use]
pub fn set_promiscuous(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).promiscuous(true).build()))
}

/// `ip link set dev NAME promisc off`.
#[must_use]
pub fn unset_promiscuous(name: &str) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).promiscuous(false).build()))
}

/// `ip link set dev NAME master BRIDGE`.
#[must_use]
pub fn set_master(name: &str, bridge: u32) -> Request {
    Request::change(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_name(name).controller(bridge).build()))
}

/// `ip link set dev NAME nomaster`.
#[must_use]
pub fn unset_master(name: &str) -> Request {
    set_master(name, 0)
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

/// The same, by its index.
#[must_use]
pub fn delete_index(index: u32) -> Request {
    Request::change(RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(index).build()))
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
