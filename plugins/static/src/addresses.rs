//! The addresses of a call.
//!
//! `runtimeConfig.ips`, if there is one, else `args.cni.ips`, replaces all others. Otherwise the addresses are those of
//! the configuration, and after them those of `IP` in `CNI_ARGS`; a gateway of `GATEWAY` there counts for each of the
//! latter in whose network it lies. In `CNI_ARGS` both are lists with commas. This is the reference's order.
//!
//! An entry of the configuration with a gateway alone says who is the gateway of addresses that come with the call.

use std::net::IpAddr;

use cni::{Call, Code, Command, Error, IpConfig, Version, parse_address, parse_host};
use ipnetwork::IpNetwork;
use keys::{AddressKeys, StaticKeys};
use serde_json::Map;

/// An entry of `ipam.addresses`.
struct Entry<'a> {
    index: usize,
    address: Option<&'a str>,
    gateway: Option<IpAddr>,
}

/// The addresses of the call, in the order of the result.
///
/// # Errors
/// Code 7, or 4 for `CNI_ARGS`: an address without prefix length, one given twice, an unknown key in `CNI_ARGS`, or two
/// of a family in a version that has one of each (RES-01).
pub(crate) fn addresses(call: &Call, ipam: &StaticKeys) -> Result<Vec<IpConfig>, Error> {
    let entries = entries(&ipam.addresses).map_err(Error::invalid_config)?;
    let gateways: Vec<IpAddr> =
        entries.iter().filter(|entry| entry.address.is_none()).filter_map(|entry| entry.gateway).collect();
    let variables = of_variables(call, &gateways)?;
    let ips = match of_runtime(call, &gateways)? {
        Some(ips) => ips,
        None => {
            // STATUS is about no attachment, whose address may come with the call.
            let may_lack = !variables.is_empty() || call.environment.command == Command::Status;
            merged(configured(&entries, may_lack).map_err(Error::invalid_config)?, variables)
        }
    };
    refuse_duplicates(&ips)?;
    refuse_too_many(&ips, call.config.version)?;
    Ok(ips)
}

fn entries(keys: &[AddressKeys]) -> Result<Vec<Entry<'_>>, String> {
    let mut entries = Vec::with_capacity(keys.len());
    for (index, keys) in keys.iter().enumerate() {
        let gateway = given(keys.gateway.as_deref()).map(parse_host).transpose();
        let gateway = gateway.map_err(|cause| format!("ipam.addresses[{index}].gateway: {cause}"))?;
        entries.push(Entry { index, address: given(keys.address.as_deref()), gateway });
    }
    Ok(entries)
}

/// An empty text counts as no text, as in the reference.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Those that the configuration has. An entry may lack its address if other addresses come for which its gateway counts.
fn configured(entries: &[Entry<'_>], may_lack: bool) -> Result<Vec<IpConfig>, String> {
    let mut ips = Vec::with_capacity(entries.len());
    for Entry { index, address, gateway } in entries {
        match address {
            Some(text) => {
                let address = parse(text).map_err(|cause| format!("ipam.addresses[{index}].address: {cause}"))?;
                ips.push(ip_config(address, *gateway));
            }
            None if may_lack && gateway.is_some() => {}
            None => {
                return Err(format!(
                    "ipam.addresses[{index}]: address is missing, and the call brings none; write it as 10.1.0.5/24 or fd00::5/64"
                ));
            }
        }
    }
    Ok(ips)
}

/// Those that the runtime gives instead of all others.
fn of_runtime(call: &Call, gateways: &[IpAddr]) -> Result<Option<Vec<IpConfig>>, Error> {
    let mut ips = None;
    for (source, texts) in
        [("args.cni.ips", call.config.arg("ips")?), ("runtimeConfig.ips", call.config.capability("ips")?)]
    {
        let texts: Vec<String> = texts.unwrap_or_default();
        if !texts.is_empty() {
            let parsed: Result<Vec<_>, _> = texts.iter().map(|text| parse(text)).collect();
            let parsed = parsed.map_err(|cause| Error::invalid_config(format!("{source}: {cause}")))?;
            let mut given: Vec<IpConfig> = parsed.into_iter().map(|address| ip_config(address, None)).collect();
            gateways.iter().for_each(|gateway| give_gateway(&mut given, *gateway));
            ips = Some(given);
        }
    }
    Ok(ips)
}

/// Those of `CNI_ARGS`.
fn of_variables(call: &Call, gateways: &[IpAddr]) -> Result<Vec<IpConfig>, Error> {
    let args = &call.environment.args;
    args.only(&["IP", "GATEWAY"])?;
    let refuse = |key: &str, cause: String| Error::new(Code::InvalidEnvironment, format!("CNI_ARGS: {key}: {cause}"));
    let mut asked = Vec::new();
    for text in items(args.get("IP")) {
        asked.push(ip_config(parse(text).map_err(|cause| refuse("IP", cause))?, None));
    }
    gateways.iter().for_each(|gateway| give_gateway(&mut asked, *gateway));
    for text in items(args.get("GATEWAY")) {
        give_gateway(&mut asked, parse_host(text).map_err(|cause| refuse("GATEWAY", cause))?);
    }
    Ok(asked)
}

fn give_gateway(ips: &mut [IpConfig], gateway: IpAddr) {
    ips.iter_mut().filter(|ip| ip.address.contains(gateway)).for_each(|ip| ip.gateway = Some(gateway));
}

/// An address that both name is given once, where the reference gives it twice.
fn merged(mut ips: Vec<IpConfig>, asked: Vec<IpConfig>) -> Vec<IpConfig> {
    for ip in asked {
        match ips.iter_mut().find(|other| other.address == ip.address) {
            Some(configured) => configured.gateway = ip.gateway.or(configured.gateway),
            None => ips.push(ip),
        }
    }
    ips
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
