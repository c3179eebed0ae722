//! Contradictions between the keys of a NIC. The keys themselves are in `crates/keys/src/nic.rs`.

use cni::{Call, Error};
use keys::{Device, NicKeys, TapKeys};

/// Keys that exclude each other, or mean nothing without another key.
pub(crate) fn refuse_contradictions(
    keys: &NicKeys,
    device: Device,
    of_tap: &TapKeys,
    call: &Call,
) -> Result<(), Error> {
    let of_a_tap = [
        ("owner", of_tap.owner.is_some()),
        ("group", of_tap.group.is_some()),
        ("multiQueue", of_tap.multi_queue.is_some()),
        ("tapNamespace", of_tap.tap_namespace.is_some()),
    ];
    if let Some((key, _)) = of_a_tap.iter().find(|(_, is_given)| device == Device::Veth && *is_given) {
        return Err(Error::invalid_config(format!("{key} is for TAP devices: set nic to \"tap\", or remove the key")));
    }
    let is_tap = device == Device::Tap;
    refuse(&[
        (is_tap && keys.enabledad, "enabledad is for veths: the addresses of a TAP device are its guest's"),
        (
            is_tap && keys.disable_container_interface,
            "disableContainerInterface is for veths; with nic \"tap\" there is no container interface",
        ),
        (
            keys.disable_container_interface && call.config.ipam.is_some(),
            "ipam gives addresses to an interface that disableContainerInterface keeps down; remove one of the two",
        ),
    ])
}

/// The first contradiction found, as code 7.
pub(crate) fn refuse(contradictions: &[(bool, &str)]) -> Result<(), Error> {
    match contradictions.iter().find(|(is_met, _)| *is_met) {
        Some((_, reason)) => Err(Error::invalid_config(*reason)),
        None => Ok(()),
    }
}
