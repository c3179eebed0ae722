//! Tables, sets and rules on a real kernel.

mod dnat;
mod maps;
mod messages;
mod sets;
