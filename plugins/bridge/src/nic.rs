//! What the attachment hangs on the bridge by: a NIC made here, or a device of the previous plugin's.

use attachment::{Borrowed, Device, Identity, LinkLocal, Redirect, Side, Tap, Up, Veth};
use cni::Call;
use plugin::interface::Description;

use crate::config::{Nic, TapNamespace};
use crate::describe::Bridged;

/// What becomes the port of the bridge, and what is behind it.
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

impl Bridged {
    pub(crate) fn attached(&self) -> Attached {
        match (&self.adopted, self.keys.nic, self.keys.tap_namespace) {
            (Some(device), ..) => Attached::Device(device.clone()),
            (None, Nic::Veth, _) => Attached::Veth,
            (None, Nic::Tap, TapNamespace::Host) => Attached::HostTap,
            (None, Nic::Tap, TapNamespace::Container) => Attached::ContainerTap,
        }
    }

    /// The port of the bridge.
    pub(crate) fn port(&self) -> String {
        self.adopted.clone().unwrap_or_else(|| self.identity.host_name())
    }

    /// The container has an interface that can be used.
    pub(crate) fn has_interface(&self) -> bool {
        self.attached() == Attached::Veth && !self.keys.disable_container_interface
    }

    /// The NIC, from the port to the container's end. `port` is all that has to be there before a frame passes.
    pub(crate) fn nic(&self, port: Description) -> Description {
        let mut nic: Description = Vec::new();
        match self.attached() {
            Attached::Veth => nic.push(Box::new(self.veth(false))),
            Attached::HostTap => nic.push(Box::new(self.tap(Side::Host))),
            Attached::ContainerTap => nic.push(Box::new(self.veth(true))),
            Attached::Device(device) => nic.push(Box::new(Borrowed::new(device, &self.keys.bridge))),
        }
        nic.extend(port);
        if self.attached() == Attached::ContainerTap {
            nic.extend(self.joined_tap());
        }
        if self.has_interface() {
            nic.extend(self.container_links());
        }
        nic
    }

    /// What sets the container interface up.
    fn container_links(&self) -> Description {
        let (device, is_detected) = (self.container_interface(), self.keys.enabledad);
        let mut links: Description = Vec::new();
        if is_detected {
            // RFC 7527: a question of our own that comes back (hairpinMode) is not taken for a duplicate.
            links.push(self.container_setting("enhanced_dad", "1"));
            links.push(self.container_setting("accept_dad", "1"));
        }
        links.push(Box::new(LinkLocal { device: device.clone(), mac: self.mac, is_detected }));
        links.push(Box::new(Up { device }));
        links
    }

    fn joined_tap(&self) -> Description {
        let (joint, tap) = (Device::container(self.identity.joint_name()), self.container_interface());
        vec![
            Box::new(self.tap(Side::Container)),
            Box::new(Redirect { from: joint.clone(), to: tap.clone() }),
            Box::new(Redirect { from: tap, to: joint.clone() }),
            Box::new(Up { device: joint }),
        ]
    }

    fn veth(&self, joint: bool) -> Veth {
        let container_mac = if joint { self.identity.joint_mac() } else { self.mac };
        let is_disabled = self.keys.disable_container_interface;
        Veth { identity: self.identity.clone(), container_mac, joint, mtu: self.mtu(), is_disabled }
    }

    /// In the container the device has the address of the guest's NIC, as the result says: whoever starts the machine may
    /// take it from there.
    fn tap(&self, side: Side) -> Tap {
        Tap {
            identity: self.identity.clone(),
            side,
            mac: if side == Side::Host { self.identity.host_mac() } else { self.mac },
            mtu: self.mtu(),
            owner: self.keys.owner,
            group: self.keys.group,
            multi_queue: self.keys.multi_queue,
        }
    }
}

/// For DEL: what may be left of a NIC. The host interface takes everything with it but a TAP device in the container.
pub(crate) fn remains(call: &Call, identity: Identity) -> Description {
    let container_mac = identity.container_mac();
    let veth = Veth { identity: identity.clone(), container_mac, joint: false, mtu: None, is_disabled: false };
    let mut remains: Description = vec![Box::new(veth)];
    // As it is written, not as it is read: the configuration may have become invalid.
    let is = |key: &str, value: &str| call.config.object.get(key).is_some_and(|found| found == value);
    if is("nic", "tap") && is("tapNamespace", "container") {
        let (side, mac) = (Side::Container, container_mac);
        let tap = Tap { identity, side, mac, mtu: None, owner: None, group: None, multi_queue: false };
        remains.push(Box::new(tap));
    }
    remains
}
