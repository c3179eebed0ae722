//! Who is heard in a cloud: lists of peers in the configuration or in a file, and changed while members use the cloud.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use harness::{Namespace, sh};
use serde_json::{Value, json};
use tests::{Frames, UNDERLAY, cites, codes, ethernet, with};

use crate::site::{Site, listed, network};

const PORT: u16 = 14789;
const HOST: &str = "192.0.2.1";
const PEER: &str = "192.0.2.2";
const STRANGER: &str = "192.0.2.3";
const HOST6: &str = "2001:db8::1";
const PEER6: &str = "2001:db8::2";
const STRANGER6: &str = "2001:db8::3";

/// A host beside this one, with the addresses of a peer and of a stranger.
struct Far {
    ns: Namespace,
}

impl Far {
    fn beside(site: &Site) -> Self {
        let ns = site.scene.host.namespace("far");
        sh("ip link set far0 netns far").ok();
        let addresses = [PEER, STRANGER].map(|address| format!("ip address add {address}/24 dev far0"));
        let addresses6 = [PEER6, STRANGER6].map(|address| format!("ip address add {address}/64 dev far0 nodad"));
        ns.sh(&format!("ip link set far0 up && {} && {}", addresses.join(" && "), addresses6.join(" && "))).ok();
        ns.sh(&format!("ping -c1 -W2 {HOST} && ping -c1 -W2 -I {STRANGER} {HOST} && ping -c1 -W2 {HOST6}")).ok();
        Self { ns }
    }

    fn sends(&self, from: &str, vni: u32, tail: &[u8]) {
        let to = if from.contains(':') { HOST6 } else { HOST };
        self.ns.within(|| send(from, to, vni, tail));
    }
}

/// A packet of VXLAN (RFC 7348, 5) with a frame to all that ends with `tail`.
fn packet(vni: u32, tail: &[u8]) -> Vec<u8> {
    let frame = ethernet([2, 0, 0, 0, 9, 9], [0xff; 6], 0x88b5, &[&[0; 46][..], tail].concat());
    [&[8, 0, 0, 0][..], &(vni << 8).to_be_bytes(), &frame].concat()
}

fn send(from: &str, to: &str, vni: u32, tail: &[u8]) {
    let from: IpAddr = from.parse().expect("an address");
    let socket = UdpSocket::bind((from, 0)).expect("the address is there");
    socket.send_to(&packet(vni, tail), (to, PORT)).expect("it is sent");
}

fn is_heard(member: &Frames, tail: &[u8]) -> bool {
    member.ends_with(tail, Duration::from_secs(2))
}

fn is_ignored(member: &Frames, tail: &[u8]) -> bool {
    !member.ends_with(tail, Duration::from_millis(150))
}

/// How many packets of a LAC were dropped; `None` where it hears whoever sends.
fn dropped(vni: u32) -> Option<u64> {
    let listed = sh("nft -j list set inet plugboard-lacs closed 2> /dev/null");
    let listed: Value = serde_json::from_str(&listed.stdout).ok()?;
    let elements = listed["nftables"][1]["set"]["elem"].as_array()?.clone();
    let of = |element: &Value| element["elem"]["val"]["concat"] == json!([PORT, vni]);
    elements.iter().find(|element| of(element))?["elem"]["counter"]["packets"].as_u64()
}

/// The peers of all LACs, as `nft` lists them.
fn peers(set: &str) -> String {
    let listed = sh(&format!("nft list set inet plugboard-lacs {set} 2> /dev/null")).stdout;
    listed
        .split_once("elements = {")
        .map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}

fn has_table() -> bool {
    sh("nft list table inet plugboard-lacs").status == 0
}

fn closed(peers: &[&str]) -> Value {
    network(json!({"peers": peers}))
}

