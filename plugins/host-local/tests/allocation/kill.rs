//! SIGKILL after every system call: no address is lost, none is given twice.

use std::collections::BTreeSet;
use std::fs;

use crate::common::{BLUE, OURS, REFERENCE, Scene, address, blue, files, taken, with};
use serde_json::{Value, json};

/// The containers that hold addresses all the time.
struct Neighbours {
    count: usize,
    held: BTreeSet<String>,
}

/// So many addresses are free beside the neighbours'.
const FREE: usize = 4;
const LAST: usize = 49;

/// A pool in which all but [`FREE`] addresses are taken: few, or so many that there are maps.
fn pool(neighbours: usize) -> Value {
    blue(json!({"subnet": "10.1.2.0/24", "rangeStart": format!("10.1.2.{}", LAST + 1 - (neighbours + FREE)),
        "rangeEnd": format!("10.1.2.{LAST}")}))
}

fn settle(scene: &Scene, plugin: &str, config: &Value, count: usize) -> Neighbours {
    for number in 0..count {
        scene.add(plugin, &format!("n{number}"), config).ok();
    }
    // The index is built anew, with a map of the block if it is crowded.
    disturb();
    scene.del(OURS, "nobody", config).ok();
    assert_eq!(files(BLUE).contains_key(".taken.10.1.0.0"), count >= 32);
    Neighbours { count, held: taken(BLUE).into_keys().collect() }
}

/// Everything that is free is given once and is released again, and the neighbours keep theirs.
fn assert_whole(scene: &Scene, config: &Value, neighbours: &Neighbours, story: &str) {
    assert_eq!(taken(BLUE).into_keys().collect::<BTreeSet<_>>(), neighbours.held, "{story}");
    let given: Vec<String> =
        (0..FREE).map(|number| address(&scene.add(OURS, &format!("f{number}"), config).ok())).collect();
    let distinct: BTreeSet<String> = given.iter().cloned().collect();
    assert!(distinct.len() == FREE && distinct.is_disjoint(&neighbours.held), "{story}: {given:?}");
    assert_eq!(scene.add(OURS, "late", config).error().0, 11, "{story}");
    (0..FREE).for_each(|number| drop(scene.del(OURS, &format!("f{number}"), config).ok()));
    assert!(!files(BLUE).contains_key(".new"), "{story}");
}

fn gc(scene: &Scene, config: &Value, neighbours: &Neighbours) -> harness::Invocation {
    let valid: Vec<Value> =
        (0..neighbours.count).map(|number| json!({"containerID": format!("n{number}"), "ifname": "eth0"})).collect();
    let config = with(&with(config, "cniVersion", json!("1.1.0")), "cni.dev/valid-attachments", json!(valid));
    scene.call(OURS, "GC", "", &config).unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME")
}

/// Makes the mark of the index go, as any change by others does.
fn disturb() {
    fs::write(format!("{BLUE}/note"), "").unwrap();
    fs::remove_file(format!("{BLUE}/note")).unwrap();
}

/// Kills `verb` after its first system call, its second and so on, up to its end; DEL or GC cleans up each time.
fn kill_everywhere(verb: &str, neighbours: usize, is_disturbed: bool) {
    let scene = Scene::new();
    let config = pool(neighbours);
    let neighbours = settle(&scene, OURS, &config, neighbours);
    let mut kills = 0;
    loop {
        let story = format!("{verb} killed after {kills} system calls");
        if verb != "ADD" {
            scene.add(OURS, "c1", &config).ok();
        }
        if is_disturbed {
            disturb();
        }
        let call = match verb {
            "GC" => gc(&scene, &config, &neighbours),
            _ => scene.call(OURS, verb, "c1", &config),
        };
        let was_killed = call.kill_after_system_calls(kills);
        match kills % 2 {
            0 => drop(scene.del(OURS, "c1", &config).ok()),
            _ => drop(gc(&scene, &config, &neighbours).run().ok()),
        }
        assert_whole(&scene, &config, &neighbours, &story);
        if !was_killed {
            break;
        }
        kills += 1;
    }
    println!("{verb}: killed after each of {kills} system calls");
    assert!(kills > 40, "{verb} ended after {kills} system calls");
}

#[test]
fn of_add() {
    kill_everywhere("ADD", 2, false);
}

#[test]
fn of_add_with_maps() {
    kill_everywhere("ADD", 40, false);
}

#[test]
fn of_add_that_builds_the_index() {
    kill_everywhere("ADD", 4, true);
    kill_everywhere("ADD", 33, true);
}

#[test]
fn of_del() {
    kill_everywhere("DEL", 2, false);
}

#[test]
fn of_del_with_maps() {
    kill_everywhere("DEL", 40, false);
}

#[test]
fn of_gc() {
    kill_everywhere("GC", 2, false);
    kill_everywhere("GC", 4, true);
}

/// The reference goes on where ours was killed, and the other way round.
#[test]
fn the_other_implementation_goes_on() {
    let scene = Scene::new();
    let config = pool(2);
    let neighbours = settle(&scene, REFERENCE, &config, 2);
    for kills in 0.. {
        let story = format!("ADD killed after {kills} system calls");
        let was_killed = scene.call(OURS, "ADD", "c1", &config).kill_after_system_calls(kills);
        // It knows nothing of debris: only what is free for it has to be given, each address once.
        let free = FREE - (taken(BLUE).len() - neighbours.held.len());
        let given: BTreeSet<String> =
            (0..free).map(|number| address(&scene.add(REFERENCE, &format!("f{number}"), &config).ok())).collect();
        assert!(given.len() == free && given.is_disjoint(&neighbours.held), "{story}");
        (0..free).for_each(|number| drop(scene.del(REFERENCE, &format!("f{number}"), &config).ok()));
        scene.del(REFERENCE, "c1", &config).ok();
        assert_eq!(taken(BLUE).into_keys().collect::<BTreeSet<_>>(), neighbours.held, "{story}");
        if !was_killed {
            break;
        }
    }
    for kills in (0..600).step_by(20) {
        scene.call(REFERENCE, "ADD", "c1", &config).kill_after_system_calls(kills);
        scene.del(OURS, "c1", &config).ok();
        assert_whole(&scene, &config, &neighbours, &format!("the reference's ADD killed after {kills} system calls"));
    }
}
