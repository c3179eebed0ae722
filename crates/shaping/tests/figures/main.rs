//! Quantities, grammar and the arithmetic of queues.

mod distributions;
mod grammar;
mod properties;