#[test]
fn only_peers_are_heard() {
    let site = Site::new();
    let far = Far::beside(&site);
    let before = site.state();
    for (config, peer, stranger) in [
        (closed(&[HOST, PEER]), PEER, STRANGER),
        (closed(&["192.0.2.2/31", "198.51.100.0/24"]), PEER, "192.0.2.4"),
        (with(&listed(&[PEER]), json!({"peers": [HOST, PEER]})), PEER, STRANGER),
        (network(json!({"mode": "vxvde", "peers": [PEER]})), PEER, STRANGER),
        (network(json!({"group": "ff05:56de::1", "peers": [PEER6]})), PEER6, STRANGER6),
        (with(&listed(&[PEER6]), json!({"peers": ["2001:db8::2/128"]})), PEER6, STRANGER6),
    ] {
        far.ns.sh("ip address replace 192.0.2.4/24 dev far0").ok();
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        let member = Frames::open(site.c1(), "eth1").expect("its interface");
        far.sends(peer, 1, b"of a peer");
        assert!(is_heard(&member, b"of a peer"), "{config}");
        assert_eq!(dropped(1), Some(0), "{config}");
        far.sends(stranger, 1, b"of a stranger");
        far.sends(stranger, 1, b"of a stranger");
        assert!(is_ignored(&member, b"of a stranger"), "{config}");
        assert_eq!(dropped(1), Some(2), "{config}: exactly what was dropped");
        // Another VNI is none of its business.
        far.sends(stranger, 2, b"elsewhere");
        assert_eq!(dropped(1), Some(2), "{config}");
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{config}");
    }
    // The control.
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({})));
    assert!(!has_table());
    let member = Frames::open(site.c1(), "eth1").expect("its interface");
    far.sends(STRANGER, 1, b"of a stranger");
    assert!(is_heard(&member, b"of a stranger"));
    site.deleted(site.c1(), "eth1", &attached);
}

