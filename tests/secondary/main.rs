//! The plugin `veth-secondary`: further NICs of every kind.

mod chained;
mod host_device;
mod kill;
mod on_bridge;
mod routed;
mod source_routing;
