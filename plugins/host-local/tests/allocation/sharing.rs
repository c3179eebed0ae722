//! One pool, many users: callers at once, and the reference beside us.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{
    BLUE, OURS, REFERENCE, Scene, address, addresses, assert_empty, blue, files, fill, taken, visible, with,
};
use harness::{Invocation, soak};
use serde_json::{Value, json};

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

/// How many there are of them.
fn allocations_wanted() -> u64 {
    soak::size(250, 1000)
}

/// Allocations and releases by both, in any order: no address twice, none lost, and what either gave the other
/// releases.
#[test]
fn many_allocations_by_both_in_one_pool() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [
        [{"subnet": "10.1.2.0/26"}, {"subnet": "10.1.3.0/28", "gateway": "10.1.3.9"}],
        [{"subnet": "2001:db8:0:1::/64", "rangeStart": "2001:db8:0:1::fff0", "rangeEnd": "2001:db8:0:1::1:40"}],
    ]}));
    let mut dice = Dice(7);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut plugins = [OURS, REFERENCE].into_iter().cycle();
    let mut allocations = 0;
    for round in 0.. {
        if dice.roll(5) < 3 && held.len() < 70 {
            let id = format!("c{round}");
            let plugin = plugins.next().unwrap();
            let given = addresses(&scene.add(plugin, &id, &config).ok());
            assert_eq!(given.len(), 2);
            for other in held.values().flatten() {
                assert!(!given.contains(other), "round {round}: {plugin} gave {other} again");
            }
            held.insert(id, given);
            allocations += 1;
            if allocations == allocations_wanted() {
                break;
            }
        } else if let Some(id) = held.keys().nth(dice.roll(held.len().max(1))).cloned() {
            if round % 8 == 0 {
                let result = json!({"cniVersion": "1.0.0", "ips": held[&id].iter().map(|ip| json!({"address": format!("{ip}/24")})).collect::<Vec<_>>()});
                scene.call(dice.plugin(), "CHECK", &id, &with(&config, "prevResult", result)).run().ok();
            }
            scene.del(dice.plugin(), &id, &config).ok();
            held.remove(&id);
        }
        let expected: BTreeSet<&String> = held.values().flatten().collect();
        assert_eq!(taken(BLUE).keys().collect::<BTreeSet<_>>(), expected, "after round {round}");
    }
    assert_both_know(&scene, &config, &held);
    for id in held.into_keys() {
        scene.del(dice.plugin(), &id, &config).ok();
    }
    assert!(taken(BLUE).is_empty());
    scene.del(OURS, "nobody", &config).ok();
    assert_empty(BLUE);
}

/// The files are the living allocations; CHECK by either finds each of them, and none of a container that is gone.
fn assert_both_know(scene: &Scene, config: &Value, held: &BTreeMap<String, Vec<String>>) {
    assert_eq!(taken(BLUE).keys().collect::<BTreeSet<_>>(), held.values().flatten().collect());
    for plugin in [OURS, REFERENCE] {
        let check = |id: &str, ips: &[String]| {
            let ips: Vec<Value> = ips.iter().map(|ip| json!({"address": format!("{ip}/24")})).collect();
            let result = json!({"cniVersion": "1.0.0", "ips": ips});
            scene.call(plugin, "CHECK", id, &with(config, "prevResult", result)).run()
        };
        held.iter().for_each(|(id, ips)| drop(check(id, ips).ok()));
        let some = held.values().next().unwrap();
        assert_ne!(check("gone", some).status, 0, "{plugin}");
    }
}