/// Who may send on the host is no peer, by whatever way it comes back to the host: the list may have the host's own addresses.
#[test]
fn a_user_of_the_host_is_no_peer() {
    let site = Site::new();
    for (keys, own, group) in [
        (json!({"peers": [HOST, PEER]}), HOST, "234.0.0.1"),
        (json!({"group": "ff05:56de::1", "peers": [HOST6, PEER6]}), HOST6, "ff05:56de::1"),
    ] {
        let open = with(&network(keys.clone()), json!({"peers": null}));
        for (config, is_open) in [(network(keys), false), (open, true)] {
            let (_, attached) = site.added(site.c1(), "eth1", &config);
            let member = Frames::open(site.c1(), "eth1").expect("its interface");
            let _ = sh(&format!("ip route replace {group} dev {UNDERLAY} table local"));
            for (place, to) in [own, group].into_iter().enumerate() {
                let tail = format!("to {to}");
                if to == group {
                    // A group's copy comes back by the device that it leaves by.
                    let script = format!(
                        "import socket; s = socket.socket(socket.{}, socket.SOCK_DGRAM); s.bind(({own:?}, 0)); \
                         {}; s.sendto(bytes.fromhex({:?}), ({group:?}, {PORT}))",
                        if own.contains(':') { "AF_INET6" } else { "AF_INET" },
                        if own.contains(':') {
                            format!("s.setsockopt(41, 17, socket.if_nametoindex({UNDERLAY:?}))")
                        } else {
                            format!("s.setsockopt(0, 32, socket.inet_aton({own:?}))")
                        },
                        packet(1, tail.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
                    );
                    sh(&format!("python3 -c '{}'", script.replace('\'', "\""))).ok();
                } else {
                    send(own, to, 1, tail.as_bytes());
                }
                if is_open {
                    assert!(is_heard(&member, tail.as_bytes()), "the control, {tail}");
                } else {
                    assert!(is_ignored(&member, tail.as_bytes()), "{tail}");
                    assert_eq!(dropped(1), Some(u64::try_from(place).expect("small") + 1), "{tail}");
                }
            }
            site.deleted(site.c1(), "eth1", &attached);
        }
    }
}

/// `IPV6_FREEBIND` lets anybody send from any address, and what is for a group of the host's own comes back to it.
#[test]
fn a_user_of_the_host_cannot_send_from_a_peers_address() {
    let site = Site::new();
    let group = "ff05:56de::1";
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({"group": group, "peers": [HOST6, PEER6]})));
    let member = Frames::open(site.c1(), "eth1").expect("its interface");
    let _ = sh(&format!("ip route replace {group} dev {UNDERLAY} table local"));
    let sends = |tail: &[u8]| {
        let hexadecimal: String = packet(1, tail).iter().map(|byte| format!("{byte:02x}")).collect();
        // The kernel gives it EPERM where the packet is dropped.
        sh(&format!(
            "python3 -c 'import os, socket; link = socket.if_nametoindex({UNDERLAY:?}); os.setgid(65534); os.setuid(65534)\n\
             s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
             s.setsockopt(41, 78, 1); s.bind((\"{PEER6}\", 0)); s.setsockopt(41, 17, link)\n\
             s.sendto(bytes.fromhex(\"{hexadecimal}\"), (\"{group}\", {PORT}))'"
        ))
        .status
    };
    sends(b"as a peer");
    assert!(is_ignored(&member, b"as a peer"));
    let rules = sh("nft -a list chain inet plugboard-lacs output").ok();
    let rule = rules.lines().find(|line| line.contains("forged6")).expect("the rule");
    assert!(rule.contains("counter packets 1 "), "{rule}");
    // The control.
    let handle = rule.rsplit(' ').next().expect("a handle");
    sh(&format!("nft delete rule inet plugboard-lacs output handle {handle}")).ok();
    assert_eq!(sends(b"without the rule"), 0);
    assert!(is_heard(&member, b"without the rule"), "it comes back");
    site.deleted(site.c1(), "eth1", &attached);
}

#[test]
fn each_lac_of_a_port_has_its_own_peers() {
    let site = Site::new();
    let far = Far::beside(&site);
    let before = site.state();
    let (_, first) = site.added(site.c1(), "eth1", &closed(&[PEER]));
    let second = network(json!({"vni": 2, "peers": ["192.0.2.3"]}));
    let (_, second) = site.added(&site.c2, "eth1", &second);
    let (_, third) = site.added(&site.c3, "eth1", &network(json!({"vni": 3})));
    let members = [site.c1(), &site.c2, &site.c3].map(|ns| Frames::open(ns, "eth1").expect("its interface"));
    for (from, heard) in [(PEER, [true, false, true]), (STRANGER, [false, true, true])] {
        for (vni, (member, is_peer)) in (1..).zip(members.iter().zip(heard)) {
            let tail = format!("{from} to {vni}");
            far.sends(from, vni, tail.as_bytes());
            match is_peer {
                true => assert!(is_heard(member, tail.as_bytes()), "{tail}"),
                false => assert!(is_ignored(member, tail.as_bytes()), "{tail}"),
            }
        }
    }
    assert_eq!([1, 2, 3].map(dropped), [Some(1), Some(1), None]);
    site.deleted(site.c1(), "eth1", &first);
    assert_eq!([1, 2].map(dropped), [None, Some(1)], "the other goes on counting");
    assert_eq!(peers("peers4"), "192.0.2.3 . 14789 . 0x2 } } }");
    site.deleted(&site.c2, "eth1", &second);
    assert!(!has_table());
    site.deleted(&site.c3, "eth1", &third);
    assert_eq!(before, site.state());
}

#[test]
fn the_last_list_counts_for_all_members() {
    cites!("CHK-1", "ADD-6");
    let site = Site::new();
    let before = site.state();
    let (_, first) = site.added(site.c1(), "eth1", &closed(&[PEER, "198.51.100.0/24"]));
    let (_, second) = site.added(&site.c2, "eth1", &closed(&["192.0.2.9", "192.0.2.8/31", "198.51.100.0/25"]));
    assert_eq!(peers("peers4"), "192.0.2.8/31 . 14789 . 0x1, 198.51.100.0/25 . 14789 . 0x1 } } }");
    site.checked(&site.c2, "eth1", &second);
    let (code, words) = site.different(site.c1(), "eth1", &first);
    assert!(
        code == codes::DIFFERENT
            && words
                .contains("peers of lac 14789/1: want 192.0.2.2, 198.51.100.0/24, have 192.0.2.8/31, 198.51.100.0/25"),
        "{words}"
    );
    // An ADD that fails takes back what it has changed: the address is the first member's own.
    site.c1().sh("ip address add 10.0.0.1/24 dev eth1").ok();
    let held = site.state();
    let ipam = json!({"ipam": {"type": "static", "addresses": [{"address": "10.0.0.1/24"}]}});
    let reply = site.call(&site.c3, "eth1", "ADD", &with(&closed(&[STRANGER]), ipam)).run();
    assert_ne!(reply.status, 0, "{reply}");
    assert_eq!(held, site.state(), "{reply}");
    // One without a list opens nothing.
    for command in ["ADD", "STATUS"] {
        let code = if command == "ADD" { codes::CONFLICT } else { 50 };
        let words = site.refused(&site.c3, command, &network(json!({})), code);
        assert!(words.contains("lac 14789/1 hears its peers alone on this host"), "{words}");
        assert!(words.contains("detach all its members here first"), "{words}");
    }
    let words = site.refused(&site.c2, "UPDATE", &with(&second, json!({"peers": null})), codes::CONFLICT);
    assert!(words.contains("hears its peers alone"), "{words}");
    // The first member's list again.
    site.call(site.c1(), "eth1", "UPDATE", &first).run().ok();
    site.checked(site.c1(), "eth1", &first);
    assert_eq!(peers("peers4"), "192.0.2.2 . 14789 . 0x1, 198.51.100.0/24 . 14789 . 0x1 } } }");
    site.deleted(site.c1(), "eth1", &first);
    assert!(has_table());
    // The last goes without a valid configuration.
    site.deleted(&site.c2, "eth1", &with(&second, json!({"prevResult": null, "peers": ["x"], "mtu": "x"})));
    assert_eq!(before, site.state());
}

#[test]
fn a_cloud_can_be_closed_in_use() {
    let site = Site::new();
    let before = site.state();
    let (_, open) = site.added(site.c1(), "eth1", &network(json!({})));
    let left = site.state();
    // An ADD that fails leaves it open.
    let ipam = json!({"ipam": {"type": "static", "addresses": [{"address": "10.0.0.1/24"}]}});
    site.c1().sh("ip address add 10.0.0.1/24 dev eth1").ok();
    let reply = site.call(&site.c2, "eth1", "ADD", &with(&closed(&[PEER]), ipam)).run();
    assert_ne!(reply.status, 0, "{reply}");
    site.c1().sh("ip address delete 10.0.0.1/24 dev eth1").ok();
    assert_eq!(left, site.state());
    let (_, second) = site.added(&site.c2, "eth1", &closed(&[PEER]));
    let (code, words) = site.different(site.c1(), "eth1", &open);
    assert!(
        code == codes::DIFFERENT
            && words.contains("peers of lac 14789/1: want none: whoever sends is heard, have 192.0.2.2"),
        "{words}"
    );
    site.deleted(&site.c2, "eth1", &second);
    assert!(has_table(), "the first is in it yet");
    site.deleted(site.c1(), "eth1", &open);
    assert_eq!(before, site.state());
}

/// What a call that was killed has left counts for nobody.
#[test]
fn what_nobody_uses_is_no_obstacle() {
    let site = Site::new();
    let before = site.state();
    for keys in [json!({}), json!({"peers": [STRANGER]})] {
        let (_, attached) = site.added(site.c1(), "eth1", &closed(&[PEER]));
        let table = sh("nft list table inet plugboard-lacs").ok();
        site.deleted(site.c1(), "eth1", &attached);
        sh(&format!("nft '{table}'")).ok();
        let (_, second) = site.added(&site.c2, "eth1", &network(keys.clone()));
        site.checked(&site.c2, "eth1", &second);
        let left = if keys["peers"].is_null() { "" } else { "192.0.2.3 . 14789 . 0x1 } } }" };
        assert_eq!(peers("peers4"), left);
        site.deleted(&site.c2, "eth1", &second);
        assert_eq!(before, site.state());
        // GC finds it, too, and so does a DEL that knows nothing but the configuration.
        for command in ["GC", "DEL"] {
            sh(&format!("nft '{table}'")).ok();
            match command {
                "GC" => _ = site.collect(&closed(&[PEER]), &[]).ok(),
                _ => site.deleted(site.c1(), "eth1", &closed(&[PEER])),
            }
            assert_eq!(before, site.state(), "{command}");
        }
    }
}

#[test]
fn a_file_is_read_by_every_verb() {
    cites!("CHK-1");
    let site = Site::new();
    let file = site.scene.directory("lists").join("peers");
    let write = |text: &str| fs::write(&file, text).expect("the file is written");
    let config = network(json!({"peersFile": file}));
    write("192.0.2.1\n192.0.2.2 # the second\n\n");
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    write("192.0.2.2\n198.51.100.0/24\n");
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(code == codes::DIFFERENT && words.contains("have 192.0.2.1, 192.0.2.2"), "{words}");
    site.call(site.c1(), "eth1", "UPDATE", &attached).run().ok();
    site.checked(site.c1(), "eth1", &attached);
    write("nobody\n");
    for command in ["UPDATE", "CHECK"] {
        let words = site.refused(site.c1(), command, &attached, 7);
        assert!(words.contains("line 1: \"nobody\""), "{words}");
    }
    let words = site.refused(&site.c2, "ADD", &network(json!({"peers": ["192.0.2.1/24"]})), 7);
    assert!(words.contains("write 192.0.2.0/24 for the network"), "{words}");
    let unheard = with(&listed(&[HOST, PEER, STRANGER]), json!({"vni": 7, "peers": [PEER]}));
    let words = site.refused(&site.c2, "ADD", &unheard, 7);
    assert!(words.contains("192.0.2.3 is among the remotes and not among the peers"), "{words}");
    fs::remove_file(&file).expect("the file is removed");
    site.deleted(site.c1(), "eth1", &attached);
    assert!(!has_table());
}

/// As 1000 hosts of IPv6 are replaced by 1000 others, in one transaction.
#[test]
fn the_longest_lists() {
    let site = Site::new();
    let before = site.state();
    let hosts = |net: u32| -> Vec<String> { (1..=1000).map(|host| format!("2001:db8:{net:x}::{host:x}")).collect() };
    let of = |net| network(json!({"group": "ff05:56de::1", "peers": hosts(net)}));
    let (_, attached) = site.added(site.c1(), "eth1", &of(1));
    site.checked(site.c1(), "eth1", &attached);
    let other = with(&attached, json!({"peers": hosts(2)}));
    site.call(site.c1(), "eth1", "UPDATE", &other).run().ok();
    site.checked(site.c1(), "eth1", &other);
    assert_eq!(peers("peers6").matches("2001:db8:2::").count(), 1000);
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state());
}

