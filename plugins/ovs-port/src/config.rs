//! What the keys of a port ask for.

use attachment::{Datapath, Mirroring, OvsMirror, SwitchLimits, SwitchVlans, VlanMode};
use cni::{Call, Error};
use keys::{DatapathType, Ethertype, MirrorKeys, NicKeys, OvsPortKeys, SwitchDevice, SwitchVlanMode};

/// The largest number of a port in OpenFlow that can be asked for (`ovs-vswitchd.conf.db(5)`, `ofport_request`).
const OFPORT_MAX: u32 = 65_279;

/// Rates in bit/s: the switch counts bytes, in 32 bits (`netdev-linux.c`, `htb_setup_class__`).
const RATES: std::ops::RangeInclusive<u64> = 8..=34_359_738_360;

/// # Errors
/// Code 7 naming the key.
pub(crate) fn device(keys: &OvsPortKeys, call: &Call) -> Result<SwitchDevice, Error> {
    let given = call.config.capability::<String>("deviceID")?;
    let id = given.as_ref().or(keys.device_id.as_ref()).filter(|id| !id.is_empty());
    if let Some(id) = id {
        return Err(Error::invalid_config(format!(
            "deviceID: {id} asks for a device with hardware offload, which this plugin does not set up: its representor and its \
             driver need care of their own; remove deviceID, or use a plugin that is made for such devices"
        )));
    }
    let nic = keys.nic;
    match keys.interface_type.as_deref() {
        None | Some("") => Ok(nic),
        Some("system") if nic != SwitchDevice::Internal => Ok(nic),
        Some("internal") if nic != SwitchDevice::Tap => Ok(SwitchDevice::Internal),
        Some(kind @ ("system" | "internal")) => {
            Err(Error::invalid_config(format!("interface_type {kind:?} contradicts nic; remove one of the two")))
        }
        Some(other) => Err(Error::invalid_config(format!(
            "interface_type: {other:?} is no kind of NIC that a container can have; it is \"system\" or \"internal\""
        ))),
    }
}

/// The keys that every NIC has.
pub(crate) fn nic_keys(keys: &OvsPortKeys) -> NicKeys {
    NicKeys {
        mtu: keys.mtu,
        mac: keys.mac.clone(),
        enabledad: keys.enabledad,
        disable_container_interface: keys.disable_container_interface,
        ..NicKeys::default()
    }
}

/// # Errors
/// Code 7 naming the key, or those that contradict each other.
pub(crate) fn vlans(keys: &OvsPortKeys) -> Result<SwitchVlans, Error> {
    let tag = keys.vlan.0;
    let trunks = numbers("trunk", &keys.trunk)?;
    let cvlans = numbers("cvlans", &keys.cvlans)?;
    let mode = match keys.vlan_mode {
        Some(SwitchVlanMode::Access) => VlanMode::Access,
        Some(SwitchVlanMode::Trunk) => VlanMode::Trunk,
        Some(SwitchVlanMode::NativeTagged) => VlanMode::NativeTagged,
        Some(SwitchVlanMode::NativeUntagged) => VlanMode::NativeUntagged,
        Some(SwitchVlanMode::Tunnel) => VlanMode::Tunnel,
        None if tag.is_none() => VlanMode::Trunk,
        None if trunks.is_empty() => VlanMode::Access,
        None => VlanMode::NativeUntagged,
    };
    let word = mode.word();
    let contradictions = [
        (tag.is_none() && mode != VlanMode::Trunk, format!("vlan_mode {word:?} needs vlan")),
        (
            tag.is_some() && mode == VlanMode::Trunk,
            "vlan means nothing with vlan_mode \"trunk\"; choose \"native-tagged\" or \
          \"native-untagged\", or remove vlan"
                .to_owned(),
        ),
        (
            !trunks.is_empty() && matches!(mode, VlanMode::Access | VlanMode::Tunnel),
            format!("trunk means nothing with vlan_mode {word:?}"),
        ),
        (!cvlans.is_empty() && mode != VlanMode::Tunnel, "cvlans is for vlan_mode \"dot1q-tunnel\"".to_owned()),
        (
            keys.qinq_ethtype.is_some() && mode != VlanMode::Tunnel,
            "qinq_ethtype is for vlan_mode \"dot1q-tunnel\"".to_owned(),
        ),
    ];
    if let Some((_, reason)) = contradictions.into_iter().find(|(is_met, _)| *is_met) {
        return Err(Error::invalid_config(reason));
    }
    let ethertype = keys.qinq_ethtype.map(|ethertype| match ethertype {
        Ethertype::Provider => "802.1ad",
        Ethertype::Customer => "802.1q",
    });
    Ok(SwitchVlans { mode: Some(mode), tag, trunks, cvlans, ethertype })
}

