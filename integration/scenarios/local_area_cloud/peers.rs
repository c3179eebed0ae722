//! Hosts that are heard, and a stranger that knows group, port and VNI.

use std::net::IpAddr;

use harness::{Namespace, VdeClient, row};
use integration::with;
use serde_json::{Value, json};
use tests::{Capture, Frames};

use super::site::{GROUP, Member, Site, all_reach_each_other, network};

const GROUP6: &str = "ff05:56de::1";

/// How many packets a host has dropped that were for its cloud; `None` without a table.
fn dropped(host: &Namespace) -> Option<u64> {
    let listed = host.sh("nft -j list set inet plugboard-lacs closed");
    let listed: Value = serde_json::from_str(&listed.stdout).ok().filter(|_| listed.status == 0)?;
    listed["nftables"][1]["set"]["elem"][0]["elem"]["counter"]["packets"].as_u64()
}

fn has_table(host: &Namespace) -> bool {
    host.sh("nft list table inet plugboard-lacs").status == 0
}

/// A host that is in the cloud by the kernel's own means: by a group, or by a list of the other hosts.
fn intrude(host: &Namespace, group: Option<&str>, others: &[IpAddr]) -> String {
    let way = match (group, others) {
        (Some(group), _) => format!("group {group}"),
        (None, [IpAddr::V6(_), ..]) => "remote ::".to_owned(),
        (None, _) => String::new(),
    };
    host.sh(&format!(
        "ip link add lac0 up type vxlan id 1 {way} dev eth0 dstport 14789 && ip address add 10.0.0.9/24 dev lac0"
    ))
    .ok();
    for other in others.iter().filter(|_| group.is_none()) {
        host.sh(&format!("bridge fdb append 00:00:00:00:00:00 dev lac0 dst {other} self permanent")).ok();
    }
    host.ip("link show dev lac0")[0]["address"].as_str().expect("an address").to_owned()
}

/// Whether a frame has this source.
fn is_from(frame: &[u8], mac: &str) -> bool {
    frame
        .get(6..12)
        .is_some_and(|from| from.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":") == mac)
}

#[test]
fn a_stranger_that_knows_all_is_not_heard() {
    let _row = row("M34");
    let site = Site::<4>::new();
    let containers = ["c1", "c2", "c3"].map(|name| site.container(name));
    let before = site.state(&[]);
    let [.., outside] = &site.hosts;
    let all = [0, 1, 2, 3].map(|place| site.uplink(place));
    let v4 = all.clone().map(|uplink| IpAddr::from(uplink.ipv4));
    let v6 = all.map(|uplink| IpAddr::from(uplink.ipv6));
    for (keys, group, addresses) in [
        (json!({}), Some(GROUP), v4),
        (json!({"group": GROUP6}), Some(GROUP6), v6),
        (json!({"group": null, "remotes": v4[..3]}), None, v4),
        (json!({"group": null, "remotes": v6[..3]}), None, v6),
    ] {
        let open = network(&keys);
        // The same list on all hosts, each of which is in it.
        let closed = with(&open, &json!({"peers": addresses[..3]}));
        let mac = intrude(outside, group, &addresses[..3]);
        for (config, is_closed) in [(&closed, true), (&open, false)] {
            let members: Vec<Member> = (1..)
                .zip(site.hosts.iter().zip(&containers))
                .map(|(number, (host, container))| {
                    Member::new(host, container, "lac0", config, &format!("10.0.0.{number}/24"))
                })
                .collect();
            let inside = members.iter().map(|member| Frames::open(&member.ns, "lac0").expect("its interface"));
            let inside: Vec<Frames> = inside.collect();
            let wire = Capture::start(outside, "eth0");
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            let answers: Vec<u32> =
                members.iter().map(|to| outside.ping_with(&to.address, "-c3 -i.05 -W.5").received).collect();
            let asked: Vec<u32> =
                members.iter().map(|from| from.ns.ping_with("10.0.0.9", "-c3 -i.05 -W.5").received).collect();
            println!("{config}: the stranger {answers:?}, to the stranger {asked:?}");
            if !is_closed {
                // The control. It is not in the lists of the others, so what they send to all does not get there.
                assert_eq!(answers, [3; 3], "{config}");
                members.iter().for_each(Member::delete);
                continue;
            }
            assert_eq!((answers, asked), (vec![0; 3], vec![0; 3]), "{config}");
            for (member, frames) in members.iter().zip(&inside) {
                assert!(dropped(&member.host).is_some_and(|packets| packets > 0), "{config}: {}", member.host.name);
                let seen = std::iter::from_fn(|| frames.next()).filter(|frame| is_from(frame, &mac)).count();
                assert_eq!(seen, 0, "{config}: frames of the stranger at {}", member.address);
                member.call("CHECK").run().ok();
            }
            let packets = wire.take();
            let own = addresses[3];
            let to_it = packets.iter().filter(|packet| packet.to == own && packet.vxlan().is_some()).count();
            assert_eq!(to_it, 0, "{config}: nothing is sent to it");
            // What goes to the group gets to whoever has joined.
            let overheard = packets.iter().any(|packet| packet.from != own && packet.vxlan().is_some());
            assert_eq!(overheard, group.is_some(), "{config}");
            let [one, two, three] = members.as_slice() else { panic!("three members") };
            one.delete();
            assert!(!has_table(&one.host), "{config}: it goes with the last member");
            all_reach_each_other(&[two, three]);
            two.delete();
            three.delete();
            assert!(!has_table(&two.host) && !has_table(&three.host), "{config}");
        }
        outside.sh("ip link delete lac0").ok();
        assert_eq!(before, site.state(&[]), "{config}", config = closed);
    }
}

