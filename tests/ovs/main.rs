//! The plugin `ovs-port` with a real Open vSwitch, its datapath in user space.

mod collection;
mod daemons;
mod differences;
mod guards;
mod kill;
mod kinds;
mod mirrors;
mod ovs_cni;
mod patched;
mod refused;
mod remotes;
mod removal;
mod site;
mod status;
mod tagged;
mod together;
mod vlans;
