//! SIGKILL in the middle of a call, at many moments: the DEL or GC that follows leaves nothing.

use std::time::Duration;

use harness::assert_by_chance;
use harness::chance::KILLED;
use serde_json::json;
use tests::{LATEST, Plugin, Process, Scene, State, cites, with};

/// The moments: from the start to beyond the end of ADD, which takes 1 to 3 ms.
const STEP: Duration = Duration::from_micros(10);
const MOMENTS: u32 = 300;

/// What may be left on the host at any moment between a call and the next, cheaply: names of links, and allocations.
fn leftovers() -> Vec<String> {
    let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let links = links.map(|link| link.file_name().to_string_lossy().into_owned()).filter(|name| name != "lo");
    links.chain(State::allocations().into_keys()).collect()
}

fn ports(bridge: &str) -> usize {
    std::fs::read_dir(format!("/sys/class/net/{bridge}/brif")).map_or(0, Iterator::count)
}

#[test]
fn del_after_a_kill_leaves_nothing() {
    cites!("DEL-8", "ADD-6");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let before = scene.state();
    KILLED.repeated(|| {
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
        assert_by_chance!(killed > MOMENTS / 10, "the kill came in the middle of ADD {killed} times");
        assert_by_chance!(half_done > MOMENTS / 10, "there was something to clean up {half_done} times");
    });
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
    let (mut count, mut half_done) = (0, 0);
    while scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(count) {
        half_done += u32::from(ports("br0") > 1);
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        count += 5;
    }
    assert!(half_done > 2, "of {} kills there was something to clean up after {half_done}", count / 5);
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
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
    let mut half_done = 0;
    for count in (0..).step_by(3) {
        let was_killed = scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && !leftovers().is_empty());
        scene.call(Plugin::Bridge, "GC", config.clone()).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 5, "there was something to clean up {half_done} times");
    assert_eq!(before, scene.state());
}

#[test]
fn del_after_a_killed_del_leaves_nothing() {
    cites!("DEL-3", "DEL-8");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let before = scene.state();
    let mut half_done = 0;
    for count in (0..).step_by(3) {
        let (_, config) = scene.added(Plugin::Bridge, &config);
        let whole = leftovers();
        let was_killed = scene.call(Plugin::Bridge, "DEL", config.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && !leftovers().is_empty() && leftovers() != whole);
        scene.call(Plugin::Bridge, "DEL", config).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 0, "a part was left {half_done} times");
    assert_eq!(before, scene.state());
}

#[test]
fn shaping_that_was_killed_goes_with_del() {
    cites!("DEL-8", "ADD-6");
    let scene = Scene::new();
    let config = scene.config(Plugin::Shaper, LATEST);
    let before = scene.state();
    let queues = || [harness::tc("qdisc show"), scene.c1.tc("qdisc show")].map(|list| list.to_string()).concat();
    let mut half_done = 0;
    for count in 0.. {
        let was_killed = scene.call(Plugin::Shaper, "ADD", config.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && queues().contains("tbf"));
        scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
        assert!(!queues().contains("tbf"), "killed after {count} system calls: {}", queues());
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 0, "a queue was left {half_done} times");
    assert_eq!(before, scene.state());
}