#[test]
fn clients_of_vde_are_heard_as_peers() {
    let _row = row("M34");
    let site = Site::<3>::new();
    let [own_host, plug_host, outside] = &site.hosts;
    let url = format!("vxvde://{GROUP}");
    let plugged = VdeClient::tap(plug_host, "tap0", &url, "10.0.0.254/24");
    let stranger = VdeClient::tap(outside, "tap0", &url, "10.0.0.253/24");
    let c1 = site.container("c1");
    let open = network(&json!({"group": null, "url": url}));
    let peers = [0, 1].map(|place| site.uplink(place).ipv4);
    for (config, of_stranger) in [(with(&open, &json!({"peers": peers})), 0), (open.clone(), 3)] {
        let member = Member::new(own_host, &c1, "vde0", &config, "10.0.0.1/24");
        assert_eq!(c1.ping("10.0.0.254", 3).received, 3, "{config}");
        assert_eq!(plugged.namespace.ping("10.0.0.1", 3).received, 3, "{config}");
        let received = stranger.namespace.ping_with("10.0.0.1", "-c3 -i.05 -W.5").received;
        println!("{config}: the stranger {received}");
        assert_eq!(received, of_stranger, "{config}");
        if of_stranger == 0 {
            assert!(dropped(own_host).is_some_and(|packets| packets > 0));
        }
        member.delete();
        assert!(!has_table(own_host));
    }
}

#[test]
fn who_is_sent_to_and_not_heard_is_refused() {
    let _row = row("M34");
    let site = Site::<1>::new();
    let c1 = site.container("c1");
    let before = site.state(&[&c1]);
    let config = network(&json!({"group": null, "remotes": ["192.168.7.2", "192.168.7.3"], "peers": ["192.168.7.2"]}));
    let reply = integration::call("ADD", &c1, "lac0", &config).on(&site.hosts[0]).run();
    let (code, msg, details) = reply.error();
    assert_eq!(code, 7, "{reply}");
    assert!(format!("{msg} {details}").contains("192.168.7.3 is among the remotes and not among the peers"), "{reply}");
    assert_eq!(before, site.state(&[&c1]));
}
