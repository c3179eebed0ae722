//! The interfaces to shape, and where their queues go.

use std::path::Path;

use attachment::{Device, Identity, Ifb, ReferenceIfb, Session, Side, Tag};
use cni::{Call, Command, Error, Interface, IpConfig, Success};
use netlink::Mac;
use netlink::link::Link;
use plugin::call::identity;
use plugin::codes::from_attachment;

use crate::switch::Switch;

/// A NIC of the container.
#[derive(Debug, Clone)]
pub(crate) struct Nic {
    /// The attachment of the call.
    pub(crate) attachment: Identity,
    /// Its own name, which may be another one than that of the call.
    pub(crate) name: String,
    /// The device with the queues: the host's end of the NIC, out of the container's reach; or the NIC itself where it has no
    /// other end, or one that is a port of Open vSwitch.
    pub(crate) device: Device,
    /// The device sends what the NIC receives: it is the NIC's other end, or a TAP device. Otherwise it is the NIC itself.
    pub(crate) is_far_end: bool,
    /// Where the device is a TAP device: what joins it to its switch, if the queues of what the machine sends are there.
    pub(crate) joint: Option<Device>,
    /// The NIC's end on the host, where that is not the device: earlier releases have put the queues there.
    pub(crate) former: Option<Device>,
    /// The device is a port of Open vSwitch itself.
    pub(crate) is_port: bool,
    /// That device's MTU in bytes.
    pub(crate) mtu: u32,
}

impl Nic {
    fn new(attachment: &Identity, name: &str, side: Side, link: Link) -> Self {
        Self {
            attachment: attachment.clone(),
            name: name.to_owned(),
            is_far_end: side == Side::Host || link.kind == "tun",
            device: Device { side, name: link.name },
            joint: None,
            former: None,
            is_port: false,
            mtu: link.mtu,
        }
    }

    /// The loopback device of a namespace in which things are tried out. It stands for devices of all MTUs, so it has the least
    /// (RFC 791): a burst that is too small for it is too small for all.
    pub(crate) fn loopback() -> Self {
        let link = Link { name: "lo".to_owned(), mtu: 576, ..Link::default() };
        Self::new(&Identity::new("", "status", "lo"), "lo", Side::Host, link)
    }

    /// Finds the devices behind all interfaces of a call.
    ///
    /// # Errors
    /// Code 7 naming the one that has none; the kernel cannot be asked.
    pub(crate) fn all(call: &Call, previous: &Success, session: &mut Session) -> Result<Vec<Self>, Error> {
        let names = shaping_keys::interfaces(call)?;
        names
            .iter()
            .map(|name| {
                let search = Search { call, attachment: identity(call), name, previous, is_only: names.len() == 1 };
                let found = search.run(session).map_err(|error| from_attachment(&error))?;
                found.ok_or_else(|| missing(call, name, previous))
            })
            .collect()
    }
}

/// The search for the device behind a NIC, whichever plugin made it.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub(crate) call: &'a Call,
    pub(crate) attachment: Identity,
    /// The NIC's own name.
    pub(crate) name: &'a str,
    pub(crate) previous: &'a Success,
    /// The call is for this NIC alone.
    pub(crate) is_only: bool,
}

