//! One pool, many users: callers at once, and the reference beside us.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{BLUE, OURS, REFERENCE, Scene, address, addresses, assert_empty, blue, taken, visible, with};
use harness::Invocation;
use serde_json::json;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn plugin(&mut self) -> &'static str {
        if self.roll(2) == 0 { OURS } else { REFERENCE }
    }
}

/// Allocations and releases by both, in any order: no address twice, none lost, and what either gave the other
/// releases.
#[test]
fn both_implementations_work_in_one_pool() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [
        [{"subnet": "10.1.2.0/26"}, {"subnet": "10.1.3.0/28", "gateway": "10.1.3.9"}],
        [{"subnet": "2001:db8:0:1::/64", "rangeStart": "2001:db8:0:1::fff0", "rangeEnd": "2001:db8:0:1::1:40"}],
    ]}));
    let mut dice = Dice(7);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for round in 0..400 {
        if dice.roll(5) < 3 && held.len() < 70 {
            let id = format!("c{round}");
            let plugin = dice.plugin();
            let given = addresses(&scene.add(plugin, &id, &config).ok());
            assert_eq!(given.len(), 2);
            for other in held.values().flatten() {
                assert!(!given.contains(other), "round {round}: {plugin} gave {other} again");
            }
            held.insert(id, given);
        } else if let Some(id) = held.keys().nth(dice.roll(held.len().max(1))).cloned() {
            let plugin = dice.plugin();
            let result = json!({"cniVersion": "1.0.0", "ips": held[&id].iter().map(|ip| json!({"address": format!("{ip}/24")})).collect::<Vec<_>>()});
            scene.call(dice.plugin(), "CHECK", &id, &with(&config, "prevResult", result)).run().ok();
            scene.del(plugin, &id, &config).ok();
            held.remove(&id);
        }
        let expected: BTreeSet<&String> = held.values().flatten().collect();
        assert_eq!(taken(BLUE).keys().collect::<BTreeSet<_>>(), expected, "after round {round}");
    }
    for id in held.into_keys() {
        scene.del(dice.plugin(), &id, &config).ok();
    }
    assert!(taken(BLUE).is_empty());
    scene.del(OURS, "nobody", &config).ok();
    assert_empty(BLUE);
}

/// The same calls give the same addresses and files, whichever of the two serves them.
#[test]
fn the_order_of_allocation_is_the_references() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [
        [{"subnet": "10.1.2.0/28"}, {"subnet": "10.1.3.0/29", "gateway": "10.1.3.3"}],
        [{"subnet": "fd00::/120", "rangeEnd": "fd00::18"}],
    ]}));
    let mut histories = Vec::new();
    for plugin in [OURS, REFERENCE] {
        let mut dice = Dice(11);
        let mut held: Vec<String> = Vec::new();
        let mut history = Vec::new();
        for round in 0..150 {
            if dice.roll(5) < 3 && held.len() < 17 {
                let id = format!("c{round}");
                history.push(addresses(&scene.add(plugin, &id, &config).ok()).join(" "));
                held.push(id);
            } else if !held.is_empty() {
                let id = held.remove(dice.roll(held.len()));
                scene.del(plugin, &id, &config).ok();
            }
        }
        history.push(format!("{:?}", visible(BLUE)));
        histories.push(history);
        std::fs::remove_dir_all(BLUE).unwrap();
    }
    assert_eq!(histories[0], histories[1]);
}

/// ADD-8. The directory does not exist yet, so that its making is part of the race.
#[test]
fn sixty_four_callers_at_once_get_sixty_four_addresses() {
    let scene = Scene::new();
    let config = blue(json!({"subnet": "10.1.2.0/25", "rangeEnd": "10.1.2.65"}));
    let netns = scene.container.path.clone();
    for (round, other) in [(0, OURS), (1, REFERENCE)] {
        let call = |number: usize, verb: &str| {
            let plugin = if number.is_multiple_of(2) { OURS } else { other };
            let call = Invocation::new(plugin, verb).container(&format!("c{number}")).ifname("eth0");
            call.netns(&netns).path("/usr/lib/cni").config(&config)
        };
        let calls: Vec<Invocation> = (0..64).map(|number| call(number, "ADD")).collect();
        let given: BTreeSet<String> = std::thread::scope(|scope| {
            let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(|| call.run())).collect();
            running.into_iter().map(|running| address(&running.join().unwrap().ok())).collect()
        });
        assert_eq!(given.len(), 64, "round {round}: {given:?}");
        assert_eq!(given, taken(BLUE).into_keys().collect());
        assert_eq!(scene.add(OURS, "late", &config).error().0, 11);
        let calls: Vec<Invocation> =
            (0..64).map(|number| call(number + 1, "DEL").container(&format!("c{number}"))).collect();
        std::thread::scope(|scope| calls.into_iter().for_each(|call| drop(scope.spawn(|| call.run().ok()))));
        assert!(taken(BLUE).is_empty(), "round {round}");
        scene.del(OURS, "nobody", &config).ok();
        assert_empty(BLUE);
    }
}
