//! Questions of a server whether this end is still there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use harness::{sh, wait_until};
use ovsdb::{Client, Error};

use crate::daemons::{PATIENCE, Switch, ask_for, transaction, wait_for};

/// The server asks after a second without a word, which is the shortest that it takes, and hangs up after another.
#[test]
fn a_server_that_asks_is_answered_while_it_is_waited_for() {
    let _switch = Switch::with("--remote=db:Open_vSwitch,Open_vSwitch,manager_options");
    sh("ovs-vsctl --timeout=5 --db=unix:/run/ovs/db.sock --no-wait set-manager ptcp:6640:127.0.0.1 -- \
        set manager . inactivity_probe=1000")
    .ok();
    wait_until("it listens", || TcpStream::connect("127.0.0.1:6640").is_ok());

    // Who does not answer is asked, and then hung up on.
    let mut silent = TcpStream::connect("127.0.0.1:6640").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    silent.write_all(br#"{"id":1,"method":"list_dbs","params":[]}"#).unwrap();
    let mut heard = String::new();
    silent.read_to_string(&mut heard).unwrap();
    assert!(heard.contains(r#""method":"echo""#), "{heard}");

    let mut client = Client::connect(&"tcp:127.0.0.1".parse().unwrap(), Duration::from_secs(8)).unwrap();
    let start = Instant::now();
    let waited = client.transact(transaction([wait_for("nobody", 4500)]));
    assert!(matches!(waited, Err(Error::TimedOut { .. })), "{waited:?}");
    assert!(start.elapsed() >= Duration::from_millis(4500));
    client.transact(transaction([ask_for("nobody")])).unwrap();
}