/// Eight workers at a time, each with either implementation, on one pool: many allocations, about as many releases.
#[test]
fn many_allocations_by_both_at_once() {
    const WORKERS: u64 = 8;
    let scene = Scene::new();
    let config = blue(json!({"ranges": [[{"subnet": "10.1.2.0/25"}], [{"subnet": "fd00::/120"}]]}));
    let netns = scene.container.path.clone();
    let call = |plugin: &str, verb: &str, id: &str| {
        let call = Invocation::new(plugin, verb).container(id).ifname("eth0");
        call.netns(&netns).path("/usr/lib/cni").config(&config).run()
    };
    let work = |worker: u64| {
        let mut dice = Dice(worker);
        let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for allocation in 0..allocations_wanted() / WORKERS {
            let id = format!("w{worker}-{allocation}");
            let given = addresses(&call(dice.plugin(), "ADD", &id).ok());
            held.insert(id, given);
            // At most 15 of the pool's 125 addresses each.
            while held.len() > 10 && (held.len() > 14 || dice.roll(2) == 0) {
                let id = held.keys().nth(dice.roll(held.len())).unwrap().clone();
                call(dice.plugin(), "DEL", &id).ok();
                held.remove(&id);
            }
        }
        held
    };
    let held: Vec<BTreeMap<String, Vec<String>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let count: usize = held.iter().map(BTreeMap::len).sum();
    let held: BTreeMap<String, Vec<String>> = held.into_iter().flatten().collect();
    let distinct: BTreeSet<&String> = held.values().flatten().collect();
    assert_eq!((held.len(), distinct.len()), (count, 2 * count), "no address is held twice");
    assert_both_know(&scene, &config, &held);
    for id in held.keys() {
        call(OURS, "DEL", id).ok();
    }
    assert_empty(BLUE);
}

/// Runs of taken addresses that are longer than what is tried one by one, with gaps; the addresses and their order are the
/// reference's, with the maps and without.
#[test]
fn the_order_beside_long_runs_is_the_references() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [[
        {"subnet": "10.1.0.0/16", "rangeStart": "10.1.255.0", "rangeEnd": "10.1.255.255"},
        {"subnet": "10.2.0.0/16", "rangeStart": "10.2.0.0", "rangeEnd": "10.2.3.255", "gateway": "10.2.1.100"},
    ]]}));
    let free = ["10.1.255.3", "10.1.255.200", "10.1.255.255", "10.2.0.0", "10.2.1.7", "10.2.1.99", "10.2.3.254"];
    let all =
        (0..256).map(|n| format!("10.1.255.{n}")).chain((0..1024).map(|n| format!("10.2.{}.{}", n / 256, n % 256)));
    let others: Vec<String> = all.filter(|address| !free.contains(&address.as_str())).collect();
    let mut histories = Vec::new();
    for plugin in [OURS, REFERENCE] {
        fill(BLUE, others.iter().cloned(), "10.2.1.8");
        let mut dice = Dice(3);
        let mut held: Vec<String> = Vec::new();
        let mut history = Vec::new();
        for round in 0..60 {
            if held.len() < free.len() && dice.roll(3) > 0 {
                let id = format!("c{round}");
                history.push(address(&scene.add(plugin, &id, &config).ok()));
                held.push(id);
            } else if !held.is_empty() {
                scene.del(plugin, &held.remove(dice.roll(held.len())), &config).ok();
            }
        }
        histories.push(history);
        assert_eq!(files(BLUE).contains_key(".taken.10.2.0.0"), plugin == OURS);
        std::fs::remove_dir_all(BLUE).unwrap();
    }
    assert_eq!(histories[0], histories[1]);
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

/// Half of them get an address each, the other half are told that there is none.
#[test]
fn sixty_four_callers_at_once_on_thirty_two_addresses() {
    let scene = Scene::new();
    let config = blue(json!({"subnet": "10.1.2.0/25", "rangeStart": "10.1.2.10", "rangeEnd": "10.1.2.41"}));
    for other in [OURS, REFERENCE] {
        let call = |number: usize| {
            let plugin = if number.is_multiple_of(2) { OURS } else { other };
            scene.call(plugin, "ADD", &format!("c{number}"), &config)
        };
        let calls: Vec<Invocation> = (0..64).map(call).collect();
        let replies: Vec<harness::Reply> = std::thread::scope(|scope| {
            let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(|| call.run())).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        });
        let (given, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 0);
        let distinct: BTreeSet<String> = given.iter().map(|reply| address(&reply.ok())).collect();
        assert_eq!((given.len(), distinct.len(), refused.len()), (32, 32, 32));
        for reply in refused {
            let (code, msg, _) = reply.error();
            assert!(msg.contains("no IP addresses available in range set: 10.1.2.10-10.1.2.41"), "{msg}");
            assert!(code == 11 || code == 999 && other == REFERENCE, "{code}");
        }
        assert_eq!(distinct, taken(BLUE).into_keys().collect());
        std::fs::remove_dir_all(BLUE).unwrap();
    }
}
