//! A cloud that FRR carries to more hosts than one LAN has: BGP tells who has which hardware and IP address before anybody sends.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use harness::{Frr, Host, Lan, Namespace, bin, bin_dir, row, wait_until};
use integration::{all_at_once, call, with};
use serde_json::{Value, json};
use tests::{Capture, Packet};

use super::site::{Member, Site, at, network};

const BRIDGE: &str = "lac4789-100";
const DEVICE: &str = "vx4789-100";

const ARP: u16 = 0x0806;
const ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;

/// How long BGP hears nothing before a neighbor counts as gone, as it is configured here.
const HOLD: Duration = Duration::from_secs(9);

/// Within what time a member must be known to the others, and one that has gone must be forgotten.
const TOLD: Duration = Duration::from_secs(2);
const GONE: Duration = Duration::from_secs(5);

fn told(keys: &Value) -> Value {
    with(&network(&json!({"group": null, "mode": "evpn", "vni": 100})), keys)
}

/// Puts the network where `plugboard` looks for it, without addresses.
fn configure() {
    let list = json!({"cniVersion": "1.1.0", "name": "lac", "plugins": [told(&json!({}))]});
    fs::create_dir_all("/etc/cni/net.d").expect("a directory");
    fs::write("/etc/cni/net.d/lac.conflist", list.to_string()).expect("a configuration");
}

fn plugboard(host: &Namespace, args: &str) -> String {
    host.sh(&format!("CNI_PATH={} {} {args}", bin_dir().display(), bin("plugboard").display())).ok()
}

/// FRR with the lines that `plugboard lac frr` prints, and the timers of this test.
fn frr(host: &Namespace, neighbors: &[IpAddr]) -> Frr {
    let neighbors: String = neighbors.iter().map(|neighbor| format!(" --neighbor {neighbor}")).collect();
    let printed = plugboard(host, &format!("lac frr lac --as 65000{neighbors}"));
    println!("{printed}");
    assert!(printed.contains("router bgp 65000\n"), "{printed}");
    let timers = format!("router bgp 65000\n timers bgp {} {}\n", HOLD.as_secs() / 3, HOLD.as_secs());
    let configuration: String = printed
        .replace("router bgp 65000\n", &timers)
        .lines()
        .map(|line| match line.split_once(" remote-as") {
            // A first attempt fails where the other has not started yet, and the next is two minutes later otherwise.
            Some((neighbor, _)) => format!("{line}\n{neighbor} timers connect 1\n"),
            None => format!("{line}\n"),
        })
        .collect();
    Frr::start(host, &configuration)
}

/// What a host is told of another member, as zebra enters it.
fn is_told(host: &Namespace, member: &Member) -> bool {
    let neighbours = host.sh(&format!("ip neigh show dev {BRIDGE} nud noarp")).stdout;
    let entries = host.sh(&format!("bridge fdb show dev {DEVICE}")).stdout;
    let is_neighbour = |line: &str| line.contains(&format!("{} ", member.address)) && line.contains(member.mac());
    let is_entry = |line: &str| line.starts_with(member.mac()) && line.contains(" dst ");
    neighbours.lines().any(is_neighbour) && entries.lines().any(is_entry)
}

/// Nothing of a member is left with another host.
fn is_forgotten(host: &Namespace, member: &Member) -> bool {
    let all = host.sh(&format!("ip neigh show dev {BRIDGE} nud noarp; bridge fdb show dev {DEVICE}"));
    !all.stdout.contains(member.mac())
}

/// Waits until all is so, and tells how long that took.
#[track_caller]
fn within(limit: Duration, what: &str, is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    wait_until(what, is_so);
    let took = start.elapsed();
    println!("{what}: {took:.2?}");
    assert!(took <= limit, "{what} took {took:?}, more than {limit:?}");
    took
}

