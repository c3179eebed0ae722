//! Kills, races and failures in the middle of a call.

mod answers;
mod cleanup;
mod faults;
mod kill;
mod orphans;
mod races;
mod sizes;
mod stoppers;
mod unwritten;
