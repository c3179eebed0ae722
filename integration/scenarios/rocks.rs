//! Rocks clusters: guests in the physical network of their host, or in a VLAN of it by the host's logical VLAN device.
//!
//! Hosts are namespaces; their `eth0`, `eth1` hang on a switch, which is a bridge of another namespace and knows nothing of
//! VLANs. Guests on the lab's kernel are namespaces, or a process behind a TAP device, because a virtual machine inside the
//! lab's would take minutes to boot.

use std::time::Duration;

use harness::chance::PROMPT;
use harness::{Background, Host, Invocation, Namespace, Reply, Snapshot, assert_by_chance, row, sh, wait_until};
use lab::{Feature, Nic, Vm, on_full_kernel};
use serde_json::{Value, json};
use tests::{Frames, Guest, MARKER, Station, marker, with};

/// A machine room: hosts and other machines on one switch or several.
struct Room {
    place: Host,
    switch: Namespace,
}

impl Room {
    fn new() -> Self {
        let place = Host::enter();
        let switch = place.namespace("switch");
        Self { place, switch }
    }

    fn machine(&self, name: &str) -> Namespace {
        self.place.namespace(name)
    }

    /// Gives a machine a NIC on the switch of that name, set up, with addresses.
    fn plug(&self, machine: &Namespace, nic: &str, switch: &str, addresses: &[&str]) {
        let port = format!("{}-{nic}", machine.name);
        let script = format!(
            "ip link show {switch} > /dev/null 2>&1 || ip link add {switch} type bridge && ip link set {switch} up; \
             ip link add {port} type veth peer name {nic} netns {} && ip link set {port} master {switch} up",
            machine.name
        );
        self.switch.sh(&script).ok();
        machine.sh(&format!("ip link set {nic} up")).ok();
        for address in addresses {
            let option = if address.contains(':') { "nodad" } else { "brd +" };
            machine.sh(&format!("ip address add {address} dev {nic} {option}")).ok();
        }
    }
}

fn invocation(guest: &Namespace, nic: &str, command: &str, config: &Value) -> Invocation {
    Invocation::new("bridge", command).container(&guest.name).netns(&guest.path).ifname(nic).config(config)
}

/// A call of `bridge` on a host for a guest's NIC.
fn call(host: &Namespace, guest: &Namespace, nic: &str, command: &str, config: &Value) -> Reply {
    invocation(guest, nic, command, config).on(host).run()
}

/// ADD, which must succeed.
fn attach(host: &Namespace, guest: &Namespace, nic: &str, config: &Value) -> Value {
    call(host, guest, nic, "ADD", config).ok()
}

/// A network `name` with more keys.
fn network(name: &str, keys: Value) -> Value {
    with(&json!({"cniVersion": "1.1.0", "name": name, "type": "bridge"}), keys)
}

/// The plugin's configuration in a file of `conf-examples`.
fn example(file: &str) -> Value {
    let text = std::fs::read_to_string(integration::examples().join(file)).expect("an example");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    with(&list["plugins"][0], json!({"cniVersion": integration::newest_version(&list), "name": list["name"]}))
}

/// A network with a given address for the guest.
fn with_address(config: &Value, address: &str) -> Value {
    with(config, json!({"ipam": {"type": "static", "addresses": [{"address": address}]}}))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The names of a machine's links, `lo` aside.
fn links(machine: &Namespace) -> Vec<String> {
    integration::links(machine).into_iter().filter(|name| name != "lo").collect()
}

/// What passes a machine's NIC, as `tcpdump -e` tells it.
struct Capture {
    tcpdump: Background,
    file: String,
    frames: Frames,
}

impl Capture {
    fn on(machine: &Namespace, nic: &str) -> Self {
        let file = format!("/run/{}-{nic}.pcap.txt", machine.name);
        let tcpdump = machine.spawn(&format!("exec tcpdump -e -n -l -i {nic} > {file} 2> {file}.log"));
        wait_until("tcpdump listens", || {
            std::fs::read_to_string(format!("{file}.log")).is_ok_and(|text| text.contains("listening"))
        });
        let frames = Frames::open(machine, nic).expect("the NIC is there");
        Self { tcpdump, file, frames }
    }

    /// The lines so far, one for each frame.
    fn end(self) -> Vec<String> {
        let read = || std::fs::read_to_string(&self.file).unwrap_or_default();
        assert!(self.frames.send(&marker()), "the marker is sent");
        wait_until("tcpdump has seen all up to the marker", || read().contains(MARKER));
        drop(self.tcpdump);
        read().lines().filter(|line| !line.contains(MARKER)).map(str::to_owned).collect()
    }
}

/// Those of the lines that name one of the addresses.
fn naming<'a>(lines: &'a [String], macs: &[&str]) -> Vec<&'a String> {
    lines.iter().filter(|line| macs.iter().any(|mac| line.contains(mac))).collect()
}