impl Search<'_> {
    /// The device that this project names after the attachment; else the other end of the NIC's veth; else the one device of the
    /// host in the result that can be it, if the NIC is the only one; else the NIC itself. What is found on the host and is a port of
    /// Open vSwitch gives way to the NIC itself. `None` when there is none, or when it is another attachment's: the namespace of a
    /// DEL may be somebody else's by now.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn run(&self, session: &mut Session) -> Result<Option<Nic>, attachment::Error> {
        let nic = self.attachment.beside(self.name);
        let found = |side, link| self.nic(side, link);
        let own = Device::host(nic.host_name());
        if let Some(link) = session.find(&own)? {
            return if nic.disowns(&link) { Ok(None) } else { self.behind(link, session) };
        }
        if let Some(link) = promised(&own, self.previous, session) {
            let is_port = self.switch().has_port(&link, session)?;
            let inside = self.promised_inside().filter(|_| is_port);
            return Ok(Some(inside.map_or_else(|| found(Side::Host, link), |inside| found(Side::Container, inside))));
        }
        let inside = match session.has_container() {
            true => session.find(&Device::container(self.name))?.filter(|link| !nic.disowns(link)),
            false => None,
        };
        if let Some(inside) = inside.as_ref().filter(|link| Tag::is_moved(link)) {
            return Ok(Some(found(Side::Container, inside.clone()))); // what is behind a device of the host is not the NIC's
        }
        if let Some(inside) = &inside
            && let Some(outside) = session.find_other_end(inside)?
            && !nic.disowns(&outside)
            && self.is_the_nics(inside, Some(&outside), session)?
        {
            return self.behind(outside, session);
        }
        if let Some(inside) = &inside
            && self.switch().has_internal_port(inside, session)?
        {
            // Whatever it is, it is the container that sends through it.
            let nic = Nic { is_far_end: false, ..found(Side::Container, inside.clone()) };
            return Ok(if self.is_the_nics(inside, None, session)? { Some(nic) } else { None });
        }
        let mut candidates = Vec::new();
        for interface in of_host(self.previous).filter(|_| self.is_only) {
            let link = session.find(&Device::host(&interface.name))?;
            candidates.extend(link.filter(|link| !nic.disowns(link) && has_address(link, interface)));
        }
        candidates.retain(|link| link.kind == "tun" || (link.kind == "veth" && !session.has_container()));
        if candidates.len() == 1
            && let Some(link) = candidates.pop()
        {
            return if link.kind == "tun" {
                self.tap(link, session).map(Some)
            } else {
                Ok(Some(found(Side::Host, link)))
            };
        }
        // A veth has another end; if that is not on the host, its queues are not ours to set.
        match inside.filter(|link| link.kind != "veth") {
            Some(link) if self.is_the_nics(&link, None, session)? => Ok(Some(found(Side::Container, link))),
            Some(_) => Ok(None),
            None if !session.is_looking() => Ok(None),
            None => {
                let is_alone = of_host(self.previous).next().is_none()
                    || self.switch().will_have_internal_port(self.name, session)?;
                Ok(self.promised_inside().filter(|_| is_alone).map(|link| found(Side::Container, link)))
            }
        }
    }

    fn nic(&self, side: Side, link: Link) -> Nic {
        Nic::new(&self.attachment, self.name, side, link)
    }

    fn switch(&self) -> Switch<'_> {
        Switch { call: self.call, previous: self.previous }
    }

    /// The NIC whose end on the host this is. For a port of Open vSwitch it must be in the container; DEL looks at both ends wherever
    /// there may have been queues. A TAP device may be joined to its port, and is none itself then.
    fn behind(&self, outside: Link, session: &mut Session) -> Result<Option<Nic>, attachment::Error> {
        if outside.kind == "tun" {
            return self.tap(outside, session).map(Some);
        }
        let is_del = self.call.environment.command == Command::Del;
        let is_port = match outside.kind.as_str() {
            "veth" if is_del => Switch::may_have_port(&outside),
            "veth" => self.switch().has_port(&outside, session)?,
            _ => false,
        };
        let nic = if is_port { self.other_end_of(&outside, session)? } else { None };
        Ok(nic.or_else(|| (is_del || !is_port).then(|| self.nic(Side::Host, outside))))
    }

    fn tap(&self, tap: Link, session: &mut Session) -> Result<Nic, attachment::Error> {
        let joint = Device::host(self.attachment.beside(self.name).joint_name());
        if session.find(&joint)?.is_some_and(|link| link.kind == "veth") {
            return Ok(Nic { joint: Some(joint), ..self.nic(Side::Host, tap) });
        }
        let is_port = self.switch().has_port(&tap, session)?;
        Ok(Nic { is_port, ..self.nic(Side::Host, tap) })
    }

    /// The NIC at the container's end of a veth, or the TAP device behind that.
    fn other_end_of(&self, outside: &Link, session: &mut Session) -> Result<Option<Nic>, attachment::Error> {
        if !session.has_container() {
            return Ok(None);
        }
        let nic = self.attachment.beside(self.name);
        let found = session.find(&Device::container(self.name))?;
        let Some(inside) = found.filter(|link| !nic.disowns(link)) else { return Ok(None) };
        let is_far = |link: &Link, session: &mut Session| {
            let near = session.find_other_end(link)?;
            Ok::<_, attachment::Error>(near.is_some_and(|near| near.index == outside.index))
        };
        // The MTU of the host's end is that of the other when it was made: a later plugin of the chain may change that one.
        let (former, mtu) = (Some(Device::host(&outside.name)), outside.mtu);
        if is_far(&inside, session)? {
            return Ok(Some(Nic { former, mtu, ..self.nic(Side::Container, inside) }));
        }
        let joint = Device::container(nic.joint_name());
        match session.find(&joint)?.filter(|_| inside.kind == "tun") {
            Some(link) if is_far(&link, session)? => {
                Ok(Some(Nic { joint: Some(joint), former, mtu, ..self.nic(Side::Container, inside) }))
            }
            _ => Ok(None),
        }
    }

    /// Where commands are printed: the container interface that an earlier plugin of the chain is going to make, as its result says.
    fn promised_inside(&self) -> Option<Link> {
        let netns = self.call.environment.netns.as_deref();
        let is_it = |one: &&Interface| one.name == self.name && netns == Some(Path::new(&one.sandbox));
        self.previous.interfaces.iter().find(is_it).map(to_be_made)
    }

    /// The ifb that the reference plugin `bandwidth` has made for the attachment, before our executable took its place. The result
    /// lists it; without a result it is looked for.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn reference_ifb(&self, session: &mut Session) -> Result<Option<ReferenceIfb>, attachment::Error> {
        let attachment = &self.attachment;
        if self.name != attachment.if_name() {
            return Ok(None);
        }
        if !self.previous.interfaces.is_empty() {
            let named = of_host(self.previous).map(|interface| &interface.name);
            let is_listed =
                named.filter(|name| name.starts_with("bwp")).any(|name| *name == ReferenceIfb::name_of(attachment));
            return Ok(is_listed.then(|| ReferenceIfb::listed(attachment)));
        }
        let outside = match session.known(&Device::host(attachment.host_name()))? {
            None => self.other_end(session)?,
            own => own,
        };
        Ok(Some(ReferenceIfb::serving(attachment, outside.map(|link| link.name))))
    }

    fn other_end(&self, session: &mut Session) -> Result<Option<Link>, attachment::Error> {
        if !session.has_container() {
            return Ok(None);
        }
        let Some(inside) = session.known(&Device::container(self.name))? else { return Ok(None) };
        session.find_other_end(&inside)
    }

    /// Whether a NIC of this name in the namespace, and its other end on the host, are of this attachment. For ADD they are, because
    /// the runtime has just made the namespace; later there may be another container at its path. Then their alias must say so, or
    /// the result tell of one of the two; or, as after a killed ADD, an ifb of this attachment serves it. That of another interface
    /// than the call's may be of another network, of which the result tells nothing: it is in this namespace, if the call's is.
    fn is_the_nics(
        &self,
        inside: &Link,
        outside: Option<&Link>,
        session: &mut Session,
    ) -> Result<bool, attachment::Error> {
        if self.call.environment.command == Command::Add || Tag::is_attachment(outside.unwrap_or(inside)) {
            return Ok(true);
        }
        let told = outside.and_then(|outside| of_host(self.previous).find(|interface| interface.name == outside.name));
        if let (Some(outside), Some(interface)) = (outside, told) {
            return Ok(has_address(outside, interface));
        }
        let mut in_sandbox = self.previous.interfaces.iter().filter(|interface| !interface.sandbox.is_empty());
        let told = in_sandbox.find(|interface| interface.name == self.name);
        match told {
            // Devices of this kind all have the address of the one below.
            Some(interface) if !interface.mac.is_empty() && inside.kind != "ipvlan" => {
                return Ok(has_address(inside, interface));
            }
            Some(interface) if !has_address(inside, interface) => return Ok(false),
            None if self.name != self.attachment.if_name() => {
                let of_call = Search { attachment: self.attachment.clone(), name: self.attachment.if_name(), ..*self };
                if of_call.is_in_namespace(session)? {
                    return Ok(true);
                }
            }
            _ => {
                let mut ips = self.previous.ips.iter().filter(|ip| self.is_of_nic(ip)).peekable();
                if ips.peek().is_some() {
                    let has = session.addresses(Side::Container, inside.index)?;
                    return Ok(ips.any(|told| has.iter().any(|address| address.ip() == told.address.ip())));
                }
            }
        }
        if told.is_some() {
            return Ok(true);
        }
        let (side, device) = match outside {
            Some(outside) => (Side::Host, Device::host(&outside.name)),
            None => (Side::Container, Device::container(&inside.name)),
        };
        let ifb = Ifb { identity: self.attachment.clone(), interface: self.name.to_owned(), side };
        ifb.serves(&device, session)
    }

    /// The NIC in the namespace is this attachment's.
    fn is_in_namespace(&self, session: &mut Session) -> Result<bool, attachment::Error> {
        let nic = self.attachment.beside(self.name);
        let found = session.find(&Device::container(self.name))?;
        let Some(inside) = found.filter(|link| !nic.disowns(link)) else { return Ok(false) };
        if Tag::is_moved(&inside) {
            return Ok(true);
        }
        match session.find_other_end(&inside)? {
            Some(outside) => Ok(!nic.disowns(&outside) && self.is_the_nics(&inside, Some(&outside), session)?),
            None => Ok(inside.kind != "veth" && self.is_the_nics(&inside, None, session)?),
        }
    }

    /// The result says that the NIC has this address, or does not say which one has it.
    fn is_of_nic(&self, ip: &IpConfig) -> bool {
        let interface = ip.interface.map(|place| self.previous.interfaces.get(place));
        interface.is_none_or(|found| found.is_some_and(|interface| interface.name == self.name))
    }
}

