//! Whose a row is: its `external_ids`. `container_id` and `container_iface` are as `ovs-docker` calls them.

use std::collections::BTreeMap;

use crate::Identity;

const OWNER: &str = "owner";
const OURS: &str = "plugboard";
const NETWORK: &str = "network";
const CONTAINER: &str = "container_id";
const INTERFACE: &str = "container_iface";
/// Of a patch port: the bridge whose ports it serves.
pub(crate) const PATCH_OF: &str = "patch_of";

/// What the row of a guarded port says: the bridge whose flows guard it.
pub(crate) const GUARDED_ON: &str = "guarded_on";

/// The owner that ovs-cni names.
const OVS_CNI: &str = "ovs-cni.network.kubevirt.io";

/// What the rows of an attachment say.
pub(crate) fn of_attachment(identity: &Identity) -> Vec<(&'static str, String)> {
    vec![
        (CONTAINER, identity.container_id().to_owned()),
        (INTERFACE, identity.if_name().to_owned()),
        (NETWORK, identity.network().to_owned()),
        (OWNER, OURS.to_owned()),
    ]
}

/// What all rows of ours say.
pub(crate) const OF_OURS: (&str, &str) = (OWNER, OURS);

/// What the rows say that attachments share and that the first of them, of this network, has made.
pub(crate) fn of_shared(network: &str) -> Vec<(&'static str, String)> {
    vec![(NETWORK, network.to_owned()), (OWNER, OURS.to_owned())]
}

/// What a patch port says that serves the ports of a bridge, and that the first attachment of this network has made.
pub(crate) fn of_patch(network: &str, bridge: &str) -> Vec<(&'static str, String)> {
    let mut ids = of_shared(network);
    ids.push((PATCH_OF, bridge.to_owned()));
    ids
}

/// The bridge whose ports a patch port of ours serves, if the row is one.
pub(crate) fn patched_bridge<'a>(ids: &BTreeMap<&str, &'a str>) -> Option<&'a str> {
    ids.get(PATCH_OF).copied()
}

/// What the port says that ovs-cni has made for the interface of a namespace.
pub(crate) fn of_ovs_cni(netns: &str, interface: &str) -> Vec<(&'static str, String)> {
    vec![("contNetns", netns.to_owned()), ("contIface", interface.to_owned()), (OWNER, OVS_CNI.to_owned())]
}

/// The attachment that a row belongs to, if it is of one.
pub(crate) fn identity_of(ids: &BTreeMap<&str, &str>) -> Option<Identity> {
    let is_ours = ids.get(OWNER) == Some(&OURS);
    is_ours.then(|| Some(Identity::new(*ids.get(NETWORK)?, *ids.get(CONTAINER)?, *ids.get(INTERFACE)?))).flatten()
}

/// The row is of something that attachments share and that was made here.
pub(crate) fn is_of_shared(ids: &BTreeMap<&str, &str>) -> bool {
    ids.get(OWNER) == Some(&OURS) && !ids.contains_key(CONTAINER)
}

/// ovs-cni has made the row.
pub(crate) fn is_of_ovs_cni(ids: &BTreeMap<&str, &str>) -> bool {
    ids.get(OWNER) == Some(&OVS_CNI)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DEL and GC of a later release find what an earlier one made by them.
    #[test]
    fn words_never_change() {
        let pairs = |ids: Vec<(&'static str, String)>| {
            ids.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        let of_one = "container_id=c1 container_iface=eth1 network=net-a owner=plugboard";
        assert_eq!(pairs(of_attachment(&Identity::new("net-a", "c1", "eth1"))), of_one);
        assert_eq!(pairs(of_shared("net-a")), "network=net-a owner=plugboard");
    }

    #[test]
    fn a_row_tells_its_attachment() {
        let identity = Identity::new("net-a", "c1", "eth1");
        let ids = of_attachment(&identity);
        let read = |ids: &[(&'static str, String)]| {
            identity_of(&ids.iter().map(|(key, value)| (*key, value.as_str())).collect::<BTreeMap<_, _>>())
        };
        assert_eq!(read(&ids), Some(identity));
        assert_eq!((read(&of_shared("net-a")), read(&of_ovs_cni("/run/netns/c1", "eth1"))), (None, None));
    }
}