/// The peer stays in the list, and loses nothing while others come and go.
#[test]
fn a_list_that_changes_costs_those_that_stay_nothing() {
    let site = Site::new();
    let far = Far::beside(&site);
    far.ns.sh(&format!(
        "ip link add lac0 up type vxlan id 1 group 234.0.0.1 dev far0 dstport {PORT} local {PEER} && ip address add 10.0.0.2/24 dev lac0"
    ))
    .ok();
    let (_, attached) = site.added(site.c1(), "eth1", &closed(&[PEER]));
    site.c1().sh("ip address add 10.0.0.1/24 dev eth1").ok();
    assert_eq!(site.c1().ping("10.0.0.2", 3).received, 3);
    let lists = [json!([PEER, "198.51.100.0/24"]), json!([PEER, "198.51.100.0/25", "203.0.113.1"])];
    let answers = std::thread::scope(|scope| {
        let pings = scope.spawn(|| far.ns.ping_with("10.0.0.1", "-q -c3000 -i.001 -W5"));
        for change in 0..100 {
            let config = with(&attached, json!({"peers": lists[change % 2]}));
            site.call(site.c1(), "eth1", "UPDATE", &config).run().ok();
        }
        assert!(!pings.is_finished(), "all changes are made while it pings");
        pings.join().expect("ping ends")
    });
    assert_eq!((answers.sent, answers.received), (3000, 3000), "{answers:?}");
    assert_eq!(dropped(1), Some(0));
    // The control: without it in the list nothing is answered.
    let config = with(&attached, json!({"peers": [STRANGER]}));
    site.call(site.c1(), "eth1", "UPDATE", &config).run().ok();
    assert_eq!(far.ns.ping_with("10.0.0.1", "-c3 -i.05 -W.3").received, 0);
    assert!(dropped(1).is_some_and(|packets| packets >= 3), "{:?}", dropped(1));
    site.deleted(site.c1(), "eth1", &attached);
}

