//! A world behind the host, in which nobody has a route to the containers.

use std::fs;
use std::io::Read;

use harness::{Host, Namespace, sh, wait_until};

use crate::Scene;

/// An address far away, and the host's own on the way there.
pub const INTERNET: &str = "203.0.113.9";
/// The host's address that the world sees.
pub const OUTSIDE: &str = "192.0.2.1";
/// The same of IPv6.
pub const INTERNET6: &str = "2001:db8:9::9";
/// The same of IPv6.
pub const OUTSIDE6: &str = "2001:db8::1";

/// Makes it, beyond the host's link `wan`; `route` is what the host has a route to there, `default` or a network.
///
/// # Panics
/// If it cannot be made.
pub fn internet(scene: &Scene, route: &str) -> Namespace {
    internet_of(&scene.host, route)
}

/// The same for a host without a scene.
///
/// # Panics
/// If it cannot be made.
pub fn internet_of(host: &Host, route: &str) -> Namespace {
    let internet = host.namespace("internet");
    sh(&format!(
        "ip link add wan type veth peer name eth0 netns internet && ip link set wan up && \
         ip address add {OUTSIDE}/24 dev wan && ip address add {OUTSIDE6}/64 dev wan nodad && \
         ip route add {route} via 192.0.2.254 && ip route add 2001:db8:9::/64 via 2001:db8::fe"
    ))
    .ok();
    internet
        .sh(&format!(
            "ip link set eth0 up && ip address add 192.0.2.254/24 dev eth0 && ip address add {INTERNET}/32 dev lo && \
             ip address add 2001:db8::fe/64 dev eth0 nodad && ip address add {INTERNET6}/128 dev lo nodad"
        ))
        .ok();
    internet
}

/// The source of the first echo request that arrives on `link` of `receiver` while `sender` pings `address`, which must answer.
///
/// # Panics
/// If it does not.
pub fn source_seen(receiver: &Namespace, link: &str, sender: &Namespace, address: &str) -> String {
    let echo = if address.contains(':') { "icmp6 and ip6[40] == 128" } else { "icmp[icmptype] == icmp-echo" };
    let mut watch = receiver.spawn(&format!("exec timeout 30 tcpdump -n -t -l -c1 -i {link} '{echo}' 2>/run/watching"));
    wait_until("tcpdump listens", || fs::read_to_string("/run/watching").is_ok_and(|text| text.contains("listening")));
    let ping = sender.ping(address, 2);
    assert!(ping.all_answered(), "{} pings {address}: {ping:?}", sender.name);
    let mut line = String::new();
    let stdout = watch.child().stdout.as_mut().expect("its output is ours");
    stdout.read_to_string(&mut line).expect("tcpdump prints text");
    fs::remove_file("/run/watching").expect("it was written");
    line.split(' ').nth(1).unwrap_or_default().to_owned() // IP SOURCE > DESTINATION: …
}
