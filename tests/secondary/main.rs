//! The plugin `veth-secondary`: further NICs of every kind.

mod on_bridge;
mod routed;
