//! The record of an attachment.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ::attachment::{Identity, OwnedDevice, Session, owned_devices};
use netlink::link::{self, Link};
use netlink::{Namespace, Socket};
use serde_json::Value;

use super::result;
use crate::attachment::Attachment;
use crate::holders::Holders;
use crate::machine;
use crate::namespace;

/// The namespace that plugboard runs in.
const OWN: &str = "/proc/thread-self/ns/net";

/// An attachment as remembered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) network: String,
    /// With the namespace's path as it was at ADD.
    pub(crate) attachment: Attachment,
    /// The network's configuration as it was at ADD.
    pub(crate) config: Vec<u8>,
    /// The result of ADD; `None` if ADD has not finished.
    pub(crate) result: Option<Value>,
    /// What told the namespace from others; `None` when another runtime has made the attachment.
    pub(crate) namespace_id: Option<String>,
}

impl Entry {
    /// Which attachment it is.
    pub(crate) fn identity(&self) -> Identity {
        let Attachment { container_id, if_name, .. } = &self.attachment;
        Identity::new(&self.network, container_id, if_name)
    }

    /// The attachment as it is now. If its path (of a process as a rule) is gone, or leads to another namespace, where nothing is ours
    /// to take down, its namespace may live on by somebody else: that one's path then, and none if the namespace is gone.
    pub(crate) fn current(&self) -> Attachment {
        let netns = match &self.attachment.netns {
            Some(path) if machine::is_one(path) => Some(path).filter(|path| machine::is_held(path)).cloned(),
            Some(path) if self.is_anothers(path) => {
                tracing::warn!(
                    "{} on network '{}': {} is the namespace of somebody else by now: its {0} has another hardware address",
                    self.attachment.if_name,
                    self.network,
                    path.display()
                );
                None
            }
            Some(_) if self.is_stale() => self.namespace_id.as_deref().and_then(|id| Holders::look().path_of(id)),
            path => path.clone(),
        };
        Attachment { netns, ..self.attachment.clone() }
    }

    /// The entry with its namespace, which is at `path` if the entry does not name it: libcni before 1.2 names none.
    pub(crate) fn in_namespace(mut self, path: &Path) -> Self {
        self.attachment.netns.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Whether both are about the same interface of the same container on the same network.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.attachment, &other.attachment);
        self.network == other.network && ours.container_id == theirs.container_id && ours.if_name == theirs.if_name
    }

    /// Whether the namespace is known to be gone, or a machine's device.
    pub(crate) fn is_stale(&self) -> bool {
        match self.attachment.netns.as_deref() {
            Some(path) if machine::is_one(path) => self.has_device() == Some(false),
            Some(path) => !self.is_here() && namespace::is_gone(path, self.namespace_id.as_deref()),
            None => false,
        }
    }

    /// Where it was set up, in words.
    pub(crate) fn place(&self) -> &'static str {
        match &self.attachment.netns {
            Some(path) if machine::is_one(path) => "its TAP device",
            _ => "the namespace that it was set up in",
        }
    }

    /// Whether there is a device of the attachment on the host, whatever its name is now. `None` if that cannot be told.
    pub(crate) fn has_device(&self) -> Option<bool> {
        let devices = owned_devices(&mut Session::looking(None, Vec::new())).ok()?;
        let owner = self.identity();
        Some(devices.iter().any(|device| device.is_of(&owner)))
    }

    /// Whether there is a TAP device of the attachment on the host. `None` if that cannot be told.
    pub(crate) fn has_tap(&self) -> Option<bool> {
        let owner = self.identity();
        let links = link::list(&mut Socket::open().ok()?).ok()?;
        let is_its = |link: &Link| OwnedDevice::of(link).is_some_and(|device| device.is_of(&owner));
        Some(links.iter().any(|link| link.kind == "tun" && is_its(link)))
    }

    /// Whether plugboard itself runs in its namespace. A path of a process is no proof: its number may be another one's by now.
    pub(crate) fn is_here(&self) -> bool {
        let number = |path: &Path| fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
        match (&self.namespace_id, &self.attachment.netns) {
            (Some(id), _) => namespace::is_at(Path::new(OWN), id),
            (None, Some(path)) if !path.starts_with("/proc") => {
                number(path).is_some_and(|one| number(Path::new(OWN)) == Some(one))
            }
            _ => false,
        }
    }

    /// The namespace at this path has the interface with another hardware address than it was made with, and nothing else tells
    /// whether it is the right one.
    fn is_anothers(&self, path: &Path) -> bool {
        let look = || {
            let recorded = self.recorded_mac()?;
            let mut socket = Namespace::open(path).ok()?.socket().ok()?;
            let found = link::find(&mut socket, &self.attachment.if_name).ok()??.mac?;
            Some(!found.to_string().eq_ignore_ascii_case(&recorded))
        };
        self.namespace_id.is_none() && look().unwrap_or(false)
    }

    /// The namespace has an interface with the hardware address that this one was made with.
    pub(crate) fn is_renamed(&self) -> bool {
        let look = || {
            let recorded = self.recorded_mac()?;
            let mut socket = Namespace::open(self.attachment.netns.as_deref()?).ok()?.socket().ok()?;
            let links = link::list(&mut socket).ok()?;
            Some(links.iter().any(|link| link.mac.is_some_and(|mac| mac.to_string().eq_ignore_ascii_case(&recorded))))
        };
        look().unwrap_or(false)
    }

    /// The hardware address of the container interface in the result of ADD.
    fn recorded_mac(&self) -> Option<String> {
        let mut inside = result::in_sandboxes(self.result.as_ref()?).map(|(interface, _)| interface);
        let interface = inside.find(|one| one.get("name").and_then(Value::as_str) == Some(&self.attachment.if_name))?;
        interface.get("mac")?.as_str().filter(|mac| !mac.is_empty()).map(str::to_owned)
    }
}
