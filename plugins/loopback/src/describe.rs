//! The loopback interface as a description, and as a result.

use std::path::Path;

use attachment::{Address, Description, Finder, Identity, Loopback, Others, Session, Side};
use cni::{Call, Error, Interface, IpConfig, Success};
use ipnetwork::IpNetwork;
use plugin::Plugin;
use plugin::call::previous;
use serde_json::Map;

/// The interface of a call. Whatever `CNI_IFNAME` says, it is `lo`: as a later plugin of a chain this one is called with the name of
/// another interface.
#[derive(Debug, Clone)]
pub(crate) struct Up {
    identity: Identity,
}

impl Plugin for Up {
    const FINDERS: &'static [&'static Finder] = &[Loopback::FINDER];
    const HAS_IPAM: bool = false;
    const SHARES: bool = false;
    const READS_ARGS: bool = false;

    fn read(_call: &Call, identity: Identity) -> Result<Self, Error> {
        Ok(Self { identity })
    }

    fn describe(&self) -> Result<Description, Error> {
        let mut description = Description::new();
        description.own(Loopback { identity: self.identity.clone() });
        Ok(description)
    }

    /// For CHECK alone: nothing here makes addresses, but the container may have lost those that the kernel has given to it.
    fn addressing(&self, addressing: &Success) -> Description {
        let mut description = Description::new();
        for ip in &addressing.ips {
            description.own(Address {
                device: Loopback::device(),
                address: ip.address,
                others: Others::Alone,
                is_detected: false,
                has_route: true,
            });
        }
        description
    }

    /// `prevResult` as it came (ADD-5); where there is none, the interface with its addresses.
    fn result(&self, call: &Call, session: &mut Session, _addressing: Success) -> Result<Success, Error> {
        if call.config.prev_result.is_some() {
            return previous(call).cloned();
        }
        let lo = Interface {
            name: Loopback::NAME.to_owned(),
            mac: "00:00:00:00:00:00".to_owned(),
            sandbox: call.environment.netns.as_deref().unwrap_or(Path::new("")).display().to_string(),
            ..Interface::default()
        };
        let ips = addresses(session).map_err(|error| Self::error(&error))?;
        Ok(Success { interfaces: vec![lo], ips, ..Success::default() })
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        let netns = call.environment.netns.as_deref();
        let is_it =
            |interface: &Interface| interface.name == Loopback::NAME && netns == Some(Path::new(&interface.sandbox));
        let place = previous.interfaces.iter().position(is_it);
        let own = |ip: &&IpConfig| place.is_some() && ip.interface == place;
        Ok(Success { ips: previous.ips.iter().filter(own).cloned().collect(), ..Success::default() })
    }
}

/// The first address of each family, as the reference says. Other addresses that somebody has put there are none of its own.
fn addresses(session: &mut Session) -> Result<Vec<IpConfig>, attachment::Error> {
    if session.is_looking() {
        return Ok(Vec::new());
    }
    let index = session.index(&Loopback::device())?;
    let all = session.addresses(Side::Container, index)?;
    let of_family = |is_ipv4: bool| {
        all.iter().copied().find(move |address: &IpNetwork| address.ip().is_loopback() && address.is_ipv4() == is_ipv4)
    };
    let ip = |address| IpConfig { address, gateway: None, interface: Some(0), extra: Map::new() };
    Ok([true, false].into_iter().filter_map(of_family).map(ip).collect())
}