/// Questions for addresses that travel inside tunnels: by ARP, and by neighbour discovery for addresses that are not link-local.
fn questions(packets: &[Packet]) -> (usize, usize) {
    let inside = || packets.iter().filter_map(Packet::vxlan);
    let is_arp = |ethertype: Option<u16>| ethertype == Some(ARP);
    let is_solicitation = |packet: &Packet| {
        let target: Option<[u8; 2]> = packet.payload.get(8..).and_then(|bytes| bytes.first_chunk().copied());
        packet.protocol == ICMPV6
            && packet.payload.first() == Some(&NEIGHBOUR_SOLICITATION)
            && target.is_some_and(|[first, second]| !(first == 0xfe && second & 0xc0 == 0x80))
    };
    (
        inside().filter(|inside| is_arp(inside.ethertype())).count(),
        inside().filter_map(|inside| inside.packet()).filter(is_solicitation).count(),
    )
}

/// Addresses of both families, of which [`Member`] knows the first.
fn numbered(number: usize) -> (String, Value) {
    let addresses = [format!("10.0.0.{number}/24"), format!("fd00:10::{number}/64")];
    let ipam = json!({"type": "static", "addresses": addresses.each_ref().map(|address| json!({"address": address}))});
    let [first, _] = addresses;
    (first, told(&json!({"ipam": ipam})))
}

fn member(site: &Site<3>, place: usize) -> Member {
    let (address, config) = numbered(place + 1);
    let container = site.container(&format!("c{}", place + 1));
    Member::new(&site.hosts[place], &container, "lac0", &config, &address)
}

/// FRR on all hosts of a site, each the neighbor of the others.
fn frrs<const N: usize>(site: &Site<N>) -> [Frr; N] {
    configure();
    let addresses: Vec<IpAddr> = (0..N).map(|place| site.uplink(place).ipv4.into()).collect();
    let all = site.hosts.each_ref().map(|host| frr(host, &addresses));
    wait_until("all hosts are neighbors by BGP", || all.iter().all(|frr| frr.established() == N - 1));
    all
}

