//! vxvde's clouds of hosts on one segment: members come, go and move.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use harness::chance::PROMPT;
use harness::{Host, Namespace, assert_by_chance, not_observed, row, sh};
use integration::{call, with};
use lab::Feature;
use serde_json::{Value, json};

/// The addresses of the container that moves and of the one that stays, and how an announcement of the former looks to `tcpdump`.
pub(crate) struct Family {
    pub(crate) mover: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) filter: &'static str,
    pub(crate) heard: &'static str,
}

pub(crate) const FAMILIES: [Family; 2] = [
    // RFC 5227: sender and target are the same.
    Family {
        mover: "10.9.0.7",
        peer: "10.9.0.1",
        prefix: "/24",
        filter: "arp[14:4] = arp[24:4]",
        heard: "who-has 10.9.0.7 tell 10.9.0.7",
    },
    // RFC 4861, 7.2.6: to all nodes, unasked.
    Family {
        mover: "fd00:9::7",
        peer: "fd00:9::1",
        prefix: "/64",
        filter: "ip6[40] = 136 and dst host ff02::1",
        heard: "neighbor advertisement, tgt is fd00:9::7",
    },
];

/// A host of the cloud: a namespace with a cable to the segment that the switch carries, which is a port of a bridge or not.
struct Member<'a> {
    host: Namespace,
    /// What its NICs are.
    nic: &'a Value,
}

impl<'a> Member<'a> {
    fn config(&self, address: &str) -> Value {
        let config = json!({"cniVersion": "1.1.0", "name": "cloud",
            "ipam": {"type": "static", "addresses": [{"address": address}]}});
        with(&config, self.nic)
    }

    /// A host with its cable to the switch. The bridge is an operator's, so that the cable is in it before the first
    /// container.
    fn new(cloud: &Host, nic: &'a Value, name: &str) -> Self {
        let host = cloud.namespace(name);
        sh(&format!("ip link add {name} master switch up type veth peer name cable netns {name}")).ok();
        host.sh("ip link set cable up").ok();
        let member = Self { host, nic };
        if member.is_on_bridge() {
            member.host.sh("ip link add br0 up type bridge && ip link set cable master br0").ok();
        }
        member
    }

    fn is_on_bridge(&self) -> bool {
        self.nic["bridge"] == "br0"
    }

    fn add(&self, container: &Namespace, address: &str) -> Value {
        call("ADD", container, "eth0", &self.config(address)).on(&self.host).run().ok()
    }

    fn del(&self, container: &Namespace, address: &str) {
        call("DEL", container, "eth0", &self.config(address)).on(&self.host).run().ok();
    }

    /// Attaches a container as scripts do: without a word to the others.
    fn add_by_hand(&self, container: &Namespace, mac: &str, address: &str) {
        let name = &container.name;
        let make = if self.is_on_bridge() {
            format!(
                "ip link add byhand master br0 type veth peer name eth0 address {mac} netns /run/netns/{name} && \
                 ip link set byhand addrgenmode none up"
            )
        } else {
            format!("ip link add link cable name eth0 address {mac} netns /run/netns/{name} type macvlan mode bridge")
        };
        self.host.sh(&make).ok();
        set_up_silently(container, address);
    }
}

/// Sets up a container's `eth0` with an address, and without a word to the others. The kernel itself would tell routers which
/// groups the container listens to.
pub(crate) fn set_up_silently(container: &Namespace, address: &str) {
    container
        .sh(&format!(
            "nft 'table ip6 quiet {{ chain out {{ type filter hook output priority 0; \
             icmpv6 type {{ mld-listener-report, mld2-listener-report }} drop; }}; }}' && \
             ip link set eth0 addrgenmode none up && ip address add {address} dev eth0 nodad"
        ))
        .ok();
}

/// What takes that back.
pub(crate) fn remove_by_hand(container: &Namespace) {
    container.sh("ip link del eth0 && nft delete table ip6 quiet").ok();
}

/// What a container hears of announcements, from now on for 5 seconds.
pub(crate) fn announcements(listener: &Namespace, filter: &str) -> impl Iterator<Item = String> + use<> {
    let mut tcpdump = listener.spawn(&format!("exec timeout 5 tcpdump -l -n -i eth0 -c 1 '{filter}' 2>&1"));
    let output = tcpdump.child().stdout.take().expect("its output is ours");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening on")), "tcpdump listens");
    lines.inspect(move |_| _ = &tcpdump) // which ends with the last of them
}

#[test]
fn a_member_that_moves_to_another_host_is_reached_at_once() {
    let _row = row("M33");
    let mut nics = vec![json!({"type": "bridge", "bridge": "br0"}), json!({"type": "veth-secondary", "bridge": "br0"})];
    if Feature::Macvlan.is_present() {
        nics.push(json!({"type": "veth-secondary", "nic": "macvlan", "link": "cable"}));
    } else {
        not_observed("M33 with a macvlan, which this kernel lacks");
    }
    for nic in nics {
        FAMILIES.iter().for_each(|family| is_reached_at_once(&nic, family));
    }
}

fn is_reached_at_once(nic: &Value, family: &Family) {
    let Family { mover: address, peer: stays, prefix, filter, heard } = family;
    let [moves, stays] = [address, stays].map(|address| format!("{address}{prefix}"));
    PROMPT.repeated(|| {
        let cloud = Host::enter();
        sh("ip link add switch up type bridge").ok();
        let [a, b, c] = ["host-a", "host-b", "host-c"].map(|name| Member::new(&cloud, nic, name));
        let (peer, mover) = (cloud.namespace("peer"), cloud.namespace("mover"));
        a.add(&peer, &stays);

        let mac = |result: &Value| {
            let inside = result["interfaces"].as_array().and_then(|all| all.last()).expect("an interface");
            inside["mac"].as_str().expect("an address").to_owned()
        };
        let on_b = mac(&b.add(&mover, &moves));
        assert_eq!(peer.ping(address, 3).received, 3, "on b");
        b.del(&mover, &moves);

        // The control: the switch still has the address behind b, and nobody tells it otherwise.
        c.add_by_hand(&mover, &on_b, &moves);
        let unheard = peer.ping_with(address, "-c3 -i.1 -W.5");
        // Whatever else the kernel says from there tells the switch.
        assert_by_chance!(unheard.received == 0, "without an announcement: {unheard:?}");
        remove_by_hand(&mover);

        let mut announcements = announcements(&peer, filter);
        let started = Instant::now();
        let on_c = mac(&c.add(&mover, &moves));
        let answers = peer.ping(address, 3);
        let taken = started.elapsed();
        let announced = announcements.find(|line| line.contains(heard));
        assert!(announced.is_some(), "{nic}: an announcement of {address} reaches the peer");
        assert_eq!(on_c, on_b, "the address is the same on every host");
        assert_eq!(answers.received, 3, "on c: {answers:?}");
        println!("{nic}, {address}: {taken:?} from the start of ADD to the third answer");
        assert_by_chance!(taken < Duration::from_secs(1), "{taken:?} from the start of ADD to the third answer");
    });
}
