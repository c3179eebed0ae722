//! A child of a link: `macvlan`, `ipvlan`, `vlan`.

use attachment::{Child, Description, Device, Error as Refused, Identity, Session, Side};
use cni::{Call, Code, Command, Error, Success};
use keys::{NicKeys, OnBridgeKeys, SecondaryKeys, TapKeys};
use netlink::child::Sort;
use netlink::link::{LEAST_MTU_BYTES, Link, NAME_BYTES};
use netlink::{ipvlan, layer3, macvlan};
use nic::{Found, Nic, Path, append, expected};
use plugin::Prop;

use crate::config::Kind;
use crate::connection::Connection;

/// The MTU in bytes of a stand-in for a link that nothing is known of (`ETH_DATA_LEN`).
const STAND_IN_MTU_BYTES: u32 = 1500;

/// A NIC that is a child of a link: what is wanted, and what was found.
#[derive(Debug, Clone)]
pub(crate) struct ChildNic {
    nic: Nic,
    sort: Sort,
    /// Whose link the parent is.
    side: Side,
    /// The link that the configuration names, or the previous plugin's result.
    named: Option<String>,
    /// It takes over what the previous plugin's result has, which STATUS does not know.
    is_behind_another: bool,
    /// The addresses and routes of the previous plugin's result, if they become the NIC's.
    taken_over: Option<Success>,
    /// The container's default route goes through the NIC.
    is_default: bool,
    parent: Device,
    found: Found,
}

impl ChildNic {
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(keys: &SecondaryKeys, kind: Kind, call: &Call, identity: Identity) -> Result<Self, Error> {
        let (of_nic, of_tap): (NicKeys, TapKeys) = (call.config.keys()?, call.config.keys()?);
        let on_bridge: OnBridgeKeys = call.config.keys()?;
        let nic = Nic::parse(&of_nic, keys::Device::Veth, &of_tap, call, identity)?;
        let sort = sort(keys, &of_nic, kind)?;
        // The largest is that of the link below it, which is not known yet.
        nic::refuse_mtu(nic.mtu_bytes, "a NIC", (Some(LEAST_MTU_BYTES), None))?;
        if nic.is_mac_asked && !has_own_address(sort) {
            return Err(Error::invalid_config(format!(
                "a hardware address is asked for (by mac, runtimeConfig.mac, args.cni.mac or MAC in CNI_ARGS), but {} has that of \
                 its link; remove it, or use nic \"macvlan\" in another mode",
                if sort.kind() == ipvlan::KIND { "an ipvlan" } else { "a macvlan in mode \"passthru\"" },
            )));
        }
        let has_ipam = call.config.ipam.is_some();
        let previous = previous(kind, call);
        let (side, named) = (side(keys.link_in_container), named(keys, previous)?);
        let is_behind_another = kind == Kind::Ipvlan && named.is_none() && !has_ipam;
        let taken_over = previous.filter(|previous| !has_ipam && !previous.ips.is_empty()).cloned();
        let parent = Device { side, name: named.clone().unwrap_or_else(|| "LINK".to_owned()) };
        let is_default = on_bridge.is_default_gateway;
        let found = Found::default();
        Ok(Self { nic, sort, side, named, is_behind_another, taken_over, is_default, parent, found })
    }

    fn child(&self) -> Child {
        let has_address =
            self.nic.is_mac_asked || (matches!(self.sort, Sort::Macvlan(_)) && has_own_address(self.sort));
        let (mac, mtu) = match self.found.result {
            Some(result) => (result.mac, result.mtu_bytes),
            None => (has_address.then_some(self.nic.mac), self.nic.mtu_bytes),
        };
        let (identity, parent) = (self.nic.identity.clone(), self.parent.clone());
        Child { identity, parent, sort: self.sort, mac, mtu, is_searched: false }
    }

