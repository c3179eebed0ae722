//! Keys that are replaced while members talk.

use std::time::{Duration, Instant};

use integration::with;
use serde_json::json;

use super::super::site::{Member, Site, all_reach_each_other};
use super::site::{Way, counted, members, new_key, write_keys};
use super::{KEY, sealed};

/// Has a host of its member take its file as it is, and hear replaced keys for so many seconds.
fn rekey(member: &Member, grace: u64) {
    let config = with(&member.config, &json!({"prevResult": member.result, "plugboard/rekey": grace}));
    integration::call("UPDATE", &member.ns, &member.interface, &config).on(&member.host).run().ok();
    member.call("CHECK").run().ok();
}

/// Of another key, in base64.
fn key() -> String {
    harness::sh("head -c 32 /dev/urandom | base64").ok()
}

/// Members whose hosts have a file each.
fn members_with_files(site: &Site<3>, way: Way) -> Vec<Member> {
    let config = way.sealed(site, 3, KEY);
    (1..=3).map(|number| super::site::member(site, number, &with(&config, &json!({"keyFile": file(number)})))).collect()
}

fn file(number: usize) -> String {
    format!("/etc/cni/{number}.key")
}

#[test]
fn a_key_is_replaced_in_three_steps_and_nothing_is_lost() {
    sealed(|| {
        for way in Way::first(1) {
            println!("{way:?}");
            let site = Site::<3>::new();
            let keys = [key(), key(), key()];
            (1..=3).for_each(|number| write_keys(&file(number), &[&keys[0]]));
            let members = members_with_files(&site, way);
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            let [one, two, three] = members.as_slice() else { panic!("three members") };
            let before = super::site::xfrm(&site.hosts[0]);
            let mut steps = 0;
            let answers = std::thread::scope(|scope| {
                let pings = [(one, two), (two, three), (three, one)]
                    .map(|(from, to)| scope.spawn(|| from.ns.ping_with(&to.address, "-f -c1500 -i.002 -W5")));
                for pair in keys.windows(2) {
                    let [old, new] = pair else { panic!("two keys") };
                    let (old, new) = (old.as_str(), new.as_str());
                    for file_is in [&[old, new][..], &[new, old], &[new]] {
                        for (number, member) in (1..).zip(&members) {
                            write_keys(&file(number), file_is);
                            rekey(member, 60);
                            std::thread::sleep(Duration::from_millis(20));
                        }
                        steps += 1;
                    }
                }
                assert!(pings.iter().any(|pings| !pings.is_finished()), "they went on until here");
                pings.map(|pings| pings.join().expect("ping ends"))
            });
            println!("{steps} steps, {answers:?}");
            assert!(answers.iter().all(|answers| (answers.sent, answers.received) == (1500, 1500)), "{answers:?}");
            assert_ne!(before, super::site::xfrm(&site.hosts[0]));
            members.iter().for_each(Member::delete);
            for host in &site.hosts {
                assert_eq!(super::site::xfrm(host), "", "what was heard for some time still goes, too");
            }
        }
    });
}

/// Without a step in between.
#[test]
fn a_replaced_key_is_heard_for_some_time_and_then_not() {
    sealed(|| {
        const GRACE: u64 = 5;
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<3>::new();
            let (old, new) = (key(), key());
            (1..=3).for_each(|number| write_keys(&file(number), &[&old]));
            let members = members_with_files(&site, way);
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            let [one, two, _] = members.as_slice() else { panic!("three members") };
            write_keys(&file(1), &[&new]);
            // Neither ADD nor UPDATE replaces a key that nobody asks to be replaced.
            let (code, message, details) = one.call("UPDATE").run().error();
            assert!(code == 102 && format!("{message} {details}").contains("rekey"), "{code} {message} {details}");
            assert_ne!(one.call("CHECK").run().status, 0);
            rekey(one, GRACE);
            let since = Instant::now();
            // One is heard by nobody, and hears the others: their datagrams, not answers.
            let heard = super::site::Heard::at(one, b"to the one with the new key");
            let say = || super::site::say(two, &one.address, b"to the one with the new key");
            while since.elapsed() < Duration::from_secs(GRACE - 2) {
                say();
                assert_eq!(heard.times(), 1, "after {:?}", since.elapsed());
                std::thread::sleep(Duration::from_millis(300));
            }
            assert_eq!(one.soon_answered_by(two), 0, "nobody else has its key");
            std::thread::sleep(Duration::from_secs(GRACE + 2).saturating_sub(since.elapsed()));
            let missing = counted(&one.host, "XfrmInNoStates");
            say();
            assert_eq!(heard.times(), 0, "after {:?}", since.elapsed());
            assert!(counted(&one.host, "XfrmInNoStates") > missing);
            for (number, member) in (2..).zip(&members[1..]) {
                write_keys(&file(number), &[&new]);
                rekey(member, 0);
            }
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            members.iter().for_each(Member::delete);
        }
    });
}

/// Whoever has asked for a long time may learn that the old key is in wrong hands.
#[test]
fn the_time_for_a_replaced_key_can_be_cut_short() {
    sealed(|| {
        let site = Site::<2>::new();
        let (old, new) = (key(), key());
        write_keys(KEY, &[&old]);
        let members = super::site::members(&site, &Way::Group.sealed(&site, 2, KEY));
        let [one, two] = members.as_slice() else { panic!("two members") };
        all_reach_each_other(&[one, two]);
        let heard = super::site::Heard::at(one, b"by the old key");
        let is_heard = || {
            super::site::say(two, &one.address, b"by the old key");
            heard.times()
        };
        write_keys(KEY, &[&new]);
        rekey(one, 3600);
        assert_eq!(is_heard(), 1, "for an hour");
        rekey(one, 600);
        rekey(one, 3600);
        let expiries = one.host.sh("ip -s xfrm state | grep -o 'expire add: soft 0(sec), hard [0-9]*'").ok();
        let expiries: Vec<u32> = expiries.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        let longest = expiries.iter().max().copied().unwrap_or_default();
        assert!((600..1000).contains(&longest), "never longer than was said before: {expiries:?}");
        rekey(one, 0);
        assert_eq!(is_heard(), 0, "not any more");
        rekey(two, 0);
        all_reach_each_other(&[one, two]);
        members.iter().for_each(Member::delete);
    });
}

/// The file is the hosts' own here.
#[test]
fn recordings_end_with_the_key() {
    sealed(|| {
        let site = Site::<4>::new();
        let old = new_key(KEY);
        let members = members(&site, &Way::Group.sealed(&site, 3, KEY));
        all_reach_each_other(&members.iter().collect::<Vec<_>>());
        super::replays::ends(&site, &members, || {
            write_keys(KEY, &[&key()]);
            members.iter().for_each(|member| rekey(member, 0));
        });
        write_keys(KEY, &[&old]);
        members.iter().for_each(|member| rekey(member, 0));
        all_reach_each_other(&members.iter().collect::<Vec<_>>());
        members.iter().for_each(Member::delete);
    });
}
