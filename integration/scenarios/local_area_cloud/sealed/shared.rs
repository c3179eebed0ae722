//! LACs of one port, which share keys and states, and LACs of BGP, which have them like others.

use integration::{call, with};
use serde_json::{Value, json};
use tests::codes;

use super::super::site::{Member, Site, all_reach_each_other};
use super::site::{Way, member, new_key, say, write_keys, xfrm};
use super::wire::{MARK, Wire};
use super::{KEY, OTHER_KEY, sealed};

#[test]
fn lacs_of_one_port_share_a_key_and_the_last_takes_it_along() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<2>::new();
            let before = site.state(&[]);
            new_key(KEY);
            new_key(OTHER_KEY);
            let config = way.sealed(&site, 2, KEY);
            let second = with(&config, &json!({"vni": 2, "name": "lac-2"}));
            let add = |config: &Value, subnet: u8| -> Vec<Member> {
                (1..)
                    .zip(&site.hosts)
                    .map(|(number, host)| {
                        let container = site.container(&format!("c{subnet}-{number}"));
                        Member::new(host, &container, "lac0", config, &format!("10.0.{subnet}.{number}/24"))
                    })
                    .collect()
            };
            let ones = add(&config, 1);
            let host = &site.hosts[0];
            let installed = xfrm(host);
            let states = |text: &str| text.lines().filter(|line| line.starts_with("src ")).count();
            let twos = add(&second, 2);
            assert_eq!(states(&xfrm(host)), states(&installed), "no more than there were");
            all_reach_each_other(&ones.iter().collect::<Vec<_>>());
            all_reach_each_other(&twos.iter().collect::<Vec<_>>());

            let other = site.container("other");
            for (what, keys) in [
                ("without a key", json!({"vni": 3, "keyFile": null})),
                ("without a key or peers", json!({"vni": 3, "keyFile": null, "peers": null})),
                ("with another key", json!({"vni": 3, "keyFile": OTHER_KEY})),
                ("in the same LAC with another key", json!({"keyFile": OTHER_KEY})),
                ("in the same LAC without", json!({"keyFile": null})),
            ] {
                let reply = call("ADD", &other, "lac0", &with(&config, &keys)).on(host).run();
                println!("{what}: {reply}");
                assert_eq!(reply.error().0, codes::CONFLICT, "{what}: {reply}");
            }
            all_reach_each_other(&ones.iter().collect::<Vec<_>>());

            ones.iter().for_each(Member::delete);
            assert_eq!(states(&xfrm(host)), states(&installed));
            all_reach_each_other(&twos.iter().collect::<Vec<_>>());
            twos.iter().for_each(|member| _ = member.call("CHECK").run().ok());
            twos.iter().for_each(Member::delete);
            for host in &site.hosts {
                assert_eq!(xfrm(host), "");
            }

            // The other way round, and on another port there may be another key.
            let open = call("ADD", &other, "lac0", &way.open(&site, 2)).on(host).run();
            open.ok();
            let reply = call("ADD", &other, "lac1", &second).on(host).run();
            assert_eq!(reply.error().0, codes::CONFLICT, "{reply}");
            let elsewhere = with(&config, &json!({"port": 4790, "keyFile": OTHER_KEY}));
            call("ADD", &other, "lac1", &elsewhere).on(host).run().ok();
            call("DEL", &other, "lac1", &elsewhere).on(host).run().ok();
            call("DEL", &other, "lac0", &way.open(&site, 2)).on(host).run().ok();
            assert_eq!(xfrm(host), "");
            ones.iter().chain(&twos).for_each(|member| member.ns.delete());
            other.delete();
            assert_eq!(before, site.state(&[]));
        }
    });
}

