//! The verbs of a plugin that makes an interface, over its description.
//!
//! The plugin says what must exist; here it is made, compared and removed, and the delegate for addresses runs meanwhile.

use std::path::Path;
use std::thread;
use std::time::Duration;

use attachment::{Creation, Device, Identity, Kernel, Lock, Object, Tag};
use cni::{Call, Code, Command, Error, Success};
use netlink::link::Link;
use netlink::{Mac, Namespace};

use crate::codes::{all_met, all_of, from_attachment, with_more_details};
use crate::ipam::{Ipam, Work};

/// CHECK may come right after ADD, before the last carrier is up (CHK-7): it looks this often, with a pause between.
const CHECK_ATTEMPTS: u32 = 10;
const CHECK_PAUSE: Duration = Duration::from_millis(20);

/// The objects of one side of a description.
pub type Description = Vec<Box<dyn Object>>;

/// What a plugin that makes an interface has to say.
pub trait Interface: Sized {
    /// Reads and validates the configuration.
    ///
    /// # Errors
    /// Code 7 naming the key.
    fn read(call: &Call, identity: Identity) -> Result<Self, Error>;

    /// Asks the kernel what the description depends on: an MTU that the configuration leaves to the path, devices that
    /// others made. Nothing is changed here. The lock for shared objects may be held from then on.
    ///
    /// # Errors
    /// Code 7 or 102 for what cannot serve; the kernel cannot be asked.
    fn survey(&mut self, _call: &Call, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    /// The links of the attachment and what they hang on.
    fn links(&self) -> Description;

    /// What DEL removes. Names follow from the identity, so that a configuration that ADD refuses, or that has become
    /// invalid since, keeps nothing from being removed.
    fn remains(call: &Call, identity: Identity, kernel: &mut Kernel) -> Description;

    /// Completes what IPAM returned: gateways, default routes, resolver.
    ///
    /// # Errors
    /// Code 7 where the answer does not fit the configuration.
    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error>;

    /// The addresses, routes and settings of the links.
    fn addressing(&self, addressing: &Success) -> Description;

    /// The interfaces for the result, in order, with the place of the container's; `None` where that is an earlier plugin's.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn interfaces(&self, kernel: &mut Kernel, sandbox: &str) -> Result<(Vec<cni::Interface>, Option<usize>), Error>;

    /// The container interface is made here, and not an earlier plugin's. Known after [`Interface::survey`].
    fn makes_nic(&self) -> bool {
        true
    }

    /// For CHECK: the container interface is as the final result says, whoever made it so (CHK-3).
    fn expect(&mut self, mac: Option<Mac>, mtu: Option<u32>);

    /// For STATUS: what the plugin needs is there.
    ///
    /// # Errors
    /// Code 50 with what is missing.
    fn probe(&self) -> Result<(), Error>;
}

/// Who the attachment of a call is.
#[must_use]
pub fn identity(call: &Call) -> Identity {
    let environment = &call.environment;
    Identity::new(&call.config.name, &environment.container_id, &environment.if_name)
}

/// Waits until no other call is at work on the attachment: a runtime that gave up on an ADD may call DEL, or ADD again,
/// while the first one still runs.
fn serialise(identity: &Identity) -> Result<Lock, Error> {
    Lock::of_attachment(identity).map_err(|error| from_attachment(&error))
}

/// Opens the container's namespace.
///
/// # Errors
/// Code 8 when there is none at the path.
pub fn open_namespace(call: &Call) -> Result<Namespace, Error> {
    let path = call.environment.netns.as_deref().unwrap_or(Path::new(""));
    Namespace::open(path).map_err(|error| from_attachment(&attachment::Error::Namespace(error)))
}

/// ADD.
///
/// # Errors
/// Whatever failed; then everything this call made is gone again, the delegate's addresses included.
pub fn add<I: Interface>(call: &Call) -> Result<Success, Error> {
    let identity = identity(call);
    identity.check().map_err(|error| from_attachment(&error))?;
    let _alone = serialise(&identity)?;
    let mut interface = I::read(call, identity)?;
    let namespace = open_namespace(call)?;
    let ipam = Ipam::find(call)?;
    let mut kernel = Kernel::new(Some(namespace));
    interface.survey(call, &mut kernel)?;
    // Before the delegate runs: undoing a repeated ADD would release the address of the first.
    attachment::refuse_existing(&mut kernel, &interface.links()).map_err(|error| from_attachment(&error))?;
    let mut work = ipam.start(Command::Add, call)?;
    let mut creation = Creation::new();
    let made = make(&interface, call, &mut kernel, &mut creation, &mut work);
    made.map_err(|error| {
        let mut also: Vec<String> = creation.undo(&mut kernel).iter().map(ToString::to_string).collect();
        let _ = work.wait(); // it must have ended before it is told to release
        also.extend(ipam.run(Command::Del, call).err().map(|error| error.msg));
        with_more_details(error, &also)
    })
}

fn make<I: Interface>(
    interface: &I,
    call: &Call,
    kernel: &mut Kernel,
    creation: &mut Creation,
    work: &mut Work,
) -> Result<Success, Error> {
    let refused = |error: attachment::Error| from_attachment(&error);
    creation.make(kernel, interface.links()).map_err(refused)?;
    let mut addressing = work.wait()?;
    if call.config.ipam.is_some() && addressing.ips.is_empty() {
        return Err(Error::invalid_config("the IPAM plugin returned no address"));
    }
    interface.complete(call, &mut addressing)?;
    creation.make(kernel, interface.addressing(&addressing)).map_err(refused)?;

    let sandbox = call.environment.netns.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    let (interfaces, own) = interface.interfaces(kernel, &sandbox)?;
    Ok(merge(call, interfaces, own, addressing))
}

/// The previous plugin's result with ours behind it (ADD-5).
fn merge(call: &Call, interfaces: Vec<cni::Interface>, own: Option<usize>, addressing: Success) -> Success {
    let mut result = call.config.prev_result.clone().unwrap_or_default();
    let own = match own {
        Some(place) => Some(result.interfaces.len() + place),
        None => listed(call, &result).map(|(place, _)| place),
    };
    result.interfaces.extend(interfaces);
    result.ips.extend(addressing.ips.into_iter().map(|ip| cni::IpConfig { interface: own, ..ip }));
    result.routes.extend(addressing.routes);
    if addressing.dns != cni::Dns::default() {
        result.dns = addressing.dns;
    }
    result.extra.extend(addressing.extra);
    result
}

/// DEL. Works without the namespace, without `prevResult`, after a failed or killed ADD, and again (DEL-3 to DEL-8).
///
/// # Errors
/// Everything that could not be removed, after all else has been.
pub fn del<I: Interface>(call: &Call) -> Result<(), Error> {
    let identity = identity(call);
    let _alone = serialise(&identity)?;
    let namespace = call.environment.netns.as_ref().and_then(|_| open_namespace(call).ok());
    let mut kernel = Kernel::new(namespace);
    let remains = I::remains(call, identity, &mut kernel);
    let failed = attachment::remove(&mut kernel, &remains);
    let mut errors: Vec<Error> = failed.iter().map(from_attachment).collect();
    // Its addresses may go to others at once, who would meet the rules and the NIC of this attachment.
    errors.extend(Ipam::find(call).and_then(|ipam| ipam.run(Command::Del, call)).err());
    all_of(errors)
}

/// CHECK.
///
/// # Errors
/// Code 104 with every difference; the delegate's own error.
pub fn check<I: Interface>(call: &Call) -> Result<(), Error> {
    let previous = previous(call)?;
    let mut interface = I::read(call, identity(call))?;
    let mut kernel = Kernel::new(Some(open_namespace(call)?));
    let mut work = Ipam::find(call)?.start(Command::Check, call)?;
    interface.survey(call, &mut kernel)?;
    let found = listed(call, previous);
    if interface.makes_nic() {
        let (_, own) = found.ok_or_else(|| not_listed(call))?;
        interface.expect(own.mac.parse().ok(), own.mtu);
    }
    let own = found.map(|(place, _)| place);
    let expected = Success {
        ips: previous.ips.iter().filter(|ip| ip.interface.is_none() || ip.interface == own).cloned().collect(),
        routes: previous.routes.clone(),
        ..Success::default()
    };
    let mut objects = interface.links();
    objects.extend(interface.addressing(&expected));
    let compared = compare(&mut kernel, &objects);
    work.wait()?;
    compared
}

/// Compares the objects with the kernel, with time to converge (CHK-7).
///
/// # Errors
/// Code 104 with every difference.
pub fn compare(kernel: &mut Kernel, objects: &[Box<dyn Object>]) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        let differences = attachment::differences(kernel, objects).map_err(|error| from_attachment(&error))?;
        if differences.is_empty() || attempt == CHECK_ATTEMPTS {
            return all_met(&differences);
        }
        attempt += 1;
        thread::sleep(CHECK_PAUSE);
    }
}

