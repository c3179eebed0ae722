//! The plugin `netem-shaper`: its keys, its queues and its neighbours.

mod corners;
mod input;
mod reference_bandwidth;
mod reference_made;
mod two_shapers;
mod uploads;
mod whose;
