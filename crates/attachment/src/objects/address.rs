//! An IP address of a link.

use ipnetwork::IpNetwork;
use netlink::address;
use netlink::layer3::Layer3;

use crate::bridge_mac;
use crate::bridge_members::BridgeMembers;
use crate::{Commons, Device, Difference, Error, Kind, Object, Remedy, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("address");

/// An address of a link.
#[derive(Debug)]
pub struct Address {
    /// The link.
    pub device: Device,
    /// The address with its prefix length.
    pub address: IpNetwork,
    /// What to do about other addresses of the link.
    pub others: Others,
    /// An IPv6 address goes through duplicate detection; it can be used after [`AwaitDetection`](crate::AwaitDetection).
    pub is_detected: bool,
    /// The subnet is on the link, as a route of the kernel's says.
    pub has_route: bool,
}

/// What an address means for the other addresses of its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// The link is the attachment's own.
    Alone,
    /// The link is shared: the address may be there already. Another one of the same family (for IPv6, one whose subnet
    /// overlaps) is in its way.
    Shared {
        /// Those that the same attachment gives to the link, which are in nobody's way. This address may be among them.
        companions: Vec<IpNetwork>,
        /// What is in the way is removed, and is no conflict.
        replaces: bool,
    },
}

/// Whether both cannot be on one shared link.
fn exclude(one: IpNetwork, other: IpNetwork) -> bool {
    match (one, other) {
        (IpNetwork::V4(_), IpNetwork::V4(_)) => true,
        (IpNetwork::V6(one), IpNetwork::V6(other)) => {
            !other.ip().is_unicast_link_local() && (one.contains(other.network()) || other.contains(one.network()))
        }
        _ => false,
    }
}

impl Address {
    fn label(&self) -> String {
        format!("address {} on {}", self.address, self.device)
    }

    /// Whether what is in the way of the address is removed.
    fn replaces(&self) -> bool {
        matches!(self.others, Others::Shared { replaces: true, .. })
    }

    /// Those of the addresses that a shared link has which are in the way of this one. What was in the way of a companion before it
    /// is gone by then.
    fn in_the_way(&self, have: &[IpNetwork]) -> Vec<IpNetwork> {
        let Others::Shared { companions, .. } = &self.others else { return Vec::new() };
        let before = companions.iter().take_while(|companion| **companion != self.address);
        let made: Vec<&IpNetwork> = before.filter(|companion| !have.contains(companion)).collect();
        let others = have.iter().copied().filter(|other| !companions.contains(other));
        let is_left = |other: &IpNetwork| !made.iter().any(|companion| exclude(**companion, *other));
        others.filter(|other| exclude(self.address, *other)).filter(is_left).collect()
    }

    fn conflict(&self, other: IpNetwork) -> Error {
        Error::Conflict {
            object: format!("{}", self.device),
            want: format!("address {}", self.address),
            have: format!("has address {other}"),
            remedy: Remedy::ReplaceAddress,
        }
    }

