//! Published ports as a description.

use std::net::{IpAddr, SocketAddr};

use attachment::{
    Description, Device, Finder, Identity, LoopbackWay, PortHairpin, PublishedFamily, PublishedPort, PublishedPorts,
    PublishedRule, ReferencePorts, Session, Side, Sources, legacy_ports,
};
use cni::{Call, Command, Error, Success};
use keys::Transport;
use netlink::route;
use plugin::call::previous;
use plugin::{Plugin, Prop};

use crate::config::{Mapping, Wanted};

/// The published ports of a call.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    identity: Identity,
    wanted: Wanted,
    /// The container's addresses, the first of each family, each with the link of the host that it is directly behind.
    container: [Option<(IpAddr, Option<String>)>; 2],
    /// The port of a bridge that must send back what came in by it.
    hairpin: Option<String>,
}

impl Plugin for Published {
    const FINDERS: &'static [&'static Finder] =
        &[PublishedRule::FINDER, LoopbackWay::FINDER, ReferencePorts::FINDER, PublishedPorts::FINDER];
    const HAS_IPAM: bool = false;
    const SHARES: bool = true;
    const READS_ARGS: bool = false;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        Ok(Self { identity, wanted: Wanted::read(call)?, container: [None, None], hairpin: None })
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        let previous = previous(call)?;
        if self.wanted.mappings.is_empty() {
            return Ok(());
        }
        let if_name = &call.environment.if_name;
        let addresses = [true, false].map(|is_ipv4| address_of(previous, if_name, is_ipv4));
        if addresses == [None, None] {
            return Err(Error::invalid_config(format!(
                "prevResult has no address of {if_name}, to which ports could lead: the plugin before must give it one (ipam)"
            )));
        }
        for (place, address) in self.container.iter_mut().zip(addresses) {
            let Some(address) = address else { continue };
            let link = link_before(address, previous, session).map_err(|error| Self::error(&error))?;
            *place = Some((address, link));
        }
        self.refuse_unreachable()?;
        if call.environment.command == Command::Add {
            self.tell_left_out(if_name);
        }
        if self.wanted.sources != Sources::Kept && PortHairpin::is_needed() {
            self.hairpin = self.bridge_port(previous, session).map_err(|error| Self::error(&error))?;
        }
        Ok(())
    }

    fn describe(&self) -> Result<Description, Error> {
        let mut description = Description::new();
        let ports = self.ports();
        if ports.is_empty() {
            return Ok(description);
        }
        let mut links: Vec<&str> = Vec::new();
        for link in self.container.iter().flatten().filter_map(|(_, link)| link.as_deref()) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        links.iter().flat_map(|link| PublishedRule::both(link)).for_each(|rule| _ = description.share(rule));
        let [v4, _] = &self.container;
        if let Some((_, Some(link))) = v4.as_ref().filter(|_| self.is_at_loopback(&ports)) {
            description.share(LoopbackWay::through(link, self.wants_loopback()));
        }
        if let Some(port) = &self.hairpin {
            description.own(PortHairpin { port: port.clone() });
        }
        let [v4, v6] = &self.container;
        let [conditions4, conditions6] = &self.wanted.conditions;
        let family = |container: &Option<_>, conditions: &Vec<_>| PublishedFamily {
            container: container.clone(),
            conditions: conditions.clone(),
        };
        description.own(PublishedPorts {
            identity: self.identity.clone(),
            ports,
            sources: self.wanted.sources,
            families: [family(v4, conditions4), family(v6, conditions6)],
        });
        Ok(description)
    }

    /// `prevResult` as it came (ADD-5).
    fn result(&self, call: &Call, _session: &mut Session, _addressing: Success) -> Result<Success, Error> {
        previous(call).cloned()
    }

    /// For the note alone: what there is, the finders find.
    fn named(call: &Call, identity: &Identity, session: &mut Session) -> Result<Description, Error> {
        let is_asked = Wanted::read(call).is_ok_and(|wanted| !wanted.mappings.is_empty());
        if is_asked && !PublishedPorts::are_there(session, identity).map_err(|error| Self::error(&error))? {
            legacy_ports(identity).into_iter().for_each(|note| session.note(note));
        }
        Ok(Description::new())
    }

    /// A container behind a device (RFC 5737, RFC 3849).
    fn rehearse(&mut self, _session: &mut Session) -> Result<Vec<Prop>, Error> {
        let link = || Some("published".to_owned());
        self.container = [
            Some((IpAddr::from([192, 0, 2, 2]), link())),
            Some((IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2]), link())),
        ];
        let mapping = |transport| Mapping { transport, address: None, host_port: 8080, container_port: 80 };
        self.wanted.mappings = [Transport::Tcp, Transport::Udp, Transport::Sctp].map(mapping).to_vec();
        Ok(vec![Prop::Device { name: "published".to_owned(), mtu_bytes: 1500 }])
    }
}

