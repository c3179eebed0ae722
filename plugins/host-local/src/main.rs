//! The IPAM plugin `host-local`: addresses from ranges, kept in files on this host.
//!
//! Configuration, results, files and order of allocation are those of the reference plugin of the same name; both can
//! work in one directory at the same time.

mod add;
mod allocate;
mod check;
mod config;
mod error;
mod files;
mod free;
mod gc;
mod index;
mod lock;
mod map;
mod owner;
mod pool;
mod range;
mod release;
mod request;
mod reservation;
mod resolv_conf;
mod scan;
mod set;
mod status;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin::main(&plugin::Verbs {
        name: "host-local",
        keys: &[],
        attaches: false,
        reads_args: true,
        add: |call| add::add(call).map(Into::into),
        undo: release::undo,
        del: release::del,
        check: check::check,
        gc: gc::gc,
        status: status::status,
        update: None,
        print: None,
    })
}
