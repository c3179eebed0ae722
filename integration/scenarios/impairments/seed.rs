//! `seed`.

use harness::{Snapshot, not_observed};
use integration::{Direction, Pair};
use lab::{Feature, with_features};
use meter::Probe;
use serde_json::json;

use super::ms;

#[test]
fn a_seed_repeats_the_same_losses_or_the_kernel_is_said_to_have_none() {
    with_features(&[Feature::Netem], || {
        let pair = Pair::new();
        let before = Snapshot::take::<&str>(&[&pair.vn1, &pair.vn2], &[]);
        for direction in Direction::BOTH {
            let keys = |seed: u64| json!({direction.key(): {"loss": "20%", "seed": seed}});
            let reply = pair.call("ADD", &keys(42));
            if reply.status != 0 {
                let (code, message, _) = reply.error();
                assert_eq!(code, 100, "{message}");
                for part in ["seed", "TCA_NETEM_PRNG_SEED", "Linux 6.6 or later"] {
                    assert!(message.contains(part), "{message}");
                }
                assert_eq!(before, Snapshot::take::<&str>(&[&pair.vn1, &pair.vn2], &[]), "nothing is left");
                not_observed("that a seed repeats losses: this kernel is older than 6.6");
                continue;
            }
            pair.call("DEL", &keys(42)).ok();
            let losses = |seed| {
                let request = Probe { count: 500, interval: ms(1), ..Probe::default() };
                pair.shaped(&keys(seed), || pair.probe(direction, request)).losses()
            };
            let first = losses(42);
            assert_eq!(first, losses(42), "the same seed, the same losses");
            assert_ne!(first, losses(43), "another seed, others");
        }
    });
}
