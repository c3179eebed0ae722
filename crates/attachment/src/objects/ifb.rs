//! The device whose queues shape what an interface's host side receives.

use netlink::{ifb, link};

use crate::{Device, Difference, Error, Identity, Kernel, Object, Side, Step};

/// An ifb of an attachment, named after it, on the side where its interface's queues are.
#[derive(Debug)]
pub struct Ifb {
    /// The attachment.
    pub identity: Identity,
    /// The container interface that it serves.
    pub interface: String,
    /// Where it is.
    pub side: Side,
}

impl Ifb {
    /// The device.
    #[must_use]
    pub fn device(&self) -> Device {
        Device { side: self.side, name: self.identity.ifb_name(&self.interface) }
    }

    fn alias(&self) -> String {
        self.identity.ifb_alias(&self.interface)
    }

    fn label(&self) -> String {
        format!("ifb {} of {}", self.device(), self.alias())
    }
}

impl Object for Ifb {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        kernel.queue(Step::make(self.side, format!("make {}", self.label()), ifb::create(&device.name)));
        // In the same send as the creation: a kill cannot leave a device without its tag.
        let tag = link::set_alias(&device.name, &self.alias());
        kernel.queue(Step::change(self.side, format!("tag {device}"), tag));
        Ok(())
    }

    /// The kernel says `EOPNOTSUPP` when it has no such kind of link.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Refused { source, .. } if source.errno() == Some(libc::EOPNOTSUPP) => Error::Unsupported {
                feature: format!("device of kind ifb, which {} is to be", self.device()),
                remedy: "load the module with `modprobe ifb numifbs=0`, or use a kernel with CONFIG_IFB".to_owned(),
            },
            error => error,
        }
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let device = self.device();
        let label = format!("ifb {device}");
        Ok(match kernel.find(&device)? {
            None => vec![Difference::missing(label)],
            Some(link) if link.kind != "ifb" => vec![Difference::new(label, "an ifb", link.kind)],
            Some(_) => Vec::new(),
        })
    }

    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = self.device();
        if device.side == Side::Container && !kernel.has_container() {
            return Ok(()); // it has gone with its namespace
        }
        kernel.remove(self.side, format!("remove {}", self.label()), link::delete(&device.name))
    }

    fn commands(&self) -> Vec<String> {
        let device = self.device();
        let (tool, name) = (device.tool("ip"), &device.name);
        vec![
            format!("{tool} link add {name} mtu {} type ifb", ifb::MTU),
            format!("{tool} link set {name} alias '{}'", self.alias()),
        ]
    }
}
