//! Bandwidth and latency as a configuration asks for them: its keys, presets included, and the sources that they come from.
//! The plugin `netem-shaper`, which sets the limits, and the command line, which measures them, share this parser. The crate
//! `shaping`, which knows neither keys nor configurations, defines what the values mean.

mod bandwidth;
mod config;
mod forms;
mod line_keys;
mod presets;
mod remarks;

pub use bandwidth::is_no_limit;
pub use config::{BANDWIDTH, KEYS, LIMITS, Shape, TABLES, interfaces, shape};
pub use remarks::remarks;
