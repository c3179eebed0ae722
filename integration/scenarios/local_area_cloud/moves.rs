//! Members that move from host to host.

use std::time::{Duration, Instant};

use harness::chance::PROMPT;
use harness::{Namespace, assert_by_chance, row};
use integration::call;
use serde_json::json;

use super::site::{Member, Site, at, network};
use crate::vxvde::{FAMILIES, Family, announcements, remove_by_hand, set_up_silently};

#[test]
fn a_member_that_moves_to_another_host_is_reached_at_once() {
    let _row = row("M33");
    FAMILIES.iter().for_each(is_reached_at_once);
}

fn is_reached_at_once(family: &Family) {
    let Family { mover: address, peer: stays, prefix, filter, heard } = family;
    PROMPT.repeated(|| {
        let site = Site::<3>::new();
        let [a, b, c] = &site.hosts;
        let [peer, mover, resident] = ["peer", "mover", "resident"].map(|name| site.container(name));
        let add = |host: &Namespace, ns: &Namespace, address: &str| {
            let address = format!("{address}{prefix}");
            Member::new(host, ns, "eth0", &network(&at(&address)), &address)
        };
        let stays = add(a, &peer, stays);
        // Another member has the cloud on the host to which it will move.
        let other = Member::new(c, &resident, "eth0", &network(&json!({})), "10.9.9.9/24");
        let on_b = add(b, &mover, address);
        assert_eq!(peer.ping(address, 3).received, 3, "on b");
        on_b.delete();

        // The control: the others have its hardware address behind b, and nobody tells them otherwise.
        let (name, mac) = (&mover.name, on_b.mac());
        c.sh(&format!(
            "ip link add byhand master lac14789-1 type veth peer name eth0 address {mac} netns /run/netns/{name} && \
             ip link set byhand addrgenmode none up"
        ))
        .ok();
        set_up_silently(&mover, &format!("{address}{prefix}"));
        let unheard = peer.ping_with(address, "-c3 -i.1 -W.5");
        // Whatever else the kernel says from there tells them.
        assert_by_chance!(unheard.received == 0, "without an announcement: {unheard:?}");
        remove_by_hand(&mover);

        let mut announcements = announcements(&peer, filter);
        let config = network(&at(&format!("{address}{prefix}")));
        let started = Instant::now();
        let result = call("ADD", &mover, "eth0", &config).on(c).run().ok();
        let answers = peer.ping(address, 3);
        let taken = started.elapsed();
        let announced = announcements.find(|line| line.contains(heard));
        assert!(announced.is_some(), "an announcement of {address} reaches the peer");
        assert_eq!(result["interfaces"][2]["mac"], mac, "the address is the same on every host");
        assert_eq!(answers.received, 3, "on c: {answers:?}");
        println!("{address}: {taken:?} from the start of ADD to the third answer");
        assert_by_chance!(taken < Duration::from_secs(1), "{taken:?} from the start of ADD to the third answer");
        call("DEL", &mover, "eth0", &config).on(c).run().ok();
        stays.delete();
        other.delete();
    });
}
