//! Open vSwitch: its database as a channel, and what the rows there say.

mod attached;
mod columns;
mod database;
mod gone;
mod ids;
mod missing;
mod vlans;
mod vsctl;

pub(crate) use columns::{Columns, Wanted};
pub(crate) use database::{Awaited, Change};
pub use database::{PortState, SwitchDatabase};
pub(crate) use ids::{
    GUARDED_ON, OF_OURS, PATCH_OF, identity_of, is_of_ovs_cni, is_of_shared, of_attachment, of_ovs_cni, of_patch,
    of_shared, patched_bridge,
};
pub(crate) use missing::no_bridge_of;
pub use vlans::{SwitchVlans, VlanMode};
pub(crate) use vsctl::{for_switch, quoted, vsctl, word};
