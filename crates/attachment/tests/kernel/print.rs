//! What a description prints: `ip`, `bridge` and `tc` commands that make by hand what it makes itself.

use std::path::Path;

use attachment::{
    Action, Address, Announce, AskForHolder, AwaitDetection, AwaitForwarding, Bridge, BridgePort, Creation,
    Description, Device, Elements, ForwardRule, GatewayVlan, Identity, Ifb, Item, LinkLocal, LinkQdisc, LinkRoute,
    LinkUp, Loan, Need, Object, Others, PortVlans, Redirect, Session, Shared, Side, Stage, Sysctl, Tap, Uplink, Veth,
    commands, differences,
};
use harness::{Host, Snapshot, sh};
use lab::{Feature, with_features};
use netlink::qdisc::{self, Kind, Netem, Parent, Tbf};
use netlink::{Namespace, route};

/// The container of the attachment; the printed commands say `CONTAINER`.
const CONTAINER: &str = "vn1";

const RATE: Tbf = Tbf { rate_bytes_per_s: 12_500_000, burst_bytes: 25_000, limit_bytes: 650_000 };

fn own(object: impl Object + 'static) -> Item {
    Item::Object(Box::new(object))
}

fn share(shared: impl Shared + 'static) -> Item {
    Item::Shared(Box::new(shared))
}

fn act(action: impl Action + 'static) -> Item {
    Item::Action(Box::new(action))
}

fn described(items: impl IntoIterator<Item = Item>) -> Description {
    items.into_iter().collect()
}

fn identity() -> Identity {
    Identity::new("home-net", CONTAINER, "eth1")
}

fn route(destination: &str, gateway: Option<&str>) -> route::Route {
    route::Route::new(destination.parse().unwrap(), gateway.map(|gateway| gateway.parse().unwrap()))
}

fn container() -> Device {
    Device::container("eth1")
}

fn address(device: Device, address: &str, others: Others) -> Item {
    own(Address { device, address: address.parse().unwrap(), others, is_detected: false, has_route: true })
}

fn respected() -> Others {
    Others::Shared { companions: Vec::new(), replaces: false }
}

fn setting(side: Side, path: &str, value: &'static str, stage: Stage) -> Item {
    own(Sysctl { side, path: path.to_owned(), value, need: Need::Needed, stage })
}

fn queue(parent: Parent, handle: u16, kind: Kind) -> Item {
    let device = Device::host(identity().host_name());
    own(LinkQdisc { device, qdisc: qdisc::Qdisc { parent, handle, kind } })
}

fn veth(mtu: Option<u32>) -> Item {
    own(Veth { identity: identity(), container_mac: identity().container_mac(), joint: false, mtu, is_disabled: false })
}

fn port(bridge: &str) -> BridgePort {
    BridgePort { device: identity().host_name(), bridge: bridge.to_owned(), hairpin: false, isolated: false }
}

/// All kinds of objects that can be made by hand on any machine. The name of the bridge has a dot, as that of one on a VLAN
/// may have.
fn whole() -> Description {
    let (network, bridge) = ("home-net", "br.7".to_owned());
    let detailed = route::Route {
        priority: Some(50),
        table: Some(100),
        mtu: Some(1300),
        advmss: Some(1260),
        ..route("10.6.0.0/16", Some("10.9.0.1"))
    };
    let scoped = route::Route { scope: Some(200), ..route("10.7.0.0/16", None) };
    let mut objects = vec![
        share(Bridge { mtu: Some(1400), promiscuous: true, ..Bridge::shared(&bridge, network) }),
        veth(Some(1400)),
        own(BridgePort { hairpin: true, isolated: true, ..port(&bridge) }),
        own(LinkLocal { device: container(), mac: identity().container_mac(), is_detected: false }),
        own(LinkUp { device: container() }),
        setting(Side::Container, "net/ipv6/conf/eth1/disable_ipv6", "0", Stage::Ready),
        act(AwaitForwarding { device: identity().host_name() }),
        address(container(), "10.9.0.2/24", Others::Alone),
        address(container(), "fd00:9::2/64", Others::Alone),
    ];
    for route in [route("0.0.0.0/0", Some("10.9.0.1")), detailed, scoped, route("fd00:6::/64", Some("fd00:9::1"))] {
        objects.push(own(LinkRoute::new(container(), route)));
    }
    objects.push(address(Device::host(&bridge), "10.9.0.1/24", respected()));
    objects.push(setting(Side::Host, "net/ipv4/ip_forward", "1", Stage::Gateway));
    objects.push(queue(Parent::Root, 0x7062, Kind::Tbf(RATE)));
    described(objects)
}

