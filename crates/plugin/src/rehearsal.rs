//! Trying out, without disturbing anybody, whether the kernel can make what a plugin needs.

use std::thread;

use attachment::{Error, Session, Side, Step};
use netlink::{Mac, Namespace, link, veth, vlan};
use nix::sched::{CloneFlags, unshare};

/// What stands in for something of this host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prop {
    /// A device that is up, of that name and MTU in bytes.
    Device {
        /// Its name.
        name: String,
        /// Its MTU in bytes.
        mtu_bytes: u32,
    },
    /// The same in the container.
    DeviceInContainer {
        /// Its name.
        name: String,
        /// Its MTU in bytes.
        mtu_bytes: u32,
    },
    /// A VLAN device that is up.
    Vlan {
        /// Its name.
        name: String,
        /// The device that carries it.
        below: String,
        /// The VLAN.
        id: u16,
    },
}

/// Runs `work` on a host with one container; both vanish with their thread.
///
/// # Errors
/// Those of `work`; the host cannot be made.
pub(crate) fn on_another_host(
    props: Vec<Prop>,
    work: impl FnOnce(&mut Session) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let tried = thread::spawn(move || {
        let original = Namespace::own().map_err(Error::Namespace)?;
        leave()?;
        let container = Namespace::own().map_err(Error::Namespace)?;
        leave()?;
        let mut session = Session::rehearsing(container, original);
        props.iter().try_for_each(|prop| prop.put_up(&mut session))?;
        work(&mut session)
    });
    tried.join().unwrap_or_else(|_| Err(Error::Missing("the thread that tries things out".to_owned())))
}

/// For a network namespace of one's own.
fn leave() -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| Error::System {
        action: "make a network namespace to try things out in".to_owned(),
        source: errno.into(),
    })
}

impl Prop {
    fn put_up(&self, session: &mut Session) -> Result<(), Error> {
        let action = format!("put up a device to try things out with ({self:?})");
        let pair = |namespace: &Namespace, name: &str, mtu_bytes| {
            let mac = || Mac::random().map_err(Error::refused(&action));
            let peer = veth::Peer { namespace, name: "far-end", mac: mac()? };
            let pair = veth::NewVeth { name, mac: mac()?, mtu: Some(link::LARGEST_MTU_BYTES.min(mtu_bytes)), peer };
            Ok(vec![pair.create(), link::set_up("far-end"), link::set_up(name)])
        };
        let own = Namespace::own().map_err(Error::Namespace)?; // open until it has been sent
        let requests = match self {
            Self::Device { name, mtu_bytes } => pair(&own, name, *mtu_bytes)?,
            Self::DeviceInContainer { name, mtu_bytes } => pair(session.container()?, name, *mtu_bytes)?,
            Self::Vlan { name, below, id } => {
                let below = session.index(&attachment::Device::host(below))?;
                vec![vlan::NewVlan { name, below, id: *id }.create(), link::set_up(name)]
            }
        };
        let side = if matches!(self, Self::DeviceInContainer { .. }) { Side::Container } else { Side::Host };
        for request in requests {
            session.queue(Step::change(side, &action, request));
        }
        session.flush()
    }
}
