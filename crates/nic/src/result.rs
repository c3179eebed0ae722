//! The result of ADD, and what CHECK takes from it.

use std::path::Path;

use attachment::{Device, Session, Tag};
use cni::{Call, Code, Error, Interface, Success};
use netlink::Mac;
use netlink::link::Link;
use plugin::codes::from_attachment;

use crate::attached::Nic;
use crate::{AsInResult, Found};

/// The MTU in bytes that the kernel gives a veth or TAP device where neither the configuration nor the path says another
/// (`ETH_DATA_LEN`).
const DEFAULT_MTU_BYTES: u32 = 1500;

impl Nic {
    /// Host interface and container interface for the result. A virtual machine's NIC is listed with the address that its device
    /// model must be given. None where the NIC is the previous plugin's.
    #[must_use]
    pub fn interfaces(&self, found: &Found, call: &Call) -> Vec<Interface> {
        if found.lent.is_some() {
            return Vec::new();
        }
        let mtu = Some(self.mtu_bytes(found).unwrap_or(DEFAULT_MTU_BYTES));
        let host = Interface {
            name: self.identity.host_name(),
            mac: self.identity.host_mac().to_string(),
            mtu,
            ..Interface::default()
        };
        vec![host, self.own_interface(call, Some(self.mac), mtu)]
    }

    /// The container interface for the result.
    #[must_use]
    pub fn own_interface(&self, call: &Call, mac: Option<Mac>, mtu: Option<u32>) -> Interface {
        Interface {
            name: self.identity.if_name().to_owned(),
            mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
            mtu,
            sandbox: call.environment.netns.as_deref().map(|path| path.display().to_string()).unwrap_or_default(),
            ..Interface::default()
        }
    }
}

/// A bridge for a result. One that was made here keeps its address; an operator's may have changed it with its new port, and
/// is asked for anew.
///
/// When commands are printed, a bridge that is still to be made has no address yet.
///
/// # Errors
/// It is not there.
pub fn bridge_interface(session: &mut Session, name: &str) -> Result<Interface, Error> {
    let device = Device::host(name);
    let refused = |error| from_attachment(&error);
    let is_ours = |link: &Link| Tag::of(link).is_some();
    let link = match session.known(&device).map_err(refused)?.filter(is_ours) {
        Some(link) => link,
        None => match session.find(&device).map_err(refused)? {
            Some(link) => link,
            None if session.is_looking() => return Ok(Interface { name: name.to_owned(), ..Interface::default() }),
            None => return Err(Error::new(Code::Internal, format!("{name} disappeared during ADD"))),
        },
    };
    Ok(Interface {
        name: link.name,
        mac: link.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        mtu: Some(link.mtu),
        ..Interface::default()
    })
}

/// The resolver settings of the configuration, where it has any, in place of those of IPAM.
///
/// # Errors
/// Code 7 naming the member that is malformed.
pub fn set_resolver(call: &Call, addressing: &mut Success) -> Result<(), Error> {
    if let Some(own) = call.config.dns()? {
        addressing.dns = own;
    }
    Ok(())
}

/// The previous plugin's result with ours appended (ADD-5). The addresses are those of the container interface.
#[must_use]
pub fn merge(call: &Call, interfaces: Vec<Interface>, addressing: Success) -> Success {
    append(call.config.prev_result.clone().unwrap_or_default(), call, interfaces, addressing)
}

/// The same for what is kept of the previous plugin's result.
#[must_use]
pub fn append(kept: Success, call: &Call, interfaces: Vec<Interface>, addressing: Success) -> Success {
    let mut result = kept;
    let made_here = result.interfaces.len();
    result.interfaces.extend(interfaces);
    let is_own = |place: &usize| result.interfaces.get(*place).is_some_and(|interface| is_it(call, interface));
    let own =
        (made_here..result.interfaces.len()).find(is_own).or_else(|| listed(call, &result).map(|(place, _)| place));
    result.ips.extend(addressing.ips.into_iter().map(|ip| cni::IpConfig { interface: own, ..ip }));
    result.routes.extend(addressing.routes);
    // Settings of the configuration that are empty are meant so.
    if addressing.dns != cni::Dns::default() || matches!(call.config.dns(), Ok(Some(_))) {
        result.dns = addressing.dns;
    }
    result.extra.extend(addressing.extra);
    result
}

/// For CHECK: the addresses and routes of the container interface in the final result, and the interface itself where it was made
/// here.
///
/// # Errors
/// Code 7 when it is not listed.
pub fn expected(call: &Call, previous: &Success, found: &mut Found) -> Result<Success, Error> {
    let listed = listed(call, previous);
    if found.lent.is_none() {
        let (_, own) = listed.ok_or_else(|| not_listed(call))?;
        found.result = Some(AsInResult { mac: own.mac.parse().ok(), mtu_bytes: own.mtu });
    }
    let own = listed.map(|(place, _)| place);
    Ok(Success {
        ips: previous.ips.iter().filter(|ip| ip.interface.is_none() || ip.interface == own).cloned().collect(),
        routes: previous.routes.clone(),
        ..Success::default()
    })
}

/// The container interface in a result, with its place.
fn listed<'a>(call: &Call, result: &'a Success) -> Option<(usize, &'a Interface)> {
    result.interfaces.iter().enumerate().find(|(_, interface)| is_it(call, interface))
}

fn is_it(call: &Call, interface: &Interface) -> bool {
    let netns = call.environment.netns.as_deref();
    interface.name == call.environment.if_name && netns == Some(Path::new(&interface.sandbox))
}

fn not_listed(call: &Call) -> Error {
    let netns = call.environment.netns.as_deref().unwrap_or(Path::new("")).display();
    Error::invalid_config(format!("prevResult has no interface {} in {netns}", call.environment.if_name))
}
