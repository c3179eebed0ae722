//! Servers that stop or die in the middle of a call.

use std::thread;
use std::time::Duration;

use harness::wait_until;
use nix::sys::signal::{Signal, killpg};
use ovsdb::{Client, Error, Remote};

use crate::daemons::{Switch, ask_for, bridge, has_bridge, transaction, wait_for, within};

const PATIENCE: Duration = Duration::from_millis(500);

#[test]
fn a_server_that_is_killed_while_it_waits_leaves_the_call_unanswered() {
    let switch = Switch::with("--remote=ptcp:6640:127.0.0.1");
    let mut clients = [switch.client(), Client::connect(&"tcp:127.0.0.1".parse().unwrap(), PATIENCE).unwrap()];
    let process = switch.process();
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        killpg(process, Signal::SIGKILL).unwrap();
    });
    let [local, far] = &mut clients;
    let waits = || transaction([wait_for("nobody", 9000)]);
    let waited = within(Duration::from_millis(300), || {
        local.transact_and_wait(transaction(bridge("br0")), waits(), Duration::from_secs(9))
    });
    killer.join().unwrap();
    assert!(waited.0.is_ok(), "{waited:?}");
    for error in [waited.1.unwrap_err(), far.transact(waits()).unwrap_err(), local.transact(waits()).unwrap_err()] {
        assert!(matches!(error, Error::Broken { .. }) && error.is_unanswered() && error.is_absence(), "{error}");
    }
    for remote in [switch.remote(), "tcp:127.0.0.1".parse::<Remote>().unwrap(), "unix:/run/none".parse().unwrap()] {
        // It closes its sockets one by one.
        wait_until("nobody listens", || Client::connect(&remote, PATIENCE).is_err());
        let error = Client::connect(&remote, PATIENCE).unwrap_err();
        assert!(matches!(error, Error::Connect { .. }) && error.is_absence() && !error.is_unanswered(), "{error}");
        assert!(error.to_string().contains(&remote.to_string()), "{error}");
    }
}

#[test]
fn a_server_that_is_stopped_is_waited_for_as_long_as_was_said() {
    let switch = Switch::new();
    let mut client = Client::connect(&switch.remote(), PATIENCE).unwrap();
    switch.signal(Signal::SIGSTOP);
    let error = within(PATIENCE, || client.transact(transaction(bridge("br0")))).unwrap_err();
    assert!(matches!(error, Error::Silent { patience: PATIENCE, .. }) && error.is_unanswered(), "{error}");
    // The kernel accepts for it.
    let other = Client::connect(&switch.remote(), PATIENCE).unwrap();
    let error = within(PATIENCE, || other.is_locked("ovs_vswitchd")).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");

    switch.signal(Signal::SIGCONT);
    assert!(
        has_bridge(&mut client, "br0"),
        "nobody knew, and it has been done; the late answer is not taken for this one"
    );
    client.transact(transaction([ask_for("br0")])).unwrap();
}