    /// The link that the NIC is a child of: the one that is named, or the device of the default route. For CHECK it is the one that
    /// the NIC is on, because the route may have moved since.
    fn find_parent(&self, is_check: bool, session: &mut Session) -> Result<Option<Link>, Error> {
        let refused = |error: &Refused| nic::error(error);
        if let Some(name) = &self.named {
            let device = Device { side: self.side, name: name.clone() };
            return session.known(&device).map_err(|error| refused(&error));
        }
        if self.side == Side::Container && !session.has_container() {
            return Ok(None);
        }
        let on = match is_check {
            true => session.find(&self.nic.container_interface()).map_err(|error| refused(&error))?,
            false => None,
        };
        let index = match on.and_then(|link| link.peer) {
            Some(index) => Some(index),
            None => {
                let socket = session.socket(self.side).map_err(|error| refused(&error))?;
                layer3::default_link(socket)
                    .map_err(Refused::refused("find the device of the default route"))
                    .map_err(|error| refused(&error))?
            }
        };
        match index {
            Some(index) => session.known_index(self.side, index).map_err(|error| refused(&error)),
            None => Err(Error::invalid_config(format!(
                "link is missing, and {} has no default route whose device could be meant; name the link",
                if self.side == Side::Host { "the host" } else { "the container" },
            ))),
        }
    }

    /// Takes over what depends on the parent.
    fn place_on(&mut self, link: &Link) {
        self.parent.name.clone_from(&link.name);
        self.found.path = Path::of_uplink(Some(link.mtu));
        let is_alike = match self.sort {
            Sort::Vlan(_) => !self.nic.is_mac_asked,
            sort => !has_own_address(sort),
        };
        if let Some(mac) = link.mac.filter(|_| is_alike) {
            self.nic.mac = mac;
        }
    }

    /// An ipvlan in mode `l3` or `l3s` neither asks for neighbours nor answers.
    fn has_neighbours(&self) -> bool {
        !matches!(self.sort, Sort::Ipvlan(ipvlan::Mode::L3 | ipvlan::Mode::L3s))
    }
}

/// Whether the configuration asks for such a NIC, whatever else it says: for DEL, for which it may have become invalid.
pub(crate) fn is_asked_for(call: &Call) -> bool {
    let nic = keys::find(&call.config.object, "nic").and_then(|nic| nic.as_str());
    nic.is_some_and(|nic| Sort::KINDS.contains(&nic))
}

/// The result of the plugin before an ipvlan, which stands on that plugin's link and takes its addresses over where it has no IPAM
/// plugin of its own (`loadConf` and `cmdAdd` of the reference's `ipvlan`).
fn previous(kind: Kind, call: &Call) -> Option<&Success> {
    let is_made = call.environment.command == Command::Add && kind == Kind::Ipvlan;
    call.config.prev_result.as_ref().filter(|_| is_made)
}

/// The only interface of the previous plugin's result.
fn only_interface(previous: &Success) -> Result<String, Error> {
    match previous.interfaces.as_slice() {
        [only] if !only.name.is_empty() => Ok(only.name.clone()),
        interfaces => {
            let names: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
            let found = if names.is_empty() { "no interface".to_owned() } else { names.join(", ") };
            Err(Error::invalid_config(format!(
                "link is missing, and prevResult, whose only interface would be meant, has {found}; name the link"
            )))
        }
    }
}

/// It has an address that somebody can choose.
fn has_own_address(sort: Sort) -> bool {
    match sort {
        Sort::Macvlan(settings) => settings.mode != Some(macvlan::Mode::Passthru),
        Sort::Ipvlan(_) => false,
        Sort::Vlan(_) => true,
    }
}

fn side(is_in_container: bool) -> Side {
    if is_in_container { Side::Container } else { Side::Host }
}

/// The link that the two keys name, or the previous plugin's result.
fn named(keys: &SecondaryKeys, previous: Option<&Success>) -> Result<Option<String>, Error> {
    let set = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let name = match (set(&keys.link), set(&keys.master)) {
        (Some(link), Some(master)) if link != master => {
            return Err(Error::invalid_config(format!(
                "link is {link} and master is {master}, but both mean the link that the NIC is a child of; remove one of the two"
            )));
        }
        (None, None) => previous.map(only_interface).transpose()?,
        (link, master) => link.or(master),
    };
    match name {
        Some(name) if name.len() > NAME_BYTES || name.contains(['/', ' ']) => Err(Error::invalid_config(format!(
            "link: '{name}' cannot be the name of a link: at most {NAME_BYTES} bytes, without '/' and blanks"
        ))),
        name => Ok(name),
    }
}