#[test]
fn bgp_tells_who_has_which_address() {
    let _row = row("EVPN");
    let site = Site::<3>::new();
    let before = site.state(&[]);
    let all = frrs(&site);
    let wires = site.hosts.each_ref().map(|host| Capture::start(host, "eth0"));
    let [a, b, c] = &site.hosts;

    let start = Instant::now();
    let [on_a, on_b, on_c] = [0, 1, 2].map(|place| member(&site, place));
    let added = start.elapsed();
    let pairs = || [(a, &on_b), (a, &on_c), (b, &on_a), (b, &on_c), (c, &on_a), (c, &on_b)];
    let everybody_is_told = || pairs().iter().all(|(host, member)| is_told(host, member));
    within(TOLD, "each host knows the others' members before anybody has sent", everybody_is_told);
    for wire in &wires {
        let echoes = wire.take().iter().filter(|packet| super::site::carries_echo(packet)).count();
        assert_eq!(echoes, 0, "nobody has sent");
    }
    for (from, to) in [(&on_a, &on_b), (&on_b, &on_c), (&on_c, &on_a)] {
        assert_eq!(from.ns.ping_with(&to.address, "-c1 -W1").received, 1, "the first one passes");
    }
    let first = start.elapsed();
    println!("ADD of three: {added:.2?}; first pings answered {first:.2?} after the first ADD began");
    assert!(first - added <= TOLD, "{first:?}");
    for (from, to) in [(&on_a, "fd00:10::2"), (&on_b, "fd00:10::3"), (&on_c, "fd00:10::1")] {
        assert_eq!(from.ns.ping_with(to, "-c1 -W1").received, 1, "{to}");
        assert_eq!(from.ns.ping(to, 20).received, 20, "{to}");
    }
    for wire in &wires {
        let packets = wire.take();
        assert!(packets.iter().any(super::site::carries_echo), "{packets:?}");
        assert_eq!(questions(&packets), (0, 0), "questions by ARP, and by neighbour discovery");
    }
    let listed: Value = serde_json::from_str(&plugboard(a, "lac ls --json")).expect("JSON");
    let own = site.uplink(0).ipv4.to_string();
    assert_eq!((&listed[0]["mode"], &listed[0]["local"]), (&json!("evpn"), &json!(own)), "{listed:#}");
    let vteps: Vec<&Value> = listed[0]["vteps"].as_array().into_iter().flatten().collect();
    assert_eq!(vteps.len(), 2, "{listed:#}");
    assert_eq!((&vteps[0]["host"], &vteps[0]["macs"]), (&json!(site.uplink(1).ipv4), &json!([on_b.mac()])));

    // One leaves in order.
    on_b.delete();
    within(GONE, "a member that has gone by DEL is forgotten", || [a, c].iter().all(|host| is_forgotten(host, &on_b)));
    on_b.ns.delete();
    let on_b = member(&site, 1);
    within(TOLD, "one that is back is known", || [a, c].iter().all(|host| is_told(host, &on_b)));
    assert_eq!(on_a.ns.ping_with(&on_b.address, "-c1 -W1").received, 1);

    // One host's daemon stops.
    let [_, frr_b, _] = &all;
    frr_b.stop_bgpd();
    within(GONE, "members of a host without bgpd are forgotten", || {
        [a, c].iter().all(|host| is_forgotten(host, &on_b)) && is_forgotten(b, &on_a)
    });
    assert_eq!(on_a.answered_by(&on_c), 3, "the others go on");
    on_b.call("CHECK").run().ok();
    frr_b.start_bgpd();
    wait_until("it is told again", || [a, c].iter().all(|host| is_told(host, &on_b)) && is_told(b, &on_a));
    assert_eq!(on_b.answered_by(&on_a), 3);

    // One host is cut off.
    c.sh("ip link set eth0 down").ok();
    let took = within(HOLD + GONE, "members of a host that is cut off are forgotten", || {
        [a, b].iter().all(|host| is_forgotten(host, &on_c))
    });
    assert!(took >= HOLD / 2, "by nothing but BGP's hold time: {took:?}");
    assert_eq!(on_a.answered_by(&on_b), 3, "the others go on");
    c.sh("ip link set eth0 up && ip route replace default via 192.168.7.254").ok();
    wait_until("it is told again", || [a, b].iter().all(|host| is_told(host, &on_c)));
    assert_eq!(on_c.answered_by(&on_a), 3);

    for member in [&on_a, &on_b, &on_c] {
        member.call("CHECK").run().ok();
        member.delete();
    }
    drop(all);
    c.sh("ip -6 address replace fd00:7::3/64 dev eth0 nodad && ip -6 route replace default via fd00:7::fe").ok();
    assert_eq!(before, site.state(&[]));
}

/// Hosts of two LANs, whose only ways to each other are their default routes.
#[test]
fn hosts_beyond_a_router_are_told() {
    let _row = row("EVPN");
    let owner = Host::enter();
    configure();
    let router = owner.namespace("router");
    router.sh("sysctl -qw net.ipv4.ip_forward=1").ok();
    let hosts = [7, 8].map(|number| {
        let lan = Lan::new(&owner, &format!("lan{number}"), number);
        let host = owner.namespace(&format!("host-{number}"));
        let address: IpAddr = lan.join(&host, "eth0", harness::Route::Default).ipv4.into();
        let nic = format!("eth{number}");
        lan.join(&router, &nic, harness::Route::Nowhere);
        router.sh(&format!("ip address add 192.168.{number}.254/24 dev {nic}")).ok();
        (host, address)
    });
    let addresses = hosts.each_ref().map(|(_, address)| *address);
    let all = hosts.each_ref().map(|(host, _)| frr(host, &addresses));
    wait_until("the hosts are neighbors by BGP", || all.iter().all(|frr| frr.established() == 1));
    let [on_a, on_b] = [0, 1].map(|place| {
        let (address, config) = numbered(place + 1);
        let container = owner.namespace(&format!("c{place}"));
        Member::new(&hosts[place].0, &container, "lac0", &config, &address)
    });
    wait_until("each is told of the other", || is_told(&hosts[0].0, &on_b) && is_told(&hosts[1].0, &on_a));
    assert_eq!(on_a.answered_by(&on_b), 3);
    [&on_a, &on_b].into_iter().for_each(Member::delete);
    drop(all);
}