/// All VLANs of a key's entries, in order.
fn numbers(key: &str, entries: &[keys::TrunkKeys]) -> Result<Vec<u16>, Error> {
    if let Some(place) =
        entries.iter().position(|entry| entry.id.is_none() && entry.min_id.is_none() && entry.max_id.is_none())
    {
        return Err(Error::invalid_config(format!("{key}[{place}] has neither id nor minID and maxID")));
    }
    let mut numbers: Vec<u16> = nic::ranges(key, entries)?.into_iter().flat_map(|(first, last)| first..=last).collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// # Errors
/// Code 7 for a number that no port can have.
pub(crate) fn ofport_request(keys: &OvsPortKeys) -> Result<Option<u16>, Error> {
    match keys.ofport_request {
        0 => Ok(None),
        port if port <= OFPORT_MAX => Ok(u16::try_from(port).ok()),
        port => {
            Err(Error::invalid_config(format!("ofport_request is {port}: it must be a number from 1 to {OFPORT_MAX}")))
        }
    }
}

/// # Errors
/// Code 7 where the switch cannot keep them.
pub(crate) fn limits(keys: &OvsPortKeys, device: SwitchDevice) -> Result<SwitchLimits, Error> {
    let limits = SwitchLimits {
        policing_rate_kbps: keys.ingress_policing_rate,
        policing_burst_kb: keys.ingress_policing_burst,
        max_rate_bps: Some(keys.max_rate).filter(|rate| *rate != 0),
    };
    if limits.max_rate_bps.is_some_and(|rate| !RATES.contains(&rate)) {
        return Err(Error::invalid_config(format!(
            "max_rate is {}: Open vSwitch keeps rates from {} to {} bit/s",
            keys.max_rate,
            RATES.start(),
            RATES.end()
        )));
    }
    if limits.policing_burst_kb > 0 && limits.policing_rate_kbps == 0 {
        return Err(Error::invalid_config("ingress_policing_burst needs ingress_policing_rate"));
    }
    if limits != SwitchLimits::default() && device == SwitchDevice::Internal {
        return Err(Error::invalid_config(
            "ingress_policing_rate and max_rate do nothing for an internal port in a container, because the switch does not reach \
             the queues of another namespace; put netem-shaper into the chain, or use nic \"veth\"",
        ));
    }
    Ok(limits)
}

/// The datapath with which the bridge is made.
pub(crate) fn datapath(keys: &OvsPortKeys) -> Option<Datapath> {
    keys.datapath_type.map(|datapath| match datapath {
        DatapathType::System => Datapath::System,
        DatapathType::Netdev => Datapath::Netdev,
    })
}

/// The mirrors, each with the port's part in it. `is_output` says what an entry is that does not say so itself: the plugins of ovs-cni
/// are one for each part.
///
/// # Errors
/// Code 7 naming the entry.
pub(crate) fn mirrors(
    entries: &[MirrorKeys],
    is_output: Option<bool>,
    bridge: &str,
    network: &str,
) -> Result<Vec<(OvsMirror, Mirroring)>, Error> {
    let mirror = |(place, keys): (usize, &MirrorKeys)| {
        let objection = |reason: &str| Err(Error::invalid_config(format!("mirrors[{place}]: {reason}")));
        let part = match (is_output.unwrap_or(keys.output), keys.ingress, keys.egress) {
            _ if keys.name.is_empty() => return objection("name is empty"),
            (true, true, _) | (true, _, true) if is_output.is_none() => {
                return objection(
                    "the output of a mirror cannot be a source of it: remove output, or ingress and egress",
                );
            }
            (true, ..) => Mirroring::Output,
            (false, false, false) => return objection("a source needs ingress or egress or both"),
            (false, ingress, egress) => Mirroring::Source { ingress, egress },
        };
        let (bridge, network, name) = (bridge.to_owned(), network.to_owned(), keys.name.clone());
        Ok((OvsMirror { bridge, name, network }, part))
    };
    entries.iter().enumerate().map(mirror).collect()
}
