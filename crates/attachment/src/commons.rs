//! What attachments share, one file for each kind.

mod bridge;
mod esp;
mod forward_rule;
mod gateway_vlan;
mod lac;
mod migration;
mod ovs_bridge;
mod ovs_mirror;
mod ovs_patch;
mod ovs_ports;
mod peers;
mod published_behind;
mod uplink;

pub use bridge::Bridge;
pub use esp::{Esp, EspSummary, esp_summary};
pub use forward_rule::ForwardRule;
pub use gateway_vlan::GatewayVlan;
pub use lac::{Lac, LacId, LacMode, Reach, Vtep, is_wide, lac_of};
pub use ovs_bridge::{Datapath, OvsBridge};
pub use ovs_mirror::OvsMirror;
pub use ovs_patch::OvsPatch;
pub use peers::Peers;
pub use published_behind::{LoopbackWay, PublishedRule};
pub use uplink::{Uplink, UplinkVlan};
