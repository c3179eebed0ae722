//! Mirrors: copies of a port's frames at another one.

use serde_json::{Value, json};
use tests::{cites, with};

use crate::site::{Site, bare, network};
use crate::tagged::{Watch, arrivals, frame};

fn mirror_rows(site: &Site) -> usize {
    site.ovs.rows()["Mirror"].as_array().map_or(0, Vec::len)
}

/// A frame of the port under test, and one to it.
const LEAVING: u8 = 1;
const COMING: u8 = 2;

#[test]
fn copies_arrive_at_the_output() {
    cites!("ADD-8", "DEL-8");
    let site = Site::new();
    let before = site.state();
    let output = bare(json!({"mirrors": [{"name": "m1", "output": true}]}));
    // What is not copied goes first, and has reached its end before the other is sent.
    for (part, order, copied) in [
        (json!({"name": "m1", "ingress": true}), [COMING, LEAVING], vec![LEAVING]),
        (json!({"name": "m1", "egress": true}), [LEAVING, COMING], vec![COMING]),
        (json!({"name": "m1", "ingress": true, "egress": true}), [LEAVING, COMING], vec![LEAVING, COMING]),
    ] {
        for kind in ["veth", "internal"] {
            let source = bare(json!({"nic": kind, "mirrors": [part]}));
            let (_, first) = site.added(site.c1(), "eth1", &source);
            let (_, second) = site.added(&site.c2, "eth1", &bare(json!({})));
            let (_, watching) = site.added(&site.c3, "eth1", &output);
            assert_eq!(mirror_rows(&site), 1);
            let watch = Watch::at(&site.c3, "eth1");
            for number in order {
                let (from, to) = if number == LEAVING { (site.c1(), &site.c2) } else { (&site.c2, site.c1()) };
                assert_eq!(arrivals((from, "eth1"), (to, "eth1"), &[frame(number, &[])]), [(number, vec![])]);
            }
            let seen: Vec<u8> = watch.until(order[1]).into_iter().map(|(number, _)| number).collect();
            assert_eq!(seen, copied, "{part} {kind}");
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
