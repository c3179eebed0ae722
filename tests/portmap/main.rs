//! The plugin `portmap`: published ports.

mod beside_others;
mod conditions;
mod foreign_tables;
mod holders;
mod loopback;
mod reached;
mod reference_made;
mod restarts;
mod sctp;
mod site;
mod sources;
mod verbs;
