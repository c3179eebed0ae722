//! A namespace that nobody else has.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Makes a namespace that a thread holds until the process ends, however it ends: its path is gone then, and so is the namespace.
pub(crate) fn make() -> anyhow::Result<PathBuf> {
    let (tell, told) = mpsc::channel();
    thread::Builder::new()
        .name("namespace".to_owned())
        .spawn(move || {
            let entered = unshare(CloneFlags::CLONE_NEWNET);
            // It is ours alone: nobody has its addresses already. There may be no IPv6.
            let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
            let _ = tell.send(entered.map(|()| gettid()));
            loop {
                thread::park();
            }
        })
        .context("cannot start a thread")?;
    let thread = told.recv().context("the thread of a namespace ended")?.context("cannot make a network namespace")?;
    Ok(PathBuf::from(format!("/proc/{}/task/{thread}/ns/net", std::process::id())))
}
