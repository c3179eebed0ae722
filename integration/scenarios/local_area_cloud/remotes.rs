//! Hosts whose network carries no multicast, and hosts in many clouds.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use harness::{Namespace, row};
use integration::{all_at_once, call};
use serde_json::json;
use tests::{Capture, codes};

use super::site::{GROUP, Member, Site, all_reach_each_other, carries_echo, network, of_kind};

/// More than the 20 groups that a port can be in.
const CLOUDS: usize = 25;
const GROUPS: usize = 20;

#[test]
fn a_list_of_hosts_serves_where_no_group_does() {
    let _row = row("M36");
    let site = Site::<3>::new();
    let before = site.state(&[]);
    let addresses = [0, 1, 2].map(|place| site.uplink(place).ipv4);
    let config = network(&json!({"group": null, "remotes": addresses}));
    let wires = site.hosts.each_ref().map(|host| Capture::start(host, "eth0"));
    let members: Vec<Member> = (1..)
        .zip(&site.hosts)
        .map(|(number, host)| {
            let container = site.container(&format!("c{number}"));
            Member::new(host, &container, "lac0", &config, &format!("10.0.0.{number}/24"))
        })
        .collect();
    all_reach_each_other(&members.iter().collect::<Vec<_>>());
    for wire in wires {
        let packets = wire.take();
        assert!(packets.iter().any(carries_echo), "{packets:?}");
        let to_a_group: Vec<_> =
            packets.iter().filter(|packet| packet.from.is_ipv4() && packet.to.is_multicast()).collect();
        assert!(to_a_group.is_empty(), "{to_a_group:?}");
        assert!(packets.iter().all(|packet| packet.vxlan().is_none() || !packet.to.is_multicast()), "{packets:?}");
    }
    members.iter().for_each(Member::delete);
    assert_eq!(before, site.state(&[]));
}

/// The first two hosts stay in each other's lists, the third comes and goes.
#[test]
fn a_list_that_changes_costs_those_that_stay_nothing() {
    let _row = row("M36");
    let site = Site::<3>::new();
    let all = [0, 1, 2].map(|place| site.uplink(place).ipv4);
    let file = Path::new("/run/hosts-of-the-lac");
    let write = |hosts: &[Ipv4Addr]| {
        let text: String = hosts.iter().map(|host| format!("{host}\n")).collect();
        fs::write(file, text).expect("the file is written");
    };
    write(&all);
    let config = network(&json!({"group": null, "remotesFile": file}));
    let members: Vec<Member> = (1..)
        .zip(&site.hosts)
        .map(|(number, host)| {
            let container = site.container(&format!("c{number}"));
            Member::new(host, &container, "lac0", &config, &format!("10.0.0.{number}/24"))
        })
        .collect();
    let [one, two, three] = members.as_slice() else { panic!("three members") };
    all_reach_each_other(&[one, two, three]);
    let listed = |host: &Namespace| host.sh("bridge fdb show dev vx14789-1").ok().matches("00:00:00:00:00:00").count();
    let mut changes = 0;
    let answers = std::thread::scope(|scope| {
        let pings = scope.spawn(|| one.ns.ping_with(&two.address, "-c500 -i.002 -W5"));
        while !pings.is_finished() {
            let is_away = changes % 2 == 0;
            write(if is_away { &all[..2] } else { &all });
            for member in [one, two] {
                member.call("UPDATE").run().ok();
                assert_eq!(listed(&member.host), if is_away { 1 } else { 2 });
            }
            changes += 1;
        }
        pings.join().expect("ping ends")
    });
    println!("{changes} changes, {answers:?}");
    assert!(changes > 2, "{changes} changes while {answers:?}");
    assert_eq!((answers.sent, answers.received), (500, 500), "{changes} changes");
    write(&all);
    for member in &members {
        member.call("UPDATE").run().ok();
        member.call("CHECK").run().ok();
    }
    all_reach_each_other(&[one, two, three]);
    members.iter().for_each(Member::delete);
}

#[test]
fn a_host_is_in_as_many_clouds_as_its_kernel_joins() {
    let _row = row("M36");
    let site = Site::<1>::new();
    let host = &site.hosts[0];
    let c1 = site.container("c1");
    let cloud = |number: usize| network(&json!({"group": format!("234.0.1.{number}"), "vni": number}));
    let calls = |command: &'static str| {
        all_at_once(
            (1..=CLOUDS).map(|number| call(command, &c1, &format!("lac{number}"), &cloud(number)).on(host)).collect(),
        )
    };
    let replies = calls("ADD");
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 0);
    assert_eq!((made.len(), refused.len()), (GROUPS, CLOUDS - GROUPS), "{refused:?}");
    for reply in refused {
        let (code, msg, details) = reply.error();
        assert_eq!(code, codes::UNSUPPORTED_BY_KERNEL, "{reply}");
        assert!(format!("{msg} {details}").contains("net.ipv4.igmp_max_memberships"), "{reply}");
    }
    assert_eq!((of_kind(host, "vxlan").len(), of_kind(host, "bridge").len()), (GROUPS, GROUPS));
    // All of them share one group, and differ in their VNI.
    let shared = network(&json!({"group": GROUP, "port": 15000, "vni": 99}));
    call("ADD", &c1, "lac99", &shared).on(host).run().ok();
    call("DEL", &c1, "lac99", &shared).on(host).run().ok();
    calls("DEL").iter().for_each(|reply| _ = reply.ok());
    assert_eq!((of_kind(host, "vxlan").len(), of_kind(host, "bridge").len()), (0, 0));
}