/// The list may have addresses for hosts that are yet to come, and each key of the file is heard from them.
#[test]
fn an_address_that_was_a_peers_until_now() {
    sealed(|| {
        let site = Site::<2>::new();
        let key = || harness::sh("head -c 32 /dev/urandom | base64").ok();
        write_keys(KEY, &[&key(), &key()]);
        let way = Way::Group;
        let config = way.sealed(&site, 3, KEY);
        let members: Vec<Member> = (1..=2).map(|number| member(&site, number, &config)).collect();
        let [first, _, spare] = [0, 1, 2].map(|place| way.host(&site, place));
        let host = &site.hosts[0];
        let both: Vec<&Member> = members.iter().collect();
        // The other learns the address with the first frame.
        let reach = || {
            assert!(members[0].answered_by(&members[1]) > 0);
            all_reach_each_other(&both);
        };
        // There and back again: the old one is a peer's then.
        for (old, new) in [(first, spare), (spare, first)] {
            reach();
            let route = host.sh("ip route show default").ok();
            host.sh(&format!("ip address delete {old}/24 dev eth0 && ip address add {new}/24 dev eth0")).ok();
            host.sh(&format!("ip route replace {}", route.trim())).ok();
            for command in ["UPDATE", "CHECK"] {
                members[0].call(command).run().ok();
            }
            let states = xfrm(host);
            let sent = states.lines().filter(|line| line.starts_with(&format!("src {new} dst "))).count();
            assert_eq!(sent, 3, "to two peers and the group, with one key: {states}");
        }
        reach();
        members.iter().for_each(Member::delete);
        assert_eq!(xfrm(host), "");
    });
}

/// What zebra enters where it knows of them is entered by hand: the kernel of the lab has ESP, and the lab no FRR.
#[test]
fn a_lac_of_bgp_is_sealed_like_others() {
    sealed(|| {
        let site = Site::<3>::new();
        let before = site.state(&[]);
        new_key(KEY);
        let config = with(&Way::Remotes.sealed(&site, 3, KEY), &json!({"remotes": null, "mode": "evpn", "vni": 100}));
        let wires = site.hosts.each_ref().map(|host| Wire::watch(host, "eth0"));
        let members = super::site::members(&site, &config);
        let device = super::super::site::of_kind(&site.hosts[0], "vxlan").concat();
        for host in &site.hosts {
            for (place, member) in members.iter().enumerate().filter(|(_, member)| member.host != *host) {
                let (mac, to) = (member.mac(), Way::Remotes.host(&site, place));
                host.sh(&format!("bridge fdb append 00:00:00:00:00:00 dev {device} dst {to} self permanent")).ok();
                host.sh(&format!("bridge fdb replace {mac} dev {device} dst {to} self extern_learn")).ok();
                host.sh(&format!("bridge fdb replace {mac} dev {device} master extern_learn")).ok();
            }
        }
        all_reach_each_other(&members.iter().collect::<Vec<_>>());
        for member in &members {
            assert_eq!(member.ns.ip("link show dev lac0")[0]["mtu"], Way::Remotes.mtu());
            say(member, "10.0.0.255", &MARK);
            member.call("CHECK").run().ok();
        }
        for wire in wires {
            wire.end().is_sealed();
        }
        members.iter().for_each(Member::delete);
        for (host, member) in site.hosts.iter().zip(&members) {
            assert_eq!(xfrm(host), "");
            member.ns.delete();
        }
        assert_eq!(before, site.state(&[]));
    });
}

/// The others have talked to its hardware address at the former host.
#[test]
fn a_member_moves_to_another_host_and_goes_on_talking() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<3>::new();
            new_key(KEY);
            let config = way.sealed(&site, 3, KEY);
            let moving = with(&config, &json!({"mac": "02:00:00:00:00:11"}));
            let two = member(&site, 2, &config);
            // What the host has in common stays when the moving one comes.
            let three = member(&site, 3, &config);
            for place in [0, 2, 0] {
                let container = site.container(&format!("moving{place}"));
                let one = Member::new(&site.hosts[place], &container, "lac0", &moving, "10.0.0.1/24");
                let answers = one.ns.ping_with(&two.address, "-c5 -i.2 -W1");
                assert_eq!(answers.received, 5, "{way:?}, on host {place}: {answers:?}");
                one.delete();
                container.delete();
            }
            two.delete();
            three.delete();
        }
    });
}
