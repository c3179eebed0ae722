//! What the configuration asks to be published.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use attachment::{Condition, Sources};
use cni::{Call, Code, Error};
use keys::{PortMappingKeys, PortmapKeys, Transport};

use crate::conditions;

/// A port of the host that leads to one of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) transport: Transport,
    /// `None`: all addresses of both families.
    pub(crate) address: Option<IpAddr>,
    pub(crate) host_port: u16,
    pub(crate) container_port: u16,
}

/// What a configuration asks to be published.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) sources: Sources,
    /// For IPv4 and for IPv6.
    pub(crate) conditions: [Vec<Condition>; 2],
}

impl Wanted {
    /// # Errors
    /// Code 7 naming the key, or those that contradict each other.
    pub(crate) fn read(call: &Call) -> Result<Self, Error> {
        let keys: PortmapKeys = call.config.keys()?;
        if keys.mark_masq_bit.is_some() && keys.external_set_mark_chain.is_some() {
            return Err(refused(
                "markMasqBit and externalSetMarkChain exclude each other; remove one of them".to_owned(),
            ));
        }
        let sources = match (keys.snat.unwrap_or(true), keys.masq_all) {
            (false, _) => Sources::Kept,
            (true, false) => Sources::Near,
            (true, true) => Sources::All,
        };
        let read = |key: &str, words: &[String], is_ipv4| {
            conditions::parse(words, is_ipv4).map_err(|reason| refused(format!("{key}: {reason}")))
        };
        let conditions =
            [read("conditionsV4", &keys.conditions_v4, true)?, read("conditionsV6", &keys.conditions_v6, false)?];
        let mut mappings: Vec<Mapping> = Vec::new();
        for (place, mapping) in keys.runtime_config.port_mappings.iter().enumerate() {
            let read = mapping_of(mapping, sources)
                .and_then(|read| contradiction(&mappings, &read).map_or(Ok(read), Err))
                .map_err(|reason| refused(format!("runtimeConfig.portMappings[{place}]: {reason}")))?;
            if !mappings.contains(&read) {
                mappings.push(read);
            }
        }
        Ok(Self { mappings, sources, conditions })
    }
}

fn mapping_of(keys: &PortMappingKeys, sources: Sources) -> Result<Mapping, String> {
    let (host_port, container_port) = (keys.host_port.0, keys.container_port.0);
    if host_port == 0 || container_port == 0 {
        return Err("hostPort and containerPort must be given, from 1 to 65535".to_owned());
    }
    let address = keys.host_ip.map(|address| address.0);
    if address == Some(IpAddr::V6(Ipv6Addr::LOCALHOST)) {
        return Err("hostIP is ::1, to which the kernel delivers no answer that comes from outside; publish at 127.0.0.1, or at \
                    another address of the host"
            .to_owned());
    }
    if sources == Sources::Kept && address.is_some_and(|address| address.is_loopback()) {
        return Err("hostIP is an address of 127.0.0.0/8, from which nothing comes back without snat; publish at another address, or \
                    remove \"snat\": false"
            .to_owned());
    }
    let is_broadcast = address == Some(IpAddr::V4(Ipv4Addr::BROADCAST));
    if is_broadcast || address.is_some_and(|address| address.is_multicast()) {
        return Err("hostIP is a multicast or broadcast address, to which no connection goes; publish at an address of the host"
            .to_owned());
    }
    Ok(Mapping { transport: keys.protocol, address, host_port, container_port })
}

/// Why it cannot be beside the others.
fn contradiction(others: &[Mapping], mapping: &Mapping) -> Option<String> {
    let is_same_place = |other: &&Mapping| {
        (other.transport, other.address, other.host_port) == (mapping.transport, mapping.address, mapping.host_port)
            && other.container_port != mapping.container_port
    };
    let other = others.iter().find(is_same_place)?;
    Some(format!(
        "port {}/{} of the host cannot lead to port {} of the container and to port {}",
        mapping.host_port, mapping.transport, other.container_port, mapping.container_port
    ))
}

fn refused(reason: String) -> Error {
    Error::new(Code::InvalidConfig, reason)
}