/// The result that CHECK compares with (CHK-2).
///
/// # Errors
/// Code 7 without one.
pub fn previous(call: &Call) -> Result<&Success, Error> {
    call.config
        .prev_result
        .as_ref()
        .ok_or_else(|| Error::invalid_config("prevResult is missing: the runtime must pass the result of ADD"))
}

/// The container interface in a result, with its place.
fn listed<'a>(call: &Call, result: &'a Success) -> Option<(usize, &'a cni::Interface)> {
    let (name, netns) = (&call.environment.if_name, call.environment.netns.as_deref());
    let mut interfaces = result.interfaces.iter().enumerate();
    interfaces.find(|(_, interface)| interface.name == *name && netns == Some(Path::new(&interface.sandbox)))
}

fn not_listed(call: &Call) -> Error {
    let netns = call.environment.netns.as_deref().unwrap_or(Path::new("")).display();
    Error::invalid_config(format!("prevResult has no interface {} in {netns}", call.environment.if_name))
}

/// GC: removes what belongs to no valid attachment of this network (GC-1).
///
/// # Errors
/// Everything that could not be removed, after all else has been (GC-3).
pub fn gc<I: Interface>(call: &Call) -> Result<(), Error> {
    let valid = valid_attachments(call)?;
    let mut errors: Vec<Error> =
        attachment::sweep(&mut Kernel::new(None), &call.config.name, &valid).iter().map(from_attachment).collect();
    errors.extend(Ipam::find(call).and_then(|ipam| ipam.run(Command::Gc, call)).err());
    all_of(errors)
}