impl Published {
    fn address(&self, is_ipv4: bool) -> Option<IpAddr> {
        let [v4, v6] = &self.container;
        if is_ipv4 { v4 } else { v6 }.as_ref().map(|(address, _)| *address)
    }

    /// The ports at the addresses of the host whose family the container has.
    fn ports(&self) -> Vec<PublishedPort> {
        let mut ports = Vec::new();
        for mapping in &self.wanted.mappings {
            let all = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
            let addresses = mapping.address.map_or_else(|| all.to_vec(), |address| vec![address]);
            for address in addresses {
                let Some(container) = self.address(address.is_ipv4()) else { continue };
                ports.push(PublishedPort {
                    protocol: (number(mapping.transport), mapping.transport.word()),
                    address,
                    port: mapping.host_port,
                    to: SocketAddr::new(container, mapping.container_port),
                });
            }
        }
        ports
    }

    /// The ports are to be reached by 127.0.0.1, too.
    fn is_at_loopback(&self, ports: &[PublishedPort]) -> bool {
        let is_it = |address: IpAddr| address.is_ipv4() && (address.is_unspecified() || address.is_loopback());
        self.wanted.sources != Sources::Kept && ports.iter().any(|port| is_it(port.address))
    }

    /// That was asked for by itself.
    fn wants_loopback(&self) -> bool {
        self.wanted.mappings.iter().any(|mapping| mapping.address.is_some_and(|address| address.is_loopback()))
    }

    fn refuse_unreachable(&self) -> Result<(), Error> {
        let [v4, _] = &self.container;
        match v4 {
            Some((address, None)) if self.wants_loopback() => Err(Error::invalid_config(format!(
                "runtimeConfig.portMappings: nothing can be published at 127.0.0.1, because the host does not reach {address} directly; \
                 give the bridge an address (isGateway), or publish at another address"
            ))),
            _ => Ok(()),
        }
    }

    /// Nothing is silently weaker than asked.
    fn tell_left_out(&self, if_name: &str) {
        for (address, _) in self.container.iter().flatten().filter(|(_, link)| link.is_none()) {
            plugin::note(format!(
                "the host has no direct way to {address}: published ports are reached only if its routes lead there and back all the same"
            ));
        }
        for mapping in &self.wanted.mappings {
            if let Some(address) = mapping.address.filter(|address| self.address(address.is_ipv4()).is_none()) {
                plugin::note(format!(
                    "port {}/{} is not published at {address}: {if_name} has no address of that family",
                    mapping.host_port, mapping.transport
                ));
            }
        }
    }

    /// The port of a bridge by which the container is reached: its host interface, or that of another's plugin.
    fn bridge_port(&self, previous: &Success, session: &mut Session) -> Result<Option<String>, attachment::Error> {
        let links: Vec<String> = self.container.iter().flatten().filter_map(|(_, link)| link.clone()).collect();
        let mut bridges = Vec::new();
        for link in links {
            bridges.extend(
                session.known(&Device::host(link))?.filter(|link| link.kind == "bridge").map(|link| link.index),
            );
        }
        let own = self.identity.host_name();
        let others = previous.interfaces.iter().filter(|interface| interface.sandbox.is_empty());
        for name in [own].into_iter().chain(others.map(|interface| interface.name.clone())) {
            let found = session.known(&Device::host(name))?;
            if let Some(port) = found.filter(|link| link.master.is_some_and(|master| bridges.contains(&master))) {
                return Ok(Some(port.name));
            }
        }
        Ok(None)
    }
}

/// `IPPROTO_*`.
fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Sctp => 132,
    }
}

/// The first address of a family that the container has on this interface, as far as the result tells where it is.
fn address_of(previous: &Success, if_name: &str, is_ipv4: bool) -> Option<IpAddr> {
    let is_its = |place: Option<usize>| match place.and_then(|place| previous.interfaces.get(place)) {
        Some(interface) => interface.name == if_name && !interface.sandbox.is_empty(),
        None => true,
    };
    let of_family = previous.ips.iter().filter(|ip| ip.address.is_ipv4() == is_ipv4);
    of_family.filter(|ip| is_its(ip.interface)).map(|ip| ip.address.ip()).next()
}

/// The link of the host that an address is directly behind. Where things are printed that are still to be made, it is the host's first
/// one in the result: a bridge, or the host interface.
fn link_before(
    address: IpAddr,
    previous: &Success,
    session: &mut Session,
) -> Result<Option<String>, attachment::Error> {
    let found = route::directly(session.socket(Side::Host)?, address);
    let index = found.map_err(attachment::Error::refused(format!("look up the route to {address}")))?;
    let link = match index {
        Some(index) => session.find_index(Side::Host, index)?,
        None => None,
    };
    Ok(match link {
        Some(link) => Some(link.name).filter(|_| !link.is_loopback),
        None if session.is_looking() => {
            previous.interfaces.iter().find(|interface| interface.sandbox.is_empty()).map(|first| first.name.clone())
        }
        None => None,
    })
}
