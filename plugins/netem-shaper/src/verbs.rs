//! The verbs. The shaper makes no interface: its description hangs on one of an earlier plugin.

use attachment::{Creation, Kernel};
use cni::{Call, Error, Success};
use netlink::Namespace;
use netlink::link::Link;
use plugin::codes::{all_of, from_attachment, with_more_details};
use plugin::interface::{compare, open_namespace, previous, valid_attachments};
use plugin::probe::probe;

use crate::{config, describe, device};

/// ADD: returns `prevResult` as it came (ADD-5).
pub(crate) fn add(call: &Call) -> Result<Success, Error> {
    let previous = previous(call)?;
    let shape = config::shape(call)?;
    let mut kernel = Kernel::new(Some(open_namespace(call)?));
    if shape.is_empty() {
        return Ok(previous.clone());
    }
    let link = device::find(call, previous, &mut kernel)?.ok_or_else(|| device::missing(call, previous))?;
    let mut creation = Creation::new();
    match creation.make(&mut kernel, describe::queues(&shape.download, &link)?) {
        Ok(()) => Ok(previous.clone()),
        Err(error) => {
            let also: Vec<String> = creation.undo(&mut kernel).iter().map(ToString::to_string).collect();
            Err(with_more_details(from_attachment(&error), &also))
        }
    }
}

/// DEL: the queues go with the device, which the plugin before this one in the chain removes next. They are removed here
/// all the same, because that plugin may keep it.
pub(crate) fn del(call: &Call) -> Result<(), Error> {
    let Some(previous) = &call.config.prev_result else {
        return Ok(());
    };
    let namespace = call.environment.netns.as_deref().and_then(|path| Namespace::open(path).ok());
    let mut kernel = Kernel::new(namespace);
    let Some(link) = device::find(call, previous, &mut kernel)? else {
        return Ok(());
    };
    let errors = attachment::remove(&mut kernel, &describe::any_queue(&link));
    all_of(errors.iter().map(from_attachment).collect())
}

/// CHECK: every parameter of every queue.
pub(crate) fn check(call: &Call) -> Result<(), Error> {
    let previous = previous(call)?;
    let shape = config::shape(call)?;
    let mut kernel = Kernel::new(Some(open_namespace(call)?));
    if shape.is_empty() {
        return Ok(());
    }
    let link = device::find(call, previous, &mut kernel)?.ok_or_else(|| device::missing(call, previous))?;
    compare(&mut kernel, &describe::queues(&shape.download, &link)?)
}

/// GC: the queues of an attachment go with its device, which the plugin that made it collects.
pub(crate) fn gc(call: &Call) -> Result<(), Error> {
    valid_attachments(call).map(drop)
}

/// STATUS: the limits of the configuration are valid, and the kernel has the queues that they need: they are put on the
/// loopback device of a namespace made for that.
pub(crate) fn status(call: &Call) -> Result<(), Error> {
    let shape = config::shape(call)?;
    let loopback = Link { name: "lo".to_owned(), mtu: 1500, ..Link::default() };
    let queues = move || describe::queues(&shape.download, &loopback).unwrap_or_default();
    probe(queues)
}
