//! Whether `ovs-vswitchd` runs.

use harness::wait_until;
use nix::sys::signal::Signal;

use crate::daemons::{Switch, send};

#[test]
fn the_lock_tells_whether_the_switch_runs_and_is_not_kept() {
    let switch = Switch::new();
    let is_locked = || switch.client().is_locked("ovs_vswitchd").unwrap();
    assert!((0..100).all(|_| !is_locked()), "whoever asks next does not find it held by the last to ask");
    let mut daemon = switch.forward();
    assert!(is_locked(), "or ovs-vswitchd did not get what was asked about before");
    send(&mut daemon, Signal::SIGSTOP);
    assert!(is_locked(), "one that is stopped keeps it");
    send(&mut daemon, Signal::SIGCONT);
    send(&mut daemon, Signal::SIGKILL);
    wait_until("the lock of the dead is free", || !is_locked());
    let _again = switch.forward();
    wait_until("the next one gets it", is_locked);
}