/// What somebody has removed is missed by CHECK, and made again by the next ADD.
#[test]
fn a_table_that_was_flushed_comes_back() {
    cites!("CHK-1", "CHK-4");
    let site = Site::new();
    let config = closed(&[PEER]);
    let (_, first) = site.added(site.c1(), "eth1", &config);
    for (change, said) in [
        ("nft flush ruleset", "peers of lac 14789/1: want 192.0.2.2, have none: whoever sends is heard"),
        ("nft flush set inet plugboard-lacs peers4", "peers of lac 14789/1: want 192.0.2.2, have nobody"),
        (
            "nft 'add element inet plugboard-lacs peers4 { 192.0.2.9-192.0.2.12 . 14789 . 1 }'",
            "have 192.0.2.2, 192.0.2.9-192.0.2.12",
        ),
        ("nft flush chain inet plugboard-lacs input", "rules in chain inet plugboard-lacs input: want 8, have 0"),
        ("nft delete chain inet plugboard-lacs output", "chain inet plugboard-lacs output: want present, have missing"),
    ] {
        sh(change).ok();
        let (code, words) = site.different(site.c1(), "eth1", &first);
        assert!(code == codes::DIFFERENT && words.contains(said), "{change}: {words}");
        let (_, second) = site.added(&site.c2, "eth1", &config);
        site.checked(site.c1(), "eth1", &first);
        site.checked(&site.c2, "eth1", &second);
        site.deleted(&site.c2, "eth1", &second);
    }
    sh("nft flush ruleset").ok();
    site.call(site.c1(), "eth1", "UPDATE", &first).run().ok();
    site.checked(site.c1(), "eth1", &first);
    site.deleted(site.c1(), "eth1", &first);
    assert!(!has_table());
}

