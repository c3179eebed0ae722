//! `uplink`: a device of the host becomes a port of the bridge, and the host stays where it is.

use std::time::Duration;

use harness::{Invocation, Namespace, ip, not_observed, ping, sh, wait_until};
use lab::{Feature, with_features};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, advertise_prefix, cites, codes, with};

/// A host whose `eth0` leads to a network with one other machine, its router.
struct Site {
    scene: Scene,
    router: Namespace,
}

const ROUTER: &str = "10.2.0.254";

impl Site {
    fn new() -> Self {
        let scene = Scene::new();
        let router = scene.host.namespace("router");
        sh("ip link add eth0 type veth peer name eth0 netns router && ip link set eth0 up \
            && ip address add 10.2.0.1/24 brd + dev eth0 && ip address add fd00:2::1/64 dev eth0 nodad")
        .ok();
        router
            .sh("ip link set eth0 up && ip address add 10.2.0.254/24 dev eth0 && ip address add fd00:2::fe/64 dev eth0 nodad")
            .ok();
        for route in ["default via 10.2.0.254", "10.9.0.0/16 via 10.2.0.254 table 100", "default via fd00:2::fe"] {
            sh(&format!("ip route add {route}")).ok();
        }
        Self { scene, router }
    }

    fn call(&self, command: &str, config: &Value) -> Invocation {
        self.scene.call(Plugin::Bridge, command, config.clone())
    }
}

/// The least configuration with an uplink.
fn config() -> Value {
    json!({"cniVersion": LATEST, "name": "phys", "type": "bridge", "uplink": "eth0",
        "cni.dev/valid-attachments": []})
}

/// What the host has of addresses and routes, without what the kernel derives.
fn layer3() -> String {
    let all = sh("ip -o address show; ip -4 route show table all; ip -6 route show table all").ok();
    let kept = all.lines().filter(|line| !line.contains("table local") && !line.contains("fe80::"));
    // The interface's index changes with nothing; its times do, and the carrier comes a moment after its routes.
    let stable =
        |line: &str| line.split("expires").next().unwrap_or_default().replace(" linkdown", "").trim().to_owned();
    kept.map(|line| stable(line) + "\n").collect()
}

#[test]
fn what_cannot_serve_is_refused_and_nothing_is_changed() {
    let site = Site::new();
    sh("ip link add opbr type bridge && ip link set opbr up && ip link add p0 type veth peer name p1 \
        && ip link set p0 master opbr up && ip link set p1 up && ip link add down0 type veth peer name down1 \
        && ip link add enp101s0f0np0 type veth peer name far")
    .ok();
    let before = site.scene.state();
    let has_vlans = sh("ip link add link p1 name p1.7 type vlan id 7 && ip link del p1.7").status == 0;
    let hostname = sh("cat /proc/sys/kernel/hostname").ok();
    let undefined = format!("vlan 100 not defined for host {hostname}: no VLAN device with id 100 on eth0");
    let mut cases = vec![
        (json!({"uplink": "eth9"}), codes::CONFLICT, "uplink eth9 does not exist (the host has: "),
        (json!({"uplink": "lo"}), 7, "loopback"),
        (json!({"uplink": "opbr"}), 7, "opbr is a bridge itself"),
        (json!({"uplink": "eth0", "bridge": "eth0"}), 7, "eth0 is the bridge itself"),
        (json!({"uplink": "down0"}), codes::CONFLICT, "ip link set down0 up"),
        (json!({"uplink": "p0"}), codes::CONFLICT, "use \"bridge\": \"opbr\""),
        (json!({"bridge": "opbr"}), codes::CONFLICT, "ip link set eth0 master opbr"),
        (json!({"isGateway": true}), 7, "isGateway"),
        (json!({"isDefaultGateway": true}), 7, "isGateway"),
        (json!({"uplink": null, "autoVlan": true}), 7, "autoVlan"),
        (json!({"autoVlan": true}), 7, "vlan"),
        (json!({"vlanTrunk": [{"id": 5}]}), 7, "vlanTrunk"),
        (json!({"uplink": "enp101s0f0np0"}), 7, "name the bridge"),
        (json!({"uplink": "a/b"}), 7, "a/b"),
        (json!({"uplink": ""}), 7, "uplink"),
        (json!({"vlan": 4095}), 7, "4095"),
        (json!({"mtu": 1501}), codes::CONFLICT, "1501"),
        (json!({"vlan": 100}), 7, &*undefined),
    ];
    if has_vlans {
        not_observed("that autoVlan is refused where the kernel has no 802.1Q: this one has it");
    } else {
        cases.push((json!({"vlan": 100, "autoVlan": true}), codes::UNSUPPORTED_BY_KERNEL, "802.1Q"));
    }
    for (keys, code, part) in cases {
        let reply = site.call("ADD", &with(&config(), keys)).run();
        let (found, msg, _) = reply.error();
        assert_eq!(found, code, "{reply}");
        assert!(msg.contains(part), "the message says {part}\n{reply}");
        assert_eq!(before, site.scene.state(), "nothing has changed\n{reply}");
    }
}

