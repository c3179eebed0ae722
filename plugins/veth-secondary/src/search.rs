//! Which device of the host a configuration means.

use std::fs;
use std::path::{Component, Path, PathBuf};

use attachment::{Device, Session, Side};
use cni::{Call, Error};
use keys::SecondaryKeys;
use netlink::Mac;
use netlink::link::Link;

/// Directories of devices in sysfs.
const DEVICES: &str = "/sys/devices/";
const PCI: &str = "/sys/bus/pci/devices";
const AUXILIARY: &str = "/sys/bus/auxiliary/devices";

/// Drivers that hand a device to a program, past the kernel's network.
const USERSPACE_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// The device by what names it. Several may, if they mean the same device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    device: Option<String>,
    hwaddr: Option<Mac>,
    kernelpath: Option<PathBuf>,
    /// The key, and an address on the PCI bus or the name of an auxiliary device.
    bus: Option<(&'static str, String)>,
}

impl Wanted {
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(keys: &SecondaryKeys, call: &Call) -> Result<Self, Error> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let hwaddr = set(&keys.hwaddr)
            .map(|text| text.parse().map_err(|reason| Error::invalid_config(format!("hwaddr: {reason}"))));
        let given = call.config.capability::<String>("deviceID")?.filter(|id| !id.is_empty());
        let bus = match given {
            Some(id) => Some(("runtimeConfig.deviceID", id)),
            None => set(&keys.pci_bus_id).map(|id| ("pciBusID", id)),
        };
        if let Some((key, id)) = bus.as_ref().filter(|(_, id)| id.contains('/') || id.starts_with('.')) {
            return Err(Error::invalid_config(format!("{key}: '{id}' is no address such as 0000:00:1f.6")));
        }
        let kernelpath = set(&keys.kernelpath).map(PathBuf::from);
        if let Some(path) = kernelpath.as_ref().filter(|path| !is_below_devices(path)) {
            let path = path.display();
            return Err(Error::invalid_config(format!("kernelpath: '{path}' is no directory below {DEVICES}")));
        }
        Ok(Self { device: set(&keys.device), hwaddr: hwaddr.transpose()?, kernelpath, bus })
    }

    /// Something names a device.
    pub(crate) fn is_named(&self) -> bool {
        self.device.is_some() || self.hwaddr.is_some() || self.kernelpath.is_some() || self.bus.is_some()
    }

    /// The name of the device.
    ///
    /// # Errors
    /// Code 7 if nothing names one, if what names it means several or none, or another one each.
    pub(crate) fn find(&self, session: &mut Session) -> Result<String, Error> {
        let mut found: Vec<(&str, String)> = Vec::new();
        found.extend(self.device.clone().map(|name| ("device", name)));
        if let Some(mac) = self.hwaddr {
            found.push(("hwaddr", with_address(session, mac)?));
        }
        if let Some(path) = &self.kernelpath {
            found.push((
                "kernelpath",
                in_directories(session, "kernelpath", &path.display().to_string(), &[path.join("net")])?,
            ));
        }
        if let Some((key, id)) = &self.bus {
            found.push((key, on_bus(session, key, id)?));
        }
        let Some((first, name)) = found.first() else {
            return Err(Error::invalid_config(
                "the device is missing: name it by device, hwaddr, kernelpath or pciBusID, or let the runtime do so by \
                 runtimeConfig.deviceID",
            ));
        };
        match found.iter().find(|(_, other)| other != name) {
            None => Ok(name.clone()),
            Some((key, other)) => Err(Error::invalid_config(format!(
                "{first} means device {name}, and {key} means {other}; remove one of the two"
            ))),
        }
    }
}

fn is_below_devices(path: &Path) -> bool {
    path.starts_with(DEVICES)
        && path != Path::new(DEVICES)
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// The device with an address. What is stacked on a physical one may have the same.
fn with_address(session: &mut Session, mac: Mac) -> Result<String, Error> {
    let links = session.host_links().map_err(|error| nic::error(&error))?;
    let mut found: Vec<&Link> = links.iter().filter(|link| link.mac == Some(mac)).collect();
    if found.len() > 1 {
        found.retain(|link| link.kind.is_empty());
    }
    match found.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => match links.iter().filter(|link| link.mac == Some(mac)).count() {
            0 => Err(Error::invalid_config(format!("hwaddr: no device of the host has the address {mac}"))),
            count => Err(Error::invalid_config(format!(
                "hwaddr: {count} devices of the host have the address {mac}; name one of them in device"
            ))),
        },
    }
}

/// The only network device in the directories, which are those of `what`.
fn in_directories(session: &mut Session, key: &str, what: &str, directories: &[PathBuf]) -> Result<String, Error> {
    let mut found = Vec::new();
    for directory in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let index = fs::read_to_string(entry.path().join("ifindex")).ok();
            let index: Option<u32> = index.and_then(|index| index.trim().parse().ok());
            let link = session.find(&Device { side: Side::Host, name }).map_err(|error| nic::error(&error))?;
            // A sysfs may show another namespace.
            found.extend(link.filter(|link| Some(link.index) == index).map(|link| link.name));
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::invalid_config(format!(
            "{key}: {what} has no network device on the host; look for it in /sys/class/net, or whether a container has it"
        ))),
        several => Err(Error::invalid_config(format!(
            "{key}: {what} has several network devices ({}); name one of them in device",
            several.join(", ")
        ))),
    }
}

/// The network device of a device on the PCI bus, or of an auxiliary one, such as a subfunction.
fn on_bus(session: &mut Session, key: &str, id: &str) -> Result<String, Error> {
    let auxiliary = Path::new(AUXILIARY).join(id);
    let place = if auxiliary.exists() { auxiliary } else { Path::new(PCI).join(id) };
    if !place.exists() {
        return Err(Error::invalid_config(format!("{key}: there is no device {id} on the host")));
    }
    let driver = fs::read_link(place.join("driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    if USERSPACE_DRIVERS.contains(&driver) {
        return Err(Error::invalid_config(format!(
            "{key}: {id} has the driver {driver}, which hands it to a program: the kernel has no network device of it that could \
             move; bind it to its own driver"
        )));
    }
    // Of a virtio device the network device is one level deeper.
    let is_virtio =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("virtio"));
    let below: Vec<PathBuf> =
        fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_virtio).collect();
    let directories: Vec<PathBuf> = [place].into_iter().chain(below).map(|path| path.join("net")).collect();
    in_directories(session, key, id, &directories)
}
