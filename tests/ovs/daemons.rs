//! Daemons that are not there, hang, die in the middle or talk nonsense.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::Reply;
use serde_json::{Value, json};
use tests::{State, cites, with};

use crate::site::{Site, bare, network};

/// Try again later.
const LATER: u64 = 11;

fn kinds() -> [Value; 3] {
    ["veth", "internal", "tap"].map(|kind| network(json!({"nic": kind})))
}

fn host(site: &Site) -> State {
    State::take(&[site.c1(), &site.c2, &site.c3])
}

/// Runs ADD for eth1 of c1. The answer, and how long it took.
fn timed(site: &Site, command: &str, config: &Value) -> (Reply, Duration) {
    let start = Instant::now();
    let reply = site.call(site.c1(), "eth1", command, config).run();
    (reply, start.elapsed())
}

#[test]
fn without_a_database_nothing_is_made() {
    cites!("ERR-8", "ADD-6");
    let site = Site::new();
    let before = site.unsettled();
    let here = host(&site);
    site.ovs.database().kill();
    for config in kinds() {
        let (reply, time) = timed(&site, "ADD", &config);
        let (code, message, _) = reply.error();
        assert_eq!(code, LATER, "{reply}");
        assert!(message.contains("unix:/var/run/openvswitch/db.sock") && message.contains("ovsdb-server"), "{reply}");
        assert!(time < Duration::from_secs(1), "{time:?}: {reply}");
        assert_eq!(here, host(&site), "{reply}");
    }
    site.ovs.restart_database();
    assert_eq!(before, site.state());
}

#[test]
fn a_database_that_hangs_is_waited_for_once() {
    cites!("ERR-8");
    let site = Site::new();
    let config = network(json!({"patchTo": "br-up", "mirrors": [{"name": "m1", "ingress": true}]}));
    site.ovs.add_bridge_of(harness::Datapath::Netdev, "br-up");
    let before = site.state();
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    let whole = site.state();
    site.ovs.database().freeze();
    let outcomes = std::thread::scope(|scope| {
        // A thread of its own for each: they wait for the same.
        let calls =
            [("ADD", &config), ("CHECK", &attached), ("DEL", &config), ("STATUS", &config)].map(|(command, config)| {
                let ns = if command == "ADD" { &site.c2 } else { site.c1() };
                let call = site.call(ns, "eth1", command, config);
                scope.spawn(move || {
                    let start = Instant::now();
                    (call.run(), start.elapsed())
                })
            });
        calls.map(|call| call.join().expect("the call ends"))
    });
    site.ovs.database().thaw();
    for (place, (reply, time)) in outcomes.iter().enumerate() {
        let status = place == 3;
        assert_eq!(reply.error().0, if status { 50 } else { LATER }, "{reply}");
        assert!(reply.error().1.contains("did not answer within 5000 ms"), "{reply}");
        assert!(*time < Duration::from_secs(7), "{time:?}: {reply}");
    }
    // Whatever of them has come through afterwards: DEL says in the end what is.
    assert_ne!(whole, site.state());
    site.deleted(site.c1(), "eth1", &config);
    site.deleted(&site.c2, "eth1", &config);
    assert_eq!(before, site.state());
}

#[test]
fn a_switch_that_is_dead_or_stopped_leaves_no_rows() {
    cites!("ADD-6", "ERR-8");
    let site = Site::new();
    let before = site.state();
    let waiting = json!({"link_state_check_retries": 2, "link_state_check_interval": 100});
    for (stop, said) in [("dead", "ovs-vswitchd is not running"), ("stopped", "within 0.2 s")] {
        match stop {
            "dead" => site.ovs.switch().kill(),
            _ => site.ovs.switch().freeze(),
        }
        let (whole, here) = (site.unsettled(), site.brief());
        for config in kinds() {
            let made = with(&config, json!({"bridge": "br-made", "datapath_type": "netdev"}));
            let patched = with(&config, json!({"mirrors": [{"name": "m1", "ingress": true}]}));
            for config in [&config, &made, &patched] {
                let (reply, time) = timed(&site, "ADD", &with(config, waiting.clone()));
                assert_eq!(reply.error().0, LATER, "{reply}");
                assert!(reply.error().1.contains(said), "{reply}");
                assert!(time < Duration::from_secs(2), "{time:?}: {reply}");
                assert_eq!(here, site.brief(), "{reply}");
            }
        }
        assert_eq!(whole, site.unsettled(), "{stop}");
        match stop {
            "dead" => site.ovs.switch().run(),
            _ => site.ovs.switch().thaw(),
        }
        assert_eq!(before, site.state(), "{stop}");
    }
    // Without keys that say otherwise, a dead one is known after a second.
    site.ovs.switch().kill();
    let (reply, time) = timed(&site, "ADD", &network(json!({})));
    assert!(reply.error().1.contains("ovs-vswitchd is not running"), "{reply}");
    assert!(time < Duration::from_secs(3), "{time:?}: {reply}");
    site.ovs.switch().run();
    assert_eq!(before, site.state());
}

/// Starts ADD while the switch is stopped, does something when the row is there, and returns the answer.
fn disturbed(site: &Site, config: &Value, disturb: impl FnOnce()) -> Reply {
    site.ovs.switch().freeze();
    let call = site.call(site.c1(), "eth1", "ADD", config);
    std::thread::scope(|scope| {
        let call = scope.spawn(move || call.run());
        harness::wait_until("ADD has written its rows", || site.ovs.rows().to_string().contains("plugboard"));
        disturb();
        call.join().expect("the call ends")
    })
}

