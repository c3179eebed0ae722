//! What attachments share, one file for each kind.

mod bridge;
mod forward_rule;
mod gateway_vlan;
mod migration;
mod uplink;

pub use bridge::Bridge;
pub use forward_rule::ForwardRule;
pub use gateway_vlan::GatewayVlan;
pub use uplink::{Uplink, UplinkVlan};
