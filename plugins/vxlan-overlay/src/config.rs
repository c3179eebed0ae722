//! What the keys of a LAC ask for.

use std::collections::BTreeSet;

use cni::{Call, Error};
use ipnetwork::IpNetwork;
use keys::excerpt::quoted;
use keys::{Device, LacKeys, LacMode, Names, NicKeys, Place, TapKeys, UdpPort, Value, Vni};
use netlink::link::NAME_BYTES;

use crate::sealing::Sealing;
use crate::url::{Scheme, Url};
use crate::way::Way;
use crate::{evpn, group, peers, remotes};

/// The port of a LAC that names none: VDE's.
const PORT: u16 = 14789;

/// The VNI of a LAC that names none: VDE's.
const VNI: u32 = 1;

/// With a group: packets do not leave the subnet.
const GROUP_TTL: u8 = 1;

/// Keys of other plugins that would make another network of this one, and what is instead of them.
const OF_OTHERS: [(&[&str], &str); 5] = [
    (&["bridge"], "whose bridge is its own, one for all its members on a host"),
    (&["uplink", "link", "master"], "whose device of the host is called if"),
    (
        &["vlan", "vlanTrunk", "tag", "trunk"],
        "which is one Ethernet: what must be apart gets another group, port or vni",
    ),
    (
        &["isGateway", "isDefaultGateway", "ipMasq"],
        "whose hosts have no address in it: its gateway is a member like others, which ipam names",
    ),
    (&["portIsolation", "hairpinMode", "promiscMode"], "whose members all reach each other, and nobody else"),
];

/// They are refused, and so not reported as unknown.
pub(crate) const REFUSED: &Names = &Names {
    known: &[
        ("bridge", &Names::NONE),
        ("uplink", &Names::NONE),
        ("link", &Names::NONE),
        ("master", &Names::NONE),
        ("vlan", &Names::NONE),
        ("vlanTrunk", &Names::NONE),
        ("tag", &Names::NONE),
        ("trunk", &Names::NONE),
        ("isGateway", &Names::NONE),
        ("isDefaultGateway", &Names::NONE),
        ("ipMasq", &Names::NONE),
        ("portIsolation", &Names::NONE),
        ("hairpinMode", &Names::NONE),
        ("promiscMode", &Names::NONE),
    ],
    is_open: false,
};

/// What a configuration asks of a LAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The UDP port.
    pub(crate) port: u16,
    pub(crate) vni: u32,
    /// The device that is named, if one is.
    pub(crate) underlay: Option<String>,
    /// `None`: the host's own default.
    pub(crate) ttl: Option<u8>,
    pub(crate) way: Way,
    /// The only hosts that are heard; `None` for whoever sends.
    pub(crate) peers: Option<BTreeSet<IpNetwork>>,
    /// How it is encrypted, if it is.
    pub(crate) sealing: Option<Sealing>,
}

impl Wanted {
    /// # Errors
    /// Code 7 naming the key, or those that contradict each other.
    pub(crate) fn read(keys: &LacKeys, call: &Call) -> Result<Self, Error> {
        refuse_keys_of_others(call)?;
        let lac = match keys.mode {
            Some(LacMode::Evpn) => Self::told(keys)?,
            _ => Self::of_hosts(keys)?,
        };
        let peers = peers::read(keys, call, lac.way.is_ipv6())?;
        let sealing = Sealing::read(keys, call, &lac.way, peers.as_ref())?;
        Ok(Self { peers, sealing, ..lac })
    }

    /// A LAC whose hosts are told of each other.
    fn told(keys: &LacKeys) -> Result<Self, Error> {
        let (vni, local) = evpn::read(keys)?;
        Ok(Self {
            port: keys.port.map_or(evpn::PORT, |UdpPort(port)| port),
            vni,
            underlay: underlay(keys, None)?,
            ttl: keys.ttl.map(|ttl| ttl.0),
            way: Way::Evpn { local },
            peers: None,
            sealing: None,
        })
    }

    /// A LAC whose hosts find each other by a group or a list.
    fn of_hosts(keys: &LacKeys) -> Result<Self, Error> {
        evpn::refuse_elsewhere(keys)?;
        let url = set(keys.url.as_deref())
            .map(|text| Url::parse(text).map_err(|reason| refused(format!("url is {}: {reason}", quoted(text)))));
        let url = url.transpose()?;
        let way = way(keys, url.as_ref())?;
        let port = agreed("port", keys.port.map(|UdpPort(port)| port), url.as_ref().map(|url| url.port))?;
        let vni = agreed("vni", keys.vni.map(|Vni(vni)| vni), url.as_ref().map(|url| url.vni))?;
        let ttl = agreed("ttl", keys.ttl.map(|ttl| ttl.0), url.as_ref().and_then(|url| url.ttl))?;
        let ttl = match way {
            Way::Group { .. } => ttl.or(Some(GROUP_TTL)),
            Way::Remotes(_) | Way::Evpn { .. } => ttl,
        };
        let underlay = underlay(keys, url.as_ref().and_then(|url| url.underlay.as_deref()))?;
        let port = port.unwrap_or(PORT);
        if port == u16::MAX && matches!(way, Way::Group { vde: true, .. }) {
            return Err(refused(
                "port: 65535 cannot be used with VDE's clients: what they get is sent from the port as well, and the kernel takes that as \
                 a range that ends before the next one; choose another port"
                    .to_owned(),
            ));
        }
        Ok(Self { port, vni: vni.unwrap_or(VNI), underlay, ttl, way, peers: None, sealing: None })
    }

