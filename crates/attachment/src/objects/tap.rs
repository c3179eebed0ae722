//! A TAP device on the host, for a virtual machine.

use netlink::{link, tap};

use crate::{Device, Difference, Error, Identity, Kernel, Object, Side, Step};

/// A TAP device on the host, named after the attachment. The process that opens it (QEMU) is its other end.
#[derive(Debug)]
pub struct Tap {
    /// The attachment.
    pub identity: Identity,
    /// Its MTU in bytes.
    pub mtu: Option<u32>,
    /// The user who may open it.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
}

impl Tap {
    fn device(&self) -> Device {
        Device::host(self.identity.host_name())
    }
}

impl Object for Tap {
    fn refuse_existing(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        match kernel.find(&device)? {
            Some(_) => Err(Error::Exists(format!("TAP device {device}"))),
            None => Ok(()),
        }
    }

    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        let tap = tap::Tap { name: &device.name, owner: self.owner, group: self.group };
        let made =
            kernel.within(Side::Host, || tap.create())?.map_err(Error::refused(format!("make TAP device {device}")))?;
        let mut change = |what: &str, request| {
            kernel.queue(Step::change(Side::Host, format!("{what} {device}"), request));
        };
        change("tag", link::set_alias_without_link_local(&device.name, &self.identity.alias()));
        change("set the address of", link::set_mac(&device.name, self.identity.host_mac()));
        if let Some(bytes) = self.mtu {
            change("set the MTU of", link::set_mtu(&device.name, bytes));
        }
        change("set up", link::set_up(&device.name));
        // It must have its tag before it stays: GC knows it by nothing else.
        kernel.flush()?;
        made.keep().map_err(Error::refused(format!("keep TAP device {device}")))?;
        kernel.mark_made();
        Ok(())
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let device = self.device();
        let label = format!("TAP device {device}");
        Ok(match kernel.find(&device)? {
            None => vec![Difference::missing(label)],
            Some(link) if link.kind != "tun" => vec![Difference::new(label, "a TAP device", link.kind)],
            Some(link) if !link.is_up => vec![Difference::new(label, "up", "down")],
            Some(_) => Vec::new(),
        })
    }

    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        kernel.remove(Side::Host, format!("remove TAP device {device}"), link::delete(&device.name))
    }

    fn commands(&self) -> Vec<String> {
        let device = self.device();
        let owner = self.owner.or(if self.group.is_none() { Some(0) } else { None });
        let user = owner.map(|id| format!(" user {id}")).unwrap_or_default();
        let group = self.group.map(|id| format!(" group {id}")).unwrap_or_default();
        let mtu = self.mtu.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
        vec![
            format!("ip tuntap add dev {device} mode tap vnet_hdr{user}{group}"),
            format!("ip link set {device} addrgenmode none"),
            format!(
                "ip link set {device} address {}{mtu} up alias '{}'",
                self.identity.host_mac(),
                self.identity.alias()
            ),
        ]
    }
}
