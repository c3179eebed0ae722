//! The addresses of a call.
//!
//! `runtimeConfig.ips`, if there is one, else `args.cni.ips`, replaces all others. Otherwise the addresses are those of
//! the configuration, and after them those of `IP` in `CNI_ARGS`; a gateway of `GATEWAY` there counts for each of the
//! latter in whose network it lies. In `CNI_ARGS` both are lists with commas. This is the reference's order.

use std::net::IpAddr;

use cni::{Call, Code, Error, IpConfig, Version, parse_address, parse_host};
use ipnetwork::IpNetwork;
use keys::{AddressKeys, StaticKeys};
use serde_json::Map;

/// The addresses of the call, in the order of the result.
///
/// # Errors
/// Code 7, or 4 for `CNI_ARGS`: an address without prefix length, one given twice, an unknown key in `CNI_ARGS`, or two
/// of a family in a version that has one of each (RES-01).
pub(crate) fn addresses(call: &Call, ipam: &StaticKeys) -> Result<Vec<IpConfig>, Error> {
    let mut ips = configured(&ipam.addresses).map_err(Error::invalid_config)?;
    add_variables(call, &mut ips)?;
    for (source, texts) in
        [("args.cni.ips", call.config.arg("ips")?), ("runtimeConfig.ips", call.config.capability("ips")?)]
    {
        let texts: Vec<String> = texts.unwrap_or_default();
        if !texts.is_empty() {
            let parsed: Result<Vec<_>, _> = texts.iter().map(|text| parse(text)).collect();
            let parsed = parsed.map_err(|cause| Error::invalid_config(format!("{source}: {cause}")))?;
            ips = parsed.into_iter().map(|address| ip_config(address, None)).collect();
        }
    }
    refuse_duplicates(&ips)?;
    refuse_too_many(&ips, call.config.version)?;
    Ok(ips)
}

fn configured(keys: &[AddressKeys]) -> Result<Vec<IpConfig>, String> {
    let mut ips = Vec::with_capacity(keys.len());
    for (index, keys) in keys.iter().enumerate() {
        let in_entry = |key: &str, cause: String| format!("ipam.addresses[{index}].{key}: {cause}");
        let Some(text) = keys.address.as_deref() else {
            return Err(format!("ipam.addresses[{index}]: address is missing; write it as 10.1.0.5/24 or fd00::5/64"));
        };
        let gateway = match keys.gateway.as_deref() {
            None | Some("") => None,
            Some(text) => Some(parse_host(text).map_err(|cause| in_entry("gateway", cause))?),
        };
        ips.push(ip_config(parse(text).map_err(|cause| in_entry("address", cause))?, gateway));
    }
    Ok(ips)
}

fn add_variables(call: &Call, ips: &mut Vec<IpConfig>) -> Result<(), Error> {
    let args = &call.environment.args;
    args.only(&["IP", "GATEWAY"])?;
    let refuse = |key: &str, cause: String| Error::new(Code::InvalidEnvironment, format!("CNI_ARGS: {key}: {cause}"));
    let mut asked = Vec::new();
    for text in items(args.get("IP")) {
        asked.push(ip_config(parse(text).map_err(|cause| refuse("IP", cause))?, None));
    }
    for text in items(args.get("GATEWAY")) {
        let gateway = parse_host(text).map_err(|cause| refuse("GATEWAY", cause))?;
        asked.iter_mut().filter(|ip| ip.address.contains(gateway)).for_each(|ip| ip.gateway = Some(gateway));
    }
    for ip in asked {
        match ips.iter_mut().find(|other| other.address == ip.address) {
            // It is given once, where the reference gives it twice.
            Some(configured) => configured.gateway = ip.gateway.or(configured.gateway),
            None => ips.push(ip),
        }
    }
    Ok(())
}

fn items(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.filter(|list| !list.is_empty()).into_iter().flat_map(|list| list.split(',')).map(str::trim)
}

fn parse(text: &str) -> Result<IpNetwork, String> {
    let address = parse_address(text)?;
    if address.ip().to_canonical() == address.ip() {
        Ok(address)
    } else {
        Err(format!("{text:?} maps IPv4 into IPv6; write it as an IPv4 address"))
    }
}

fn ip_config(address: IpNetwork, gateway: Option<IpAddr>) -> IpConfig {
    IpConfig { address, gateway, interface: None, extra: Map::new() }
}

fn refuse_duplicates(ips: &[IpConfig]) -> Result<(), Error> {
    for (index, ip) in ips.iter().enumerate() {
        if ips.iter().take(index).any(|other| other.address.ip() == ip.address.ip()) {
            return Err(Error::invalid_config(format!("the address {} is given twice", ip.address.ip())));
        }
    }
    Ok(())
}

fn refuse_too_many(ips: &[IpConfig], version: Version) -> Result<(), Error> {
    let ipv4 = ips.iter().filter(|ip| ip.address.is_ipv4()).count();
    if version < Version::V0_3_0 && (ipv4 > 1 || ips.len() - ipv4 > 1) {
        let msg = format!("CNI version {version} does not support more than 1 address per family");
        return Err(Error::invalid_config(msg));
    }
    Ok(())
}