/// With the same addresses, between hosts with other members, and before the old host lets it go.
#[test]
fn a_container_moves_to_another_host() {
    let _row = row("EVPN");
    let site = Site::<3>::new();
    let all = frrs(&site);
    let config = told(&with(&at("10.0.0.11/24"), &json!({"mac": "02:00:00:00:00:11"})));
    let [on_a, on_b, peer] = [0, 1, 2].map(|place| member(&site, place));
    let [a, b, c] = &site.hosts;
    wait_until("each is told of the peer", || is_told(a, &peer) && is_told(b, &peer));
    let mut last: Option<Member> = None;
    for (round, place) in [0, 1, 0].into_iter().enumerate() {
        let container = site.container(&format!("m{round}"));
        let moved = Member::new(&site.hosts[place], &container, "lac0", &config, "10.0.0.11/24");
        let own = site.uplink(place).ipv4.to_string();
        within(GONE, "it is known to be there", || {
            let entries = c.sh(&format!("bridge fdb show dev {DEVICE}")).stdout;
            entries.lines().any(|line| line.starts_with(moved.mac()) && line.contains(&format!("dst {own} ")))
        });
        within(GONE, "it answers", || peer.answered_by(&moved) == 3);
        // DEL on the old host comes late, and takes nothing from the new one.
        if let Some(old) = last.replace(moved) {
            old.delete();
        }
        let moved = last.as_ref().expect("it has just been put there");
        assert_eq!(peer.answered_by(moved), 3, "round {round}");
        moved.call("CHECK").run().ok();
    }
    last.iter().chain([&on_a, &on_b, &peer]).for_each(Member::delete);
    drop(all);
}

/// Whatever comes and goes on a host, what FRR has entered for the others stays without a gap.
#[test]
fn members_that_come_and_go_disturb_no_entry() {
    let _row = row("EVPN");
    let site = Site::<3>::new();
    let all = frrs(&site);
    let [on_a, on_b] = [0, 1].map(|place| member(&site, place));
    let a = &site.hosts[0];
    wait_until("it is told", || is_told(a, &on_b) && is_told(&site.hosts[1], &on_a));
    let log = "/run/neighbours-of-a";
    let _monitor = a.spawn(&format!("exec ip monitor neigh > {log}"));
    for round in 0..5 {
        let second =
            Member::new(a, &site.container(&format!("s{round}")), "lac0", &told(&at("10.0.0.50/24")), "10.0.0.50/24");
        wait_until("the other host is told", || is_told(&site.hosts[1], &second));
        second.delete();
        wait_until("and told again", || is_forgotten(&site.hosts[1], &second));
    }
    let said = fs::read_to_string(log).expect("what the kernel has said");
    assert!(said.lines().any(|line| line.contains("10.0.0.50")), "{said}");
    let of_b: Vec<&str> =
        said.lines().filter(|line| line.contains(on_b.mac()) || line.contains(&on_b.address)).collect();
    assert!(!of_b.iter().any(|line| line.contains("Deleted") || line.contains("FAILED")), "{of_b:?}");
    [&on_a, &on_b].into_iter().for_each(Member::delete);
    drop(all);
}

