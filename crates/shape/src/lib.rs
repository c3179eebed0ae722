//! What a configuration asks of an interface's two directions: its keys, presets included, and the sources that they come
//! from. One reading for the plugin `netem-shaper`, which makes it so, and for the command line, which measures it.

mod bandwidth;
mod config;
mod forms;
mod line_keys;
mod presets;
mod remarks;

pub use config::{KEYS, Shape, interfaces, shape};
pub use remarks::remarks;
