//! The host's own interface in a VLAN of a bridge, for the gateway's addresses of that VLAN.

use netlink::bridge_vlan::{self, Of, Vlans};
use netlink::link::{self, Link};
use netlink::vlan::{self, NewVlan};

use crate::bridge_members::{self, BridgeMembers};
use crate::{
    Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Remedy, Session, Shared, Side,
    Stage, State, Step, Sysctl, Tag,
};

static KIND: Kind = Kind::found("gateway in a VLAN");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// A VLAN device on top of a bridge, and the bridge itself as a member of that VLAN, without which its host receives none of
/// the VLAN's frames. The attachments on the bridge share it, and it goes with the last of them.
///
/// It is made when the bridge has a port: without one it may have no address yet, and the kernel then refuses both.
#[derive(Debug)]
pub struct GatewayVlan {
    members: BridgeMembers,
    /// The network whose tag it gets when it is made.
    network: String,
    id: u16,
}

impl GatewayVlan {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// That of VLAN `id` on a bridge. It gets the tag of `network` when it is made.
    pub fn new(bridge: impl Into<String>, network: impl Into<String>, id: u16) -> Self {
        Self { members: BridgeMembers { bridge: bridge.into() }, network: network.into(), id }
    }

    /// Those of all VLANs of a bridge, to be released: which were made here, their tags tell.
    pub fn all_on(bridge: impl Into<String>) -> Self {
        Self::new(bridge, "", 0)
    }

    fn bridge(&self) -> &str {
        &self.members.bridge
    }

    /// The reference gives its gateways the same names.
    fn device(&self) -> Device {
        Device::host(format!("{}.{}", self.bridge(), self.id))
    }

    /// The VLAN devices on the bridge that were made here.
    fn all_made_here(&self, session: &mut Session) -> Result<Vec<Link>, Error> {
        let bridge = match session.known(&Device::host(self.bridge()))? {
            Some(bridge) if bridge.vlan_filtering => bridge,
            _ => return Ok(Vec::new()),
        };
        let action = format!("list the VLAN devices on bridge {}", bridge.name);
        let mut devices = link::vlans_on(session.socket(Side::Host)?, bridge.index).map_err(Error::refused(action))?;
        devices.retain(Tag::is_shared);
        Ok(devices)
    }

    fn label(&self) -> String {
        format!("VLAN device {}", self.device())
    }

    /// What a link of its name is instead.
    fn contradiction(&self, found: &Link, bridge: u32) -> Option<String> {
        if found.kind != vlan::KIND {
            return Some(format!("of kind {:?}", found.kind));
        }
        if found.peer != Some(bridge) || found.peer_namespace.is_some() {
            return Some("a VLAN device on another link".to_owned());
        }
        found.vlan_id.filter(|id| *id != self.id).map(|id| format!("the device of VLAN {id}"))
    }

    fn refuse(&self, found: &Link, bridge: u32) -> Result<(), Error> {
        match self.contradiction(found, bridge) {
            None => Ok(()),
            Some(have) => Err(Error::Conflict {
                object: format!("link {}", found.name),
                want: format!("the device of VLAN {} on bridge {} there", self.id, self.bridge()),
                have: format!("is {have}"),
                remedy: Remedy::act("remove the link, or choose another name for the bridge"),
            }),
        }
    }

    /// Makes it with its tag, in one send.
    fn make_device(&self, session: &mut Session, bridge: u32) -> Result<(), Error> {
        let name = self.device().name;
        let device = NewVlan { name: &name, below: bridge, id: self.id };
        session.queue(Step::make(Side::Host, format!("make {}", self.label()), device.create()));
        let tag = link::set_alias(&name, &Tag::shared(&self.network));
        session.queue(Step::change(Side::Host, format!("tag {}", self.label()), tag));
        session.flush().map_err(|error| self.explain(error))?;
        Sysctl::no_router_advertisements(&self.device().name).create(session)
    }

    /// An operator's device that is down is as it was if this call fails, and so is the bridge.
    fn leave_as_it_was(&self, session: &mut Session, bridge: u32) -> Result<(), Error> {
        let (device, id) = (self.device(), self.id);
        let is_member = self.membership(session, bridge)?.is_some();
        let setting = Sysctl::no_router_advertisements(&device.name);
        let before = setting.read(session)?;
        let members = self.members.clone();
        session.on_undo_unless(
            move |session| members.is_used(session),
            move |session| {
                if session.find(&device)?.is_none() {
                    return Ok(());
                }
                session.queue(Step::change(
                    Side::Host,
                    format!("set {device} down again"),
                    link::set_down(&device.name),
                ));
                if !is_member {
                    let action = format!("take the bridge itself out of VLAN {id}");
                    let request = bridge_vlan::delete(Of::Bridge(bridge), &[Vlans::tagged(id, id)]);
                    session.queue(Step::change(Side::Host, action, request).tolerating(&[libc::ENOENT]));
                }
                before.map_or(Ok(()), |before| setting.set(session, &before))
            },
        );
        Ok(())
    }