/// With the full mesh of so many hosts, each would have a session with every other one.
#[test]
#[ignore = "soaks: twenty hosts with FRR take a minute"]
fn a_route_reflector_carries_twenty_hosts() {
    const HOSTS: usize = 20;
    let _row = row("EVPN");
    let owner = Host::enter();
    configure();
    let lan = Lan::new(&owner, "lan", 7);
    let reflector = owner.namespace("reflector");
    let place = lan.join(&reflector, "eth0", harness::Route::Nowhere).ipv4;
    let hosts: Vec<(Namespace, IpAddr)> = (1..=HOSTS)
        .map(|number| {
            let host = owner.namespace(&format!("host-{number}"));
            let uplink = lan.join(&host, "eth0", harness::Route::Nowhere);
            host.sh("ip route add default dev eth0").ok();
            (host, uplink.ipv4.into())
        })
        .collect();
    let mut lines = vec!["router bgp 65000".to_owned(), format!(" bgp router-id {place}")];
    lines.push(" no bgp default ipv4-unicast".to_owned());
    lines.extend(hosts.iter().map(|(_, address)| format!(" neighbor {address} remote-as 65000")));
    lines.push(" address-family l2vpn evpn".to_owned());
    for (_, address) in &hosts {
        lines.extend(["activate", "route-reflector-client"].map(|word| format!("  neighbor {address} {word}")));
    }
    lines.push(" exit-address-family".to_owned());
    let start = Instant::now();
    let center = Frr::start(&reflector, &lines.join("\n"));
    let all: Vec<Frr> = hosts.iter().map(|(host, _)| frr(host, &[place.into()])).collect();
    let limit = Instant::now() + Duration::from_secs(120);
    while center.established() < HOSTS {
        assert!(Instant::now() < limit, "{} of {HOSTS} sessions", center.established());
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("{HOSTS} hosts with FRR, and sessions with the reflector: {:.2?}", start.elapsed());

    let containers: Vec<Namespace> = (1..=HOSTS).map(|number| owner.namespace(&format!("c{number}"))).collect();
    let wire = Capture::start(&hosts[0].0, "eth0");
    let start = Instant::now();
    let calls = hosts.iter().zip(&containers).enumerate().map(|(place, ((host, _), container))| {
        let (_, config) = numbered(place + 1);
        call("ADD", container, "lac0", &config).on(host)
    });
    let replies = all_at_once(calls.collect());
    println!("ADD on {HOSTS} hosts at once: {:.2?}", start.elapsed());
    let members: Vec<Member> = hosts
        .iter()
        .zip(&containers)
        .zip(&replies)
        .enumerate()
        .map(|(place, (((host, _), container), reply))| {
            let (address, config) = numbered(place + 1);
            let (address, _) = address.split_once('/').expect("a prefix");
            Member {
                host: host.clone(),
                ns: container.clone(),
                interface: "lac0".to_owned(),
                config,
                result: reply.ok(),
                address: address.to_owned(),
            }
        })
        .collect();
    let others =
        |number: usize| members.iter().enumerate().filter(move |(place, _)| *place != number).map(|(_, it)| it);
    let knows_all = |number: usize| {
        let neighbours = hosts[number].0.sh(&format!("ip neigh show dev {BRIDGE} nud noarp")).stdout;
        let entries = hosts[number].0.sh(&format!("bridge fdb show dev {DEVICE}")).stdout;
        others(number).all(|member| {
            neighbours.contains(&format!("{} lladdr {}", member.address, member.mac()))
                && entries.lines().any(|line| line.starts_with(member.mac()) && line.contains(" dst "))
        })
    };
    wait_until("each host knows all members", || (0..HOSTS).all(knows_all));
    println!("each of {HOSTS} hosts knows the members of all others {:.2?} after the first ADD began", start.elapsed());
    // ADD asks who has an address of IPv6, and nobody was known yet.
    assert_eq!(questions(&wire.take()).0, 0);
    for (number, member) in members.iter().enumerate() {
        let far = &members[(number + HOSTS / 2) % HOSTS];
        assert_eq!(member.ns.ping_with(&far.address, "-c1 -W2").received, 1, "{} to {}", member.address, far.address);
    }
    assert_eq!(questions(&wire.take()), (0, 0));
    let start = Instant::now();
    members[0].delete();
    wait_until("it is forgotten", || (1..HOSTS).all(|number| is_forgotten(&hosts[number].0, &members[0])));
    println!("a member that has gone by DEL is forgotten by all: {:.2?}", start.elapsed());
    assert!(start.elapsed() <= GONE, "{:?}", start.elapsed());
    members.iter().skip(1).for_each(Member::delete);
    drop((center, all));
}