#[test]
fn an_uplink_of_another_bridge_of_ours_is_named_with_its_bridge() {
    let site = Site::new();
    let c2 = site.scene.host.namespace("c2");
    site.call("ADD", &with(&config(), json!({"bridge": "br-a"}))).run().ok();
    let second = |keys| site.scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", with(&config(), keys)).run();
    let (code, msg, _) = second(json!({"bridge": "br-b"})).error();
    assert_eq!(code, codes::CONFLICT);
    assert!(msg.contains("is a port of br-a") && msg.contains("use \"bridge\": \"br-a\""), "{msg}");
    // Another network on the same bridge.
    second(json!({"bridge": "br-a", "name": "other"})).ok();
}

#[test]
fn a_bridge_of_ours_without_the_uplink_is_refused() {
    let site = Site::new();
    let c2 = site.scene.host.namespace("c2");
    site.scene
        .call_for(&c2, "eth0", Plugin::Bridge, "ADD", with(&config(), json!({"uplink": null, "bridge": "br-a"})))
        .run()
        .ok();
    let before = site.scene.state();
    let (code, msg, _) = site.call("ADD", &with(&config(), json!({"bridge": "br-a"}))).run().error();
    assert_eq!(code, codes::CONFLICT, "{msg}");
    assert!(msg.contains("made without an uplink"), "{msg}");
    assert_eq!(before, site.scene.state());
}

#[test]
fn an_operators_bridge_with_the_uplink_serves_and_stays() {
    let site = Site::new();
    sh("ip link add opbr type bridge && ip link set opbr up && ip link set eth0 master opbr \
        && ip address flush dev eth0 scope global && ip address add 10.2.0.1/24 dev opbr")
    .ok();
    let before = site.scene.state();
    let config = with(&config(), json!({"bridge": "opbr"}));
    let result = site.call("ADD", &config).run().ok();
    site.scene.c1.sh("ip address add 10.2.0.9/24 dev eth0").ok();
    assert_eq!(site.router.ping("10.2.0.9", 3).received, 3);
    site.call("CHECK", &with(&config, json!({"prevResult": result}))).run().ok();
    site.call("DEL", &config).run().ok();
    assert_eq!(before, site.scene.state());
}

#[test]
fn a_failed_add_gives_the_uplink_back() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.scene.state();
    for keys in [
        // The gateway of a route that cannot be reached.
        json!({"ipam": {"type": "static", "addresses": [{"address": "10.2.0.9/24"}],
            "routes": [{"dst": "10.50.0.0/16", "gw": "192.0.2.1"}]}}),
        json!({"ipam": {"type": "static", "addresses": [{"address": "10.2.0.254/24"}]}}), // the router's
    ] {
        site.call("ADD", &with(&config(), keys)).run().error();
        assert_eq!(before, site.scene.state());
        assert!(ping(ROUTER, 2).all_answered());
    }
}

/// A device that already has somebody who takes its frames cannot become a port.
#[test]
fn an_uplink_that_the_kernel_refuses_keeps_its_addresses() {
    with_features(&[Feature::Macvlan], || {
        let site = Site::new();
        sh("ip link add link eth0 name mv0 type macvlan mode bridge").ok();
        let before = site.scene.state();
        let (code, msg, _) = site.call("ADD", &config()).run().error();
        assert_eq!(code, codes::CONFLICT, "{msg}");
        assert!(
            msg.contains("device eth0") && msg.contains("macvlan") && msg.contains("a port of bridge br-eth0"),
            "{msg}"
        );
        assert_eq!(before, site.scene.state());
        assert!(ping(ROUTER, 2).all_answered());
    });
}

