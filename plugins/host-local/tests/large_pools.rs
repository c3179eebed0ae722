//! A call's time does not grow with the pool.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{OURS, Scene, named, taken};
use serde_json::json;

const TAKEN: u32 = 50_000;

/// The shortest of several runs, which is the least disturbed one.
fn shortest(mut run: impl FnMut(u32)) -> Duration {
    let time = |number| {
        let start = Instant::now();
        run(number);
        start.elapsed()
    };
    (0..20).map(time).min().unwrap()
}

#[test]
fn fifty_thousand_taken_addresses_cost_nothing() {
    let scene = Scene::new();
    let large = named("large", json!({"subnet": "10.0.0.0/15"}));
    let small = named("small", json!({"subnet": "10.2.0.0/15"}));
    let directory = "/var/lib/cni/networks/large";
    fs::create_dir_all(directory).unwrap();
    for number in 2..TAKEN + 2 {
        let [_, a, b, c] = number.to_be_bytes();
        fs::write(format!("{directory}/10.{a}.{b}.{c}"), format!("other{number}\r\neth0")).unwrap();
    }
    fs::write(format!("{directory}/last_reserved_ip.0"), "10.0.195.81").unwrap();

    let first = Instant::now();
    scene.add(OURS, "first", &large).ok();
    println!("first ADD, which builds the index: {:?}", first.elapsed());

    let add = |config, prefix| shortest(|number| drop(scene.add(OURS, &format!("{prefix}{number}"), config).ok()));
    let del = |config, prefix| shortest(|number| drop(scene.del(OURS, &format!("{prefix}{number}"), config).ok()));
    let (add_small, add_large) = (add(&small, "s"), add(&large, "l"));
    let (del_small, del_large) = (del(&small, "s"), del(&large, "l"));
    println!("ADD {add_small:?} and {add_large:?}, DEL {del_small:?} and {del_large:?}");
    assert_eq!(taken(directory).len(), TAKEN as usize + 1);
    assert!(add_large < add_small * 3 / 2, "ADD: {add_small:?} alone, {add_large:?} beside {TAKEN}");
    assert!(del_large < del_small * 3 / 2, "DEL: {del_small:?} alone, {del_large:?} beside {TAKEN}");
}

/// A full pool is told in the time of listing it, not of trying every address; and its one free address is found,
/// wherever it is.
#[test]
fn a_full_pool_of_sixty_thousand() {
    let scene = Scene::new();
    let config = common::with(&named("full", json!({"subnet": "10.0.0.0/16"})), "cniVersion", json!("1.1.0"));
    let directory = "/var/lib/cni/networks/full";
    fs::create_dir_all(directory).unwrap();
    for number in 2..u32::from(u16::MAX) {
        let [_, _, b, c] = number.to_be_bytes();
        fs::write(format!("{directory}/10.0.{b}.{c}"), format!("other{number}\r\neth0")).unwrap();
    }
    let (code, msg, _) = scene.add(OURS, "c1", &config).error();
    assert_eq!(
        (code, msg.contains("no IP addresses available in range set: 10.0.0.1-10.0.255.254")),
        (11, true),
        "{msg}"
    );
    let status = shortest(|_| assert_eq!(scene.network_verb("STATUS", &config).error().0, 50));
    let add = shortest(|_| assert_eq!(scene.add(OURS, "c1", &config).error().0, 11));
    println!("STATUS of a full pool {status:?}, ADD {add:?}");

    for last in ["10.0.0.2", "10.0.200.7", "10.0.255.254"] {
        fs::remove_file(format!("{directory}/{last}")).unwrap();
        scene.network_verb("STATUS", &config).ok();
        assert_eq!(common::address(&scene.add(OURS, &format!("c-{last}"), &config).ok()), last);
        assert_eq!(scene.network_verb("STATUS", &config).error().0, 50);
    }
}
