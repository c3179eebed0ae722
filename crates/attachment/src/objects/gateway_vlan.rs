//! The host's own interface in a VLAN of a bridge, for the gateway's addresses of that VLAN.

use netlink::bridge_vlan::{self, Of, Vlans};
use netlink::link::{self, Link};
use netlink::vlan::{self, Vlan};

use crate::shared::is_made_here;
use crate::{Device, Difference, Error, Kernel, Object, Side, Step, Sysctl, Tag};

/// A VLAN device on top of a bridge, and the bridge itself as a member of that VLAN, without which its host receives none of
/// the VLAN's frames. The attachments on the bridge share it, and it goes with the last of them.
///
/// It stands behind the bridge's port: a bridge without one may have no address yet, and the kernel then refuses both. The
/// [`Bridge`](crate::Bridge) before it has its `gateway_vlan`, and with that the lock for making it.
#[derive(Debug)]
pub struct GatewayVlan {
    /// The bridge.
    pub bridge: String,
    /// The network whose tag it gets when it is made.
    pub network: String,
    /// The VLAN.
    pub id: u16,
}

/// The device of a VLAN on a bridge; the reference gives its gateways the same names.
pub(crate) fn device_on(bridge: &str, id: u16) -> Device {
    Device::host(format!("{bridge}.{id}"))
}

impl GatewayVlan {
    fn device(&self) -> Device {
        device_on(&self.bridge, self.id)
    }

    fn label(&self) -> String {
        format!("VLAN device {}", self.device())
    }

    /// What a link of its name is instead.
    fn contradiction(&self, found: &Link, bridge: u32) -> Option<String> {
        if found.kind != vlan::KIND {
            return Some(format!("of kind {:?}", found.kind));
        }
        if found.peer != Some(bridge) || found.is_peer_elsewhere {
            return Some("a VLAN device on another link".to_owned());
        }
        found.vlan_id.filter(|id| *id != self.id).map(|id| format!("the device of VLAN {id}"))
    }

    fn refuse(&self, found: &Link, bridge: u32) -> Result<(), Error> {
        match self.contradiction(found, bridge) {
            None => Ok(()),
            Some(have) => Err(Error::Conflict {
                object: format!("link {}", found.name),
                want: format!("the device of VLAN {} on bridge {} there", self.id, self.bridge),
                have: format!("is {have}"),
                remedy: "remove the link, or choose another name for the bridge".to_owned(),
            }),
        }
    }

    /// Makes it with its tag, in one send.
    fn make(&self, kernel: &mut Kernel, bridge: u32) -> Result<(), Error> {
        let name = self.device().name;
        let device = Vlan { name: &name, below: bridge, id: self.id };
        kernel.queue(Step::make(Side::Host, format!("make {}", self.label()), device.create()));
        let tag = link::set_alias(&name, &Tag::shared(&self.network));
        kernel.queue(Step::change(Side::Host, format!("tag {}", self.label()), tag));
        kernel.flush().map_err(|error| self.explain(error))?;
        Sysctl::no_router_advertisements(&self.device().name).create(kernel)
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
    fn membership(&self, kernel: &mut Kernel, bridge: u32) -> Result<Option<Vlans>, Error> {
        let action = format!("list the VLANs of bridge {}", self.bridge);
        let own = bridge_vlan::list(kernel.socket(Side::Host)?, Of::Bridge(bridge)).map_err(Error::refused(action))?;
        Ok(own.into_iter().find(|vlans| (vlans.first..=vlans.last).contains(&self.id)))
    }

    /// A VLAN that the bridge's host has without tags already would be taken from it.
    fn join(&self, kernel: &mut Kernel, bridge: u32) -> Result<(), Error> {
        match self.membership(kernel, bridge)? {
            Some(have) if have.is_pvid || have.is_untagged => Err(Error::Conflict {
                object: format!("bridge {}", self.bridge),
                want: format!("its gateway there, which takes VLAN {} with tags", self.id),
                have: format!("itself has VLAN {} without tags", self.id),
                remedy: format!("change that with `bridge vlan add dev {} vid {} self`", self.bridge, self.id),
            }),
            Some(_) => Ok(()),
            None => {
                let action = format!("put bridge {} itself into VLAN {}", self.bridge, self.id);
                let vlans = [Vlans::tagged(self.id, self.id)];
                kernel.queue(Step::change(Side::Host, action, bridge_vlan::add(Of::Bridge(bridge), &vlans)));
                Ok(())
            }
        }
    }
}

impl Object for GatewayVlan {
    /// A device that is up is complete; one that is not may have been left by a call that was killed.
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let bridge = kernel.index(&Device::host(&self.bridge))?;
        let device = self.device();
        match kernel.find(&device)? {
            Some(found) => {
                self.refuse(&found, bridge)?;
                if found.is_up {
                    return Ok(());
                }
                Sysctl::no_router_advertisements(&self.device().name).create(kernel)?;
            }
            None => self.make(kernel, bridge)?,
        }
        self.join(kernel, bridge)?;
        kernel.queue(Step::change(Side::Host, format!("set {} up", self.label()), link::set_up(&device.name)));
        Ok(())
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let Some(found) = kernel.find(&self.device())? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let Some(bridge) = kernel.find(&Device::host(&self.bridge))?.map(|link| link.index) else {
            return Ok(Vec::new()); // the bridge's own object says so
        };
        let mut differences = Vec::new();
        if let Some(have) = self.contradiction(&found, bridge) {
            let want = format!("the device of VLAN {} on bridge {}", self.id, self.bridge);
            differences.push(Difference::new(format!("link {}", found.name), want, have));
        } else if !found.is_up {
            differences.push(Difference::new(self.label(), "up", "down"));
        }
        if self.membership(kernel, bridge)?.is_none() {
            differences.push(Difference::missing(format!("VLAN {} of bridge {} itself", self.id, self.bridge)));
        }
        Ok(differences)
    }

    /// The bridge's object removes it, when no attachment is left there.
    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let name = self.device().name;
        let mut commands = vec![
            format!("ip link add link {} name {name} type vlan id {}", self.bridge, self.id),
            format!("ip link set {name} alias '{}'", Tag::shared(&self.network)),
        ];
        commands.extend(Sysctl::no_router_advertisements(&self.device().name).commands());
        commands.push(format!("bridge vlan add dev {} vid {} self", self.bridge, self.id));
        commands.push(format!("ip link set {name} up"));
        commands
    }
}

/// Removes those that were made here from a bridge without attachments. The device goes last: a call that is killed before has
/// left it to be found by the next.
pub(crate) fn tear_down(kernel: &mut Kernel, bridge: &Link) -> Result<(), Error> {
    if !bridge.vlan_filtering {
        return Ok(());
    }
    let action = format!("list the VLAN devices on bridge {}", bridge.name);
    let devices = link::vlans_on(kernel.socket(Side::Host)?, bridge.index).map_err(Error::refused(action))?;
    for device in devices.iter().filter(|device| is_made_here(device)) {
        if let Some(id) = device.vlan_id {
            let action = format!("take bridge {} itself out of VLAN {id}", bridge.name);
            let membership = [Vlans::tagged(id, id)];
            kernel.remove(Side::Host, action, bridge_vlan::delete(Of::Bridge(bridge.index), &membership))?;
        }
        kernel.remove(Side::Host, format!("remove VLAN device {}", device.name), link::delete(&device.name))?;
    }
    Ok(())
}
