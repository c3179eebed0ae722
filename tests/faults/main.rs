//! Kills, races and failures in the middle of a call.

mod answers;
mod cleanup;
mod faults;
mod kill;
mod orphans;
mod races;
mod stoppers;
mod unwritten;
