//! The keys of a LAC whose hosts tell each other by BGP what they have (EVPN).

use std::net::IpAddr;

use cni::{Call, Error};
use keys::excerpt::quoted;
use keys::{LacKeys, Value, Vni};

/// The port of a LAC that names none: that of VXLAN (RFC 7348, 5), which all speakers of EVPN use.
pub(crate) const PORT: u16 = 4789;

/// The word for it in a configuration.
const MODE: &str = "evpn";

/// The VNI, and the address of this host that the others send to, if it is named.
///
/// # Errors
/// Code 7 naming the key.
pub(crate) fn read(keys: &LacKeys) -> Result<(u32, Option<IpAddr>), Error> {
    let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let others = [
        ("group", is_set(&keys.group.0), "names a multicast group"),
        ("url", is_set(&keys.url), "names a multicast group"),
        ("remotes", !keys.remotes.is_empty(), "lists the other hosts"),
        ("remotesFile", is_set(&keys.remotes_file), "lists the other hosts"),
    ];
    if let Some((key, _, what)) = others.iter().find(|(_, is_given, _)| *is_given) {
        return Err(refused(format!(
            "mode \"evpn\" leaves it to BGP to find the other hosts, and {key} {what}: remove mode, or {key}"
        )));
    }
    if keys.compat.is_some() {
        return Err(refused(
            "compat \"vxvde\" means mode \"vxvde\", and mode is \"evpn\"; remove one of the two".to_owned(),
        ));
    }
    let vni = match keys.vni {
        Some(Vni(0)) => {
            return Err(refused("vni is 0: with mode \"evpn\" it must be a number from 1 to 16777215".to_owned()));
        }
        Some(Vni(vni)) => vni,
        None => {
            return Err(refused(
                "vni is missing: with mode \"evpn\" it is what BGP tells the LAC by, and has no default; choose a number that no \
                 other network has"
                    .to_owned(),
            ));
        }
    };
    let local = keys.local.as_deref().filter(|text| !text.is_empty());
    let local = local.map(|text| parse(text).map_err(|reason| refused(format!("local is {}: {reason}", quoted(text)))));
    Ok((vni, local.transpose()?))
}

/// Refuses what means something in this mode alone.
///
/// # Errors
/// Code 7 naming the key.
pub(crate) fn refuse_elsewhere(keys: &LacKeys) -> Result<(), Error> {
    match keys.local.as_deref().filter(|text| !text.is_empty()) {
        None => Ok(()),
        Some(_) => Err(refused(
            "local is for mode \"evpn\"; with a group or remotes the host's routes tell the address: remove local, or set mode"
                .to_owned(),
        )),
    }
}

/// Whether a configuration, which may be invalid otherwise, asks for this mode.
pub(crate) fn is_asked(call: &Call) -> bool {
    keys::find(&call.config.object, "mode").and_then(Value::as_str) == Some(MODE)
}

/// # Errors
/// What is wrong with it, as the rest of a sentence that quotes the text.
fn parse(text: &str) -> Result<IpAddr, String> {
    let must = "it must be an address of this host that the others can send to, such as 192.0.2.1 or 2001:db8::1";
    let address: IpAddr = text.parse().map_err(|_| match text.contains('/') {
        true => format!("{must}, without the length of a prefix"),
        false => must.to_owned(),
    })?;
    match address {
        _ if address.to_canonical() != address => {
            Err(format!("it is an IPv4 address in the form of an IPv6 address; write it as {}", address.to_canonical()))
        }
        _ if address.is_multicast() => Err(format!("it is a multicast group; {must}")),
        _ if attachment::is_wide(address) => Ok(address),
        _ => Err(format!("no other host can send to it; {must}")),
    }
}

fn refused(reason: String) -> Error {
    Error::invalid_config(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts() {
        for text in ["192.0.2.1", "10.255.0.1", "100.64.0.1", "2001:db8::1", "fd00::1"] {
            assert_eq!(parse(text), Ok(text.parse().unwrap()));
        }
        for (text, part) in [
            ("", "it must be an address of this host"),
            ("lo", "it must be an address of this host"),
            ("192.0.2.1/32", "without the length of a prefix"),
            ("239.0.0.1", "it is a multicast group"),
            ("::ffff:192.0.2.1", "write it as 192.0.2.1"),
            ("127.0.0.1", "no other host can send to it"),
            ("169.254.1.1", "no other host can send to it"),
            ("fe80::1", "no other host can send to it"),
            ("0.0.0.0", "no other host can send to it"),
            ("::", "no other host can send to it"),
            ("255.255.255.255", "no other host can send to it"),
        ] {
            let objection = parse(text).unwrap_err();
            assert!(objection.contains(part), "{text}: {objection}");
        }
    }
}
