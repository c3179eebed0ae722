//! The plugin `vxlan-overlay` on one host: what of a Local Area Cloud is there, and what is left. What hosts of a cloud say to each other is
//! in the scenarios.

mod collection;
mod differences;
mod evpn;
mod kill;
mod peers;
mod refused;
mod remotes;
mod sealed;
mod shared;
mod site;
mod status;