/// All that an attachment may have in the packet filter.
fn filtered() -> Description {
    let mac = identity().container_mac();
    let addresses = || ["10.9.0.2", "fd00:9::2"].map(|address| address.parse().unwrap());
    described([
        share(Bridge::shared("br0", "home-net")),
        share(ForwardRule::new("br0")),
        own(Elements::guarding(identity()).guarding_mac(mac).guarding_addresses(mac)),
        own(Elements::of_addresses(identity()).allowing(addresses()).masquerading("br0", addresses())),
    ])
}

fn tap() -> Description {
    let bridge = Bridge::shared("br0", "home-net");
    let tap = Tap {
        identity: identity(),
        side: Side::Host,
        mac: identity().host_mac(),
        mtu: Some(1400),
        owner: Some(54_321),
        group: Some(54_322),
        multi_queue: true,
    };
    described([share(bridge), own(tap), own(port("br0"))])
}

/// A NIC in VLANs of a bridge whose host is the gateway of one of them.
fn in_vlans() -> Description {
    let bridge = Bridge { vlan_filtering: true, mtu: Some(1500), ..Bridge::shared("br0", "home-net") };
    let vlans = PortVlans {
        device: identity().host_name(),
        bridge: "br0".to_owned(),
        native: Some(10),
        tagged: vec![(20, 29), (40, 40)],
        keeps_default: Some(false),
    };
    described([
        share(bridge),
        veth(None),
        own(port("br0")),
        own(vlans),
        share(GatewayVlan::new("br0", "home-net", 10)),
        own(LinkUp { device: container() }),
        address(Device::host("br0.10"), "10.9.0.1/24", respected()),
    ])
}

/// Addresses that are looked for first.
fn detected() -> Description {
    let address = "fd00:9::2/64".parse().unwrap();
    described([
        share(Bridge::shared("br0", "home-net")),
        veth(None),
        own(port("br0")),
        own(LinkLocal { device: container(), mac: identity().container_mac(), is_detected: true }),
        own(LinkUp { device: container() }),
        own(Address { device: container(), address, others: Others::Alone, is_detected: true, has_route: true }),
        act(AwaitDetection { device: container() }),
    ])
}

/// A TAP device in the container, joined to the bridge.
fn joined_tap() -> Description {
    let veth = Veth {
        identity: identity(),
        container_mac: identity().joint_mac(),
        joint: true,
        mtu: None,
        is_disabled: false,
    };
    let tap = Tap {
        identity: identity(),
        side: Side::Container,
        mac: identity().container_mac(),
        mtu: None,
        owner: None,
        group: None,
        multi_queue: false,
    };
    let joint = Device::container(identity().joint_name());
    described([
        share(Bridge::shared("br0", "home-net")),
        own(veth),
        own(port("br0")),
        own(tap),
        own(Redirect { from: joint.clone(), to: container() }),
        own(Redirect { from: container(), to: joint.clone() }),
        own(LinkUp { device: joint }),
    ])
}

/// A device of another party's on a bridge.
fn borrowed() -> Description {
    sh("ip link show dev t0 || { ip tuntap add t0 mode tap && ip link set t0 address 02:00:00:00:00:01; }").ok();
    let port = BridgePort { device: "t0".to_owned(), ..port("br0") };
    described([share(Bridge::shared("br0", "home-net")), own(Loan::new("t0", "br0")), own(port)])
}

fn over_an_uplink() -> Description {
    let uplink = Some(Uplink { device: "eth0".to_owned(), vlan: None });
    described([share(Bridge { uplink, ..Bridge::shared("br0", "home-net") })])
}

/// A host in a network, with addresses and routes of both families.
fn plug() {
    sh("ip link add eth0 address 02:00:00:00:00:01 mtu 1400 type veth peer name far address 02:00:00:00:00:02").ok();
    sh("ip link set far up && ip link set eth0 up && sysctl -qw net.ipv6.conf.eth0.accept_ra=0").ok();
    for address in ["10.2.0.1/24", "10.3.0.1/16", "fd00:2::1/64"] {
        let option = if address.contains(':') { "nodad" } else { "brd +" };
        sh(&format!("ip address add {address} dev eth0 {option}")).ok();
    }
    for route in ["10.7.0.0/16 dev eth0", "10.8.0.0/16 via 10.7.0.1 table 100 metric 7", "default via 10.2.0.254"] {
        sh(&format!("ip route add {route}")).ok();
    }
    sh("ip route add fd00:7::/64 via fd00:2::fe metric 50 && ip route add default via fd00:2::fe").ok();
}