const HOST: &str = "172.16.254.238";
const GUEST: &str = "172.16.254.192";

/// Pings the host every 20 ms while something is done on it. Returns for how long it did not answer, in ms.
fn silence_ms(machine: &Namespace, work: impl FnOnce()) -> u32 {
    std::thread::scope(|scope| {
        let ping = scope.spawn(|| machine.ping_with(HOST, "-i.02 -c100 -W1"));
        std::thread::sleep(Duration::from_millis(400));
        work();
        let ping = ping.join().expect("ping ends");
        assert_eq!(ping.sent, 100);
        20 * (ping.sent - ping.received)
    })
}

#[test]
fn a_virtual_machine_is_in_the_physical_network_of_its_host() {
    let _row = row("M50");
    let room = Room::new();
    let (host, other, guest) = (room.machine("container"), room.machine("other"), room.machine("compute-0-0-1"));
    room.plug(&host, "eth0", "private", &["172.16.254.238/24", "172.16.254.239/24", "fd00:16::238/64"]);
    room.plug(&other, "eth0", "private", &["172.16.254.1/24", "fd00:16::1/64"]);
    for route in [
        "default via 172.16.254.1",
        "10.7.0.0/16 via 172.16.254.1 table 100 metric 7",
        "10.8.0.0/16 dev eth0",
        "default via fd00:16::1",
        "fd00:7::/64 via fd00:16::1 metric 50",
    ] {
        host.sh(&format!("ip route add {route}")).ok();
    }
    host.ping("172.16.254.1", 1);
    let before = Snapshot::take::<&str>(&[&host], &[]);
    let config = with(&example("uplink.conflist"), json!({"nic": "tap"}));

    // A connection of the host's own, from before ADD to behind DEL.
    PROMPT.repeated(|| {
        let (silences, lasted, received) = std::thread::scope(|scope| {
            let connection = scope.spawn(|| host.iperf3_from(&other, "172.16.254.1", "-t 8 -b 1M --length 1K"));
            std::thread::sleep(Duration::from_millis(500));
            let silences = ["ADD", "DEL"].map(|command| {
                let silence = silence_ms(&other, || _ = call(&host, &guest, "eth0", command, &config).ok());
                println!("the host did not answer for {silence} ms around {command}");
                silence
            });
            let lasted = !connection.is_finished();
            (silences, lasted, connection.join().expect("the connection lasts").received_bit_s)
        });
        assert_by_chance!(silences.iter().all(|silence| *silence <= 1000), "{silences:?} ms around ADD and DEL");
        assert_by_chance!(lasted, "the connection was there all the time");
        assert_by_chance!(received > 0.9e6, "{received} bit/s of 1 Mbit/s arrived");
    });
    assert_eq!(before, Snapshot::take::<&str>(&[&host], &[]), "addresses and routes are as before");

    let result = attach(&host, &guest, "eth0", &config);
    let interfaces = &result["interfaces"];
    let nic = Nic::new(text(&interfaces[1]["name"]), text(&interfaces[2]["mac"]), "172.16.254.192/24");
    let vm = Vm::boot_in(&host, &[nic]);
    assert_eq!(vm.ping(HOST, 3).received, 3);
    assert_eq!(host.ping(GUEST, 3).received, 3);
    assert_eq!(other.ping(GUEST, 3).received, 3, "the VM is in the network");
    assert_eq!(host.ping("fd00:16::1", 3).received, 3);
    drop(vm);
    call(&host, &guest, "eth0", "DEL", &config).ok();
    assert_eq!(before, Snapshot::take::<&str>(&[&host], &[]), "addresses and routes are as before");
}

/// Two hosts of a cluster, each with an address of the private network on `eth0` and the logical device of VLAN 2.
fn cluster(room: &Room) -> [Namespace; 2] {
    ["a", "b"].map(|name| {
        let host = room.machine(name);
        let address = if name == "a" { "10.255.255.254/8" } else { "10.255.255.253/8" };
        room.plug(&host, "eth0", "private", &[address]);
        host.sh("ip link add link eth0 name vlan2 type vlan id 2 && ip link set vlan2 addrgenmode none && ip link set vlan2 up").ok();
        host
    })
}

