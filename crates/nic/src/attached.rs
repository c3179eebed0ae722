//! The NIC: what it is, and the devices that make it.

use attachment::{
    Description, Device, Identity, LinkLocal, LinkUp, Loan, Need, Redirect, Side, Stage, Sysctl, Tap, Veth,
};
use cni::{Call, Error, Success};
use keys::{NicKeys, TapKeys, TapNamespace};
use netlink::Mac;
use netlink::link::{IPV6_MTU_BYTES, LARGEST_MTU_BYTES, LEAST_MTU_BYTES};
use netlink::tap;
use plugin::Allocator;

use crate::contradictions::refuse_contradictions;
use crate::{Found, Path, mac};

/// The NIC as the configuration asks for it.
#[derive(Debug, Clone)]
pub struct Nic {
    /// The attachment.
    pub identity: Identity,
    /// The hardware address that the container or the guest has.
    pub mac: Mac,
    /// That address is one that was asked for.
    pub is_mac_asked: bool,
    /// The MTU that is asked for, in bytes; without one that of the path counts.
    pub mtu_bytes: Option<u32>,
    device: keys::Device,
    tap_namespace: TapNamespace,
    multi_queue: bool,
    owner: Option<u32>,
    group: Option<u32>,
    /// IPv6 addresses go through duplicate detection.
    pub detects_duplicates: bool,
    /// The container interface stays down.
    is_disabled: bool,
    /// Addresses come from an allocator that gives each of them once, and need not be probed for.
    pub(crate) is_allocated: bool,
}

/// What becomes the port of a switch, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attached {
    /// The host interface of a veth pair, whose other end is the container interface.
    Veth,
    /// A TAP device on the host.
    HostTap,
    /// The host interface of a veth pair, whose other end is joined to a TAP device in the container: a device of another
    /// namespace cannot be a port.
    ContainerTap,
    /// A device of the host by its name, which the previous plugin made.
    Device(String),
}

impl Nic {
    /// Parses the keys of a call.
    ///
    /// # Errors
    /// Code 7 naming the key, or those that contradict each other.
    pub fn parse(
        keys: &NicKeys,
        device: keys::Device,
        of_tap: &TapKeys,
        call: &Call,
        identity: Identity,
    ) -> Result<Self, Error> {
        refuse_contradictions(keys, device, of_tap, call)?;
        let asked = mac::asked(call, keys.mac.as_deref())?;
        Ok(Self {
            mac: asked.unwrap_or_else(|| identity.container_mac()),
            is_mac_asked: asked.is_some(),
            identity,
            mtu_bytes: Some(keys.mtu).filter(|bytes| *bytes != 0),
            device,
            tap_namespace: of_tap.tap_namespace.unwrap_or_default(),
            multi_queue: of_tap.multi_queue.unwrap_or_default(),
            owner: of_tap.owner,
            group: of_tap.group,
            detects_duplicates: keys.enabledad,
            is_disabled: keys.disable_container_interface,
            is_allocated: Allocator::of(call).gives_each_once,
        })
    }

    /// How it is connected to its switch.
    pub(crate) fn attached(&self, found: &Found) -> Attached {
        match (&found.lent, self.device, self.tap_namespace) {
            (Some(device), ..) => Attached::Device(device.clone()),
            (None, keys::Device::Veth, _) => Attached::Veth,
            (None, keys::Device::Tap, TapNamespace::Host) => Attached::HostTap,
            (None, keys::Device::Tap, TapNamespace::Container) => Attached::ContainerTap,
        }
    }

    /// The NIC is a TAP device in the container's namespace.
    #[must_use]
    pub fn is_tap_in_container(&self) -> bool {
        self.device == keys::Device::Tap && self.tap_namespace == TapNamespace::Container
    }

    /// The port, by its name on the host.
    #[must_use]
    pub fn port(&self, found: &Found) -> String {
        found.lent.clone().unwrap_or_else(|| self.identity.host_name())
    }

    /// The container has an interface that can be used.
    #[must_use]
    pub fn has_interface(&self, found: &Found) -> bool {
        self.attached(found) == Attached::Veth && !self.is_disabled
    }

    /// The MTU in bytes: for CHECK that of the result, else the one that is asked for, else that of the path.
    #[must_use]
    pub fn mtu_bytes(&self, found: &Found) -> Option<u32> {
        match found.result {
            Some(result) => result.mtu_bytes,
            None => self.mtu_bytes.or(found.path.mtu_bytes),
        }
    }

    /// The least and the largest MTU in bytes of the devices that are made for it.
    fn mtu_range(&self) -> (u32, u32) {
        let largest = if self.device == keys::Device::Tap { tap::LARGEST_MTU_BYTES } else { LARGEST_MTU_BYTES };
        (LEAST_MTU_BYTES, largest)
    }

    /// Fails if an MTU is asked for that the devices that are made for the NIC cannot have.
    ///
    /// # Errors
    /// Code 7 naming the bound.
    pub fn refuse_mtu(&self) -> Result<(), Error> {
        let (least, largest) = self.mtu_range();
        let kind = if self.device == keys::Device::Tap { "a TAP device" } else { "a NIC" };
        refuse_mtu(self.mtu_bytes, kind, (Some(least), Some(largest)))
    }