/// Runs `make` on a host of its own and looks at what it made, with what a description finds different there.
fn on_a_host(objects: fn() -> Description, make: fn(Description)) -> (Snapshot, Vec<String>) {
    let other = std::thread::spawn(move || {
        let host = Host::enter();
        let container = host.namespace(CONTAINER);
        plug();
        make(objects());
        let mut session = Session::new(Some(Namespace::open(&container.path).unwrap()));
        let differences = differences(&mut session, &objects()).unwrap();
        let accepts_ra: Vec<String> = harness::ip("link show type bridge")
            .as_array()
            .into_iter()
            .flatten()
            .map(|bridge| format!("/proc/sys/net/ipv6/conf/{}/accept_ra", bridge["ifname"].as_str().unwrap()))
            .collect();
        assert!(!accepts_ra.is_empty());
        assert!(accepts_ra.iter().all(|file| std::fs::read_to_string(file).unwrap().trim() == "0"));
        (Snapshot::take(&[&container], &[Path::new("/proc/sys/net/ipv4/ip_forward")]), differences)
    });
    let (snapshot, differences) = other.join().unwrap();
    (snapshot, differences.iter().map(ToString::to_string).collect())
}

fn by_itself(objects: Description) {
    let container = Namespace::open(&Path::new("/run/netns").join(CONTAINER)).unwrap();
    Creation::new().make(&mut Session::new(Some(container)), objects).unwrap();
}

#[expect(clippy::needless_pass_by_value, reason = "as the other way to make them")]
fn by_hand(objects: Description) {
    for command in commands(&objects) {
        sh(&command.replace("CONTAINER", CONTAINER)).ok();
    }
}

#[test]
fn a_whole_description_is_printed_in_order() {
    let port = "pbvd4zojfh5w7vp";
    let expected = [
        "ip link add br.7 up type bridge no_linklocal_learn 1",
        "ip link set br.7 address $(cat /sys/class/net/br.7/address)",
        "ip link set br.7 alias 'plugboard: shared by home-net'",
        "ip link set br.7 mtu 1400",
        "sysctl -w net/ipv6/conf/br.7/accept_ra=0",
        "ip link set br.7 promisc on",
        &format!(
            "ip link add {port} address 42:38:63:8b:1b:bb mtu 1400 up type veth \
             peer name eth1 address 26:37:56:27:d8:ba mtu 1400 netns CONTAINER"
        ),
        &format!("ip link set {port} alias 'plugboard: eth1 on home-net of vn1'"),
        &format!("ip link set {port} addrgenmode none"),
        &format!("ip link set {port} master br.7"),
        &format!("bridge link set dev {port} hairpin on"),
        &format!("bridge link set dev {port} isolated on"),
        &format!("tc qdisc add dev {port} root handle 7062: tbf rate 12500000bps burst 25000 limit 650000"),
        "ip -n CONTAINER address add fe80::2437:56ff:fe27:d8ba/64 dev eth1 nodad",
        "ip -n CONTAINER link set eth1 up",
        "ip netns exec CONTAINER sysctl -w net.ipv6.conf.eth1.disable_ipv6=0",
        "ip -n CONTAINER address add 10.9.0.2/24 dev eth1 brd +",
        "ip -n CONTAINER address add fd00:9::2/64 dev eth1 nodad",
        "ip -n CONTAINER route add 0.0.0.0/0 via 10.9.0.1 dev eth1 proto static",
        "ip -n CONTAINER route add 10.6.0.0/16 via 10.9.0.1 dev eth1 proto static metric 50 table 100 mtu 1300 advmss 1260",
        "ip -n CONTAINER route add 10.7.0.0/16 dev eth1 proto static scope 200",
        "ip -n CONTAINER route append fd00:6::/64 via fd00:9::1 dev eth1 proto static",
        "ip address add 10.9.0.1/24 dev br.7 brd +",
        "sysctl -w net.ipv4.ip_forward=1",
    ];
    let printed = commands(&whole());
    for (printed, expected) in printed.iter().zip(expected) {
        assert_eq!(printed, expected);
    }
    assert_eq!(printed.len(), expected.len(), "{printed:#?}");
}