fn sort(keys: &SecondaryKeys, of_nic: &NicKeys, kind: Kind) -> Result<Sort, Error> {
    let word = keys.mode.as_deref().unwrap_or_default();
    Ok(match kind {
        Kind::Ipvlan => {
            Sort::Ipvlan(ipvlan::Mode::ALL.into_iter().find(|mode| mode.word() == word).unwrap_or(ipvlan::Mode::L2))
        }
        Kind::Vlan => Sort::Vlan(match (of_nic.vlan.0, keys.vlan_id.0) {
            (Some(vlan), Some(other)) if vlan != other => {
                return Err(Error::invalid_config(format!(
                    "vlan is {vlan} and vlanId is {other}, but both mean the NIC's VLAN; remove one of the two"
                )));
            }
            (Some(vlan), _) | (None, Some(vlan)) => vlan,
            (None, None) => {
                return Err(Error::invalid_config(
                    "vlan is missing: the number of the NIC's VLAN on the link, 1 to 4094",
                ));
            }
        }),
        _ => Sort::Macvlan(macvlan::Settings {
            mode: macvlan::Mode::ALL.into_iter().find(|mode| mode.word() == word).or(Some(macvlan::Mode::Bridge)),
            broadcast_queue_length: keys.bc_queue_len.filter(|length| *length != 0),
        }),
    })
}

impl Connection for ChildNic {
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        // A named one that is missing is refused by the child itself.
        if let Some(link) = self.find_parent(call.environment.command == Command::Check, session)? {
            self.place_on(&link);
        }
        Ok(())
    }

    fn describe(&self) -> Description {
        let mut description = Description::new();
        description.own(self.child());
        // Ipvlans all have the address of their link, from which their link-local addresses cannot follow.
        let mac = match self.sort {
            Sort::Ipvlan(_) => self.nic.identity.container_mac(),
            Sort::Macvlan(_) | Sort::Vlan(_) => self.nic.mac(&self.found),
        };
        self.nic.set_up(Some(mac), &mut description);
        description
    }

    fn complete(&self, addressing: &mut Success) -> Result<(), Error> {
        if let Some(taken_over) = &self.taken_over {
            addressing.ips.clone_from(&taken_over.ips);
            addressing.routes.clone_from(&taken_over.routes);
        }
        self.nic.refuse_ipv6(&self.found, addressing)?;
        if self.is_default { nic::by_gateways_of_ipam(addressing) } else { Ok(()) }
    }

    fn addressing(&self, addressing: &Success) -> Description {
        let mut description = Description::new();
        match self.has_neighbours() {
            true => nic::on_link(&self.nic, &self.found, addressing, &mut description),
            false => nic::without_neighbours(&self.nic, &self.found, addressing, &mut description),
        }
        description
    }

    /// The container interface alone, as with the reference.
    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        let device = self.nic.container_interface();
        let made = match session.is_looking() {
            true => None,
            false => session.known(&device).map_err(|error| nic::error(&error))?,
        };
        let mac = made.as_ref().map_or(Some(self.nic.mac), |link| link.mac);
        let mtu = made.map(|link| link.mtu).or_else(|| self.nic.mtu_bytes(&self.found));
        let interfaces = vec![self.nic.own_interface(call, mac, mtu)];
        let previous = call.config.prev_result.clone().unwrap_or_default();
        Ok(match self.taken_over {
            Some(_) => {
                append(Success { ips: Vec::new(), routes: Vec::new(), ..previous }, call, interfaces, addressing)
            }
            None => append(previous, call, interfaces, addressing),
        })
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        expected(call, previous, &mut self.found)
    }

    /// A stand-in for the parent. What is in containers is not known, nor what another plugin makes.
    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        if self.side == Side::Container || self.is_behind_another {
            let name = self.named.clone().unwrap_or_else(|| "link".to_owned());
            self.parent.name.clone_from(&name);
            let mtu_bytes = self.nic.mtu_bytes.unwrap_or_default().max(STAND_IN_MTU_BYTES);
            return Ok(vec![match self.side {
                Side::Container => Prop::DeviceInContainer { name, mtu_bytes },
                Side::Host => Prop::Device { name, mtu_bytes },
            }]);
        }
        let unavailable = |error: Error| Error::new(Code::NotAvailable, error.msg);
        let found = self.find_parent(false, session).map_err(unavailable)?;
        if let Some(link) = &found {
            self.place_on(link);
        }
        self.child().refuse_parent(session).map_err(|error| unavailable(nic::error(&error)))?;
        Ok(found.map(|link| Prop::Device { name: link.name, mtu_bytes: link.mtu }).into_iter().collect())
    }
}