#[test]
fn a_switch_that_dies_in_the_middle() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind}));
        let reply = disturbed(&site, &config, || site.ovs.switch().kill());
        assert_eq!(reply.error().0, LATER, "{reply}");
        assert!(reply.error().1.contains("ovs-vswitchd is not running"), "{reply}");
        site.ovs.switch().run();
        assert_eq!(before, site.state(), "{reply}");
        // One that comes back in time does what was asked.
        let reply = disturbed(&site, &config, || site.ovs.switch().restart());
        let attached = with(&config, json!({"prevResult": reply.ok()}));
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn a_database_that_dies_in_the_middle() {
    cites!("ADD-6", "DEL-8");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind}));
        let here = host(&site);
        let reply = disturbed(&site, &config, || site.ovs.database().kill());
        assert_eq!(reply.error().0, LATER, "{reply}");
        assert!(reply.error().1.contains("went away"), "{reply}");
        assert_eq!(here, host(&site), "{reply}");
        site.ovs.switch().thaw();
        site.ovs.restart_database();
        // The rows could not be taken back.
        site.deleted(site.c1(), "eth1", &config);
        assert_eq!(before, site.state(), "{kind}");
    }
}

/// A server that does something to each connection.
fn serve(path: &str, answer: impl Fn(UnixStream) + Send + Sync + 'static) -> String {
    let path = PathBuf::from(path);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket can be made");
    std::thread::spawn(move || {
        let answer = &answer;
        // Each at its own time: STATUS has two.
        std::thread::scope(|scope| {
            for connection in listener.incoming().flatten() {
                scope.spawn(move || answer(connection));
            }
        });
    });
    format!("unix:{}", path.display())
}

#[test]
fn whatever_else_answers_is_no_database() {
    let site = Site::new();
    let before = site.state();
    for (nonsense, code, said) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", 103, "no database server"),
        ("[1]", 103, "no database server"),
        ("{\"id\":1,\"result\":{},\"error\":null}", 103, "no database server"),
        ("{\"id\":1,\"result\":null,\"error\":\"unknown database\"}", 103, "unknown database"),
        ("{\"id\":1,\"result\":[", LATER, "went away"),
        ("", LATER, "went away"),
    ] {
        let remote = serve("/run/scene/nonsense.sock", move |mut connection| {
            let mut question = [0; 4096];
            let _ = connection.read(&mut question);
            let _ = connection.write_all(nonsense.as_bytes());
        });
        let config = network(json!({"socket_file": remote}));
        for command in ["ADD", "DEL"] {
            let (reply, _) = timed(&site, command, &config);
            assert_eq!(reply.error().0, code, "{nonsense:?}: {reply}");
            assert!(reply.error().1.contains(said), "{nonsense:?}: {reply}");
        }
        // An answer without anything in it: there is no such bridge then.
        assert_eq!(before, site.state(), "{nonsense:?}");
    }
    let remote = serve("/run/scene/nonsense.sock", |mut connection| {
        let mut question = [0; 4096];
        let _ = connection.read(&mut question);
        let _ = connection.write_all(b"{\"id\":1,\"result\":[],\"error\":null}");
        let _ = connection.read(&mut question);
    });
    let (reply, _) = timed(&site, "ADD", &bare(json!({"socket_file": remote})));
    assert_ne!(reply.status, 0, "{reply}");
    assert_eq!(before, site.state());
}

/// Passes on what comes, except for one piece of what the database answers: the connection ends then.
fn losing(path: &str, lost: usize) -> String {
    let answered = AtomicUsize::new(0);
    serve(path, move |mut client| {
        let mut server = UnixStream::connect("/run/openvswitch/db.sock").expect("the database listens");
        let (mut from, mut to) = (client.try_clone().expect("a descriptor"), server.try_clone().expect("a descriptor"));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let mut piece = vec![0; 1 << 20];
            while let Ok(length @ 1..) = server.read(&mut piece) {
                let is_lost = answered.fetch_add(1, Ordering::SeqCst) == lost;
                if is_lost || client.write_all(&piece[..length]).is_err() {
                    break;
                }
            }
            let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        });
    })
}

#[test]
fn an_answer_that_is_lost_leaves_nothing() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let mut is_done = false;
        let mut failures = 0;
        for lost in 0..30 {
            let remote = losing("/run/scene/losing.sock", lost);
            let keys = json!({"nic": kind, "socket_file": remote, "mirrors": [{"name": "m1", "ingress": true}]});
            let config = network(keys);
            let (reply, _) = timed(&site, "ADD", &config);
            is_done = reply.status == 0;
            if is_done {
                site.deleted(site.c1(), "eth1", &with(&config, json!({"socket_file": null})));
                assert_eq!(before, site.state(), "{reply}");
                break;
            }
            failures += 1;
            assert_eq!(reply.error().0, LATER, "{lost}: {reply}");
            assert_eq!(before, site.state(), "{lost}: {reply}");
        }
        assert!(is_done && failures > 3, "{kind}: each question of ADD had its turn: {failures}");
    }
}
