//! The protocol, row by row of the checklist.

mod add;
mod check;
mod configuration;
mod conformance;
mod conventions;
mod del;
mod delegation;
mod dhcp;
mod environment;
mod errors;
mod gc;
mod go_decoder;
mod independent_readers;
mod ipam;
mod ipam_alone;
mod libcni_runtime;
mod loopback;
mod multi;
mod names;
mod results;
mod status;
mod update;
mod versions;
