//! The IPAM plugin `static`: addresses, routes and resolver settings as configured.
//!
//! It keeps no state, so DEL and GC have nothing to do. Configuration and results are those of the reference plugin of
//! the same name.

mod add;
mod addresses;
mod check;
mod config;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin::main(&plugin::Verbs {
        name: "static",
        keys: &[],
        attaches: false,
        reads_args: true,
        add: |call| add::add(call).map(Into::into),
        undo: |_, _| Ok(()),
        del: |_| Ok(()),
        check: check::check,
        gc: |_| Ok(()),
        status: |call| add::result(call).map(|_| ()),
        update: None,
        print: None,
    })
}
