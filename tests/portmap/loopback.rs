//! 127.0.0.1: the way to published ports, and nothing else, leads through the bridge.

use harness::{Namespace, sh, spawn, wait_until};
use serde_json::json;
use tests::with;

use crate::site::{Site, route_localnet, ruleset, seen_from_host, server, tcp};

#[test]
fn what_an_operator_has_set_stays() {
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    sh("echo 1 > /proc/sys/net/ipv4/conf/br0/route_localnet").ok();
    let ports = Site::ports(&nic, &json!([tcp(8080, 80)]), json!({}));
    site.call(site.c1(), "ADD", &ports).ok();
    assert!(ruleset().contains("route_localnet was 0"), "the bridge is ours, and so is what is set on it");
    site.call(site.c1(), "DEL", &ports).ok();
    assert_eq!(route_localnet("br0"), "0");
    sh("ip link set br0 alias mine && echo 1 > /proc/sys/net/ipv4/conf/br0/route_localnet").ok();
    site.call(site.c1(), "ADD", &ports).ok();
    assert!(ruleset().contains("route_localnet was 1"), "neighbours are kept out all the same");
    site.call(site.c1(), "DEL", &ports).ok();
    assert_eq!(route_localnet("br0"), "1");
}

#[test]
fn only_what_needs_it_opens_the_way_and_the_last_one_closes_it() {
    let site = Site::new();
    let at = |address: &str, port: u16| with(&tcp(port, 80), json!({"hostIP": address}));
    let elsewhere = site.published(site.c1(), &json!([at("192.0.2.1", 8080)]), json!({}));
    assert_eq!(route_localnet("br0"), "0");
    let second = site.published(&site.c2, &json!([at("127.0.0.1", 8081)]), json!({}));
    assert_eq!(route_localnet("br0"), "1");
    site.checked(&site.c2, &second);
    sh("echo 0 > /proc/sys/net/ipv4/conf/br0/route_localnet").ok();
    let (_, msg, _) = site.call(&site.c2, "CHECK", &second.ports).error();
    assert!(msg.contains("net.ipv4.conf.br0.route_localnet: want 1, have 0"), "{msg}");
    site.deleted(site.c1(), &elsewhere);
    site.call(&site.c2, "DEL", &second.ports).ok();
    assert_eq!(route_localnet("br0"), "0");
    assert!(!sh("nft list tables").ok().contains("plugboard-ports"));
}

#[test]
fn neighbours_reach_nothing_that_listens_at_127_0_0_1_alone() {
    let site = Site::new();
    let attached = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let _secret = spawn("exec ncat -lk 127.0.0.1 7000 -c 'echo secret' 2>/dev/null");
    let _told = spawn("exec ncat -lku 10.1.0.1 7001 -c 'echo $NCAT_REMOTE_ADDR >> /run/told' 2>/dev/null");
    wait_until("they listen", || sh("ss -Hltun | grep -c ':700[01]'").stdout.trim() == "2");
    site.c1()
        .sh("ip route add 127.0.0.0/8 via 10.1.0.1 dev eth0 table 100 && ip rule add to 127.0.0.1 lookup 100 pref 0")
        .ok();
    site.c1().sh("ip address del 127.0.0.1/8 dev lo; ip rule del lookup local; ip rule add lookup local pref 10").ok();
    site.c1().sh("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet").ok();
    let asked = site.c1().sh("ncat -w 1 --recv-only -s 10.1.0.2 127.0.0.1 7000 < /dev/null");
    assert!(!asked.stdout.contains("secret"), "{asked:?}");
    let rule =
        || ruleset().lines().find(|line| line.contains("\"plugboard: to-loopback4 1\"")).unwrap_or_default().to_owned();
    assert!(!rule().contains("packets 0 "), "it was asked, and dropped: {}", rule());
    // Nor is anybody taken for the host itself.
    site.c1().sh("ip address add 127.0.0.9/32 dev eth0; echo hello | ncat -u -w 1 -s 127.0.0.9 10.1.0.1 7001").ok();
    assert!(!sh("cat /run/told").stdout.contains("127.0.0.9"), "{}", ruleset());
    // A table that somebody flushes is missed, and the next ADD guards again.
    site.checked(site.c1(), &attached);
    sh("nft delete element inet plugboard-ports localnets '{ \"br0\" }'").ok();
    let (_, msg, _) = site.call(site.c1(), "CHECK", &attached.ports).error();
    assert!(msg.contains("\"br0\" in set localnets of table inet plugboard-ports"), "{msg}");
    sh("nft flush ruleset").ok();
    site.call(site.c1(), "ADD", &attached.ports).ok();
    let asked = site.c1().sh("ncat -w 1 --recv-only -s 10.1.0.2 127.0.0.1 7000 < /dev/null");
    assert!(!asked.stdout.contains("secret"), "{asked:?}");
    site.call(site.c1(), "DEL", &attached.ports).ok();
    assert_eq!(route_localnet("br0"), "0");
}

