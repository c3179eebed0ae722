//! The plugin `veth-secondary`: further NICs of every kind.

mod kill;
mod on_bridge;
mod routed;
