//! Trying out whether the kernel can make what a plugin needs, where nobody is disturbed.

use std::thread;

use attachment::{Creation, Error, Kernel};
use cni::Code;
use netlink::Namespace;
use nix::sched::{CloneFlags, unshare};

use crate::codes::from_attachment;
use crate::interface::Description;

/// Makes the objects in a network namespace that goes with its thread; host and container are the same one there.
///
/// # Errors
/// Code 50 with the object that cannot be made and the kernel's words.
pub fn probe(describe: impl FnOnce() -> Description + Send + 'static) -> Result<(), cni::Error> {
    let tried = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| Error::System {
            action: "make a network namespace to try things out in".to_owned(),
            source: errno.into(),
        })?;
        let mut kernel = Kernel::new(Some(Namespace::own().map_err(Error::Namespace)?));
        Creation::new().make(&mut kernel, describe())
    });
    let result = tried.join().unwrap_or_else(|_| Err(Error::Missing("the thread that tries things out".to_owned())));
    result.map_err(|error| cni::Error::new(Code::NotAvailable, from_attachment(&error).msg))
}
