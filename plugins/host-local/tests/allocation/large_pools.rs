//! A call's time does not grow with the pool.

use std::fs;
use std::time::{Duration, Instant};

use harness::assert_by_chance;
use harness::chance::PROMPT;

use crate::common::{OURS, Scene, address, fill, named, taken};
use serde_json::json;

const TAKEN: u32 = 50_000;

/// What times may differ by on a busy machine. A call that looks at each of [`TAKEN`] addresses takes more than this.
const GENEROUS: u32 = 10;

/// An address below 10.0.0.0/8.
fn nth(number: u32) -> String {
    std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string()
}

/// How often a time is taken.
const RUNS: u32 = 20;

/// The shortest of several runs, which is the least disturbed one.
fn shortest(mut run: impl FnMut(u32)) -> Duration {
    let time = |number| {
        let start = Instant::now();
        run(number);
        start.elapsed()
    };
    (0..RUNS).map(time).min().unwrap()
}

#[test]
fn fifty_thousand_taken_addresses_cost_nothing() {
    let scene = Scene::new();
    let large = named("large", json!({"subnet": "10.0.0.0/15"}));
    let small = named("small", json!({"subnet": "10.2.0.0/15"}));
    let directory = "/var/lib/cni/networks/large";
    fill(directory, (2..TAKEN + 2).map(nth), "10.0.195.81");

    let first = Instant::now();
    scene.add(OURS, "first", &large).ok();
    println!("first ADD, which builds the index: {:?}", first.elapsed());

    let add = |config, prefix| shortest(|number| drop(scene.add(OURS, &format!("{prefix}{number}"), config).ok()));
    let del = |config, prefix| shortest(|number| drop(scene.del(OURS, &format!("{prefix}{number}"), config).ok()));
    PROMPT.repeated(|| {
        let (add_small, add_large) = (add(&small, "s"), add(&large, "l"));
        let (del_small, del_large) = (del(&small, "s"), del(&large, "l"));
        println!("ADD {add_small:?} and {add_large:?}, DEL {del_small:?} and {del_large:?}");
        assert_eq!(taken(directory).len(), TAKEN as usize + 1);
        assert_by_chance!(add_large < add_small * GENEROUS, "ADD: {add_small:?} alone, {add_large:?} beside {TAKEN}");
        assert_by_chance!(del_large < del_small * GENEROUS, "DEL: {del_small:?} alone, {del_large:?} beside {TAKEN}");
    });
}

/// The hard case: the search begins at the start of the long run. And in pieces: 50,000 with a gap now and then, far apart
/// in an IPv6 network.
#[test]
fn a_search_past_fifty_thousand_taken_addresses_costs_nothing() {
    let scene = Scene::new();
    let run = named("run", json!({"subnet": "10.0.0.0/15"}));
    let pieces = named("pieces", json!({"subnet": "fd00::/64", "rangeStart": "fd00::fff0"}));
    let small = named("small", json!({"subnet": "10.2.0.0/15"}));
    let directory = |name: &str| format!("/var/lib/cni/networks/{name}");
    let piece = |number: u32| std::net::Ipv6Addr::from((0xfd00_u128 << 112) + 0xfff0 + u128::from(number)).to_string();
    fill(&directory("run"), (2..TAKEN + 2).map(nth), "10.0.0.2");
    fill(&directory("pieces"), (0..TAKEN).filter(|number| number % 9000 != 8999).map(piece), &piece(0));

    let hard = |config, name: &str, last: &str, expected: &[String]| {
        let mut given = Vec::new();
        let add = shortest(|number| {
            fs::write(format!("{}/last_reserved_ip.0", directory(name)), last).unwrap();
            given.push(address(&scene.add(OURS, &format!("c{number}"), config).ok()));
        });
        assert_eq!(given[..expected.len()], *expected);
        (0..given.len()).for_each(|number| drop(scene.del(OURS, &format!("c{number}"), config).ok()));
        add
    };
    PROMPT.repeated(|| {
        let in_run = hard(&run, "run", "10.0.0.2", &(TAKEN + 2..TAKEN + 22).map(nth).collect::<Vec<_>>());
        let gaps: Vec<String> =
            [8999, 17999, 26999, 35999, 44999].into_iter().chain(TAKEN..TAKEN + 15).map(piece).collect();
        let in_pieces = hard(&pieces, "pieces", &piece(0), &gaps);
        let baseline = shortest(|number| drop(scene.add(OURS, &format!("s{number}"), &small).ok()));
        println!("ADD to an empty pool {baseline:?}, past a run of {TAKEN} {in_run:?}, past pieces {in_pieces:?}");
        (0..RUNS).for_each(|number| drop(scene.del(OURS, &format!("s{number}"), &small).ok()));
        let is_cheap = in_run < baseline * GENEROUS && in_pieces < baseline * GENEROUS;
        assert_by_chance!(is_cheap, "{baseline:?}, {in_run:?}, {in_pieces:?}");
    });
}

/// A full pool is told in the time of listing it, not of trying every address; and its one free address is found,
/// wherever it is.
#[test]
#[ignore = "soaks: 60,000 files are made and removed"]
fn a_full_pool_of_sixty_thousand() {
    let scene = Scene::new();
    let config = crate::common::with(&named("full", json!({"subnet": "10.0.0.0/16"})), "cniVersion", json!("1.1.0"));
    let directory = "/var/lib/cni/networks/full";
    fill(directory, (2..u32::from(u16::MAX)).map(nth), "10.0.0.1");
    let (code, msg, _) = scene.add(OURS, "c1", &config).error();
    assert_eq!(
        (code, msg.contains("no IP addresses available in range set: 10.0.0.1-10.0.255.254")),
        (11, true),
        "{msg}"
    );
    let status = shortest(|_| assert_eq!(scene.network_verb("STATUS", &config).error().0, 50));
    let add = shortest(|_| assert_eq!(scene.add(OURS, "c1", &config).error().0, 11));
    println!("STATUS of a full pool {status:?}, ADD {add:?}");

    // The only free address, over and over, at the other end of the pool.
    fs::remove_file(format!("{directory}/10.0.200.7")).unwrap();
    scene.del(OURS, "nobody", &config).ok();
    let add_and_del = |number| {
        let id = format!("cycle{number}");
        assert_eq!(address(&scene.add(OURS, &id, &config).ok()), "10.0.200.7");
        scene.del(OURS, &id, &config).ok();
    };
    add_and_del(99);
    PROMPT.repeated(|| {
        let cycle = shortest(add_and_del);
        println!("ADD and DEL of the only free address {cycle:?}");
        assert_by_chance!(cycle < add / 4, "{cycle:?} beside {add:?} for listing the pool");
    });
    fs::write(format!("{directory}/10.0.200.7"), "other\r\neth0").unwrap();

    for last in ["10.0.0.2", "10.0.200.7", "10.0.255.254"] {
        fs::remove_file(format!("{directory}/{last}")).unwrap();
        scene.network_verb("STATUS", &config).ok();
        assert_eq!(address(&scene.add(OURS, &format!("c-{last}"), &config).ok()), last);
        assert_eq!(scene.network_verb("STATUS", &config).error().0, 50);
    }
}
