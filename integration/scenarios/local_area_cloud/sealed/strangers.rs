//! What members say to each other, and what those hear of it, and can say, who have not the key.

use harness::Namespace;
use integration::with;
use serde_json::json;

use super::super::site::{Member, Site, all_reach_each_other, at};
use super::site::{Heard, Way, counted, dropped, member, members, new_key, say};
use super::wire::{MARK, Wire};
use super::{KEY, OTHER_KEY, sealed};

/// The port to which nothing in clear may go, of a member and of a host.
const PORT: u16 = 14789;

#[test]
fn members_reach_each_other_and_nothing_passes_in_clear() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<3>::new();
            new_key(KEY);
            let wires = site.hosts.each_ref().map(|host| Wire::watch(host, "eth0"));
            let members = members(&site, &way.sealed(&site, 3, KEY));
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            let [one, two, three] = members.as_slice() else { panic!("three members") };
            let heard = [two, three].map(|member| Heard::at(member, &MARK));
            say(one, &two.address, &MARK);
            say(one, "10.0.0.255", &MARK);
            assert_eq!(heard.each_ref().map(Heard::times), [2, 1]);
            let pattern: String = MARK.iter().map(|byte| format!("{byte:02x}")).collect();
            let pings = one.ns.ping_with(&two.address, &format!("-c3 -i.05 -W2 -p {pattern}"));
            assert_eq!(pings.received, 3, "{pings:?}");
            whole_packets_pass(way, &members);
            // The host itself says something to the port.
            for host in &site.hosts {
                let to = way.host(&site, 0);
                host.within(|| {
                    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                    // It may be refused.
                    _ = std::net::UdpSocket::bind(any).expect("a socket").send_to(&MARK, (to, PORT));
                });
            }
            for wire in wires {
                let found = wire.end();
                println!("{found:?}");
                found.is_sealed();
                assert_eq!(found.fragments, 0, "{found:?}");
            }
            members.iter().for_each(Member::delete);
        }
    });
}

/// A packet of the MTU passes, and the packet around it is not divided.
fn whole_packets_pass(way: Way, members: &[Member]) {
    let [one, two, ..] = members else { panic!("two members") };
    let mtu = one.ns.ip("link show dev lac0")[0]["mtu"].as_u64().expect("a number");
    assert_eq!(mtu, way.mtu());
    let pings = one.ns.ping_with(&two.address, &format!("-c3 -i.05 -W2 -M do -s {}", mtu - 28));
    assert_eq!(pings.received, 3, "{pings:?}");
}

/// Has a host take part by a device of its kernel, in clear: its name.
fn in_clear(way: Way, site: &Site<4>, host: &Namespace) {
    let (local, address) = (way.host(site, 3), "10.0.0.4/24");
    let to = match way.group() {
        Some(group) => format!("group {group}"),
        None => String::new(),
    };
    host.sh(&format!("ip link add open0 up type vxlan id 1 {to} dev eth0 dstport {PORT} local {local}")).ok();
    if way.group().is_none() {
        for place in 0..3 {
            let other = way.host(site, place);
            host.sh(&format!("bridge fdb append 00:00:00:00:00:00 dev open0 dst {other} self permanent")).ok();
        }
    }
    host.sh(&format!("ip address add {address} dev open0")).ok();
}

/// How many frames a device of a host has received.
fn received(host: &Namespace, device: &str) -> u64 {
    let link = host.ip(&format!("-s link show dev {device}"));
    link[0]["stats64"]["rx"]["packets"].as_u64().expect("a number")
}

