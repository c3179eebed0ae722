//! Local Area Clouds, as `vxlan-overlay` makes them: one Ethernet of containers and machines on several hosts of a LAN.

mod failures;
mod firewall;
mod groups;
mod guests;
mod moves;
mod pods;
mod remotes;
mod site;
mod traffic;
mod underlays;