    /// Port and VNI, whatever else the configuration says: for DEL, for which it may have become invalid. The file of remotes is not
    /// read.
    pub(crate) fn leniently(call: &Call) -> Option<(u16, u32)> {
        let object = &call.config.object;
        if let Some(url) = set(keys::find(object, "url").and_then(Value::as_str)) {
            return Url::lac(url);
        }
        let port = keys::member::<UdpPort>(object, "port", &Place::Whole, false).ok()?;
        let vni = keys::member::<Vni>(object, "vni", &Place::Whole, false).ok()?;
        if evpn::is_asked(call) {
            return Some((port.map_or(evpn::PORT, |UdpPort(port)| port), vni?.0));
        }
        Some((port.map_or(PORT, |UdpPort(port)| port), vni.map_or(VNI, |Vni(vni)| vni)))
    }
}

/// The keys that every NIC has.
pub(crate) fn nic_keys(keys: &LacKeys) -> NicKeys {
    NicKeys {
        mtu: keys.mtu,
        mac: keys.mac.clone(),
        macspoofchk: keys.macspoofchk,
        ipspoofchk: keys.ipspoofchk,
        enabledad: keys.enabledad,
        disable_container_interface: keys.disable_container_interface,
        ..NicKeys::default()
    }
}

/// Those of a TAP device, whose `group` has another name here.
///
/// # Errors
/// Code 7 for a veth with `ownerGroup`.
pub(crate) fn tap_keys(keys: &LacKeys) -> Result<TapKeys, Error> {
    if keys.owner_group.is_some() && keys.nic == Device::Veth {
        return Err(refused("ownerGroup is for TAP devices: set nic to \"tap\", or remove the key".to_owned()));
    }
    Ok(TapKeys {
        tap_namespace: keys.tap_namespace,
        multi_queue: keys.multi_queue,
        owner: keys.owner,
        group: keys.owner_group,
    })
}

/// # Errors
/// Code 7: several keys say who takes part, or none does, or the mode is for others.
fn way(keys: &LacKeys, url: Option<&Url>) -> Result<Way, Error> {
    let group = set(keys.group.0.as_deref());
    let file = set(keys.remotes_file.as_deref());
    let has_list = !keys.remotes.is_empty();
    let of_hosts = if has_list { Some("remotes") } else { file.map(|_| "remotesFile") };
    let of_group = if group.is_some() { Some("group") } else { url.map(|_| "url") };
    let mode = mode(keys, url)?;
    match (of_group, of_hosts) {
        _ if group.is_some() && url.is_some() => both("group", "url", "name the LAC"),
        _ if has_list && file.is_some() => both("remotes", "remotesFile", "list the other hosts"),
        (Some(group), Some(hosts)) => Err(refused(format!(
            "{group} lets the hosts find each other, and {hosts} lists them: remove one of the two"
        ))),
        (None, None) => Err(refused(match mode {
            Some(LacMode::Remotes) => {
                "mode \"remotes\" needs the addresses of the other hosts, in remotes or remotesFile".to_owned()
            }
            Some(_) => format!("{} needs a multicast group, in group or url", word(keys)),
            None => "group is missing: name a multicast group such as \"239.0.0.1\" that all hosts of the LAC join, or, where the \
                     network between them carries none, list their addresses in remotes"
                .to_owned(),
        })),
        (Some(key), None) if mode == Some(LacMode::Remotes) => Err(refused(format!(
            "mode \"remotes\" is for the addresses of hosts, in remotes or remotesFile, and {key} names a multicast group: remove \
             mode, or {key}"
        ))),
        (None, Some(key)) if !matches!(mode, None | Some(LacMode::Remotes)) => Err(refused(format!(
            "{} is for multicast groups, and {key} lists the hosts: {}",
            word(keys),
            match mode {
                Some(LacMode::Vxvde) => "VDE's clients find each other by a group alone; name one in group or url, or remove it",
                _ => "remove one of the two",
            }
        ))),
        (Some(_), None) => {
            let vde = match (mode, url) {
                (Some(mode), _) => mode == LacMode::Vxvde,
                (None, url) => url.is_some_and(|url| url.scheme == Scheme::Vxvde),
            };
            let named = group.map(|text| {
                group::parse(text).map_err(|reason| refused(format!("group is {}: {reason}", quoted(text))))
            });
            let group = named.transpose()?.or(url.map(|url| url.group));
            let group = group.ok_or_else(|| refused("group is missing".to_owned()))?;
            Ok(Way::Group { group, vde })
        }
        (None, Some(_)) => match file {
            Some(path) => remotes::in_file(path),
            None => remotes::listed(&keys.remotes),
        }
        .map(Way::Remotes),
    }
}

