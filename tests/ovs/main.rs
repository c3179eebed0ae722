//! The plugin `ovs-port` with a real Open vSwitch, its datapath in user space.

mod kinds;
mod site;
mod tagged;
mod vlans;
