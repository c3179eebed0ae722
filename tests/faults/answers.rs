//! The kernel's answers: however many there are.

use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

/// The kernel refuses all but the first of the routes, in one send.
#[test]
fn refusals_that_no_buffer_holds_hang_nobody() {
    cites!("ADD-9", "ADD-1");
    let scene = Scene::new();
    let before = scene.state();
    let addresses = json!([{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00:1::5/64"}]);
    for count in [290, 3000] {
        let routes: Value = (0..count).map(|_| json!({"dst": "10.9.0.0/16"})).collect();
        let ipam = json!({"type": "static", "addresses": addresses.clone(), "routes": routes});
        let (_, attached) = scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam})));
        assert_eq!(scene.c1.sh("ip route show 10.9.0.0/16 | wc -l").ok(), "1");
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(before, scene.state());
    }
}