    /// A path with an MTU that the devices that are made for the NIC can have: a larger one of the path's is cut.
    #[must_use]
    pub fn fit(&self, path: Path) -> Path {
        let (_, largest) = self.mtu_range();
        Path { mtu_bytes: path.mtu_bytes.map(|bytes| bytes.min(largest)), ..path }
    }

    /// The hardware address: for CHECK that of the result.
    #[must_use]
    pub fn mac(&self, found: &Found) -> Mac {
        found.result.and_then(|result| result.mac).unwrap_or(self.mac)
    }

    /// IPv6 needs an MTU that not all links have.
    ///
    /// # Errors
    /// Code 7 for an IPv6 address on a link with a smaller one.
    pub fn refuse_ipv6(&self, found: &Found, addressing: &Success) -> Result<(), Error> {
        let Some(mtu) = self.mtu_bytes(found).filter(|bytes| *bytes < IPV6_MTU_BYTES) else { return Ok(()) };
        match addressing.ips.iter().find(|ip| ip.address.is_ipv6()) {
            Some(ip) => Err(Error::invalid_config(format!(
                "{} cannot be used with an MTU of {mtu} bytes: IPv6 needs {IPV6_MTU_BYTES}; raise mtu, or leave IPv6 out of ipam",
                ip.address
            ))),
            None => Ok(()),
        }
    }

    /// The container interface.
    #[must_use]
    pub fn container_interface(&self) -> Device {
        Device::container(self.identity.if_name())
    }

    /// The devices of the NIC, from the port to the container's end, set up. `switch` is the bridge that a lent device becomes a
    /// port of.
    pub fn describe(&self, found: &Found, switch: &str, description: &mut Description) {
        match self.attached(found) {
            Attached::Veth => {
                description.own(self.veth(found, false));
                self.set_up(Some(self.mac(found)), description);
            }
            Attached::HostTap => _ = description.own(self.tap(found, Side::Host)),
            Attached::ContainerTap => {
                let (joint, tap) = (Device::container(self.identity.joint_name()), self.container_interface());
                description.own(self.veth(found, true)).own(self.tap(found, Side::Container));
                description.own(Redirect { from: joint.clone(), to: tap.clone() });
                description.own(Redirect { from: tap, to: joint.clone() }).own(LinkUp { device: joint });
            }
            Attached::Device(device) => _ = description.own(Loan::new(device, switch)),
        }
    }

    /// What sets the container interface up, unless it stays down: with the link-local address that follows from `mac`, or else
    /// the one that the kernel gives it, which is in use at once likewise.
    pub fn set_up(&self, mac: Option<Mac>, description: &mut Description) {
        if self.is_disabled {
            return;
        }
        let (device, is_detected) = (self.container_interface(), self.detects_duplicates);
        if is_detected {
            // RFC 7527: a question of our own that comes back (hairpinMode) is not taken for a duplicate.
            let otherwise = "where a switch sends frames back, an address may be taken for a duplicate of itself";
            description.own(self.container_setting("enhanced_dad", "1", Need::Precaution { otherwise }));
            description.own(self.container_setting("accept_dad", "1", Need::IfAny));
        } else if mac.is_none() {
            let otherwise = "its link-local address of IPv6 can be used a second later";
            description.own(self.container_setting("accept_dad", "0", Need::Precaution { otherwise }));
        }
        if let Some(mac) = mac {
            description.own(LinkLocal { device: device.clone(), mac, is_detected });
        }
        description.own(LinkUp { device });
    }

    /// An IPv6 setting of the container interface.
    fn container_setting(&self, setting: &str, value: &'static str, need: Need) -> Sysctl {
        let path = format!("net/ipv6/conf/{}/{setting}", self.identity.if_name());
        Sysctl { side: Side::Container, path, value, need, stage: Stage::Setting }
    }

    fn veth(&self, found: &Found, joint: bool) -> Veth {
        let container_mac = if joint { self.identity.joint_mac() } else { self.mac(found) };
        let (identity, mtu) = (self.identity.clone(), self.mtu_bytes(found));
        Veth { identity, container_mac, joint, mtu, is_disabled: self.is_disabled }
    }

    /// In the container the device has the address of the guest's NIC, as the result says: whoever starts the machine may
    /// take it from there.
    fn tap(&self, found: &Found, side: Side) -> Tap {
        Tap {
            identity: self.identity.clone(),
            side,
            mac: if side == Side::Host { self.identity.host_mac() } else { self.mac(found) },
            mtu: self.mtu_bytes(found),
            owner: self.owner,
            group: self.group,
            multi_queue: self.multi_queue,
        }
    }
}

/// Fails if an MTU in bytes that is asked for is beyond the least or the largest that `kind` can have.
///
/// # Errors
/// Code 7 naming the bound.
pub fn refuse_mtu(asked: Option<u32>, kind: &str, range: (Option<u32>, Option<u32>)) -> Result<(), Error> {
    let Some(asked) = asked else { return Ok(()) };
    let refused = |bound: &str, bytes: u32| {
        Err(Error::invalid_config(format!("mtu: {asked} bytes are asked for, but {kind} can have {bound} {bytes}")))
    };
    match range {
        (Some(least), _) if asked < least => refused("no less than", least),
        (_, Some(largest)) if asked > largest => refused("at most", largest),
        _ => Ok(()),
    }
}
