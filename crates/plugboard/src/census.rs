//! What the kernel has of attachments on the host, whatever is recorded of them.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use attachment::{ElementOwner, Identity, OwnedDevice, Session, Tag, owned_devices, owners_of_elements};
use netlink::link::Link;
use serde_json::Value;

use crate::cache::Entry;
use crate::holders::{Holders, opener};

/// The links of the host, and the devices of attachments among them.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) devices: Vec<OwnedDevice>,
    links: Vec<Link>,
    /// The attachments that have elements of the packet filter, and no device of ours.
    without_device: Vec<ElementOwner>,
}

/// What shows that an attachment is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The device of the host; empty if none is known.
    pub(crate) device: String,
    /// Who uses it, in words.
    pub(crate) by: String,
    /// It is known who uses it. Otherwise its namespace may be one that the kernel is just taking apart.
    pub(crate) is_sure: bool,
}

/// How long the kernel may take to take a namespace apart after its last user. Meanwhile its interfaces are there.
const DISMANTLING: Duration = Duration::from_secs(3);

const INTERVAL: Duration = Duration::from_millis(50);

/// Looks until it is sure what is seen, or until it cannot be a namespace that the kernel is just taking apart.
///
/// # Errors
/// Those of `look`.
pub(crate) fn settled<T>(mut look: impl FnMut() -> anyhow::Result<(T, bool)>) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        let (seen, is_sure) = look()?;
        if is_sure || start.elapsed() >= DISMANTLING {
            return Ok(seen);
        }
        thread::sleep(INTERVAL);
    }
}