    /// `EOPNOTSUPP` is all that the kernel says when it has no such links.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Refused { source, .. } if source.errno() == Some(libc::EOPNOTSUPP) => {
                Error::no_vlan_devices(&format!("the gateway {}", self.device()))
            }
            other => other,
        }
    }

    /// The bridge's own membership, if it has one.
    fn membership(&self, session: &mut Session, bridge: u32) -> Result<Option<Vlans>, Error> {
        let action = format!("list the VLANs of bridge {}", self.bridge());
        let own = bridge_vlan::list(session.socket(Side::Host)?, Of::Bridge(bridge)).map_err(Error::refused(action))?;
        Ok(own.into_iter().find(|vlans| (vlans.first..=vlans.last).contains(&self.id)))
    }

    /// A VLAN that the bridge's host has without tags already would be taken from it.
    fn join(&self, session: &mut Session, bridge: u32) -> Result<(), Error> {
        match self.membership(session, bridge)? {
            Some(have) if have.is_pvid || have.is_untagged => Err(Error::Conflict {
                object: format!("bridge {}", self.bridge()),
                want: format!("its gateway there, which takes VLAN {} with tags", self.id),
                have: format!("itself has VLAN {} without tags", self.id),
                remedy: Remedy::Act(format!(
                    "change that with `bridge vlan add dev {} vid {} self`",
                    self.bridge(),
                    self.id
                )),
            }),
            Some(_) => Ok(()),
            None => {
                let action = format!("put bridge {} itself into VLAN {}", self.bridge(), self.id);
                let vlans = [Vlans::tagged(self.id, self.id)];
                session.queue(Step::change(Side::Host, action, bridge_vlan::add(Of::Bridge(bridge), &vlans)));
                Ok(())
            }
        }
    }
}

/// All on the bridge of the attachment.
fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let bridge = bridge_members::of_attachment(session, identity)?;
    let all = |bridge| Item::Shared(Box::new(GatewayVlan::all_on(bridge)));
    Ok(bridge.map(all).into_iter().collect())
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let bridges = bridge_members::of_network(session, network)?;
    Ok(bridges.into_iter().map(|bridge| Found::shared(GatewayVlan::all_on(bridge))).collect())
}

impl Shared for GatewayVlan {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    fn name(&self) -> String {
        self.label()
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(self.members.clone())
    }

    /// A device that is up is complete; one that is not may have been left by a call that was killed.
    fn look(&self, session: &mut Session) -> Result<State, Error> {
        let Some(bridge) = session.known(&Device::host(self.bridge()))? else { return Ok(State::Lacking) };
        let Some(found) = session.find(&self.device())? else { return Ok(State::Lacking) };
        self.refuse(&found, bridge.index)?;
        Ok(if found.is_up { State::Whole } else { State::Lacking })
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let bridge = session.index(&Device::host(self.bridge()))?;
        let device = self.device();
        match session.find(&device)? {
            Some(found) => {
                self.refuse(&found, bridge)?;
                if !Tag::is_shared(&found) {
                    self.leave_as_it_was(session, bridge)?;
                }
                Sysctl::no_router_advertisements(&device.name).create(session)?;
            }
            None => self.make_device(session, bridge)?,
        }
        self.join(session, bridge)?;
        session.queue(Step::change(Side::Host, format!("set {} up", self.label()), link::set_up(&device.name)));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(found) = session.find(&self.device())? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let Some(bridge) = session.find(&Device::host(self.bridge()))?.map(|link| link.index) else {
            return Ok(Vec::new()); // the bridge's own object says so
        };
        let mut differences = Vec::new();
        if let Some(have) = self.contradiction(&found, bridge) {
            let want = format!("the device of VLAN {} on bridge {}", self.id, self.bridge());
            differences.push(Difference::new(format!("link {}", found.name), want, have));
        } else if !found.is_up {
            differences.push(Difference::new(self.label(), "up", "down"));
        }
        if self.membership(session, bridge)?.is_none() {
            differences.push(Difference::missing(format!("VLAN {} of bridge {} itself", self.id, self.bridge())));
        }
        Ok(differences)
    }

    /// Removes all that were made here from the bridge. Each device goes last: a call that is killed before has left it to be found by
    /// the next.
    fn release(&self, session: &mut Session) -> Result<(), Error> {
        for device in self.all_made_here(session)? {
            if let (Some(id), Some(bridge)) = (device.vlan_id, device.peer) {
                let action = format!("take bridge {} itself out of VLAN {id}", self.bridge());
                let membership = [Vlans::tagged(id, id)];
                session.remove(Side::Host, action, bridge_vlan::delete(Of::Bridge(bridge), &membership))?;
            }
            session.remove(Side::Host, format!("remove VLAN device {}", device.name), link::delete(&device.name))?;
        }
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let name = self.device().name;
        let mut commands = vec![
            format!("ip link add link {} name {name} type vlan id {}", self.bridge(), self.id),
            format!("ip link set {name} alias '{}'", Tag::shared(&self.network)),
        ];
        commands.extend(Sysctl::no_router_advertisements(&self.device().name).commands());
        commands.push(format!("bridge vlan add dev {} vid {} self", self.bridge(), self.id));
        commands.push(format!("ip link set {name} up"));
        commands
    }

    /// Of one that was left half done, all but the device itself.
    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.look(session)? == State::Whole {
            return Ok(vec![format!("# {} exists already", self.label())]);
        }
        let mut commands = self.commands();
        if session.find(&self.device())?.is_some() {
            commands.retain(|command| !command.starts_with("ip link add "));
        }
        Ok(commands)
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let mut commands = Vec::new();
        for device in self.all_made_here(session)? {
            if let Some(id) = device.vlan_id {
                commands.push(format!("bridge vlan del dev {} vid {id} self", self.bridge()));
            }
            commands.push(format!("ip link delete {}", device.name));
            session.count_as_gone(device.name);
        }
        Ok(commands)
    }
}