#[track_caller]
fn both_ways_are_one(objects: fn() -> Description) {
    let (made, differences) = on_a_host(objects, by_itself);
    assert_eq!(differences, Vec::<String>::new(), "made by itself");
    let (by_hand, differences) = on_a_host(objects, by_hand);
    assert_eq!(differences, Vec::<String>::new(), "made by hand");
    assert_eq!(made, by_hand);
}

#[test]
fn the_printed_commands_make_what_the_description_makes() {
    both_ways_are_one(whole);
}

#[test]
fn the_printed_commands_make_a_tap_device() {
    both_ways_are_one(tap);
}

#[test]
fn the_printed_commands_join_a_tap_device_in_the_container() {
    both_ways_are_one(joined_tap);
}

/// Both directions of a NIC. The kernel gives an ifb an address by chance, so the two ways are not compared by it.
fn shaped() -> Description {
    let host = || Device::host(identity().host_name());
    let ifb = Ifb { identity: identity(), interface: "eth1".to_owned(), side: Side::Host };
    let device = ifb.device();
    let qdisc = qdisc::Qdisc { parent: Parent::Root, handle: 0x7062, kind: Kind::Tbf(RATE) };
    described([
        share(Bridge::shared("br0", "home-net")),
        veth(Some(1400)),
        own(LinkUp { device: container() }),
        queue(Parent::Root, 0x7062, Kind::Tbf(RATE)),
        own(ifb),
        own(LinkQdisc { device: device.clone(), qdisc }),
        own(LinkUp { device: device.clone() }),
        own(Redirect { from: host(), to: device }),
    ])
}