/// An element or a set of somebody else in our table keeps it there.
#[test]
fn what_others_have_in_the_table_stays() {
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &closed(&[PEER]));
    sh("nft 'add set inet plugboard-lacs later { type ipv4_addr; elements = { 192.0.2.7 }; }'").ok();
    site.deleted(site.c1(), "eth1", &attached);
    assert!(has_table() && dropped(1).is_none());
    let (_, attached) = site.added(site.c1(), "eth1", &closed(&[PEER]));
    sh("nft flush set inet plugboard-lacs later").ok();
    site.deleted(site.c1(), "eth1", &attached);
    assert!(!has_table());
}

/// IPv6 is put together behind the rules: a first piece without the VNI would be a way round them.
#[test]
fn no_packet_comes_in_pieces_that_hide_its_vni() {
    let site = Site::new();
    let far = Far::beside(&site);
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({"group": "ff05:56de::1", "peers": [PEER6]})));
    let member = Frames::open(site.c1(), "eth1").expect("its interface");
    let wire = Frames::open(&far.ns, "far0").expect("its interface");
    let mac = |ns: Option<&Namespace>, link: &str| {
        let command = format!("cat /sys/class/net/{link}/address");
        let text = ns.map_or_else(
            || sh(&command).ok(),
            |ns| ns.sh(&format!("ip -o link show {link} | sed 's/.*ether //;s/ .*//'")).ok(),
        );
        let bytes: Vec<u8> =
            text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
        <[u8; 6]>::try_from(bytes).expect("six bytes")
    };
    let (here, there) = (mac(None, UNDERLAY), mac(Some(&far.ns), "far0"));
    let pieces = |from: &str, tail: &[u8], cut: Option<usize>| {
        for piece in datagram(from, &packet(1, tail), cut) {
            assert!(wire.send(&ethernet(there, here, 0x86dd, &piece)));
        }
    };
    for cut in [None, Some(8), Some(16), Some(1024)] {
        let tail = format!("of a stranger, cut at {cut:?}");
        pieces(STRANGER6, tail.as_bytes(), cut);
        assert!(is_ignored(&member, tail.as_bytes()), "{tail}");
    }
    // What a peer sends in pieces that have the VNI is heard.
    for cut in [None, Some(16)] {
        let tail = format!("of a peer, cut at {cut:?}");
        pieces(PEER6, tail.as_bytes(), cut);
        assert!(is_heard(&member, tail.as_bytes()), "{tail}");
    }
    // Since Linux 5.11 the kernel itself wants the whole header of UDP in the first piece.
    let mut short = datagram(STRANGER6, &packet(1, b"not even a port"), Some(8)).remove(0);
    let (options, length) = ([17, 1, 1, 4, 0, 0, 0, 0], 8 + 8u16);
    short.truncate(40 + 8);
    short[4..6].copy_from_slice(&length.to_be_bytes());
    short[40] = 60; // destination options, of which the second half is in the next piece
    short.extend(options);
    assert!(wire.send(&ethernet(there, here, 0x86dd, &short)));
    std::thread::sleep(Duration::from_millis(50));
    // The control: without the rule the kernel puts them together.
    let rule = sh("nft -a list chain inet plugboard-lacs input").ok();
    let rule = rule.lines().find(|line| line.contains("cut6")).expect("the rule").to_owned();
    assert!(rule.contains("counter packets 2 "), "{rule}");
    let handle = rule.rsplit(' ').next().expect("a handle");
    sh(&format!("nft delete rule inet plugboard-lacs input handle {handle}")).ok();
    pieces(STRANGER6, b"without the rule", Some(8));
    assert!(is_heard(&member, b"without the rule"), "the pieces are good");
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(code == codes::DIFFERENT && words.contains("without cut6"), "{words}");
    site.deleted(site.c1(), "eth1", &attached);
}

