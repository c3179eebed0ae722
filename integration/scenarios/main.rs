//! Scenarios on a real kernel, one file per source of requirements.

mod accuracy;
mod child_nics;
mod container_nics;
mod containerd;
mod delayed_nics;
mod dhcp_in_a_node;
mod examples;
mod firewall;
mod further_kinds;
mod guest_on_a_tap;
mod host_device;
mod impairments;
mod multus;
mod placement;
mod podman;
mod rocks;
mod secondary_nics;
mod shape;
mod shaping_sources;
mod user_mode_guests;
mod vagga;
mod verified_lines;
mod verify;
mod virtual_machine;
mod vxvde;
mod walt;
