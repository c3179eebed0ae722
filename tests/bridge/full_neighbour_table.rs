//! The kernel's neighbour table is one for all namespaces of the machine, and any user can fill it.

use harness::wait_until;
use serde_json::json;
use tests::{Frames, LATEST, Plugin, Scene, cites, with};

/// More than the kernel keeps unless told otherwise (`gc_thresh3`, 1024), in both families; and again and again, because the
/// kernel forgets what is older than five seconds.
const FILL: &str = "ip link add full0 type bridge && ip link set full0 up && n=0 && \
    while [ $n -lt 1500 ]; do \
        echo neighbour replace 10.77.$((n / 250)).$((n % 250 + 1)) lladdr 02:00:00:00:00:01 dev full0 nud reachable; \
        echo neighbour replace fd77::$((n + 1)) lladdr 02:00:00:00:00:01 dev full0 nud reachable; \
        n=$((n + 1)); \
    done > \"$1\" && \
    while :; do ip -force -batch \"$1\" > /dev/null 2>&1; done";

#[test]
fn an_address_is_given_although_it_can_hardly_be_announced() {
    cites!("ADD-1", "ADD-8");
    let scene = Scene::new();
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}]});
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam}));
    let peer = scene.host.namespace("peer");
    let plain = with(&Plugin::Bridge.config(LATEST), json!({"name": "peers", "ipam": null}));
    scene.call_for(&peer, "eth0", Plugin::Bridge, "ADD", plain).run().ok();
    let listener = Frames::open(&peer, "eth0").expect("the interface is there");
    let before = scene.state();

    // Somebody without any privilege; root of a namespace of theirs alone.
    let user = "setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --map-root-user --net";
    let file = scene.directory("user").join("neighbours");
    harness::sh(&format!("touch {0} && chown 65534 {0}", file.display())).ok();
    let filling = harness::spawn(&format!("exec {user} sh -c '{FILL}' - {}", file.display()));
    peer.sh("ip link add other0 up type bridge").ok();
    let is_full = |address: &str| {
        let entry = format!("{address} lladdr 02:00:00:00:00:02 dev other0");
        let tried = peer.sh(&format!("ip neighbour add {entry} nud reachable && ip neighbour delete {entry}"));
        tried.stderr.contains("No buffer space available")
    };
    wait_until("the table is full", || is_full("10.78.0.1") && is_full("fd78::1"));

    let reply = scene.call(Plugin::Bridge, "ADD", config.clone()).run();
    assert!(is_full("10.78.0.1"), "still");
    drop(filling);
    let attached = with(&config, json!({"prevResult": reply.ok()}));
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    // What IPv4 asks and announces gets past a full table; IPv6 needs an entry for the group of all nodes.
    let announced = |frame: &[u8]| frame[12..14] == [8, 6] && frame[28..32] == [10, 1, 0, 5];
    let mut frames = std::iter::from_fn(|| listener.next());
    assert!(frames.any(|frame| announced(&frame)), "10.1.0.5 is announced");
    assert!(reply.stderr.contains("cannot announce fd00:1::5 on eth0"), "{reply}");
    assert!(!reply.stderr.contains("10.1.0.5"), "{reply}");
    peer.sh("ip link delete other0").ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(before, scene.state());
}