/// The attachments that stay. A missing list is refused: taken for an empty one, it would remove everything (GC-8).
///
/// # Errors
/// Code 7 without a list.
pub fn valid_attachments(call: &Call) -> Result<Vec<Identity>, Error> {
    let Some(valid) = &call.config.valid_attachments else {
        return Err(Error::invalid_config(
            "cni.dev/valid-attachments is missing: GC needs the list of attachments to keep; an empty list keeps none",
        ));
    };
    Ok(valid.iter().map(|id| Identity::new(&call.config.name, &id.container_id, &id.if_name)).collect())
}

/// STATUS: the plugin's needs and the delegate's (STA-5).
///
/// # Errors
/// Code 50, or the delegate's own.
pub fn status<I: Interface>(call: &Call) -> Result<(), Error> {
    let identity = Identity::new(&call.config.name, "status", "eth0");
    identity.check().map_err(|error| from_attachment(&error))?;
    I::read(call, identity)?.probe()?;
    Ipam::find(call)?.run(Command::Status, call)
}

/// A bridge for a result. One that was made here keeps its address; an operator's may have changed it with its new port, and
/// is asked for anew.
///
/// # Errors
/// It is not there.
pub fn bridge_interface(kernel: &mut Kernel, name: &str) -> Result<cni::Interface, Error> {
    let device = Device::host(name);
    let refused = |error| from_attachment(&error);
    let is_ours = |link: &&Link| link.alias.as_deref().and_then(Tag::read).is_some();
    let link = match kernel.seen(&device).map_err(refused)?.filter(is_ours).cloned() {
        Some(link) => link,
        None => kernel
            .find(&device)
            .map_err(refused)?
            .ok_or_else(|| Error::new(Code::Internal, format!("{name} has gone while ADD was at work")))?,
    };
    Ok(cni::Interface {
        name: link.name,
        mac: link.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        mtu: Some(link.mtu),
        ..cni::Interface::default()
    })
}
