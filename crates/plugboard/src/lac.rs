//! Local Area Clouds (LACs): Ethernets that hosts have in common, which `vxlan-overlay` makes members of.

mod cloud;
pub(crate) mod frr;
pub(crate) mod ls;
mod member;
pub(crate) mod reload;
mod wanted;