/// The mode that is asked for, if one is.
fn mode(keys: &LacKeys, url: Option<&Url>) -> Result<Option<LacMode>, Error> {
    let mode = match (keys.mode, keys.compat) {
        (Some(mode @ (LacMode::Multicast | LacMode::Remotes | LacMode::Evpn)), Some(_)) => {
            let mode = match mode {
                LacMode::Multicast => "multicast",
                LacMode::Evpn => "evpn",
                _ => "remotes",
            };
            return Err(refused(format!(
                "compat \"vxvde\" means mode \"vxvde\", and mode is {mode:?}; remove one of the two"
            )));
        }
        (None, Some(_)) => Some(LacMode::Vxvde),
        (mode, _) => mode,
    };
    match url {
        Some(url) if url.scheme == Scheme::Vxlan && mode == Some(LacMode::Vxvde) => Err(refused(format!(
            "{} is for VDE's clients of vxvde://, and url begins with vxlan://; remove it, or change url",
            word(keys)
        ))),
        _ => Ok(mode),
    }
}

/// The key by which a mode is asked for, as it is written.
fn word(keys: &LacKeys) -> &'static str {
    match (keys.mode, keys.compat) {
        (None, Some(_)) => "compat \"vxvde\"",
        (Some(LacMode::Vxvde), _) => "mode \"vxvde\"",
        (Some(LacMode::Remotes), _) => "mode \"remotes\"",
        (Some(LacMode::Evpn), _) => "mode \"evpn\"",
        (Some(LacMode::Multicast) | None, _) => "mode \"multicast\"",
    }
}

/// What a key and the url say, if either does.
fn agreed<T: Copy + Eq + std::fmt::Display>(
    key: &str,
    given: Option<T>,
    of_url: Option<T>,
) -> Result<Option<T>, Error> {
    match (given, of_url) {
        (Some(given), Some(of_url)) if given != of_url => {
            Err(refused(format!("{key} is {given}, and url means {of_url}; remove {key}, or change one of the two")))
        }
        (given, of_url) => Ok(given.or(of_url)),
    }
}

/// # Errors
/// Code 7: several are named, or one that no link can have.
fn underlay(keys: &LacKeys, of_url: Option<&str>) -> Result<Option<String>, Error> {
    let named = [("if", set(keys.underlay.as_deref())), ("dev", set(keys.dev.as_deref())), ("url", of_url)];
    let mut given = named.into_iter().filter_map(|(key, name)| Some((key, name?)));
    let Some((key, name)) = given.next() else { return Ok(None) };
    if let Some((other_key, other)) = given.find(|(_, other)| *other != name) {
        return Err(refused(format!(
            "{key} names {}, and {other_key} names {}, but both mean the underlay; remove one of the two",
            quoted(name),
            quoted(other)
        )));
    }
    let is_possible = name.len() <= NAME_BYTES
        && !name.contains(|letter: char| matches!(letter, '/' | ':') || letter.is_whitespace() || letter.is_control())
        && !matches!(name, "." | "..");
    match is_possible {
        true => Ok(Some(name.to_owned())),
        false => Err(refused(format!(
            "{key}: {} cannot be the name of a link: at most {NAME_BYTES} bytes, without '/', ':' and blanks",
            quoted(name)
        ))),
    }
}

/// # Errors
/// Code 7 naming the key. Left out, it would be a network that nobody has asked for.
fn refuse_keys_of_others(call: &Call) -> Result<(), Error> {
    let is_given = |key: &&&str| keys::find(&call.config.object, key).is_some_and(keys::is_set);
    match OF_OTHERS.iter().find_map(|(keys, instead)| Some((keys.iter().find(is_given)?, instead))) {
        None => Ok(()),
        Some((key, instead)) => Err(refused(format!("{key} means nothing for a LAC, {instead}; remove the key"))),
    }
}

fn set(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn both<T>(one: &str, other: &str, what: &str) -> Result<T, Error> {
    Err(refused(format!("{one} and {other} both {what}; remove one of the two")))
}

#[cold]
fn refused(reason: String) -> Error {
    Error::invalid_config(reason)
}

#[cfg(test)]
mod tests;