/// A datagram of UDP over IPv6, whole or in two pieces, of which the first has so many bytes behind its fragment header
/// (RFC 8200, 4.5). Each beginning is 8 bytes at least.
fn datagram(from: &str, payload: &[u8], cut: Option<usize>) -> Vec<Vec<u8>> {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().expect("an address").octets();
    let (from, to) = (address(from), address(HOST6));
    let length = u16::try_from(payload.len() + 8).expect("it is short");
    let header = [40_000u16.to_be_bytes(), PORT.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
    let mut udp = [header, payload.to_vec()].concat();
    let pseudo = [&from[..], &to, &u32::from(length).to_be_bytes(), &[0, 0, 0, 17], &udp].concat();
    let sum: u32 = pseudo.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("it is folded");
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    let whole = |next: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
        [&[0x60, 0, 0, 0][..], &length, &[next, 64], &from, &to, content].concat()
    };
    let identification =
        u32::try_from(payload.len() * 7919 + payload.iter().map(|byte| usize::from(*byte)).sum::<usize>())
            .expect("it is small")
            .to_be_bytes();
    let piece = |offset: usize, more: bool, content: &[u8]| {
        let place = (u16::try_from(offset).expect("it is short") | u16::from(more)).to_be_bytes();
        whole(44, &[&[17, 0][..], &place, &identification, content].concat())
    };
    match cut {
        Some(cut) if cut < udp.len() => vec![piece(0, true, &udp[..cut]), piece(cut, false, &udp[cut..])],
        _ => vec![whole(17, &udp)],
    }
}