#[test]
fn the_printed_commands_shape_both_directions() {
    let printed = commands(&shaped());
    let (port, ifb) = ("pbvd4zojfh5w7vp", "pivd4zojfh5w7vp");
    for expected in [
        &format!("ip link add {ifb} mtu 1279 type ifb"),
        &format!("ip link set {ifb} alias 'plugboard: eth1 on home-net of vn1'"),
        &format!("ip link set {ifb} up"),
        &format!("tc qdisc add dev {port} ingress"),
    ] {
        assert!(printed.contains(expected), "{expected} in {printed:#?}");
    }
    for make in [by_itself, by_hand] {
        let (made, differences) = on_a_host(shaped, make);
        assert_eq!(differences, Vec::<String>::new());
        assert_eq!(format!("{made:?}").matches(r#""kind":"tbf""#).count(), 2);
    }
}

#[test]
fn the_printed_commands_lend_a_device() {
    both_ways_are_one(borrowed);
}

#[test]
fn the_printed_commands_look_for_duplicates() {
    both_ways_are_one(detected);
}

#[test]
fn the_printed_commands_make_vlans() {
    let port = "pbvd4zojfh5w7vp";
    let printed = commands(&in_vlans());
    for expected in [
        "ip link add br0 up type bridge no_linklocal_learn 1 vlan_filtering 1",
        "ip link add link br0 name br0.10 type vlan id 10",
        "ip link set br0.10 alias 'plugboard: shared by home-net'",
        "bridge vlan add dev br0 vid 10 self",
        &format!("bridge vlan del dev {port} vid 1"),
        &format!("bridge vlan add dev {port} vid 10 pvid untagged"),
        &format!("bridge vlan add dev {port} vid 20-29"),
        &format!("bridge vlan add dev {port} vid 40"),
    ] {
        assert!(printed.iter().any(|command| command == expected), "{expected} in {printed:#?}");
    }
    with_features(&[Feature::Vlan, Feature::BridgeVlanFiltering], || both_ways_are_one(in_vlans));
}

#[test]
fn the_printed_commands_move_a_host_to_its_bridge() {
    let (made, differences) = on_a_host(over_an_uplink, by_itself);
    assert_eq!(differences, Vec::<String>::new(), "made by itself");
    let (by_hand, differences) = on_a_host(over_an_uplink, by_hand);
    assert_eq!(differences, Vec::<String>::new(), "made by hand");
    assert_eq!(made, by_hand);
}

/// What `nft` before 1.0.8 shows and does not read: the target of neighbour discovery, in two rules.
const ADVERTISEMENT: &str = "icmpv6 taddr";

#[test]
fn the_printed_commands_make_the_rules() {
    let (made, differences) = on_a_host(filtered, by_itself);
    assert_eq!(differences, Vec::<String>::new(), "made by itself");
    let reads_all = sh("nft --check 'table ip6 t { chain c { icmpv6 taddr ::1; }; }'").status == 0;
    if reads_all {
        let (by_hand, differences) = on_a_host(filtered, by_hand);
        assert_eq!(differences, Vec::<String>::new(), "made by hand");
        assert_eq!(made, by_hand);
        return;
    }
    println!("this nft is older than 1.0.8: all rules but those with '{ADVERTISEMENT}' were observed");
    let (by_hand, differences) = on_a_host(filtered, by_hand_without_advertisement);
    let unread = [
        "rules in chain bridge plugboard prerouting: want 7, have 6, without advertised6",
        "rules in chain bridge plugboard discovery: want 13, have 12, without detected6",
    ];
    assert_eq!(differences, unread);
    let others = |snapshot: &Snapshot| {
        let text = format!("{snapshot:?}");
        let is_read = |line: &&str| !line.contains("advertised6") && !line.contains("detected6");
        text.lines().filter(is_read).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(others(&made), others(&by_hand));
    assert!(format!("{made:?}").contains("advertised6") && format!("{made:?}").contains("detected6"));
}

#[expect(clippy::needless_pass_by_value, reason = "as the other way to make them")]
fn by_hand_without_advertisement(objects: Description) {
    for command in commands(&objects) {
        let lines: Vec<&str> = command.lines().filter(|line| !line.contains(ADVERTISEMENT)).collect();
        sh(&lines.join("\n").replace("CONTAINER", CONTAINER)).ok();
    }
}

#[test]
fn elements_are_printed_with_their_table() {
    let address = "10.9.0.2".parse().unwrap();
    let printed = commands(&described([own(Elements::of_addresses(identity()).masquerading("br0", [address]))]));
    assert!(printed[0].starts_with("nft list table inet plugboard > /dev/null 2>&1 || nft 'table inet plugboard {"));
    assert_eq!(
        printed[1..],
        [
            "nft 'create element inet plugboard masquerade4 { \"br0\" . 10.9.0.2 comment \"pbvd4zojfh5w7vp eth1 on home-net of vn1\" }'"
        ]
    );
}

#[test]
fn a_printed_delay_is_the_delay() {
    with_features(&[Feature::Netem, Feature::Tbf], delay_by_hand);
}

fn delay_by_hand() {
    let _host = Host::enter();
    let port = identity().host_name();
    sh(&format!("ip link add {port} type veth peer name far")).ok();
    let shaped = |delay_ns| {
        let netem = Kind::Netem(Netem { delay_ns, limit_packets: 1000, ..Netem::default() });
        described([queue(Parent::Root, 0x7062, netem), queue(Parent::Class(0x7062, 1), 0x7063, Kind::Tbf(RATE))])
    };
    let printed = commands(&shaped(10_000_500));
    assert_eq!(
        printed,
        [
            format!("tc qdisc add dev {port} root handle 7062: netem limit 1000 delay 10000.500us"),
            format!("tc qdisc add dev {port} parent 7062:1 handle 7063: tbf rate 12500000bps burst 25000 limit 650000"),
        ]
    );
    printed.iter().for_each(|command| _ = sh(command).ok());
    sh(&format!("tc qdisc del dev {port} root")).ok();
    // Some versions of tc read it in whole microseconds, and tell the kernel in ticks of 64 ns.
    let objects = shaped(10_000_000);
    commands(&objects).iter().for_each(|command| _ = sh(command).ok());
    assert_eq!(differences(&mut Session::new(None), &objects).unwrap(), []);
}

#[test]
fn announcements_and_questions_are_of_ipv4() {
    let told = |address: &str| {
        let address = address.parse().unwrap();
        commands(&described([
            act(AskForHolder { device: container(), address }),
            act(Announce { device: container(), address, mac: identity().container_mac() }),
        ]))
    };
    assert_eq!(
        told("10.9.0.2"),
        [
            "ip netns exec CONTAINER arping -D -c 1 -I eth1 10.9.0.2",
            "ip netns exec CONTAINER arping -U -c 1 -I eth1 10.9.0.2",
        ]
    );
    assert_eq!(told("fd00:9::2"), Vec::<String>::new(), "arping knows no IPv6");
}
