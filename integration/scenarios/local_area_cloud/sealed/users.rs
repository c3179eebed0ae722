//! What users and containers of a member host can do with the host's keys, and what the host says in clear of what it has decrypted.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use harness::Namespace;
use tests::{Frames, ethernet};

use super::super::site::{Member, Site, all_reach_each_other};
use super::site::{Way, members, new_key, say};
use super::wire::{MARK, Wire};
use super::{KEY, sealed};

const PORT: u16 = 14789;

/// A packet of VXLAN (RFC 7348, 5) with a frame to all that ends with the mark.
fn packet(vni: u32) -> Vec<u8> {
    let frame = ethernet([2, 0, 0, 0, 9, 9], [0xff; 6], 0x88b5, &[&[0; 46][..], &MARK].concat());
    [&[8, 0, 0, 0][..], &(vni << 8).to_be_bytes(), &frame].concat()
}

/// Has a process send that to a host or a group; it may be refused.
fn send(from: &Namespace, to: IpAddr, vni: u32) {
    from.within(|| {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        _ = UdpSocket::bind(any).expect("a socket").send_to(&packet(vni), (to, PORT));
    });
}

/// A container that is no member, behind the address of its host.
fn behind(site: &Site<2>, host: &Namespace) -> Namespace {
    let container = site.container("behind");
    host.sh("ip link add inner0 type veth peer name eth0 netns behind").ok();
    host.sh("ip address add 172.31.0.1/24 dev inner0 && ip address add fd31::1/64 dev inner0 nodad && ip link set inner0 up").ok();
    host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1").ok();
    host.sh("nft 'table inet behind { chain p { type nat hook postrouting priority srcnat; oifname \"eth0\" masquerade; }; }'").ok();
    container
        .sh("ip address add 172.31.0.2/24 dev eth0 && ip address add fd31::2/64 dev eth0 nodad && ip link set eth0 up")
        .ok();
    container.sh("ip route add default via 172.31.0.1 && ip -6 route add default via fd31::1").ok();
    container
}

#[test]
fn the_keys_of_a_host_are_for_its_members_alone() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<2>::new();
            new_key(KEY);
            let members = members(&site, &way.sealed(&site, 2, KEY));
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            let (host, other) = (&site.hosts[0], way.host(&site, 1));
            let container = behind(&site, host);
            let heard = Frames::open(&members[1].ns, "lac0").expect("its interface");
            let dropped = || {
                let chain = host.sh("nft list chain inet plugboard-lacs postrouting").ok();
                let (_, count) = chain.split_once("counter packets ").expect("a counter");
                count.split(' ').next().and_then(|count| count.parse::<u32>().ok()).expect("a number")
            };
            let mut expected = dropped();
            for (who, from) in [("a user", host), ("a container", &container)] {
                for to in std::iter::once(other).chain(way.group().filter(|_| who == "a user")) {
                    for vni in [1, 2] {
                        send(from, to, vni);
                        assert!(!heard.ends_with(&MARK, Duration::from_millis(100)), "{who} to {to}, VNI {vni}");
                        expected += 1;
                        assert_eq!(dropped(), expected, "{who} to {to}, VNI {vni}");
                    }
                }
            }
            // The control.
            host.sh("nft flush chain inet plugboard-lacs postrouting").ok();
            for (who, from) in [("a user", host), ("a container", &container)] {
                send(from, other, 1);
                assert!(heard.ends_with(&MARK, Duration::from_secs(2)), "{who} without the rules");
            }
            host.sh("nft delete table inet behind && ip link delete inner0").ok();
            container.delete();
            members.iter().for_each(Member::delete);
        }
    });
}

/// Whoever refuses a packet tells its sender, and quotes it (RFC 792, RFC 4443).
#[test]
fn nothing_that_was_decrypted_is_quoted_in_clear() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<2>::new();
            new_key(KEY);
            let members = members(&site, &way.sealed(&site, 2, KEY));
            let [one, two] = members.as_slice() else { panic!("two members") };
            let reject = "nft 'table inet fw { chain input { type filter hook input priority filter; udp dport 14789 reject; }; }'";
            let refusals =
                [(reject, "nft delete table inet fw"), ("ip link set vx14789-1 down", "ip link set vx14789-1 up")];
            for is_guarded in [true, false] {
                if !is_guarded {
                    two.host.sh("nft flush chain inet plugboard-lacs prerouting").ok();
                }
                for (refuse, restore) in refusals {
                    assert_eq!(one.answered_by(two), 3, "and it knows where to send");
                    let wire = Wire::watch(&site.hosts[0], "eth0");
                    two.host.sh(refuse).ok();
                    (0..3).for_each(|_| say(one, &two.address, &MARK));
                    std::thread::sleep(Duration::from_millis(100));
                    let found = wire.end();
                    println!("{refuse}: {found:?}");
                    assert!(found.esp > 0, "{found:?}");
                    match is_guarded {
                        true => found.is_sealed(),
                        false => assert!(found.marked > 0, "the control: {found:?}"),
                    }
                    two.host.sh(restore).ok();
                    // A VXLAN device forgets whom it has learned when it goes down.
                    assert!(one.ns.ping_with(&two.address, "-c5 -i.2 -W1").received > 0);
                }
            }
            members.iter().for_each(Member::delete);
        }
    });
}
