//! Bandwidth and latency as a configuration asks for them: its keys, presets included, and the sources that they come from.
//! One reading for the plugin `netem-shaper`, which makes it so, and for the command line, which measures it. What the values
//! mean is said by the crate `shaping`, which knows neither keys nor configurations.

mod bandwidth;
mod config;
mod forms;
mod line_keys;
mod presets;
mod remarks;

pub use config::{KEYS, LIMITS, Shape, TABLES, interfaces, shape};
pub use remarks::remarks;
