//! Scenarios on a real kernel, one file per source of requirements.

mod accuracy;
mod child_nics;
mod container_nics;
mod containerd;
mod delayed_nics;
mod examples;
mod firewall;
mod guest_on_a_tap;
mod host_device;
mod impairments;
mod multus;
mod placement;
mod rocks;
mod shape;
mod shaping_sources;
mod vagga;
mod verified_lines;
mod verify;
mod virtual_machine;
mod vxvde;
mod walt;
