//! What attachments share, one file for each kind.

mod bridge;
mod forward_rule;
mod gateway_vlan;
mod lac;
mod migration;
mod ovs_bridge;
mod ovs_mirror;
mod ovs_patch;
mod ovs_ports;
mod published_behind;
mod uplink;

pub use bridge::Bridge;
pub use forward_rule::ForwardRule;
pub use gateway_vlan::GatewayVlan;
pub use lac::{Lac, LacId, LacMode, Reach, lac_of};
pub use ovs_bridge::{Datapath, OvsBridge};
pub use ovs_mirror::OvsMirror;
pub use ovs_patch::OvsPatch;
pub use published_behind::{LoopbackWay, PublishedRule};
pub use uplink::{Uplink, UplinkVlan};