/// VLAN 2 of the private network, by the hosts' own logical device.
fn vlan_2() -> Value {
    with(&example("uplink-vlan.conflist"), json!({"autoVlan": null}))
}

#[test]
fn guests_are_in_a_vlan_through_the_logical_device_of_their_host() {
    on_full_kernel("M51", &[Feature::Vlan, Feature::Tap], || {
        let _further_rows = ["M53", "M54"].map(row);
        let room = Room::new();
        let [a, b] = cluster(&room);
        let (g1, g2) = (room.machine("hosted-0-0-0"), room.machine("hosted-0-1-0"));
        let before = Snapshot::take::<&str>(&[&a], &[]);
        let capture = Capture::on(&b, "eth0");
        let first = attach(&a, &g1, "eth0", &with_address(&vlan_2(), "10.1.1.1/24"));
        attach(&b, &g2, "eth0", &with_address(&vlan_2(), "10.1.1.2/24"));
        assert_eq!(g1.ping("10.1.1.2", 3).received, 3);
        a.ping("10.255.255.253", 3); // the host's own, untagged
        let mac = text(&first["interfaces"][2]["mac"]).to_owned();
        let lines = capture.end();
        let of_guest = naming(&lines, &[&mac]);
        assert!(of_guest.len() >= 6, "{lines:#?}");
        assert!(of_guest.iter().all(|line| line.contains("vlan 2,")), "{of_guest:#?}");
        assert!(lines.iter().any(|line| line.contains("10.255.255.25") && !line.contains("vlan")), "{lines:#?}");

        // The host is not in its guests' VLAN, though an address of its network is.
        g1.sh("ip address add 10.0.0.1/8 dev eth0").ok();
        let private = g1.ping_with("10.255.255.254", "-c3 -i.2 -W1");
        assert_eq!((private.sent, private.received), (3, 0));
        let addresses = a.ip("address show dev vlan2");
        assert_eq!(addresses[0]["addr_info"], json!([]), "the logical device has no address");
        assert_eq!(text(&addresses[0]["master"]), "br-eth0.2");
        let attached = with(&vlan_2(), json!({"prevResult": first}));
        call(&a, &g1, "eth0", "CHECK", &attached).ok();
        a.sh("ip link set vlan2 nomaster").ok();
        let (code, message, _) = call(&a, &g1, "eth0", "CHECK", &attached).error();
        assert_eq!((code, message.contains("uplink vlan2")), (104, true), "{message}");
        a.sh("ip link set vlan2 master br-eth0.2").ok();
        call(&a, &g1, "eth0", "DEL", &vlan_2()).ok();
        assert_eq!(before, Snapshot::take::<&str>(&[&a], &[]), "the operator's device stays");

        an_undefined_vlan_is_an_error_or_is_made(&room, &a, &g1);
        one_device_and_one_bridge_serve_all_guests(&room, &a);
        an_operators_addresses_on_a_vlan_come_back(&a, &g1);
        a_kill_leaves_no_vlan_device(&a, &g1);
    });
}

fn an_undefined_vlan_is_an_error_or_is_made(room: &Room, host: &Namespace, guest: &Namespace) {
    let before = Snapshot::take::<&str>(&[host, guest], &[]);
    let config = network("vlan100", json!({"uplink": "eth0", "vlan": 100}));
    let (code, message, _) = call(host, guest, "eth0", "ADD", &config).error();
    let hostname = sh("cat /proc/sys/kernel/hostname").ok();
    assert_eq!(code, 7, "{message}");
    assert!(message.starts_with(&format!("vlan 100 not defined for host {hostname}: ")), "{message}");
    assert!(message.contains("set autoVlan"), "{message}");
    assert_eq!(before, Snapshot::take::<&str>(&[host, guest], &[]), "no link is left");

    let automatic = with(&config, json!({"autoVlan": true}));
    call(host, guest, "eth0", "STATUS", &automatic).ok();
    attach(host, guest, "eth0", &with_address(&automatic, "10.1.1.1/24"));
    let vlan = host.ip("address show dev eth0.100");
    assert_eq!((&vlan[0]["linkinfo"]["info_data"]["id"], &vlan[0]["link"]), (&json!(100), &json!("eth0")));
    assert_eq!((&vlan[0]["master"], &vlan[0]["addr_info"]), (&json!("br-eth0.100"), &json!([])));
    let peer = room.machine("peer");
    room.plug(&peer, "eth0", "private", &[]);
    peer.sh("ip link add link eth0 name v100 type vlan id 100 && ip link set v100 up && ip address add 10.1.1.9/24 dev v100")
        .ok();
    assert_eq!(guest.ping("10.1.1.9", 3).received, 3);
    call(host, guest, "eth0", "DEL", &automatic).ok();
    assert_eq!(before, Snapshot::take::<&str>(&[host, guest], &[]), "what was made is gone");
}

