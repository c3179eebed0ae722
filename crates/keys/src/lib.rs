//! The keys of configurations, each written once.
//!
//! [`keys!`] declares an object of a configuration: for each key its field, its name in JSON, and its description. The parser
//! ([`FromJson`]), the known names ([`Names`]) for the notes on misspelt keys, and a [`Table`] for manuals and editors are
//! derived from that. The table is a constant: an executable that does not print it does not contain it.
//!
//! Objects are read as Go's `encoding/json` reads them, for which all existing configurations and runtimes were written: keys in
//! any letter case, `null` as if the key were not there, whole numbers only.
//!
//! The crate knows nothing of the protocol and of what a key does.

mod choice;
pub mod excerpt;
mod from_json;
mod macros;
mod names;
pub mod patterns;
mod place;
mod remark;
mod table;

mod bridge;
mod delegate;
mod host_local;
mod network;
mod nic;
mod ovs_port;
mod portmap;
mod result;
mod static_addresses;
mod veth_secondary;
mod vlan;
mod vxlan_overlay;

pub use bridge::{BridgeKeys, Device, OnBridgeKeys};
pub use delegate::DelegateKeys;
pub use from_json::{Declared, FromJson, Unread, entries, member, number, object};
pub use host_local::{HostLocalKeys, RangeKeys};
pub use names::{Names, find, is_set, is_spelled, remove, take};
pub use network::{ArgsKeys, Capabilities, CapabilityKeys, IpamKeys, ListKeys, PluginKeys};
pub use nic::{MasqueradeBackend, NicKeys, TapKeys, TapNamespace, TrunkKeys};
pub use ovs_port::{DatapathType, Ethertype, MirrorKeys, OvsPortKeys, SwitchDevice, SwitchKeys, SwitchVlanMode};
pub use place::{Place, Refusal};
pub use portmap::{HostIp, MarkBit, Port, PortMappingKeys, PortmapBackend, PortmapKeys, PublishedKeys, Transport};
pub use remark::{Remark, nearest, remarks};
pub use result::{DnsKeys, RouteKeys};
pub use serde_json::{Map, Value};
pub use static_addresses::{AddressKeys, StaticKeys};
pub use table::{FIRST_RELEASE, Form, Key, MANDATORY, Table};
pub use veth_secondary::{SecondaryDevice, SecondaryKeys};
pub use vlan::{OptionalVlanId, VlanId};
pub use vxlan_overlay::{Group, LacCompat, LacKeys, LacMode, Ttl, UdpPort, Vni};
