//! Mirrors: copies of a port's frames at another one.

use serde_json::{Value, json};
use tests::{cites, with};

use crate::site::{Site, bare, network};
use crate::tagged::{arrivals, frame};

fn mirror_rows(site: &Site) -> usize {
    site.ovs.rows()["Mirror"].as_array().map_or(0, Vec::len)
}

#[test]
fn copies_arrive_at_the_output() {
    cites!("ADD-8", "DEL-8");
    let site = Site::new();
    let before = site.state();
    let output = bare(json!({"mirrors": [{"name": "m1", "output": true}]}));
    for (part, sees_leaving, sees_coming) in [
        (json!({"name": "m1", "ingress": true}), true, false),
        (json!({"name": "m1", "egress": true}), false, true),
        (json!({"name": "m1", "ingress": true, "egress": true}), true, true),
    ] {
        for kind in ["veth", "internal"] {
            let source = bare(json!({"nic": kind, "mirrors": [part]}));
            let (_, first) = site.added(site.c1(), "eth1", &source);
            let (_, second) = site.added(&site.c2, "eth1", &bare(json!({"vlan": 7})));
            let (_, watching) = site.added(&site.c3, "eth1", &output);
            assert_eq!(mirror_rows(&site), 1);
            // c2 is in another VLAN but hears what c1 sends there, and the other way.
            let to_c1 = frame(1, &[]);
            let leaving = frame(2, &[(0x8100, 7)]);
            let seen = |from: (&harness::Namespace, &str), own: &[u8], is_seen: bool| {
                if is_seen {
                    arrivals(from, (&site.c3, "eth1"), std::slice::from_ref(&own.to_vec())).len()
                } else {
                    // What is not copied is seen not to be by the time that the other end has it.
                    0
                }
            };
            assert_eq!(seen((site.c1(), "eth1"), &leaving, sees_leaving), usize::from(sees_leaving), "{part} {kind}");
            assert_eq!(seen((&site.c2, "eth1"), &to_c1, sees_coming), usize::from(sees_coming), "{part} {kind}");
            site.checked(site.c1(), "eth1", &first);
            site.checked(&site.c3, "eth1", &watching);
            site.deleted(&site.c3, "eth1", &watching);
            assert_eq!(mirror_rows(&site), 1, "it goes with the last");
            site.deleted(&site.c2, "eth1", &second);
            site.deleted(site.c1(), "eth1", &first);
            assert_eq!(before, site.state(), "{part} {kind}");
        }
    }
}

/// One direction only: frames of the other are seen not to be copied, because one that is copied comes after them.
#[test]
fn only_what_is_asked_is_copied() {
    let site = Site::new();
    let (_, _) = site.added(site.c1(), "eth1", &bare(json!({"mirrors": [{"name": "m1", "ingress": true}]})));
    site.added(&site.c2, "eth1", &bare(json!({})));
    site.added(&site.c3, "eth1", &bare(json!({"mirrors": [{"name": "m1", "output": true}]})));
    let other = tests::Frames::open(&site.c2, "eth1").expect("the interface is there");
    let frames = [frame(9, &[])];
    // The frame of c2 reaches c1 before c1 sends its own.
    assert_eq!(arrivals((&site.c2, "eth1"), (site.c1(), "eth1"), &[frame(8, &[])]).len(), 1);
    drop(other);
    let seen = arrivals((site.c1(), "eth1"), (&site.c3, "eth1"), &frames);
    assert_eq!(seen, [(9, vec![])]);
}

#[test]
fn a_mirror_that_an_operator_made_stays() {
    let site = Site::new();
    site.ovs.vsctl("-- --id=@m create mirror name=m1 -- add bridge br0 mirrors @m").ok();
    let before = site.state();
    let config = network(json!({"mirrors": [{"name": "m1", "ingress": true}]}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    assert_eq!(mirror_rows(&site), 1);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    site.collect(&config, &[]).ok();
    assert_eq!(before, site.state());
}

#[test]
fn a_failed_add_takes_its_mirror_back() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.state();
    let mirrors: Value = json!([{"name": "m1", "ingress": true}, {"name": "m2", "egress": true}]);
    let config = with(&network(json!({"mirrors": mirrors})), json!({"ipam": {"type": "nobody"}}));
    let reply = site.call(site.c1(), "eth1", "ADD", &config).run();
    assert_ne!(reply.status, 0, "{reply}");
    assert_eq!(before, site.state(), "{reply}");
}