fn one_device_and_one_bridge_serve_all_guests(room: &Room, host: &Namespace) {
    host.sh("ip link del vlan2").ok();
    let before = Snapshot::take::<&str>(&[host], &[]);
    let config = example("uplink-vlan.conflist");
    let tap = with(&config, json!({"nic": "tap"}));
    let (vm1, vm2, container) = (room.machine("vm1"), room.machine("vm2"), room.machine("ctn"));
    let machines = [&vm1, &vm2].map(|vm| attach(host, vm, "eth0", &tap)["interfaces"].clone());
    attach(host, &container, "eth0", &with_address(&config, "10.1.1.3/24"));
    let of = |kind: &str| host.ip(&format!("link show type {kind}")).as_array().map_or(0, Vec::len);
    assert_eq!(links(host).iter().filter(|name| name.starts_with("eth0.")).count(), 1);
    assert_eq!((of("vlan"), of("bridge")), (1, 1));

    for (place, interfaces) in machines.iter().enumerate() {
        let mac = text(&interfaces[2]["mac"]);
        let octets: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
        let ip = [10, 1, 1, 11 + u8::try_from(place).expect("a small number")].into();
        let found = host.within(|| {
            let mut machine = Guest::open(text(&interfaces[1]["name"])).expect("the TAP device can be opened");
            let own = Station { mac: octets.try_into().expect("6 bytes"), ip };
            machine.who_has(own, [10, 1, 1, 3].into(), Duration::from_secs(5))
        });
        assert!(found.is_some(), "the container answers the machine behind the TAP device");
    }
    for guest in [&vm1, &container] {
        call(host, guest, "eth0", "DEL", &config).ok();
        assert_eq!((of("vlan"), of("bridge")), (1, 1), "others are left");
    }
    call(host, &vm2, "eth0", "DEL", &tap).ok();
    assert_eq!(before, Snapshot::take::<&str>(&[host], &[]), "the last one takes them along");
}

fn an_operators_addresses_on_a_vlan_come_back(host: &Namespace, guest: &Namespace) {
    host.sh("ip link add link eth0 name vlan2 type vlan id 2 && ip link set vlan2 up \
             && ip address add 10.1.1.254/24 brd + dev vlan2 && ip route add 10.99.0.0/16 via 10.1.1.253")
        .ok();
    let before = Snapshot::take::<&str>(&[host], &[]);
    // An address of a gateway would go to the operator's device in the end.
    let gateway = with(&vlan_2(), json!({"isGateway": true}));
    let (code, message, _) = call(host, guest, "eth0", "ADD", &with_address(&gateway, "10.1.1.1/24")).error();
    assert_eq!((code, message.contains("vlan2")), (102, true), "{message}");
    assert_eq!(before, Snapshot::take::<&str>(&[host], &[]));
    attach(host, guest, "eth0", &with_address(&vlan_2(), "10.1.1.1/24"));
    assert_eq!(guest.ping("10.1.1.254", 3).received, 3);
    call(host, guest, "eth0", "DEL", &vlan_2()).ok();
    assert_eq!(before, Snapshot::take::<&str>(&[host], &[]));
    host.sh("ip link del vlan2").ok();
    let before = Snapshot::take::<&str>(&[host], &[]);
    let automatic = with(&gateway, json!({"autoVlan": true}));
    let addressed = with(
        &automatic,
        json!({"ipam": {"type": "static",
        "addresses": [{"address": "10.1.1.1/24", "gateway": "10.1.1.254"}]}}),
    );
    attach(host, guest, "eth0", &addressed);
    assert_eq!(guest.ping("10.1.1.254", 3).received, 3, "the host is the VLAN's gateway");
    call(host, guest, "eth0", "DEL", &addressed).ok();
    host.sh("sysctl -qw net.ipv4.ip_forward=0").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[host], &[]));
}