#[test]
fn routes_by_nexthop_objects_are_refused_before_anything_is_changed() {
    let site = Site::new();
    sh("ip nexthop add id 5 via 10.2.0.254 dev eth0 && ip route add 10.60.0.0/16 nhid 5").ok();
    let (code, msg, _) = site.call("ADD", &config()).run().error();
    assert_eq!(code, codes::CONFLICT, "{msg}");
    assert!(msg.contains("nexthop object"), "{msg}");
    assert!(sh("ip route show 10.60.0.0/16").ok().contains("dev eth0"));
    assert!(ping(ROUTER, 2).all_answered());
    site.call("DEL", &config()).run().ok();
    assert!(sh("ip route show 10.60.0.0/16").ok().contains("dev eth0"));
}

#[test]
fn check_sees_the_uplink() {
    cites!("CHK-1");
    let site = Site::new();
    let result = site.call("ADD", &config()).run().ok();
    let attached = with(&config(), json!({"prevResult": result}));
    site.call("CHECK", &attached).run().ok();
    for (change, part, undo) in [
        ("ip link set eth0 nomaster", "want a port of bridge br-eth0, have no port", "ip link set eth0 master br-eth0"),
        ("ip link set eth0 down", "uplink eth0: want up, have down", "ip link set eth0 up"),
    ] {
        sh(change).ok();
        let (code, msg, _) = site.call("CHECK", &attached).run().error();
        assert_eq!(code, codes::DIFFERENT, "{msg}");
        assert!(msg.contains(part), "{msg}");
        sh(undo).ok();
        site.call("CHECK", &attached).run().ok();
    }
}

#[test]
fn status_tells_whether_the_uplink_can_serve() {
    cites!("STA-1");
    let site = Site::new();
    let before = site.scene.state();
    let call = |keys| site.scene.call(Plugin::Bridge, "STATUS", with(&config(), keys)).run();
    call(json!({})).ok();
    for (keys, part) in [
        (json!({"uplink": "eth9"}), "eth9"),
        (json!({"vlan": 100}), "vlan 100 not defined"),
        (json!({"mtu": 1501}), "mtu 1501"),
    ] {
        let (code, msg, _) = call(keys).error();
        assert_eq!(code, 50, "{msg}");
        assert!(msg.contains(part), "{msg}");
    }
    assert_eq!(before, site.scene.state());
    site.call("ADD", &config()).run().ok();
    call(json!({})).ok();
}

/// The MTUs of the bridge, the host interface and the container's, as the result tells them; the kernel agrees.
fn mtus(site: &Site, keys: Value) -> [u64; 3] {
    let config = with(&json!({"cniVersion": LATEST, "name": "net", "type": "bridge", "bridge": "br0"}), keys);
    let result = site.call("ADD", &config).run().ok();
    let told = [0, 1, 2].map(|place| result["interfaces"][place]["mtu"].as_u64().expect("an MTU"));
    let name = |place: usize| result["interfaces"][place]["name"].as_str().expect("a name");
    let found = |link: Value| link[0]["mtu"].as_u64().expect("an MTU");
    let have = [
        found(ip(&format!("link show {}", name(0)))),
        found(ip(&format!("link show {}", name(1)))),
        found(site.scene.c1.ip("link show eth0")),
    ];
    assert_eq!(told, have);
    site.call("CHECK", &with(&config, json!({"prevResult": result}))).run().ok();
    site.call("DEL", &config).run().ok();
    told
}