#[test]
fn who_knows_all_but_the_key_hears_nothing_and_is_not_heard() {
    sealed(|| {
        for way in Way::ALL {
            // Not a peer, and one.
            for hosts in [3, 4] {
                println!("{way:?}, {hosts} peers");
                let site = Site::<4>::new();
                let stranger = &site.hosts[3];
                new_key(KEY);
                in_clear(way, &site, stranger);
                // The control: without a key it takes part.
                let open =
                    Member::new(&site.hosts[0], &site.container("open"), "lac0", &way.open(&site, 4), "10.0.0.9/24");
                assert_eq!(stranger.ping("10.0.0.9", 3).received, 3);
                open.delete();
                stranger.sh("ip link delete open0").ok();
                in_clear(way, &site, stranger);

                let config = way.sealed(&site, hosts, KEY);
                let members: Vec<Member> = (1..=3).map(|number| member(&site, number, &config)).collect();
                let before = received(stranger, "open0");
                all_reach_each_other(&members.iter().collect::<Vec<_>>());
                let heard: Vec<Heard> = members.iter().map(|member| Heard::at(member, &MARK)).collect();
                say(&members[0], "10.0.0.255", &MARK);
                assert!(heard.iter().all(|heard| heard.times() == 1));
                assert_eq!(received(stranger, "open0"), before, "what it hears");
                let refused =
                    |host| dropped(host) + counted(host, "XfrmInTmplMismatch") + counted(host, "XfrmInNoPols");
                let earlier = refused(&site.hosts[0]);
                for member in &members {
                    let pings = stranger.ping_with(&member.address, "-c3 -i.05 -W.5");
                    assert_eq!(pings.received, 0, "{pings:?}");
                    let pings = member.ns.ping_with("10.0.0.4", "-c3 -i.05 -W.5");
                    assert_eq!(pings.received, 0, "{pings:?}");
                }
                stranger.within(|| {
                    let socket = std::net::UdpSocket::bind("10.0.0.4:0").expect("a socket");
                    socket.set_broadcast(true).expect("broadcasts are allowed");
                    socket.send_to(&MARK, "10.0.0.255:9").expect("it is sent");
                });
                assert!(heard.iter().all(|heard| heard.times() == 0), "a broadcast of the stranger's");
                assert_eq!(received(stranger, "open0"), before, "what it hears");
                let later = refused(&site.hosts[0]);
                println!("{} dropped", later - earlier);
                assert!(later > earlier, "it is counted");
                all_reach_each_other(&members.iter().collect::<Vec<_>>());
                members.iter().for_each(Member::delete);
            }
        }
    });
}

#[test]
fn who_has_another_key_hears_nothing_and_is_not_heard() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<4>::new();
            new_key(KEY);
            new_key(OTHER_KEY);
            let config = way.sealed(&site, 4, KEY);
            let members: Vec<Member> = (1..=3).map(|number| member(&site, number, &config)).collect();
            let stranger = member(&site, 4, &with(&config, &json!({"keyFile": OTHER_KEY})));
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            for member in &members {
                assert_eq!(stranger.soon_answered_by(member), 0);
                assert_eq!(member.soon_answered_by(&stranger), 0);
            }
            assert_eq!(received(&site.hosts[3], "vx14789-1"), 0, "what it hears");
            let refused =
                |host| ["XfrmInNoStates", "XfrmInStateProtoError"].map(|name| counted(host, name)).iter().sum::<u64>();
            let counts = site.hosts.each_ref().map(refused);
            println!("{counts:?} refused");
            assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
            stranger.delete();
            members.iter().for_each(Member::delete);
        }
    });
}

/// Its peers' states are as they were, and its own begin anew.
#[test]
fn a_member_that_leaves_and_joins_again_is_heard_at_once() {
    sealed(|| {
        for way in Way::first(1) {
            println!("{way:?}");
            let site = Site::<3>::new();
            new_key(KEY);
            let config = with(&way.sealed(&site, 3, KEY), &at("10.0.0.1/24"));
            let peers: Vec<Member> = [2, 3].map(|number| member(&site, number, &way.sealed(&site, 3, KEY))).into();
            let mut one = member(&site, 1, &config);
            for turn in 0..5 {
                // Many packets: a window would be far ahead of those of one that begins again.
                let pings = one.ns.ping_with(&peers[0].address, "-c200 -i.002 -W2");
                assert_eq!(pings.received, 200, "{pings:?}");
                one.delete();
                one.ns.delete();
                one = member(&site, 1, &config);
                for peer in &peers {
                    // Its answer has to come before the kernel asks again for the address, after a second.
                    let first = if turn % 2 == 0 {
                        one.ns.ping_with(&peer.address, "-c1 -W.5")
                    } else {
                        peer.ns.ping_with(&one.address, "-c1 -W.5")
                    };
                    assert_eq!(first.received, 1, "{way:?}, turn {turn}");
                }
            }
            one.delete();
            peers.iter().for_each(Member::delete);
        }
    });
}