/// The devices of the host that a result tells of.
fn of_host(result: &Success) -> impl Iterator<Item = &Interface> {
    result.interfaces.iter().filter(|interface| interface.sandbox.is_empty())
}

/// The link has the address that the result tells of it, if it tells one: another one of the same name may have come since.
fn has_address(link: &Link, interface: &Interface) -> bool {
    interface.mac.parse::<Mac>().map_or(true, |mac| link.mac == Some(mac))
}

/// Where commands are printed: the host interface that an earlier plugin of the chain is going to make, as its result says.
fn promised(own: &Device, previous: &Success, session: &Session) -> Option<Link> {
    of_host(previous).find(|interface| interface.name == own.name).filter(|_| session.is_looking()).map(to_be_made)
}

fn to_be_made(interface: &Interface) -> Link {
    /// That of Ethernet, where the result does not tell (`ETH_DATA_LEN`).
    const MTU_BYTES: u32 = 1500;
    Link { name: interface.name.clone(), mtu: interface.mtu.unwrap_or(MTU_BYTES), ..Link::default() }
}

/// The error of a call that needs the device.
fn missing(call: &Call, if_name: &str, previous: &Success) -> Error {
    let on_host: Vec<&str> = of_host(previous).map(|interface| interface.name.as_str()).collect();
    Error::invalid_config(format!(
        "prevResult names no host interface for {if_name} in {}: it lists {}, none of which is the other end of its veth or a \
         TAP device, and the container has no such interface without one, or not the one that prevResult tells of; put this \
         plugin after one that makes a NIC, such as bridge",
        call.environment.netns.as_deref().unwrap_or(Path::new("")).display(),
        if on_host.is_empty() { "none".to_owned() } else { on_host.join(", ") },
    ))
}
