//! A real switch: `ovsdb-server` and `ovs-vswitchd` of the test's own, with the userspace datapath; and peers that are none.

mod flows;
mod frames;
mod open_vswitch;
mod restarts;
mod speed;
mod strange_peers;
