//! Nothing leaves in clear: not before the first member's keys are there, not after the last one's are gone, and not while somebody meddles.

use std::net::UdpSocket;
use std::time::Duration;

use harness::Namespace;
use integration::{call, with};
use serde_json::{Value, json};
use tests::udp::Repeated;

use super::super::site::{Member, Site, at};
use super::site::{Way, counted, member, members, new_key};
use super::wire::{MARK, Wire};
use super::{KEY, sealed};

/// Sends marked datagrams from a container to all and to one for as long as the value lives, whatever NICs it has.
fn flood(container: &Namespace) -> Repeated {
    let socket = container.within(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    socket.set_broadcast(true).expect("broadcasts are allowed");
    Repeated::start(move || {
        for to in ["10.0.0.255:9", "10.0.0.2:9"] {
            // There may be no route at this moment.
            let _ = socket.send_to(&MARK, to);
        }
        std::thread::sleep(Duration::from_micros(200));
    })
}

/// ADD and DEL of the only member of its host, so many times.
fn come_and_go(host: &Namespace, container: &Namespace, config: &Value, times: u32) {
    let config = with(config, &at("10.0.0.1/24"));
    for _ in 0..times {
        let result = call("ADD", container, "lac0", &config).on(host).run().ok();
        std::thread::sleep(Duration::from_millis(5));
        call("DEL", container, "lac0", &with(&config, &json!({"prevResult": result}))).on(host).run().ok();
    }
}

#[test]
fn the_first_and_the_last_frame_of_a_host_are_sealed() {
    sealed(|| {
        for way in Way::first(2) {
            let site = Site::<2>::new();
            new_key(KEY);
            let container = site.container("c1");
            let flooding = flood(&container);
            // The control.
            let wire = Wire::watch(&site.hosts[0], "eth0");
            come_and_go(&site.hosts[0], &container, &way.open(&site, 2), 1);
            let found = wire.end();
            assert!(found.marked > 0 && !found.other.is_empty(), "in clear it is seen: {found:?}");

            let config = way.sealed(&site, 2, KEY);
            // Who sends to the host, and makes it answer.
            let other = member(&site, 2, &config);
            let other_flood = flood(&other.ns);
            let wires = site.hosts.each_ref().map(|host| Wire::watch(host, "eth0"));
            come_and_go(&site.hosts[0], &container, &config, 10);
            drop((flooding, other_flood));
            for wire in wires {
                let found = wire.end();
                println!("{way:?}: {found:?}");
                found.is_sealed();
            }
            other.delete();
        }
    });
}

#[test]
fn policies_and_rules_stand_behind_each_other() {
    sealed(|| {
        for way in Way::first(1) {
            println!("{way:?}");
            let site = Site::<2>::new();
            new_key(KEY);
            let members = members(&site, &way.sealed(&site, 2, KEY));
            let [one, two] = members.as_slice() else { panic!("two members") };
            let reaches = || one.ns.ping_with(&two.address, "-c5 -i.02 -W1").received;
            assert_eq!(reaches(), 5);
            let wires = site.hosts.each_ref().map(|host| Wire::watch(host, "eth0"));
            let flooding = [one, two].map(|member| flood(&member.ns));
            let meddled = |command: &str| {
                for member in &members {
                    member.host.sh(command).ok();
                    std::thread::sleep(Duration::from_millis(100));
                    assert_ne!(member.call("CHECK").run().status, 0, "{command}: CHECK tells");
                }
            };
            let restored = || {
                for member in &members {
                    member.call("UPDATE").run().ok();
                    member.call("CHECK").run().ok();
                }
                assert_eq!(reaches(), 5, "after UPDATE");
            };
            meddled("ip xfrm policy flush");
            assert_eq!(one.soon_answered_by(two), 0, "no policy has it encrypted, and the rules let nothing else pass");
            restored();
            meddled("nft flush ruleset");
            assert_eq!(reaches(), 5, "it is encrypted all the same");
            restored();
            meddled("ip xfrm state flush");
            assert_eq!(one.soon_answered_by(two), 0, "there are no keys");
            assert!(site.hosts.iter().all(|host| counted(host, "XfrmOutNoStates") > 0));
            restored();
            drop(flooding);
            for wire in wires {
                let found = wire.end();
                println!("{found:?}");
                found.is_sealed();
            }
            members.iter().for_each(Member::delete);
        }
    });
}

/// A host has keys and no device for a moment in each ADD and DEL, and for longer when the device has gone. What a peer sends it then
/// meets no socket, and an answer would quote what was decrypted: of this LAC, or of another one that this host is not in.
#[test]
fn a_host_whose_device_has_gone_quotes_nothing() {
    sealed(|| {
        for family in [Way::Remotes, Way::GroupOfIpv6] {
            let site = Site::<2>::new();
            new_key(KEY);
            let hosts = [0, 1].map(|place| family.host(&site, place));
            let config = with(&Way::Remotes.sealed(&site, 2, KEY), &json!({"remotes": hosts, "peers": hosts}));
            let members = members(&site, &config);
            let [gone, stays] = members.as_slice() else { panic!("two members") };
            assert_eq!(stays.answered_by(gone), 3);
            let second = with(&config, &json!({"vni": 2, "name": "lac-2"}));
            let elsewhere = Member::new(&site.hosts[1], &site.container("c9"), "lac0", &second, "10.0.0.9/24");
            gone.host.sh("ip link delete vx14789-1").ok();
            let wire = Wire::watch(&site.hosts[1], "eth0");
            let flooding = [stays, &elsewhere].map(|member| flood(&member.ns));
            std::thread::sleep(Duration::from_secs(2));
            let found = wire.end();
            println!("{hosts:?}: {found:?}");
            found.is_sealed();
            // The control.
            let wire = Wire::watch(&site.hosts[1], "eth0");
            gone.host.sh("nft flush ruleset").ok();
            std::thread::sleep(Duration::from_secs(2));
            drop(flooding);
            let found = wire.end();
            assert!(found.marked > 0 && !found.other.is_empty(), "without any rule it is quoted: {found:?}");
            elsewhere.delete();
            members.iter().for_each(Member::delete);
        }
    });
}