impl Census {
    /// Lists the links of the host.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let mut session = Session::looking(None, Vec::new());
        let context = "cannot tell which interfaces are in use";
        let devices = owned_devices(&mut session).context(context)?;
        let links = session.host_links().context(context)?;
        // Who may not see the packet filter does without.
        let mut without_device = owners_of_elements(&mut session).unwrap_or_default();
        without_device.retain(|one| {
            let has_device = |device: &OwnedDevice| device.name == one.host_name || device.is_of(&one.owner);
            !devices.iter().any(has_device)
        });
        Ok(Self { devices, links, without_device })
    }

    /// The devices of an attachment.
    pub(crate) fn devices_of<'a>(&'a self, owner: &'a Identity) -> impl Iterator<Item = &'a OwnedDevice> {
        self.devices.iter().filter(|device| device.is_of(owner))
    }

    /// Whether a device is there. One that was given back is no attachment's any more.
    pub(crate) fn has(&self, device: &OwnedDevice) -> bool {
        self.devices.iter().any(|other| (other.index, &other.namespace) == (device.index, &device.namespace))
    }

    /// What shows that the attachment of a record is in use although its namespace is gone as far as the record tells: a process
    /// of a container may end while others live on in its namespace.
    pub(crate) fn usage_of(&self, entry: &Entry, holders: &Holders) -> Option<Usage> {
        let owner = entry.identity();
        self.devices_of(&owner)
            .find_map(|one| usage(one, holders))
            .or_else(|| {
                let holder = holders.of_namespace(entry.namespace_id.as_deref()?)?;
                Some(Usage { device: String::new(), by: format!("{holder} keeps its namespace alive"), is_sure: true })
            })
            .or_else(|| self.usage_of_others(entry, holders))
            .or_else(|| {
                let name = owner.host_name();
                let is_it = self.without_device.iter().any(|one| one.host_name == name);
                is_it.then(|| self.usage_of_port(&owner)).flatten()
            })
    }

    /// The attachments whose NIC is a device that another plugin has made and lent to the bridge, and that may be in use: their
    /// elements of the packet filter name them, and the network's bridge has a port without an alias of ours, whose other end exists.
    pub(crate) fn in_use_without_device(&self) -> impl Iterator<Item = (&ElementOwner, Usage)> {
        self.without_device.iter().filter_map(|one| Some((one, self.usage_of_port(&one.owner)?)))
    }

    fn usage_of_port(&self, owner: &Identity) -> Option<Usage> {
        let bridges = self.links.iter().filter_map(|link| match Tag::of(link) {
            Some(Tag::Shared { by, uplink }) if by == owner.network() && link.kind == "bridge" => {
                Some((link.index, uplink))
            }
            _ => None,
        });
        let mut ports = bridges.flat_map(|(bridge, uplink)| {
            let is_lent = move |link: &&Link| {
                link.master == Some(bridge)
                    && Tag::of(link).is_none()
                    && uplink != Some(link.name.as_str())
                    && (link.kind == "veth" || link.kind == "tun" && link.is_running)
            };
            self.links.iter().filter(is_lent)
        });
        let device = ports.next()?.name.clone();
        let by = "a port of the network's bridge that another plugin has made".to_owned();
        Some(Usage { device, by, is_sure: true })
    }

    /// Of a plugin that is not ours, only the result names the interface on the host.
    pub(crate) fn link_of_others(&self, entry: &Entry) -> Option<&Link> {
        let interfaces = entry.result.as_ref()?.get("interfaces")?.as_array()?;
        let text =
            |interface: &Value, key: &str| interface.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let on_host = interfaces.iter().filter(|interface| text(interface, "sandbox").is_empty());
        let mut found = on_host.filter_map(|interface| {
            let (name, mac) = (text(interface, "name"), text(interface, "mac"));
            self.links.iter().find(|link| {
                link.name == name
                    && link.kind == "veth"
                    && Tag::of(link).is_none()
                    && link.mac.is_some_and(|found| found.to_string().eq_ignore_ascii_case(&mac))
            })
        });
        found.next()
    }

    /// The ports of a bridge that is not ours whose other ends are in namespaces, but for those that the results of `entries` name.
    pub(crate) fn unclaimed_ports<'a>(&'a self, bridge: &str, entries: &[Entry]) -> Vec<&'a str> {
        let of_others = |link: &&Link| link.name == bridge && link.kind == "bridge" && Tag::of(link).is_none();
        let Some(bridge) = self.links.iter().find(of_others) else { return Vec::new() };
        let claimed: Vec<u32> =
            entries.iter().filter_map(|entry| self.link_of_others(entry)).map(|link| link.index).collect();
        let is_one = |link: &&Link| {
            link.master == Some(bridge.index)
                && link.kind == "veth"
                && link.peer_namespace.is_some()
                && Tag::of(link).is_none()
                && !claimed.contains(&link.index)
        };
        self.links.iter().filter(is_one).map(|link| link.name.as_str()).collect()
    }

    /// What shows that the interface of a plugin that is not ours is in use.
    pub(crate) fn usage_of_others(&self, entry: &Entry, holders: &Holders) -> Option<Usage> {
        let link = self.link_of_others(entry)?;
        let holder = link.peer_namespace.and_then(|number| holders.of_number(number));
        Some(Usage { device: link.name.clone(), is_sure: holder.is_some(), by: end_is_there(holder) })
    }
}

/// What shows that a device is in use.
pub(crate) fn usage(device: &OwnedDevice, holders: &Holders) -> Option<Usage> {
    use attachment::InUse;
    let holder = holders.of_device(device);
    // A new TAP device has a carrier for a while, though nobody has it open.
    let is_sure = holder.is_some() || !matches!(device.in_use, Some(InUse::OtherEnd(_) | InUse::Carrier));
    let by = match &device.in_use {
        Some(InUse::OtherEnd(_)) => end_is_there(holder),
        Some(InUse::Container(_)) => format!("the device {}", is_in(holder)),
        Some(InUse::Carrier) => holder
            .map_or("it has a carrier, as if a process had it open".to_owned(), |one| format!("{one} has it open")),
        Some(InUse::Redirection(from)) => format!("{from} sends what it receives through it"),
        // Its user may have switched the carrier off.
        None => format!("{} has it open", opener(&device.name)?),
    };
    Some(Usage { device: device.name.clone(), by, is_sure })
}

fn end_is_there(holder: Option<impl std::fmt::Display>) -> String {
    format!("its other end {}", is_in(holder))
}

fn is_in(holder: Option<impl std::fmt::Display>) -> String {
    match holder {
        Some(holder) => format!("is in a namespace that {holder} keeps alive"),
        None => "is in a namespace that still exists".to_owned(),
    }
}
