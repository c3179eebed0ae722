//! A switch that goes away, and comes back without flows.

use std::time::{Duration, Instant};

use harness::{sh, wait_until};
use openflow::{Action, Connection, Error, Flow};

use crate::open_vswitch::{PATIENCE, Switch};

#[test]
fn after_a_restart_there_are_no_flows() {
    let mut switch = Switch::new();
    let flow = Flow { table: 0, priority: 5, cookie: 9, matches: Vec::new(), action: Action::Drop };
    let mut connection = switch.connect();
    connection.add(std::slice::from_ref(&flow)).expect("it is added");
    assert_eq!(switch.connect().list(9, u64::MAX).expect("a list").len(), 1);

    switch.kill();
    let error = connection.list(9, u64::MAX).expect_err("the switch is dead");
    assert!(matches!(error, Error::Broken { .. }) && error.is_absence(), "{error}");
    let error = Connection::open(&switch.socket(), PATIENCE).expect_err("the switch is dead");
    assert!(matches!(error, Error::Connect { .. }) && error.to_string().contains("Connection refused"), "{error}");

    switch.start();
    wait_until("the bridge is back", || Connection::open(&switch.socket(), PATIENCE).is_ok());
    let mut connection = switch.connect();
    assert_eq!(connection.list(9, u64::MAX).expect("a list"), []);
    connection.add(&[flow]).expect("it is added again");
    assert_eq!(connection.list(9, u64::MAX).expect("a list").len(), 1);
}

#[test]
fn a_bridge_that_is_not_there_is_told() {
    let _switch = Switch::new();
    let error = Connection::open("/run/ovs/br1.mgmt".as_ref(), PATIENCE).expect_err("there is no such bridge");
    let words = error.to_string();
    assert!(words.contains("/run/ovs/br1.mgmt") && words.contains("No such file"), "{words}");
    let long = format!("/run/{}/br0.mgmt", "long".repeat(30));
    let error = Connection::open(long.as_ref(), PATIENCE).expect_err("no socket has so long a name");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[test]
fn a_switch_that_is_stopped_ends_no_later_than_asked() {
    const SHORT: Duration = Duration::from_millis(150);
    let mut switch = Switch::new();
    let mut connection = Connection::open(&switch.socket(), SHORT).expect("the switch answers");
    let vswitchd = switch.process();
    sh(&format!("kill -STOP {vswitchd}")).ok();
    let start = Instant::now();
    let calls: [(&str, Result<(), Error>); 2] =
        [("list", connection.list(0, 0).map(|_| ())), ("open", Connection::open(&switch.socket(), SHORT).map(|_| ()))];
    assert!(start.elapsed() < SHORT * 2 + Duration::from_secs(1), "{:?}", start.elapsed());
    for (call, result) in calls {
        let error = result.expect_err(call);
        assert!(matches!(error, Error::Silent { .. }) && error.to_string().contains("150 ms"), "{call}: {error}");
    }
    sh(&format!("kill -CONT {vswitchd}")).ok();
    assert!(switch.connect().list(0, 0).is_ok());
}
