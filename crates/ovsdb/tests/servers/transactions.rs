//! What a real server makes of transactions.

use std::thread;
use std::time::{Duration, Instant};

use ovsdb::{Client, Error, Remote, operation, value};
use serde_json::json;

use crate::daemons::{PATIENCE, Switch, ask_for, bridge, has_bridge, transaction, wait_for};

#[test]
fn rows_are_made_read_changed_and_deleted() {
    let switch = Switch::new();
    let mut client = switch.client();
    let results = client.transact(transaction(bridge("br0"))).unwrap();
    let uuid = results.inserted(0).unwrap();
    assert_eq!((results.count(1), results.inserted(1)), (1, None));

    let entries = value::map([("owner", "plugboard"), ("odd", "\"\\{}[] ü\n")]);
    let here = [operation::equals("_uuid", value::uuid(&uuid))];
    let results = client
        .transact(transaction([
            operation::update("Bridge", &here, json!({"external_ids": entries, "fail_mode": "secure"})),
            operation::mutate("Bridge", &here, "external_ids", "delete", value::set(["owner"])),
            operation::select("Bridge", &here, &["_uuid", "name", "external_ids", "fail_mode", "ports"]),
        ]))
        .unwrap();
    assert_eq!((results.count(0), results.count(1)), (1, 1));
    let [row] = &results.rows(2)[..] else { panic!("{results:?}") };
    assert_eq!(row.uuid(), Some(uuid));
    assert_eq!((row.text("name"), row.text("fail_mode")), (Some("br0"), Some("secure")));
    assert_eq!(row.map("external_ids").into_iter().collect::<Vec<_>>(), [("odd", "\"\\{}[] ü\n")]);
    assert!(row.uuids("ports").is_empty());

    client
        .transact(transaction([operation::mutate(
            "Open_vSwitch",
            &[],
            "bridges",
            "delete",
            row.uuid().map(|uuid| value::uuid(&uuid)),
        )]))
        .unwrap();
    assert!(!has_bridge(&mut client, "br0"), "a row that nothing refers to goes by itself");
}

#[test]
fn a_call_with_errors_does_nothing() {
    let switch = Switch::new();
    let mut client = switch.client();
    let both: Vec<_> =
        bridge("twin").into_iter().chain([operation::insert("Bridge", "c", json!({"name": "twin"}))]).collect();
    let both = both.into_iter().chain([operation::mutate("Open_vSwitch", &[], "bridges", "insert", value::named("c"))]);
    for (operations, words) in [
        (vec![operation::select("Nothing", &[], &[])], "Nothing"),
        (
            bridge("early").into_iter().chain([operation::insert("Port", "p", json!({"tag": "ten"}))]).collect(),
            "expected integer",
        ),
        (bridge("early").into_iter().chain([json!({"op": "abort"})]).collect(), "aborted"),
        (vec![json!({"op": "conquer"})], "conquer"),
        (vec![json!(7)], "Object expected"),
        // Only the commit sees it, behind the results of all operations.
        (both.collect(), "constraint violation"),
        (
            bridge("early")
                .into_iter()
                .chain([operation::update(
                    "Open_vSwitch",
                    &[],
                    json!({"bridges": value::set([value::named("nobody")])}),
                )])
                .collect(),
            "",
        ),
    ] {
        match client.transact(transaction(operations.clone())) {
            Err(error @ Error::Refused { .. }) => {
                assert!(!error.is_unanswered() && !error.is_absence(), "{error}");
                assert!(error.to_string().contains(words), "{operations:?}: {error}");
            }
            other => panic!("{operations:?}: {other:?}"),
        }
        assert!(!has_bridge(&mut client, "early") && !has_bridge(&mut client, "twin"), "{operations:?}");
    }
}

#[test]
fn a_wait_ends_when_somebody_else_does_it() {
    let switch = Switch::new();
    let remote = switch.remote();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        let mut client = Client::connect(&remote, Duration::MAX).unwrap();
        client.transact(transaction(bridge("br0"))).unwrap();
    });
    let mut client = switch.client();
    let start = Instant::now();
    let results = client.transact(transaction([wait_for("br0", 9000), ask_for("br0")])).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(results.rows(1).len(), 1);
    other.join().unwrap();
}

#[test]
fn a_wait_that_is_not_fulfilled_says_so_with_its_place() {
    let switch = Switch::new();
    let mut client = switch.client();
    for patience_ms in [0, 300] {
        let start = Instant::now();
        let operations = bridge("br1").into_iter().chain([wait_for("br0", patience_ms)]);
        match client.transact(transaction(operations)) {
            Err(error @ Error::TimedOut { place: 2, .. }) => assert!(!error.is_unanswered(), "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() >= Duration::from_millis(patience_ms));
        assert!(!has_bridge(&mut client, "br1"));
    }
    let absent = operation::wait_until_unequal("Bridge", &[], &["name"], &[], 0);
    assert!(matches!(client.transact(transaction([absent])), Err(Error::TimedOut { place: 0, .. })));
}

#[test]
fn the_second_of_two_comes_whatever_becomes_of_the_first() {
    let switch = Switch::new();
    let mut client = switch.client();
    let (first, second) = client.transact_and_wait(
        transaction([wait_for("br0", 0), ask_for("br0")]),
        transaction(bridge("br0")),
        Duration::ZERO,
    );
    assert!(matches!(first, Err(Error::TimedOut { place: 0, .. })), "{first:?}");
    assert!(second.unwrap().inserted(0).is_some());

    let rows = [json!({"ofport": value::set::<u64>([])})];
    let wait = operation::wait_until_unequal("Interface", &[operation::equals("name", "if")], &["ofport"], &rows, 300);
    let operations = [
        operation::insert("Interface", "i", json!({"name": "if"})),
        operation::insert("Port", "p", json!({"name": "if", "interfaces": value::named("i")})),
        operation::mutate("Bridge", &[operation::equals("name", "br0")], "ports", "insert", value::named("p")),
    ];
    let (first, second) =
        client.transact_and_wait(transaction(operations), transaction([wait]), Duration::from_millis(300));
    assert!(first.unwrap().inserted(1).is_some());
    assert!(matches!(second, Err(Error::TimedOut { place: 0, .. })), "no ovs-vswitchd runs: {second:?}");
}

#[test]
fn answers_in_another_order_are_each_their_own() {
    let switch = Switch::new();
    let mut client = switch.client();
    let (first, second) = client.transact_and_wait(
        transaction([wait_for("br0", 5000), ask_for("br0")]),
        transaction(bridge("br0")),
        Duration::ZERO,
    );
    let made = second.unwrap().inserted(0);
    assert!(made.is_some());
    assert_eq!(first.unwrap().rows(1)[0].uuid(), made);
}

#[test]
fn megabytes_go_both_ways() {
    let switch = Switch::with("--remote=ptcp:6640:127.0.0.1");
    for remote in [switch.remote(), "tcp:127.0.0.1".parse().unwrap(), "tcp:localhost:6640".parse::<Remote>().unwrap()] {
        let mut client = Client::connect(&remote, PATIENCE).unwrap();
        let entries: Vec<_> = (0..20_000).map(|place| (format!("{remote} {place}"), "x".repeat(100))).collect();
        let operations = [
            operation::update("Open_vSwitch", &[], json!({"external_ids": value::map(entries)})),
            operation::select("Open_vSwitch", &[], &["external_ids"]),
        ];
        let results = client.transact(transaction(operations)).unwrap();
        assert_eq!(results.rows(1)[0].map("external_ids").len(), 20_000, "{remote}");
    }
}