/// At many moments of an ADD that makes bridge and VLAN device.
fn a_kill_leaves_no_vlan_device(host: &Namespace, guest: &Namespace) {
    let config = with(&example("uplink-vlan.conflist"), json!({"cni.dev/valid-attachments": []}));
    let before = links(host);
    let add = invocation(guest, "eth0", "ADD", &config);
    let mut half_done = 0;
    for (count, cleaner) in (0..).step_by(7).zip(["DEL", "GC"].into_iter().cycle()) {
        let was_killed = host.within(|| add.kill_after_system_calls(count));
        half_done += u32::from(was_killed && links(host) != before);
        call(host, guest, "eth0", cleaner, &config).ok();
        assert_eq!(links(host), before, "killed after {count} system calls, then {cleaner}");
        if !was_killed {
            break;
        }
    }
    println!("{half_done} kills left links behind");
    assert!(half_done > 2, "there was something to clean up {half_done} times");
}

#[test]
fn vlans_are_mapped_to_the_right_physical_device() {
    on_full_kernel("M52", &[Feature::Vlan], || {
        let room = Room::new();
        let hosts = cluster(&room);
        for (place, host) in hosts.iter().enumerate() {
            room.plug(host, "eth1", "net10", &[&format!("192.168.1.{}/24", 10 + place)]);
            host.sh("ip link add link eth1 name vlan100 type vlan id 100 && ip link set vlan100 up").ok();
        }
        let net10 = network("vlan100", json!({"uplink": "eth1", "vlan": 100}));
        let guests = ["hosted-0-0-0", "hosted-0-1-0"].map(|name| room.machine(name));
        let captures = ["eth0", "eth1"].map(|nic| Capture::on(&hosts[1], nic));
        let mut macs = Vec::new();
        for (place, (host, guest)) in hosts.iter().zip(&guests).enumerate() {
            let number = place + 1;
            let first = attach(host, guest, "eth0", &with_address(&vlan_2(), &format!("10.1.1.{number}/24")));
            let second = attach(host, guest, "eth1", &with_address(&net10, &format!("10.1.2.{number}/24")));
            macs.push([first, second].map(|result| text(&result["interfaces"][2]["mac"]).to_owned()));
        }
        assert_eq!(guests[0].ping("10.1.1.2", 3).received, 3);
        assert_eq!(guests[0].ping("10.1.2.2", 3).received, 3);
        assert_eq!(guests[1].ping("10.1.1.1", 3).received, 3);
        assert_eq!(guests[1].ping("10.1.2.1", 3).received, 3);
        let [eth0, eth1] = captures.map(Capture::end);
        let tagged = |lines: &[String], tag: &str| lines.iter().filter(|line| line.contains(tag)).count();
        assert!(tagged(&eth0, "vlan 2,") >= 12 && tagged(&eth1, "vlan 100,") >= 12, "{eth0:#?} {eth1:#?}");
        assert_eq!((tagged(&eth0, "vlan 100,"), tagged(&eth1, "vlan 2,")), (0, 0));
        assert_eq!(naming(&eth0, &[&macs[0][1], &macs[1][1]]), Vec::<&String>::new());
        assert_eq!(naming(&eth1, &[&macs[0][0], &macs[1][0]]), Vec::<&String>::new());
    });
}

/// Asks for an address by DHCP: the lease, or nothing after 3 s.
fn lease(machine: &Namespace, nic: &str) -> Option<String> {
    let output = machine.sh(&format!("busybox udhcpc -i {nic} -q -n -f -t 6 -T 1 -s /bin/true 2>&1"));
    let line = output.stdout.lines().find(|line| line.contains("lease of"))?;
    line.split("lease of ").nth(1)?.split_whitespace().next().map(|address| address.trim_end_matches(',').to_owned())
}

