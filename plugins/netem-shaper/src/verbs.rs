//! The verbs. The shaper makes no interface: its description hangs on those of an earlier plugin.

use attachment::{Creation, Device, Kernel, Lock};
use cni::{Call, Command, Error, Success};
use netlink::Namespace;
use plugin::codes::{all_of, from_attachment, with_more_details};
use plugin::interface::{Description, compare, open_namespace, previous, valid_attachments};
use plugin::probe::probe;

use crate::describe;
use crate::nic::{self, Nic};

/// ADD: returns `prevResult` as it came (ADD-5).
pub(crate) fn add(call: &Call) -> Result<Success, Error> {
    let previous = previous(call)?;
    let attachment = nic::identity(call);
    attachment.check().map_err(|error| from_attachment(&error))?;
    let mut kernel = Kernel::new(Some(open_namespace(call)?));
    // A runtime that gave up on an ADD may call DEL while it still runs.
    let _alone = Lock::of_attachment(&attachment).map_err(|error| from_attachment(&error))?;
    let description = described(call, previous, &mut kernel)?;
    attachment::refuse_existing(&mut kernel, &description).map_err(|error| from_attachment(&error))?;
    let mut creation = Creation::new();
    match creation.make(&mut kernel, description) {
        Ok(()) => Ok(previous.clone()),
        Err(error) => {
            let also: Vec<String> = creation.undo(&mut kernel).iter().map(ToString::to_string).collect();
            Err(with_more_details(from_attachment(&error), &also))
        }
    }
}

/// The queues of all interfaces of a call.
fn described(call: &Call, previous: &Success, kernel: &mut Kernel) -> Result<Description, Error> {
    let shape = shaping_keys::shape(call)?;
    if shape.is_empty() {
        return Ok(Vec::new());
    }
    if call.environment.command == Command::Add {
        shaping_keys::remarks(&shape).into_iter().for_each(plugin::note);
    }
    let mut description = Vec::new();
    for nic in Nic::all(call, previous, kernel)? {
        description.extend(describe::queues(&shape, &nic)?);
    }
    Ok(description)
}

/// DEL: queues go with their device, which the plugin before this one in the chain removes next. They are removed here all
/// the same, because that plugin may keep it. What is named after the attachment is removed without any `prevResult`.
pub(crate) fn del(call: &Call) -> Result<(), Error> {
    let namespace = call.environment.netns.as_deref().and_then(|path| Namespace::open(path).ok());
    let mut kernel = Kernel::new(namespace);
    let previous = call.config.prev_result.clone().unwrap_or_default();
    let attachment = nic::identity(call);
    let _alone = Lock::of_attachment(&attachment).map_err(|error| from_attachment(&error))?;
    let mut errors = Vec::new();
    let names = shaping_keys::interfaces(call).unwrap_or_else(|_| vec![call.environment.if_name.clone()]);
    for name in &names {
        let found = Nic::find(&attachment, name, &previous, names.len() == 1, &mut kernel)?;
        if found.is_none() {
            let ifb = Device::host(attachment.ifb_name(name));
            errors.extend(attachment::unhook_ifb(&mut kernel, &ifb).err());
        }
        errors.extend(attachment::remove(&mut kernel, &describe::remains(&attachment, name, found)));
    }
    all_of(errors.iter().map(from_attachment).collect())
}

/// CHECK: every parameter of every queue.
pub(crate) fn check(call: &Call) -> Result<(), Error> {
    let previous = previous(call)?;
    let mut kernel = Kernel::new(Some(open_namespace(call)?));
    let description = described(call, previous, &mut kernel)?;
    compare(&mut kernel, &description)
}

/// GC: an ifb that belongs to no valid attachment goes; queues go with their device, which the plugin that made it collects.
pub(crate) fn gc(call: &Call) -> Result<(), Error> {
    let valid = valid_attachments(call)?;
    let swept = attachment::sweep(&mut Kernel::new(None), &call.config.name, &valid);
    all_of(swept.iter().map(from_attachment).collect())
}

/// STATUS: the limits of the configuration are valid, and the kernel has the queues that they need: they are put on the
/// loopback device of a namespace made for that.
pub(crate) fn status(call: &Call) -> Result<(), Error> {
    let shape = shaping_keys::shape(call)?;
    describe::of_devices(&shape, &Nic::loopback())?;
    probe(move || describe::queues(&shape, &Nic::loopback()).unwrap_or_default())
}