/// Sends a datagram of UDP with the given source over a link of a namespace, by a raw socket.
fn spoofed(ns: &Namespace, source: &str, destination: &str, port: u16) {
    let script = format!(
        "import socket,struct
s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_RAW)
data=b'asked'
udp=struct.pack('!HHHH',7777,{port},8+len(data),0)+data
ip=struct.pack('!BBHHHBBH4s4s',69,0,20+len(udp),1,0,64,17,0,socket.inet_aton('{source}'),socket.inet_aton('{destination}'))
s.sendto(ip+udp,('{destination}',0))"
    );
    std::fs::write("/run/spoof.py", script).expect("the host's /run is the test's");
    ns.sh("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; python3 /run/spoof.py").ok();
}

#[test]
fn nobody_is_led_to_a_port_in_the_name_of_127_0_0_0() {
    let site = Site::new();
    site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let udp = json!({"hostPort": 9053, "containerPort": 53, "protocol": "udp"});
    site.published(&site.c2, &json!([udp]), json!({}));
    let _told = site.c2.spawn("exec ncat -lku -p 53 -c 'echo $NCAT_REMOTE_ADDR >> /run/led' 2>/dev/null");
    wait_until("it listens", || !site.c2.sh("ss -Hlun sport = 53").ok().is_empty());
    spoofed(site.c1(), "127.0.0.53", "10.1.0.1", 9053);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(sh("cat /run/led").stdout, "", "{}", ruleset());
    site.world.sh("echo hello | ncat -u -w 1 192.0.2.1 9053").ok();
    wait_until("others are led there", || !sh("cat /run/led").stdout.is_empty());
}

#[test]
fn a_port_at_127_0_0_1_is_the_hosts_alone() {
    let site = Site::new();
    site.published(site.c1(), &json!([with(&tcp(9090, 80), json!({"hostIP": "127.0.0.1"}))]), json!({}));
    let _server = server(site.c1(), 80);
    assert!(seen_from_host("127.0.0.1", 9090).is_some());
    site.world
        .sh("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet && ip address del 127.0.0.1/8 dev lo && \
            ip route add 127.0.0.1/32 via 192.0.2.1 dev eth0 src 192.0.2.254")
        .ok();
    assert_eq!(crate::site::seen_from(&site.world, "127.0.0.1", 9090), None);
}

#[test]
fn where_nothing_can_be_set_there_is_a_note_or_an_error_and_nothing_is_left() {
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    let before = ruleset();
    sh("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys").ok();
    let ports = Site::ports(&nic, &json!([tcp(8080, 80)]), json!({}));
    let added = site.call(site.c1(), "ADD", &ports);
    added.ok();
    assert!(format!("{added:?}").contains("published ports cannot be reached by 127.0.0.1"), "{added:?}");
    site.call(site.c1(), "CHECK", &ports).ok();
    site.call(site.c1(), "DEL", &ports).ok();
    assert_eq!(ruleset(), before);
    let at = Site::ports(&nic, &json!([with(&tcp(8080, 80), json!({"hostIP": "127.0.0.1"}))]), json!({}));
    let (code, msg, _) = site.call(site.c1(), "ADD", &at).error();
    assert!(code == 5 && msg.contains("route_localnet"), "{code}: {msg}");
    assert_eq!(ruleset(), before);
}
