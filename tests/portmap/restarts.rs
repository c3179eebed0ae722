//! Servers behind a published port of UDP that are replaced while their clients go on.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::wait_until;
use serde_json::{Value, json};
use tests::udp::{Repeated, ask, server, socket};
use tests::world::{OUTSIDE, OUTSIDE6};

use crate::site::{Site, ruleset};

/// The host's port, and the server's.
const PORTS: [u16; 2] = [5353, 53];

/// A client that asks again and again from one port, about a hundred times a second.
struct Client {
    what: &'static str,
    last: Arc<Mutex<String>>,
    _asking: Repeated,
}

impl Client {
    fn new(what: &'static str, socket: UdpSocket, server: &str) -> Self {
        socket.connect(server).unwrap_or_else(|error| panic!("{server}: {error}"));
        let last = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&last);
        let asking = Repeated::start(move || {
            if let Some(answer) = ask(&socket) {
                *heard.lock().expect("a text") = answer;
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { what, last, _asking: asking }
    }

    /// Forgets what it has heard.
    fn forget(&self) {
        self.last.lock().expect("a text").clear();
    }

    fn is_answered_by(&self, server: &str) -> bool {
        *self.last.lock().expect("a text") == server
    }
}

fn mapping() -> Value {
    json!([{"hostPort": PORTS[0], "containerPort": PORTS[1], "protocol": "udp"}])
}

/// For conntrack a client that keeps its port is one connection as long as it sends, and leads where it led at first: to an address that
/// is no more, or, while nobody publishes the port, to the host itself.
#[test]
fn clients_of_udp_are_answered_by_the_next_server_at_once() {
    let site = Site::new();
    // The bridge stays while its members change.
    let c3 = site.scene.host.namespace("c3");
    site.nic(&c3, json!({}));
    let [host_port, port] = PORTS;
    let _servers = [server(site.c1(), port), server(&site.c2, port)];
    let outside4 = site.world.within(|| socket("0.0.0.0:40000"));
    let outside6 = site.world.within(|| socket("[::]:40001"));
    let clients = [
        Client::new("the world over IPv4", outside4, &format!("{OUTSIDE}:{host_port}")),
        Client::new("the world over IPv6", outside6, &format!("[{OUTSIDE6}]:{host_port}")),
        Client::new("the host by 127.0.0.1", socket("127.0.0.1:40002"), &format!("127.0.0.1:{host_port}")),
        Client::new("the host by its address", socket("0.0.0.0:40003"), &format!("{OUTSIDE}:{host_port}")),
        Client::new("a neighbour", c3.within(|| socket("0.0.0.0:40004")), &format!("10.1.0.1:{host_port}")),
    ];
    let mut attached = site.published(site.c1(), &mapping(), json!({}));
    for client in &clients {
        wait_until(&format!("{} is answered\n{}", client.what, ruleset()), || client.is_answered_by("c1"));
    }
    // The same container with another address, and another one, twice.
    for (gone, next) in [(site.c1(), site.c1()), (site.c1(), &site.c2), (&site.c2, site.c1())] {
        let before = attached.addresses();
        site.deleted(gone, &attached);
        // What they send meanwhile comes to nobody.
        std::thread::sleep(Duration::from_millis(100));
        clients.iter().for_each(Client::forget);
        attached = site.published(next, &mapping(), json!({}));
        let published = Instant::now();
        assert_ne!(before, attached.addresses());
        for client in &clients {
            let what = format!("{} is answered by {}\n{}", client.what, next.name, ruleset());
            wait_until(&what, || client.is_answered_by(&next.name));
            let took = published.elapsed();
            println!("{} is answered by {} after {took:?}", client.what, next.name);
            assert!(took < Duration::from_secs(1), "{what}");
        }
    }
}

#[test]
fn what_others_send_through_the_host_is_not_forgotten() {
    let site = Site::new();
    let neighbour = site.nic(&site.c2, json!({}));
    let address = neighbour["prevResult"]["ips"][0]["address"].as_str().expect("an address").trim_end_matches("/24");
    site.world.sh("ip route add 10.1.0.0/24 via 192.0.2.1").ok();
    for to in [address, OUTSIDE] {
        // Nobody listens, which is told.
        site.world.sh(&format!("echo hello | ncat -u -w 1 {to} 5000"));
    }
    let tracked = |to: &str| {
        let all = harness::sh("cat /proc/net/nf_conntrack").ok();
        all.lines().any(|line| line.contains(&format!("dst={to} ")) && line.contains("dport=5000"))
    };
    assert!(tracked(address) && tracked(OUTSIDE));
    let udp = json!({"hostPort": 5000, "containerPort": 53, "protocol": "udp"});
    let attached = site.published(site.c1(), &json!([udp]), json!({}));
    assert!(tracked(address) && !tracked(OUTSIDE), "what was opened to the host, and nothing else");
    site.deleted(site.c1(), &attached);
}
