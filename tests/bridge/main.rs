//! The plugin `bridge`: every key, and the networks that it makes.

mod filter;
mod forward;
mod full_bridge;
mod full_neighbour_table;
mod gateway_mac;
mod keys;
mod lent_device;
mod mtu;
mod nat;
mod operators_bridge;
mod reachability;
mod reference;
mod reference_made;
mod rejecting_firewall;
mod routes;
mod settings;
mod shared;
mod spanning_tree;
mod tap;
mod tap_namespace;
mod uplink;
mod vlan;
mod whose;