#[test]
fn the_mtu_is_that_of_the_path() {
    let gateway = json!({"isGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}});
    let site = Site::new();
    assert_eq!(mtus(&site, json!({})), [1500; 3], "the kernel's");
    sh("ip link set eth0 mtu 1400").ok();
    assert_eq!(
        mtus(&site, json!({})),
        [1500; 3],
        "a bridge that is no gateway has nothing to do with the default route"
    );
    assert_eq!(mtus(&site, gateway.clone()), [1400; 3], "the default route's");
    assert_eq!(mtus(&site, with(&gateway, json!({"mtu": 1300}))), [1300; 3]);
    assert_eq!(mtus(&site, json!({"uplink": "eth0"})), [1400; 3], "the uplink's");
    assert_eq!(
        mtus(&site, json!({"uplink": "eth0", "mtu": 1300})),
        [1400, 1300, 1300],
        "the host's own packets keep theirs"
    );
    sh("ip -4 route del default && ip -6 route del default").ok();
    assert_eq!(mtus(&site, gateway.clone()), [1500; 3], "no default route");
    sh("ip -6 route add default via fd00:2::fe").ok();
    assert_eq!(mtus(&site, gateway.clone()), [1400; 3], "one of IPv6 only");
    for mtu in [9000, 1400] {
        sh(&format!("ip link add br0 type bridge && ip link set br0 mtu {mtu} up")).ok();
        assert_eq!(mtus(&site, json!({})), [mtu; 3], "the bridge's");
        assert_eq!(mtus(&site, json!({"nic": "veth", "isGateway": false})), [mtu; 3]);
        sh("ip link del br0").ok();
    }
    sh("ip link set eth0 mtu 9000").ok();
    assert_eq!(mtus(&site, json!({"uplink": "eth0"})), [9000; 3], "the uplink's");
}

#[test]
fn what_the_router_advertised_moves_and_is_kept_up() {
    let site = Site::new();
    sh("ip -6 route del default && sysctl -qw net.ipv6.conf.eth0.accept_ra=2").ok();
    let prefix = "2001:db8:5::".parse().expect("a prefix");
    let default = |device: &str| sh(&format!("ip -6 route show default dev {device}")).ok();
    let own = |device: &str| sh(&format!("ip -o -6 address show dev {device} to 2001:db8:5::/64")).ok();
    let wait = |what: &dyn Fn() -> bool, why: &str| {
        for _ in 0..600 {
            if what() {
                return;
            }
            advertise_prefix(&site.router, "eth0", prefix);
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{why}: {}", sh("ip -6 route; ip -6 address").ok());
    };
    let is_whole =
        |device: &str| !default(device).is_empty() && !own(device).is_empty() && !own(device).contains("tentative");
    wait(&|| is_whole("eth0"), "the host listens to its router");
    let address = own("eth0").split_whitespace().nth(3).expect("an address").to_owned();
    site.call("ADD", &config()).run().ok();
    assert!(is_whole("br-eth0"), "{}", sh("ip -6 route; ip -6 address").ok());
    assert!(
        default("br-eth0").contains("proto ra") && default("br-eth0").contains("expires"),
        "{}",
        default("br-eth0")
    );
    assert!(own("br-eth0").contains(&address));
    assert_eq!(sh("cat /proc/sys/net/ipv6/conf/br-eth0/accept_ra").ok(), "2");
    // The next advertisement is taken whole: its route is no duplicate of the copy, and what else it says counts.
    let genuine = |device: &str| default(device).contains("metric 1024 expires");
    wait(&|| genuine("br-eth0"), "the bridge listens to the router");
    let later = || sh("ip -o -6 address show dev br-eth0 to 2001:db8:6::/64").ok();
    wait_until("the bridge takes another prefix", || {
        advertise_prefix(&site.router, "eth0", "2001:db8:6::".parse().expect("a prefix"));
        !later().is_empty()
    });
    site.call("DEL", &config()).run().ok();
    assert!(is_whole("eth0") && own("eth0").contains(&address));
    wait(&|| genuine("eth0"), "the host listens to its router again");
}

/// Kills `command` after each of its system calls, and lets `cleaner` clean up.
fn killed_everywhere(command: &str, cleaner: &str) {
    let site = Site::new();
    let before = layer3();
    let (mut count, mut moved) = (0, 0);
    loop {
        if command == "DEL" {
            site.call("ADD", &config()).run().ok();
        }
        let was_killed = site.call(command, &config()).kill_after_system_calls(count);
        moved += usize::from(sh("ip -o -4 address show dev br-eth0").stdout.contains("10.2.0.1"));
        site.call(cleaner, &config()).run().ok();
        let moment = format!("{command} killed after {count} system calls, then {cleaner}");
        assert_eq!(layer3(), before, "{moment}");
        assert_eq!(sh("ls /sys/class/net | grep -v -e ^lo$ -e ^eth0$").stdout, "", "links: {moment}");
        assert!(ping(ROUTER, 1).all_answered(), "{moment}");
        if !was_killed {
            break;
        }
        count += harness::soak::size(2, 1);
    }
    println!("{command}, killed after up to {count} system calls; {moved} times the bridge had the address");
    assert!(count > 40 && moved > 5, "{count} {moved}");
}

#[test]
fn del_after_an_add_killed_after_any_system_call_gives_the_uplink_back() {
    cites!("DEL-8");
    killed_everywhere("ADD", "DEL");
}

#[test]
fn gc_after_an_add_killed_after_any_system_call_gives_the_uplink_back() {
    cites!("GC-1");
    killed_everywhere("ADD", "GC");
}

#[test]
fn del_after_a_del_killed_after_any_system_call_gives_the_uplink_back() {
    cites!("DEL-8");
    killed_everywhere("DEL", "DEL");
}

#[test]
fn gc_after_a_del_killed_after_any_system_call_gives_the_uplink_back() {
    cites!("GC-1");
    killed_everywhere("DEL", "GC");
}

#[test]
fn an_add_completes_what_a_killed_one_began() {
    let site = Site::new();
    let before = layer3();
    let mut count = 0;
    while site.call("ADD", &config()).kill_after_system_calls(count) {
        let c2 = site.scene.host.namespace("c2");
        let other = |command| site.scene.call_for(&c2, "eth0", Plugin::Bridge, command, config()).run();
        let result = other("ADD").ok();
        let attached = with(&config(), json!({"prevResult": result}));
        site.scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", attached).run().ok();
        assert!(ping(ROUTER, 1).all_answered(), "killed after {count} system calls, then another ADD");
        site.call("DEL", &config()).run().ok();
        other("DEL").ok();
        assert_eq!(layer3(), before, "killed after {count} system calls, then another ADD and both DELs");
        c2.delete();
        count += 5;
    }
    assert!(count > 40);
}

#[test]
fn parallel_first_and_last_users_find_one_bridge_and_keep_the_host() {
    let site = Site::new();
    let before = layer3();
    let guests: Vec<_> = (0..20).map(|number| site.scene.host.namespace(&format!("p{number}"))).collect();
    let all = |command: &str| {
        std::thread::scope(|scope| {
            let calls = guests.iter().map(|guest| {
                let call = site.scene.call_for(guest, "eth0", Plugin::Bridge, command, config());
                scope.spawn(move || call.run())
            });
            let calls: Vec<_> = calls.collect();
            calls.into_iter().for_each(|call| _ = call.join().expect("it ends").ok());
        });
    };
    for _ in 0..3 {
        all("ADD");
        assert_eq!(sh("ls /sys/class/net/br-eth0/brif | wc -l").ok(), "21", "all ports and the uplink");
        assert_eq!(ip("link show type bridge").as_array().map(Vec::len), Some(1));
        assert!(ping(ROUTER, 2).all_answered());
        all("DEL");
        assert_eq!(layer3(), before);
        assert!(ping(ROUTER, 2).all_answered());
    }
    assert_eq!(State::allocations().len(), 0);
}

/// The bridge has the host's addresses, which must not be lost with it.
#[test]
fn a_bridge_stays_while_its_uplink_cannot_take_the_host_back() {
    let site = Site::new();
    let before = layer3();
    site.call("ADD", &config()).run().ok();
    let (moved, port) = (sh("ip -o -4 address show dev br-eth0").ok(), sh("ip -4 route show default").ok());
    sh("ip link set eth0 down").ok();
    let (code, msg, _) = site.call("DEL", &config()).run().error();
    assert_eq!(code, codes::REFUSED, "{msg}");
    assert!(msg.contains("eth0"), "{msg}");
    assert_eq!(sh("ip -o -4 address show dev br-eth0").ok(), moved, "the bridge keeps them");
    assert!(port.contains("dev br-eth0"), "{port}");
    sh("ip link set eth0 up").ok();
    for route in ["default via 10.2.0.254 dev br-eth0", "10.9.0.0/16 via 10.2.0.254 dev br-eth0 table 100"] {
        sh(&format!("ip route replace {route}")).ok(); // the kernel took them with the carrier
    }
    site.call("DEL", &config()).run().ok();
    assert_eq!(sh("ls /sys/class/net | grep -c br-eth0").stdout.trim(), "0");
    let addresses = |text: &str| text.lines().filter(|line| line.contains("10.2.0.1/24")).count();
    assert_eq!(addresses(&layer3()), addresses(&before));
    assert!(ping(ROUTER, 1).all_answered());
}

#[test]
fn another_network_gets_no_gateway_on_the_hosts_bridge() {
    let site = Site::new();
    let c2 = site.scene.host.namespace("c2");
    site.call("ADD", &config()).run().ok();
    let before = layer3();
    let other = with(
        &Plugin::Bridge.config(LATEST),
        json!({"name": "other", "bridge": "br-eth0", "isGateway": true, "forceAddress": true}),
    );
    let (code, msg, _) = site.scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", other).run().error();
    assert_eq!(code, codes::CONFLICT, "{msg}");
    assert!(msg.contains("its addresses are the host's"), "{msg}");
    assert_eq!(layer3(), before);
}
