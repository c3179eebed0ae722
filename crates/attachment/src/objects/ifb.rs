//! The device whose queues shape what an interface's host side receives.

use netlink::{ifb, link};

use crate::{Device, Difference, Error, Identity, Kernel, Object, Side, Step};

/// An ifb of an attachment, named after it, on the side where its interface's queues are.
#[derive(Debug)]
pub struct Ifb {
    /// The attachment.
    pub identity: Identity,
    /// Where it is.
    pub side: Side,
    /// Its MTU in bytes: that of the interface.
    pub mtu: u32,
}

impl Ifb {
    /// The device.
    #[must_use]
    pub fn device(&self) -> Device {
        Device { side: self.side, name: self.identity.ifb_name() }
    }
}

impl Object for Ifb {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        kernel.queue(Step::make(self.side, format!("make ifb {device}"), ifb::create(&device.name, self.mtu)));
        // In the same send as the creation: a kill cannot leave a device without its tag.
        let tag = link::set_alias(&device.name, &self.identity.alias());
        kernel.queue(Step::change(self.side, format!("tag {device}"), tag));
        kernel.flush().map_err(|error| explain(error, &device))
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let device = self.device();
        let label = format!("ifb {device}");
        Ok(match kernel.find(&device)? {
            None => vec![Difference::missing(label)],
            Some(link) if link.kind != "ifb" => vec![Difference::new(label, "an ifb", link.kind)],
            Some(link) if !link.is_up => vec![Difference::new(label, "up", "down")],
            Some(_) => Vec::new(),
        })
    }

    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        kernel.remove(self.side, format!("remove ifb {device}"), link::delete(&device.name))
    }

    fn commands(&self) -> Vec<String> {
        let device = self.device();
        let tool = device.tool("ip");
        vec![
            format!("{tool} link add {} mtu {} up type ifb", device.name, self.mtu),
            format!("{tool} link set {} alias '{}'", device.name, self.identity.alias()),
        ]
    }
}

/// The kernel says `EOPNOTSUPP` when it has no such kind of link.
fn explain(error: Error, device: &Device) -> Error {
    match error {
        Error::Refused { source, .. } if source.errno() == Some(libc::EOPNOTSUPP) => Error::Unsupported {
            feature: format!("device of kind ifb, which {device} is to be"),
            remedy: "load the module with `modprobe ifb numifbs=0`, or use a kernel with CONFIG_IFB".to_owned(),
        },
        error => error,
    }
}
