//! The plugin `bridge`: a NIC of the container on a Linux bridge of the host.
//!
//! Keys and results are those of the reference plugin of the same name.

mod adopted;
mod config;
mod describe;
mod firewall;
mod gateway;
mod nic;
mod path;
mod uplink;
mod vlans;

use std::process::ExitCode;

use describe::Bridged;
use plugin::{Verbs, interface};

fn main() -> ExitCode {
    plugin::main(&Verbs {
        name: "bridge",
        keys: config::KEYS,
        add: interface::add::<Bridged>,
        del: interface::del::<Bridged>,
        check: interface::check::<Bridged>,
        gc: interface::gc::<Bridged>,
        status: interface::status::<Bridged>,
        update: None,
    })
}