/// The script makes the same table, and that of DEL removes it.
#[test]
fn what_is_printed_does_the_same() {
    let site = Site::new();
    let before = site.state();
    let table = || sh("nft --stateless list table inet plugboard-lacs").stdout;
    let print = |ns: &Namespace, config: &Value, verb: &str| {
        let printed = site.call(ns, "eth1", "PRINT", config).env("CNI_PRINT", verb).run().ok();
        let commands = printed["commands"].as_array().unwrap_or_else(|| panic!("no commands: {printed:#}"));
        let lines = commands.iter().filter_map(Value::as_str).filter(|line| line.starts_with("nft"));
        lines.map(|line| line.to_owned() + "\n").collect::<String>()
    };
    for (config, other) in [
        (closed(&[PEER, "198.51.100.0/24"]), json!([PEER, "198.51.100.0/25"])),
        (
            network(json!({"group": "ff05:56de::1", "vni": 0x00ab_cdef, "peers": ["2001:db8:1::/64", "2001:db8::2"]})),
            json!([PEER6, "2001:db8:1::1"]),
        ),
    ] {
        let script = print(site.c1(), &config, "ADD");
        assert!(!has_table());
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        let made = table();
        assert_eq!(print(&site.c2, &config, "ADD"), "", "all is there");
        let config = with(&config, json!({"peers": other}));
        let change = print(&site.c2, &config, "ADD");
        let removal = print(site.c1(), &attached, "DEL");
        let collection = print(site.c1(), &with(&attached, json!({"cni.dev/valid-attachments": []})), "GC");
        assert_eq!(made, table(), "nothing was changed");
        let (_, changed) = site.added(&site.c2, "eth1", &config);
        let made_anew = table();
        site.deleted(site.c1(), "eth1", &attached);
        site.deleted(&site.c2, "eth1", &changed);
        for (removal, verb) in [(removal, "DEL"), (collection, "GC")] {
            sh(&script).ok();
            assert_eq!(table(), made, "{script}");
            sh(&removal).ok();
            assert!(!has_table(), "{verb}: {removal}");
        }
        sh(&script).ok();
        sh(&change).ok();
        assert_eq!(table(), made_anew, "{change}");
        sh("nft delete table inet plugboard-lacs").ok();
        assert_eq!(before, site.state());
    }
}

#[test]
fn what_is_sealed_and_what_is_not() {
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &closed(&[PEER]));
    sh("nft 'add element inet plugboard-lacs sealed { 14789 . 1 }'").ok();
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(
        code == codes::DIFFERENT && words.contains("packets of lac 14789/1: want in clear, have sealed"),
        "{words}"
    );
    for command in ["ADD", "UPDATE"] {
        let (ns, config) = if command == "ADD" { (&site.c2, closed(&[PEER])) } else { (site.c1(), attached.clone()) };
        let words = site.refused(ns, command, &config, codes::CONFLICT);
        assert!(words.contains("lac 14789/1 is encrypted on this host"), "{words}");
    }
    // Neither is anything in clear heard, of whomever, nor sent.
    let far = Far::beside(&site);
    let member = Frames::open(site.c1(), "eth1").expect("its interface");
    far.sends(PEER, 1, b"in clear");
    assert!(is_ignored(&member, b"in clear"));
    assert_eq!(dropped(1), Some(1));
    let wire = tests::Capture::start(&far.ns, "far0");
    assert!(member.send(&ethernet([2, 0, 0, 0, 9, 9], [0xff; 6], 0x88b5, &[0; 46])));
    std::thread::sleep(Duration::from_millis(100));
    assert!(wire.take().iter().all(|packet| packet.vxlan().is_none()));
    let output = sh("nft list chain inet plugboard-lacs output").ok();
    let rule = output.lines().find(|line| line.contains("plugboard: clear")).expect("the rule");
    assert!(!rule.contains("packets 0 "), "{output}");
    sh("nft 'delete element inet plugboard-lacs sealed { 14789 . 1 }'").ok();
    assert!(member.send(&ethernet([2, 0, 0, 0, 9, 9], [0xff; 6], 0x88b5, &[0; 46])));
    assert!(wire.find(|packet| packet.vxlan().is_some()).is_some(), "the control");
    far.sends(PEER, 1, b"in clear");
    assert!(is_heard(&member, b"in clear"));
    site.deleted(site.c1(), "eth1", &attached);
    assert!(!has_table());
}
