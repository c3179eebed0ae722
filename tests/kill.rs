//! SIGKILL in the middle of a call, at many moments: the DEL or GC that follows leaves nothing.

use std::time::Duration;

use protocol_tests::{LATEST, Plugin, Process, Scene, State, cites, with};
use serde_json::json;

/// The moments: from the start to beyond the end of ADD, which takes 1 to 3 ms.
const STEP: Duration = Duration::from_micros(10);
const MOMENTS: u32 = 300;

/// What may be left on the host at any moment between a call and the next, cheaply: names of links, and allocations.
fn leftovers() -> Vec<String> {
    let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let links = links.map(|link| link.file_name().to_string_lossy().into_owned()).filter(|name| name != "lo");
    links.chain(State::allocations().into_keys()).collect()
}

#[test]
fn del_after_a_kill_leaves_nothing() {
    cites!("DEL-8", "ADD-6");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let before = scene.state();
    let mut killed = 0;
    let mut half_done = 0;
    for moment in 0..MOMENTS {
        let add = Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
        killed += u32::from(add.kill_after(&config, STEP * moment));
        half_done += u32::from(!leftovers().is_empty());
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {:?}", STEP * moment);
    }
    assert_eq!(before, scene.state());
    assert!(killed > MOMENTS / 10, "the kill came in the middle of ADD {killed} times");
    assert!(half_done > MOMENTS / 10, "there was something to clean up {half_done} times");
    let (_, config) = scene.added(Plugin::Bridge, &config);
    scene.call(Plugin::Bridge, "CHECK", config).run().ok();
}

#[test]
fn add_after_a_kill_and_del_succeeds_beside_others() {
    cites!("DEL-8", "ADD-8");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let c2 = scene.host.namespace("c2");
    let other = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
    let before = State::take(&[&scene.c1, &c2]);
    for moment in (0..MOMENTS).step_by(10) {
        let add = Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
        add.kill_after(&config, STEP * moment);
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    }
    assert_eq!(before, State::take(&[&scene.c1, &c2]), "the other container is as it was");
    let config = with(&config, json!({"prevResult": other}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", config).run().ok();
}

#[test]
fn gc_after_a_kill_leaves_nothing() {
    cites!("GC-1", "DEL-8");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    for moment in (0..MOMENTS).step_by(5) {
        let add = Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
        add.kill_after(&config, STEP * moment);
        scene.call(Plugin::Bridge, "GC", config.clone()).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {:?}", STEP * moment);
    }
    assert_eq!(before, scene.state());
}

#[test]
fn del_after_a_killed_del_leaves_nothing() {
    cites!("DEL-3", "DEL-8");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let before = scene.state();
    // Deleting a veth takes the kernel some 20 ms.
    for moment in (0..MOMENTS).step_by(5) {
        let (_, config) = scene.added(Plugin::Bridge, &config);
        let del = Process::new(Plugin::Bridge, "DEL").attachment(&scene.c1, "eth0");
        del.kill_after(&config, 3 * STEP * moment);
        scene.call(Plugin::Bridge, "DEL", config).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {:?}", 3 * STEP * moment);
    }
    assert_eq!(before, scene.state());
}

#[test]
fn shaping_that_was_killed_goes_with_del() {
    cites!("DEL-8", "ADD-6");
    let scene = Scene::new();
    let config = scene.config(Plugin::Shaper, LATEST);
    let before = scene.state();
    for moment in (0..MOMENTS / 2).step_by(5) {
        let add = Process::new(Plugin::Shaper, "ADD").attachment(&scene.c1, "eth0");
        add.kill_after(&config, STEP * moment);
        scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
        let queues = harness::tc("qdisc show").to_string();
        assert!(!queues.contains("tbf"), "killed after {:?}: {queues}", STEP * moment);
    }
    assert_eq!(before, scene.state());
}
