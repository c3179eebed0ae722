//! vxvde's clouds of hosts on one segment: members come, go and move.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use harness::chance::PROMPT;
use harness::{Host, Namespace, assert_by_chance, row, sh};
use integration::call;
use serde_json::{Value, json};

/// The container that moves.
const ADDRESS: &str = "10.9.0.7";

/// A host of the cloud: a namespace with a bridge on the segment that the switch carries.
struct Member {
    host: Namespace,
}

impl Member {
    fn config(address: &str) -> Value {
        json!({"cniVersion": "1.1.0", "name": "cloud", "type": "bridge", "bridge": "br0",
            "ipam": {"type": "static", "addresses": [{"address": format!("{address}/24")}]}})
    }

    /// A host with its cable to the switch. The bridge is an operator's, so that the cable is in it before the first
    /// container.
    fn new(cloud: &Host, name: &str) -> Self {
        let host = cloud.namespace(name);
        sh(&format!("ip link add {name} master switch up type veth peer name cable netns {name}")).ok();
        host.sh("ip link add br0 up type bridge && ip link set cable up master br0").ok();
        Self { host }
    }

    fn add(&self, container: &Namespace, address: &str) -> Value {
        call("ADD", container, "eth0", &Self::config(address)).on(&self.host).run().ok()
    }

    fn del(&self, container: &Namespace, address: &str) {
        call("DEL", container, "eth0", &Self::config(address)).on(&self.host).run().ok();
    }

    /// Attaches a container as scripts do: without a word to the others.
    fn add_by_hand(&self, container: &Namespace, mac: &str) {
        let name = &container.name;
        self.host
            .sh(&format!(
                "ip link add byhand master br0 type veth peer name eth0 address {mac} netns /run/netns/{name}"
            ))
            .ok();
        self.host.sh("ip link set byhand addrgenmode none up").ok();
        container.sh(&format!("ip link set eth0 addrgenmode none up && ip address add {ADDRESS}/24 dev eth0")).ok();
    }
}

/// What a container hears of ARP announcements (RFC 5227: sender and target are the same), from now on for 5 seconds.
fn announcements(listener: &Namespace) -> impl Iterator<Item = String> {
    let mut tcpdump = listener.spawn("exec timeout 5 tcpdump -l -n -i eth0 -c 1 'arp[14:4] = arp[24:4]' 2>&1");
    let output = tcpdump.child().stdout.take().expect("its output is ours");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening on")), "tcpdump listens");
    lines.inspect(move |_| _ = &tcpdump) // which ends with the last of them
}

#[test]
fn a_member_that_moves_to_another_host_is_reached_at_once() {
    let _row = row("M33");
    PROMPT.repeated(|| {
        let cloud = Host::enter();
        sh("ip link add switch up type bridge").ok();
        let [a, b, c] = ["host-a", "host-b", "host-c"].map(|name| Member::new(&cloud, name));
        let (peer, mover) = (cloud.namespace("peer"), cloud.namespace("mover"));
        a.add(&peer, "10.9.0.1");

        let mac = |result: &Value| result["interfaces"][2]["mac"].as_str().expect("an address").to_owned();
        let on_b = mac(&b.add(&mover, ADDRESS));
        assert_eq!(peer.ping(ADDRESS, 3).received, 3, "on b");
        b.del(&mover, ADDRESS);

        // The control: the switch still has the address behind b, and nobody tells it otherwise.
        c.add_by_hand(&mover, &on_b);
        let unheard = peer.ping_with(ADDRESS, "-c3 -i.1 -W1");
        assert_eq!(unheard.received, 0, "without an announcement: {unheard:?}");
        mover.sh("ip link del eth0").ok();

        let mut announcements = announcements(&peer);
        let started = Instant::now();
        let on_c = mac(&c.add(&mover, ADDRESS));
        let heard = peer.ping(ADDRESS, 3);
        let taken = started.elapsed();
        let heard_of = announcements.find(|line| line.contains("who-has")).unwrap_or_default();
        assert!(
            heard_of.contains(&format!("{ADDRESS} tell {ADDRESS}")),
            "an announcement reaches the peer: {heard_of}"
        );
        assert_eq!(on_c, on_b, "the address is the same on every host");
        assert_eq!(heard.received, 3, "on c: {heard:?}");
        assert_by_chance!(taken < Duration::from_secs(1), "{taken:?} from the start of ADD to the third answer");
    });
}