    fn list(&self, session: &mut Session) -> Result<Vec<IpNetwork>, Error> {
        let index = session.index(&self.device)?;
        address::list(session.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the addresses of {}", self.device)))
    }

    /// The addresses that are about to be replaced come back if this call fails, and the routes that go with them.
    fn restore_on_undo(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = session.known(&self.device)? else { return Ok(()) };
        let (side, action) = (self.device.side, format!("restore the addresses and routes of {}", self.device));
        let had = Layer3::of(session.socket(side)?, &link).map_err(Error::refused(&action))?;
        let (users, device) = (BridgeMembers::of_gateway(session, &self.device)?, self.device.clone());
        session.on_undo_unless(
            move |session| users.is_used(session),
            move |session| {
                if session.find(&device)?.is_some_and(|found| found.index == link.index) {
                    for request in had.restore() {
                        session.queue(Step::change(side, &action, request).tolerating(&[libc::EEXIST]));
                    }
                }
                Ok(())
            },
        );
        Ok(())
    }

    /// A bridge that was no gateway of this family before may not have an address of its own yet.
    fn keep_hardware_address(&self, session: &mut Session) -> Result<(), Error> {
        let members = BridgeMembers::of_gateway(session, &self.device)?;
        if let Some(bridge) = session.find(&Device::host(members.bridge))? {
            bridge_mac::keep(session, &bridge);
        }
        Ok(())
    }

    /// Deals with the addresses that a shared link has. True when ours is among them.
    fn reconcile(&self, session: &mut Session) -> Result<bool, Error> {
        let index = session.index(&self.device)?;
        let have = self.list(session)?;
        if have.contains(&self.address) {
            return Ok(true);
        }
        let in_the_way = self.in_the_way(&have);
        if self.replaces() && !in_the_way.is_empty() {
            self.restore_on_undo(session)?;
        }
        for other in in_the_way {
            if !self.replaces() {
                return Err(self.conflict(other));
            }
            let action = format!("remove address {other} from {}", self.device);
            session.queue(Step::change(self.device.side, action, address::delete(index, other)));
        }
        Ok(false)
    }
}

impl Object for Address {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        match self.device.side {
            Side::Host => Stage::Gateway,
            Side::Container => Stage::Address,
        }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        if self.others != Others::Alone && self.reconcile(session)? {
            return Ok(());
        }
        if self.others != Others::Alone {
            self.keep_hardware_address(session)?;
        }
        let index = session.index(&self.device)?;
        let (side, action) = (self.device.side, format!("add {}", self.label()));
        let request = match (self.is_detected, self.has_route) {
            (true, _) => address::add_with_detection(index, self.address),
            (false, true) => address::add(index, self.address),
            (false, false) => address::add_without_route(index, self.address),
        };
        let step = Step::make(side, action, request);
        session.queue(match self.others {
            Others::Alone => step,
            Others::Shared { .. } => step.tolerating(&[libc::EEXIST]), // another attachment was quicker
        });
        Ok(())
    }

    fn users(&self, session: &mut Session) -> Result<Option<Box<dyn Commons>>, Error> {
        Ok(match self.others {
            Others::Alone => None,
            Others::Shared { .. } => Some(Box::new(BridgeMembers::of_gateway(session, &self.device)?)),
        })
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(link) = session.find(&self.device)? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let is_there = session.listed_addresses(self.device.side)?.contains(&(link.index, self.address));
        Ok(if is_there { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = session.find(&self.device)? else {
            return Ok(());
        };
        session.remove(self.device.side, format!("remove {}", self.label()), address::delete(link.index, self.address))
    }

    fn commands(&self) -> Vec<String> {
        let is_host = self.address.prefix() == if self.address.is_ipv4() { 32 } else { 128 };
        let mut option = match self.address.is_ipv6() {
            true if self.is_detected => "",
            true => " nodad",
            false if is_host => "",
            false => " brd +",
        }
        .to_owned();
        if !self.has_route {
            option.push_str(" noprefixroute");
        }
        let tool = self.device.tool("ip");
        vec![format!("{tool} address add {} dev {}{option}", self.address, self.device.name)]
    }

    /// A conflict is printed as a comment: it may be one with an address that is not known yet.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.others == Others::Alone || session.find(&self.device)?.is_none() {
            return Ok(self.commands());
        }
        let have = self.list(session)?;
        if have.contains(&self.address) {
            return Ok(vec![format!("# {} exists already", self.label())]);
        }
        let in_the_way = self.in_the_way(&have).into_iter();
        let mut commands: Vec<String> = in_the_way
            .map(|other| match self.replaces() {
                true => format!("{} address del {other} dev {}", self.device.tool("ip"), self.device.name),
                false => format!("# this is refused: {}", self.conflict(other)),
            })
            .collect();
        commands.extend(self.commands());
        Ok(commands)
    }
}
