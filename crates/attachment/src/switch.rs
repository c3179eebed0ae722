//! Open vSwitch: its database as a channel, and what the rows there say.

mod columns;
mod database;
mod ids;
mod vlans;
mod vsctl;

pub(crate) use columns::{Columns, Wanted};
pub(crate) use database::{Awaited, Change};
pub use database::{PortState, SwitchDatabase};
pub(crate) use ids::{
    identity_of, is_of_ovs_cni, is_of_shared, of_attachment, of_ovs_cni, of_patch, of_shared, patched_bridge,
};
pub use vlans::{SwitchVlans, VlanMode};
pub(crate) use vsctl::{for_switch, vsctl};