#[test]
fn clusters_are_fully_virtual() {
    on_full_kernel("M55", &[Feature::Vlan], || {
        let _further_row = row("M56");
        let room = Room::new();
        let [a, b] = cluster(&room);
        for (host, address) in [(&a, "203.0.113.10/24"), (&b, "203.0.113.11/24")] {
            room.plug(host, "eth1", "public", &[address]);
        }
        let outside = room.machine("outside");
        room.plug(&outside, "eth0", "public", &["203.0.113.99/24"]);
        let public = network("public", json!({"uplink": "eth1"}));

        let frontend = room.machine("frontend");
        attach(&a, &frontend, "eth0", &with_address(&vlan_2(), "10.1.1.1/24"));
        attach(&a, &frontend, "eth1", &with_address(&public, "203.0.113.20/24"));
        let computes = [("compute-0-0", &a), ("compute-0-1", &b)].map(|(name, host)| {
            let compute = room.machine(name);
            attach(host, &compute, "eth0", &vlan_2());
            compute
        });

        let configuration =
            "start 10.1.1.100\nend 10.1.1.120\ninterface eth0\nlease_file /run/leases\noption subnet 255.255.255.0";
        std::fs::write("/run/udhcpd.conf", configuration).expect("/run is ours");
        sh("touch /run/leases").ok();
        let _server = frontend.spawn("exec busybox udhcpd -f /run/udhcpd.conf 2> /run/udhcpd.log");
        let addresses = computes.each_ref().map(|compute| {
            let address = lease(compute, "eth0").expect("the frontend gives an address");
            assert!(address.starts_with("10.1.1.1"), "{address}");
            compute.sh(&format!("ip address add {address}/24 dev eth0")).ok();
            assert_eq!(compute.ping("10.1.1.1", 3).received, 3, "compute to frontend");
            compute.sh("ip route add 203.0.113.0/24 dev eth0").ok();
            assert_eq!(compute.ping_with("203.0.113.99", "-c3 -i.2 -W1").received, 0, "compute to public");
            address
        });
        assert_eq!(computes[0].ping(&addresses[1], 3).received, 3, "compute to compute on the other host");
        assert_eq!(frontend.ping("203.0.113.99", 3).received, 3, "frontend to public");
        assert_eq!(outside.ping("203.0.113.10", 3).received, 3, "the host is still in the public network");
        for (machine, nic) in [(&outside, "eth0"), (&b, "eth0"), (&a, "br-eth1")] {
            assert_eq!(lease(machine, nic), None, "no lease for {} {nic}", machine.name);
        }
        two_clusters_with_the_same_addresses(&room, [&a, &b]);
    });
}

fn two_clusters_with_the_same_addresses(room: &Room, hosts: [&Namespace; 2]) {
    let clusters = [3, 4].map(|vlan| {
        let config = network(&format!("cluster{vlan}"), json!({"uplink": "eth0", "vlan": vlan, "autoVlan": true}));
        [1, 2].map(|number| {
            let guest = room.machine(&format!("c{vlan}-{number}"));
            let result =
                attach(hosts[number - 1], &guest, "eth0", &with_address(&config, &format!("10.1.1.{number}/24")));
            (guest, text(&result["interfaces"][2]["mac"]).to_owned())
        })
    });
    let captures = [0, 1].map(|cluster| [0, 1].map(|guest| Capture::on(&clusters[cluster][guest].0, "eth0")));
    for (cluster, own_address) in clusters.iter().zip(["10.1.1.31", "10.1.1.41"]) {
        let [(first, _), (second, peer)] = cluster;
        assert_eq!(first.ping("10.1.1.2", 3).received, 3);
        let neighbour = first.ip("neighbour show 10.1.1.2");
        assert_eq!(text(&neighbour[0]["lladdr"]), peer, "its own cluster's");
        let broadcast = second.ping_with("10.1.1.255", "-b -c3 -i.2 -W1");
        assert_eq!(broadcast.sent, 3, "{broadcast:?}");
        second.sh(&format!("ip address add {own_address}/24 dev eth0")).ok();
        assert_eq!(first.ping(own_address, 3).received, 3);
    }
    // An address that only the other cluster has.
    for (cluster, foreign_address) in clusters.iter().zip(["10.1.1.41", "10.1.1.31"]) {
        for (guest, _) in cluster {
            let across = guest.ping_with(foreign_address, "-c3 -i.2 -W1");
            assert_eq!((across.sent, across.received), (3, 0), "{} to {foreign_address}: {across:?}", guest.name);
        }
    }
    for (cluster, captures) in captures.into_iter().enumerate() {
        let foreign: Vec<&str> = clusters[1 - cluster].iter().map(|(_, mac)| &**mac).collect();
        for lines in captures.map(Capture::end) {
            let of_second = naming(&lines, &[&clusters[cluster][1].1]);
            let broadcasts =
                of_second.iter().filter(|line| line.contains("> ff:ff:ff:ff:ff:ff") && line.contains("10.1.1.255"));
            assert_eq!(broadcasts.count(), 3, "its own broadcasts: {lines:#?}");
            assert_eq!(naming(&lines, &foreign), Vec::<&String>::new(), "nothing of the other cluster");
        }
    }
}
