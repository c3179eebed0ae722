//! `lac ls` and `lac reload`: Local Area Clouds of hosts that are namespaces on one segment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use crate::support::{Lab, assert_refused};
use harness::{Namespace, Output, Snapshot, sh, wait_until};
use serde_json::{Value, json};

const HOSTS_FILE: &str = "/etc/cni/lac-hosts";

/// A list that is a network: members get their addresses from 10.7.0.2 on.
fn overlay(keys: &Value) -> Value {
    let ipam = json!({"type": "host-local", "subnet": "10.7.0.0/24", "dataDir": "/run/ipam"});
    let mut plugin = json!({"type": "vxlan-overlay", "ipam": ipam});
    for (key, value) in keys.as_object().into_iter().flatten() {
        plugin[key] = value.clone();
    }
    json!([plugin])
}

/// Hosts `h1`, `h2` and so on at 192.0.2.1, 192.0.2.2 and so on, each with a container `c1`, `c2`.
struct Segment {
    lab: Lab,
    hosts: Vec<Namespace>,
    containers: Vec<Namespace>,
}

impl Segment {
    fn new(count: usize) -> Self {
        let lab = Lab::with_own_plugins();
        sh("ip link add segment up type bridge").ok();
        let host = |number: usize| {
            let host = lab.host.namespace(&format!("h{number}"));
            sh(&format!("ip link add h{number} master segment up type veth peer name eth0 netns h{number}")).ok();
            host.sh(&format!(
                "ip address add 192.0.2.{number}/24 dev eth0 && ip link set eth0 up && ip route add 224.0.0.0/4 dev eth0"
            ))
            .ok();
            host
        };
        let hosts = (1..=count).map(host).collect();
        let containers = (1..=count).map(|number| lab.host.namespace(&format!("c{number}"))).collect();
        Self { lab, hosts, containers }
    }

    /// The same, where each host has attached its container to a network of this plugin, `lan`.
    fn attached(count: usize, keys: &Value) -> Self {
        let segment = Self::new(count);
        segment.attach(keys);
        segment
    }

    /// The same with a file of these hosts.
    fn with_file(count: usize, hosts: &str) -> Self {
        let segment = Self::new(count);
        list_hosts(hosts);
        segment.attach(&json!({"remotesFile": HOSTS_FILE}));
        segment
    }

    fn attach(&self, keys: &Value) {
        self.lab.network("lan", &overlay(keys));
        for number in 1..=self.hosts.len() {
            self.on(number, &format!("attach c{number} lan --primary lan")).ok();
        }
    }

    /// Runs `plugboard` on a host, with records of its own.
    fn on(&self, host: usize, args: &str) -> Output {
        self.host(host).sh(&self.lab.command(&format!("--cache-dir /var/lib/cni/h{host} {args}")))
    }

    fn host(&self, number: usize) -> &Namespace {
        &self.hosts[number - 1]
    }

    fn container(&self, number: usize) -> &Namespace {
        &self.containers[number - 1]
    }

    fn ls(&self, host: usize) -> Vec<Value> {
        serde_json::from_str(&self.on(host, "lac ls --json").ok()).expect("a list")
    }

    fn remotes(&self, host: usize) -> BTreeSet<String> {
        Fdb::of(self.host(host), "vx14789-1").remotes
    }
}

/// What `bridge -j fdb` says of a VXLAN device.
#[derive(Debug, PartialEq)]
struct Fdb {
    remotes: BTreeSet<String>,
    learned: BTreeMap<String, BTreeSet<String>>,
}

impl Fdb {
    fn of(host: &Namespace, device: &str) -> Self {
        let entries: Value =
            serde_json::from_str(&host.sh(&format!("bridge -j fdb show dev {device}")).ok()).expect("JSON");
        let (mut remotes, mut learned) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
        for entry in entries.as_array().expect("a list") {
            let (Some(mac), Some(host)) = (entry["mac"].as_str(), entry["dst"].as_str()) else { continue };
            match (mac, entry["state"].as_str()) {
                ("00:00:00:00:00:00", _) if host.starts_with("239.") || host.starts_with("ff05:") => {}
                ("00:00:00:00:00:00", _) => _ = remotes.insert(host.to_owned()),
                (_, Some("permanent")) => {}
                _ => _ = learned.entry(host.to_owned()).or_default().insert(mac.to_owned()),
            }
        }
        Self { remotes, learned }
    }

    fn listed(lac: &Value) -> Self {
        let strings = |value: &Value| -> BTreeSet<String> {
            value.as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
        };
        let learned = lac["vteps"].as_array().into_iter().flatten();
        Self {
            remotes: strings(&lac["remotes"]),
            learned: learned
                .map(|vtep| (vtep["host"].as_str().unwrap_or_default().to_owned(), strings(&vtep["macs"])))
                .collect(),
        }
    }
}

fn list_hosts(text: &str) {
    fs::write(HOSTS_FILE, text).expect("written");
}

#[test]
fn every_mode_is_listed_as_the_kernel_has_it() {
    let segment = Segment::new(1);
    let h1 = segment.host(1);
    h1.sh("ip address add 2001:db8::1/64 dev eth0 nodad").ok();
    for (name, keys) in [
        ("lan", json!({"group": "239.0.0.1"})),
        ("lan-too", json!({"group": "239.0.0.1"})),
        ("six", json!({"group": "ff05::1", "if": "eth0", "vni": 6, "port": 4789, "ttl": 4})),
        ("vde", json!({"group": "239.0.0.2", "mode": "vxvde", "vni": 7})),
        (
            "far",
            json!({"remotes": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "vni": 8,
                "peers": ["192.0.2.3", "192.0.2.0/30", "198.51.100.0/24"]}),
        ),
    ] {
        segment.lab.network(name, &overlay(&keys));
    }
    assert_eq!(segment.ls(1), [json!(null); 0]);
    assert_eq!(segment.on(1, "lac ls").ok(), "GROUP  PORT  VNI  MODE  UNDERLAY  MEMBERS  VTEPS  PEERS  DROPPED");
    segment.on(1, "attach c1 lan,six,vde,far --primary lan").ok();
    segment.lab.host.namespace("c2");
    segment.on(1, "attach c2 lan-too --primary lan-too --ifname net0").ok();
    // Another VXLAN device, which is nobody's.
    h1.sh("ip link add other type vxlan id 99 dstport 4790 dev eth0").ok();
    h1.sh("ip link add veth7 master lac14789-1 type veth peer name veth8").ok();

    let listed = segment.ls(1);
    let keys = ["port", "vni", "group", "mode", "underlay", "bridge", "device", "mtu", "ttl", "foreignPorts"];
    let seen: Vec<Vec<Value>> = listed.iter().map(|lac| keys.map(|key| lac[key].clone()).to_vec()).collect();
    let expected = json!([
        [4789, 6, "ff05::1", "multicast", "eth0", "lac4789-6", "vx4789-6", 1430, 4, []],
        [14789, 1, "239.0.0.1", "multicast", "eth0", "lac14789-1", "vx14789-1", 1450, 1, ["veth7"]],
        [14789, 7, "239.0.0.2", "vxvde", "eth0", "lac14789-7", "vx14789-7", 1450, 1, []],
        [14789, 8, "", "remotes", "eth0", "lac14789-8", "vx14789-8", 1450, 0, []],
    ]);
    assert_eq!(json!(seen), expected);
    for lac in &listed {
        let device = lac["device"].as_str().expect("a name");
        let link = &h1.ip(&format!("link show dev {device}"))[0];
        let data = &link["linkinfo"]["info_data"];
        assert_eq!((&lac["mtu"], &lac["vni"], &lac["port"]), (&link["mtu"], &data["id"], &data["port"]), "{link}");
        assert_eq!((&lac["underlay"], &lac["bridge"]), (&data["link"], &link["master"]), "{link}");
        let group = [&data["group"], &data["group6"]].into_iter().find_map(Value::as_str);
        assert_eq!(lac["group"].as_str(), group.or(Some("")), "{link}");
        assert_eq!(Fdb::listed(lac), Fdb::of(h1, device));
        for member in lac["members"].as_array().expect("a list") {
            let port = &h1.ip(&format!("link show dev {}", member["device"].as_str().expect("a name")))[0];
            assert_eq!((&port["ifalias"], &port["master"]), (&member["alias"], &lac["bridge"]));
        }
    }
    let members = |lac: &Value| -> Vec<String> {
        let words = |one: &Value| {
            ["ifName", "network", "containerId"].map(|key| one[key].as_str().unwrap_or("?").to_owned()).join(" ")
        };
        lac["members"].as_array().into_iter().flatten().map(words).collect()
    };
    assert_eq!(
        listed.iter().map(members).collect::<Vec<_>>(),
        [vec!["eth1 six c1"], vec!["eth0 lan c1", "net0 lan-too c2"], vec!["eth2 vde c1"], vec!["eth3 far c1"]]
    );
    assert_eq!(listed[3]["remotes"], json!(["192.0.2.2", "192.0.2.3"]));
    let heard = |lac: &Value| json!([lac["peers"], lac["droppedPackets"]]);
    assert_eq!(heard(&listed[3]), json!([["192.0.2.0/30", "198.51.100.0/24"], 0]));
    assert_eq!(heard(&listed[0]), json!([[], null]));

    let table = segment.on(1, "lac ls").ok();
    let lines: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "GROUP PORT VNI MODE UNDERLAY MEMBERS VTEPS PEERS DROPPED",
            "ff05::1 4789 6 multicast eth0 eth1 on six of c1 - - -",
            "239.0.0.1 14789 1 multicast eth0 eth0 on lan of c1 - - -",
            "net0 on lan-too of c2",
            "veth7 (of no attachment)",
            "239.0.0.2 14789 7 vxvde eth0 eth2 on vde of c1 - - -",
            "- 14789 8 remotes eth0 eth3 on far of c1 192.0.2.2 (nothing learned) 192.0.2.0/30 0",
            "192.0.2.3 (nothing learned) 198.51.100.0/24",
        ]
    );
    // Nothing of it is secret, but only root may ask the packet filter.
    let unknown = |lac: &Value| {
        let mut lac = lac.clone();
        lac["peers"] = json!(null);
        lac["droppedPackets"] = json!(null);
        lac["encrypted"] = json!(null);
        lac
    };
    let anybody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let command = segment.lab.command("lac ls --json").replacen("; ", &format!("; {anybody} "), 1);
    assert_eq!(
        serde_json::from_str::<Vec<Value>>(&h1.sh(&command).ok()).expect("a list"),
        listed.iter().map(unknown).collect::<Vec<_>>()
    );
    let command = segment.lab.command("lac ls").replacen("; ", &format!("; {anybody} "), 1);
    let table = h1.sh(&command).ok();
    assert!(table.lines().nth(1).is_some_and(|line| line.split_whitespace().rev().take(2).eq(["?", "?"])), "{table}");
}

/// As a daemon enters hosts: one with a member, one that is told of as having the LAC alone.
const ENTERED: &str = "bridge fdb append 00:00:00:00:00:00 dev vx4789-100 dst 192.0.2.2 self permanent && \
     bridge fdb append 00:00:00:00:00:00 dev vx4789-100 dst 192.0.2.3 self permanent && \
     bridge fdb add 02:00:00:00:00:99 dev vx4789-100 dst 192.0.2.2 self dynamic extern_learn";

#[test]
fn a_lac_that_bgp_tells_of() {
    let segment = Segment::new(1);
    let h1 = segment.host(1);
    h1.sh("ip address add 198.51.100.1/32 dev lo").ok();
    let told = json!({"mode": "evpn", "vni": 100, "local": "198.51.100.1", "if": "eth0"});
    segment.lab.network("told", &overlay(&told));
    segment.lab.network("lan", &overlay(&json!({"group": "239.0.0.1"})));
    segment.lab.network("six", &overlay(&json!({"mode": "evpn", "vni": 6, "port": 4790, "if": "eth0"})));

    // Before the first ADD.
    let lines = [
        "ip nht resolve-via-default",
        "router bgp 65000",
        " bgp router-id 198.51.100.1",
        " no bgp default ipv4-unicast",
        " neighbor 192.0.2.2 remote-as 65000",
        " neighbor 192.0.2.2 update-source 198.51.100.1",
        " neighbor 192.0.2.3 remote-as 65000",
        " neighbor 192.0.2.3 update-source 198.51.100.1",
        " address-family l2vpn evpn",
        "  neighbor 192.0.2.2 activate",
        "  neighbor 192.0.2.3 activate",
        "  advertise-all-vni",
        " exit-address-family",
        "exit",
    ];
    let neighbors = "--as 65000 --neighbor 192.0.2.1 --neighbor 192.0.2.2 --neighbor 192.0.2.3 --neighbor 192.0.2.2";
    let printed = |args: &str| {
        let text = segment.on(1, &format!("lac frr {args} {neighbors}")).ok();
        text.lines().filter(|line| !line.starts_with("! For")).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = |first: &[&str]| first.iter().chain(&lines).map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert_eq!(printed("told"), expected(&["! lac 4789/100: 198.51.100.1"]));
    assert_eq!(printed("")[..2], ["! lac 4789/100: 198.51.100.1", "! lac 4790/6: 192.0.2.1"]);
    assert_eq!(segment.ls(1), [json!(null); 0], "nothing is made");
    h1.sh("ip address add 2001:db8:1::1/128 dev lo").ok();
    segment.lab.network("told6", &overlay(&json!({"mode": "evpn", "vni": 7, "local": "2001:db8:1::1", "if": "eth0"})));
    let words = segment.on(1, &format!("lac frr told6 {neighbors}"));
    assert!(words.ok().contains("ipv6 nht resolve-via-default"), "{words:?}");
    assert!(words.stderr.contains("lac 4789/7: FRR before 10.6"), "{words:?}");
    assert_eq!(segment.on(1, &format!("lac frr told {neighbors}")).stderr, "");
    for (args, said) in [
        ("lan --as 65000 --neighbor 192.0.2.2", "network 'lan' has no LAC of mode evpn"),
        ("nobody --as 65000 --neighbor 192.0.2.2", "network 'nobody' is not configured"),
        ("told --as 65000 --neighbor 192.0.2.1", "--neighbor names this host alone"),
    ] {
        assert_refused(&segment.on(1, &format!("lac frr {args}")), said);
    }
    for (args, said) in [
        ("told --as 0 --neighbor 192.0.2.2", "--as"),
        ("told --as 65000 --neighbor host-b", "--neighbor"),
        ("told --as 65000", "--neighbor"),
    ] {
        let output = segment.on(1, &format!("lac frr {args}"));
        assert!(output.status == 2 && output.stderr.contains(said), "{output:?}");
    }

    segment.on(1, "attach c1 told --primary told").ok();
    h1.sh(ENTERED).ok();
    fs::remove_dir_all("/etc/cni/net.d").expect("they are here alone");
    assert_eq!(printed(""), expected(&["! lac 4789/100: 198.51.100.1"]), "what is there is enough");
    let listed = segment.ls(1);
    assert_eq!(
        json!([listed[0]["mode"], listed[0]["local"], listed[0]["underlay"], listed[0]["vteps"], listed[0]["remotes"]]),
        json!([
            "evpn",
            "198.51.100.1",
            "",
            [{"host": "192.0.2.2", "macs": ["02:00:00:00:00:99"]}],
            ["192.0.2.2", "192.0.2.3"]
        ])
    );
    let table = segment.on(1, "lac ls").ok();
    let lines: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[1..], ["- 4789 100 evpn 198.51.100.1 eth0 on told of c1 192.0.2.2 - -", "192.0.2.3 (no member)"]);
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 4789/100  nothing changed");
    assert_eq!(json!(segment.ls(1)), json!(listed), "what was entered stays");
}

#[test]
fn what_an_operator_has_made_is_listed_once_it_has_a_member() {
    let segment = Segment::new(1);
    let h1 = segment.host(1);
    h1.sh("ip link add lac14789-1 up type bridge").ok();
    h1.sh("ip link add vx14789-1 master lac14789-1 up type vxlan id 1 dstport 14789 group 239.0.0.1 ttl 1 dev eth0")
        .ok();
    assert_eq!(segment.ls(1), [json!(null); 0]);
    segment.attach(&json!({"group": "239.0.0.1"}));
    let listed = segment.ls(1);
    assert_eq!(listed.len(), 1);
    let keys = ["group", "bridge", "device", "underlay", "foreignPorts"].map(|key| listed[0][key].clone());
    assert_eq!(json!(keys), json!(["239.0.0.1", "lac14789-1", "vx14789-1", "eth0", []]));
    assert_eq!(listed[0]["members"][0]["containerId"], "c1");
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  nothing changed");
    segment.on(1, "detach c1").ok();
    assert_eq!(segment.ls(1), [json!(null); 0]);
    assert_eq!(h1.sh("ip link show vx14789-1").status, 0, "it is the operator's");
}

#[test]
fn a_lac_whose_underlay_is_gone() {
    let segment = Segment::attached(1, &json!({"group": "239.0.0.1"}));
    segment.host(1).sh("ip link delete eth0").ok();
    let mut listed = segment.ls(1);
    assert_eq!(listed[0]["members"][0]["containerId"], "c1");
    listed[0]["members"] = json!(null);
    let expected = json!([{"group": "", "port": 14789, "vni": 1, "mode": "", "underlay": "", "bridge": "lac14789-1", "device": "",
        "mtu": null, "ttl": null, "members": null, "foreignPorts": [], "vteps": [], "remotes": [], "peers": [],
        "droppedPackets": null, "encrypted": false, "local": ""}]);
    assert_eq!(json!(listed), expected);
    let table = segment.on(1, "lac ls").ok();
    assert!(table.contains("- (VXLAN device gone)") && table.contains("eth0 on lan of c1"), "{table}");
    segment.on(1, "detach c1").ok();
    assert_eq!(segment.ls(1), [json!(null); 0]);
}

fn assert_learned(segment: &Segment) {
    for address in ["10.7.0.3", "10.7.0.4"] {
        assert_eq!(segment.container(1).ping(address, 3).received, 3, "{address}");
    }
    wait_until("both are learned, and listed as the kernel has them", || {
        let (listed, fdb) = (segment.ls(1), Fdb::of(segment.host(1), "vx14789-1"));
        let hosts: Vec<&str> = fdb.learned.keys().map(String::as_str).collect();
        listed.len() == 1 && hosts == ["192.0.2.2", "192.0.2.3"] && Fdb::listed(&listed[0]) == fdb
    });
    let table = segment.on(1, "lac ls").ok();
    assert!(table.contains("192.0.2.2") && !table.contains("nothing learned"), "{table}");
    let mac = segment.container(2).ip("link show dev eth0")[0]["address"].clone();
    let vteps = segment.ls(1)[0]["vteps"].clone();
    assert!(vteps[0]["macs"].as_array().is_some_and(|macs| macs.contains(&mac)), "{mac} in {vteps}");
}

#[test]
fn the_hosts_that_were_learned_by_a_group() {
    assert_learned(&Segment::attached(3, &json!({"group": "239.0.0.1"})));
}

#[test]
fn the_hosts_that_were_learned_of_a_list() {
    assert_learned(&Segment::with_file(3, "192.0.2.1\n192.0.2.2\n192.0.2.3\n"));
}

/// Pings from one container to another, 100 times a second.
struct Stream(harness::Background);

impl Stream {
    const ANSWERS: &str = "/run/answers";

    fn start(from: &Namespace, to: &str) -> Self {
        Self(from.spawn(&format!("exec ping -i .01 -W 2 {to} >{}", Self::ANSWERS)))
    }

    /// Asserts that each but the last one, which may be on its way, was answered, in order.
    #[track_caller]
    fn assert_nothing_lost(mut self) {
        let child = self.0.child();
        sh(&format!("kill -INT {}", child.id())).ok();
        child.wait().expect("it is ours");
        let said = fs::read_to_string(Self::ANSWERS).expect("text");
        let numbers: Vec<u32> =
            said.lines().filter_map(|line| line.split_once("icmp_seq=")?.1.split_once(' ')?.0.parse().ok()).collect();
        let sent: u32 = said
            .lines()
            .find_map(|line| line.split_once(" packets transmitted")?.0.parse().ok())
            .unwrap_or_else(|| panic!("no summary: {said}"));
        println!("{} of {sent} answered", numbers.len());
        assert!(sent > 5 && numbers.len() + 1 >= sent as usize, "{} of {sent}", numbers.len());
        assert!((1..).zip(&numbers).all(|(expected, number)| expected == *number), "{numbers:?}");
    }
}

/// The packets of a LAC that a host gets from another one while something is done.
fn received(at: &Namespace, from: &str, work: impl FnOnce()) -> usize {
    let script = format!("exec tcpdump -i eth0 -n -l --immediate-mode 'udp port 14789 and src {from}' 2>/run/tcpdump");
    let mut capture = at.spawn(&script);
    wait_until("tcpdump listens", || fs::read_to_string("/run/tcpdump").unwrap_or_default().contains("listening on"));
    work();
    sleep(Duration::from_millis(300));
    let child = capture.child();
    sh(&format!("kill -INT {}", child.id())).ok();
    let mut said = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("read");
    said.lines().filter(|line| line.contains("> ")).count()
}

/// Frames of the first container: for all, because nobody has the one address, and for the third one's hardware address.
fn talk(segment: &Segment) {
    for address in ["10.7.0.200", "10.7.0.4"] {
        segment.container(1).sh(&format!("ping -c 3 -i .1 -W .1 {address}"));
    }
}

#[test]
fn a_changed_file_takes_effect_and_loses_nothing() {
    let segment = Segment::with_file(3, "192.0.2.1\n192.0.2.2\n192.0.2.3\n");
    assert_eq!(segment.container(1).ping("10.7.0.3", 3).received, 3);
    let link = |host: usize| segment.host(host).ip("link show dev vx14789-1")[0]["ifindex"].clone();
    let (index, before) = (link(1), segment.remotes(1));
    assert_eq!(before, BTreeSet::from(["192.0.2.2", "192.0.2.3"].map(str::to_owned)));
    assert_eq!(segment.container(1).ping("10.7.0.4", 3).received, 3);
    assert_ne!(received(segment.host(3), "192.0.2.1", || talk(&segment)), 0, "it gets what is for all");

    let stream = Stream::start(segment.container(1), "10.7.0.3");
    sleep(Duration::from_millis(300));
    for (hosts, said) in [
        ("192.0.2.2\n", "lac 14789/1  removed 192.0.2.3"),
        ("# the new ones\n192.0.2.2\n192.0.2.9\n192.0.2.10\n", "lac 14789/1  added 192.0.2.9, 192.0.2.10"),
        ("192.0.2.2\n192.0.2.10\n192.0.2.8\n", "lac 14789/1  added 192.0.2.8; removed 192.0.2.9"),
        ("192.0.2.2\n192.0.2.10\n192.0.2.8\n", "lac 14789/1  nothing changed"),
        ("192.0.2.2\n", "lac 14789/1  removed 192.0.2.8, 192.0.2.10"),
    ] {
        list_hosts(hosts);
        assert_eq!(segment.on(1, "lac reload").ok(), said);
        let expected = hosts.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        assert_eq!(segment.remotes(1), expected);
        segment.on(1, "check c1").ok();
        sleep(Duration::from_millis(100));
    }
    stream.assert_nothing_lost();
    // Its own list is the same by now, and what it has sent before that is forgotten.
    segment.on(3, "lac reload").ok();
    segment.on(1, "lac reload").ok();
    let known = segment.container(1).sh("ip neighbour show to 10.7.0.4").ok();
    assert!(known.contains("lladdr"), "it is still known there: {known}");
    assert_eq!(received(segment.host(3), "192.0.2.1", || talk(&segment)), 0, "it is no remote any more");
    assert_eq!(link(1), index);
    segment.on(1, "detach c1").ok();
    assert_eq!(segment.ls(1), [json!(null); 0]);
}

#[test]
fn a_wrong_line_changes_nothing() {
    let segment = Segment::with_file(2, "192.0.2.1\n192.0.2.2\n");
    let h1 = segment.host(1);
    let state = || (Snapshot::take(&[h1, segment.container(1)], &["/var/lib/cni/h1"]), segment.remotes(1));
    let before = state();
    let stream = Stream::start(segment.container(1), "10.7.0.3");
    for (hosts, said) in [
        ("192.0.2.2\n192.0.2.4\nx\n", "line 3: \"x\""),
        ("192.0.2.2\n239.0.0.1\n", "line 2: \"239.0.0.1\""),
        ("192.0.2.2\n2001:db8::2\n", "of two families"),
        ("# nobody\n", "has no address"),
    ] {
        list_hosts(hosts);
        let output = segment.on(1, "lac reload");
        assert_refused(&output, said);
        assert!(
            output.stderr.starts_with("plugboard: lac 14789/1: network 'lan', plugin 'vxlan-overlay', UPDATE: "),
            "{output:?}"
        );
        assert!(output.stderr.contains(HOSTS_FILE), "{output:?}");
        assert_eq!(before, state(), "{hosts}");
    }
    fs::remove_file(HOSTS_FILE).expect("it is there");
    assert_refused(&segment.on(1, "lac reload"), "No such file");
    assert_eq!(before, state());
    stream.assert_nothing_lost();
}

#[test]
fn one_list_is_wrong_and_the_others_take_effect() {
    let segment = Segment::new(1);
    for (name, vni) in [("one", 1), ("two", 2), ("group", 3)] {
        let keys = match name {
            "group" => json!({"group": "239.0.0.1", "vni": vni}),
            _ => json!({"remotesFile": format!("{HOSTS_FILE}-{name}"), "vni": vni}),
        };
        segment.lab.network(name, &overlay(&keys));
        fs::write(format!("{HOSTS_FILE}-{name}"), "192.0.2.2\n").expect("written");
    }
    let nothing = "nothing changed: no LAC of this host has a member with a record";
    assert_eq!(segment.on(1, "lac reload").ok(), nothing);
    segment.on(1, "attach c1 one,two,group --primary one").ok();
    fs::write(format!("{HOSTS_FILE}-one"), "nobody\n").expect("written");
    fs::write(format!("{HOSTS_FILE}-two"), "192.0.2.3\n").expect("written");
    let output = segment.on(1, "lac reload");
    let said = "lac 14789/2  added 192.0.2.3; removed 192.0.2.2\nlac 14789/3  nothing changed";
    assert_eq!((output.status, output.stdout.trim()), (1, said));
    assert!(output.stderr.contains("lac 14789/1: ") && output.stderr.lines().count() == 1, "{output:?}");
    // By name.
    assert_eq!(segment.on(1, "lac reload two").ok(), "lac 14789/2  nothing changed");
    let output = segment.on(1, "lac reload two nobody");
    assert_eq!((output.status, output.stdout.trim()), (1, "lac 14789/2  nothing changed"));
    assert!(output.stderr.contains("network 'nobody': no LAC of this host has a member of it"), "{output:?}");
}

#[test]
fn the_mtu_follows_that_of_the_underlay() {
    let segment = Segment::attached(1, &json!({"group": "239.0.0.1"}));
    let mtu = || segment.host(1).ip("link show dev vx14789-1")[0]["mtu"].clone();
    segment.host(1).sh("ip link set eth0 mtu 1400").ok();
    assert_eq!((segment.on(1, "check c1").status, mtu()), (1, json!(1450)));
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  mtu is 1350 instead of 1450 bytes");
    assert_eq!(mtu(), 1350);
    assert_eq!(segment.on(1, "lac reload lan").ok(), "lac 14789/1  nothing changed");
}

/// The list of a network's configuration, for which records have a copy.
#[test]
fn a_changed_list_takes_effect_for_all_members_and_is_remembered() {
    let segment = Segment::attached(1, &json!({"remotes": ["192.0.2.2"]}));
    segment.lab.host.namespace("c2");
    segment.on(1, "attach c2 lan --primary lan").ok();
    // What needs a new attachment stays as it is.
    segment.lab.network("lan", &overlay(&json!({"remotes": ["192.0.2.3", "192.0.2.4"], "mtu": 1300})));
    assert_eq!(segment.on(1, "lac reload lan").ok(), "lac 14789/1  added 192.0.2.3, 192.0.2.4; removed 192.0.2.2");
    assert_eq!(segment.container(1).ip("link show dev eth0")[0]["mtu"], 1450);
    for container in ["c1", "c2"] {
        segment.on(1, &format!("check {container}")).ok();
    }
    // Without the configuration, the records tell.
    sh("rm /etc/cni/net.d/lan.conflist").ok();
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  nothing changed");
    sh("rm -r /etc/cni/net.d").ok();
    segment.host(1).sh("bridge fdb del 00:00:00:00:00:00 dev vx14789-1 dst 192.0.2.3 self").ok();
    assert_eq!(segment.on(1, "lac reload lan").ok(), "lac 14789/1  added 192.0.2.3");
    // From a list to a file.
    list_hosts("192.0.2.4\n");
    fs::create_dir_all("/etc/cni/net.d").expect("made");
    segment.lab.network("lan", &overlay(&json!({"remotesFile": HOSTS_FILE})));
    assert_eq!(segment.on(1, "lac reload lan").ok(), "lac 14789/1  removed 192.0.2.3");
    segment.on(1, "check c1").ok();
    for container in ["c1", "c2"] {
        segment.on(1, &format!("detach {container}")).ok();
    }
    assert_eq!(segment.ls(1), [json!(null); 0]);
}

#[test]
fn a_default_that_is_written_out_is_the_same_lac() {
    let segment = Segment::attached(1, &json!({"remotes": ["192.0.2.2"]}));
    for (keys, said) in [
        (json!({"vni": 1, "remotes": ["192.0.2.3"]}), "added 192.0.2.3; removed 192.0.2.2"),
        (json!({"port": 14789, "mode": "remotes", "remotes": ["192.0.2.4"]}), "added 192.0.2.4; removed 192.0.2.3"),
        (json!({"remotes": ["192.0.2.5"]}), "added 192.0.2.5; removed 192.0.2.4"),
    ] {
        segment.lab.network("lan", &overlay(&keys));
        let output = segment.on(1, "lac reload");
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{output:?}");
        assert_eq!(output.stdout.trim(), format!("lac 14789/1  {said}"));
        segment.on(1, "check c1").ok();
    }
}

/// Nothing but the list of the same LAC is read anew.
#[test]
fn who_configures_another_lac_is_told_that_it_does_not_count() {
    let segment = Segment::attached(1, &json!({"remotes": ["192.0.2.2"]}));
    let reload = || {
        let output = segment.on(1, "lac reload");
        assert_eq!((output.status, output.stdout.trim()), (0, "lac 14789/1  nothing changed"), "{output:?}");
        assert_eq!(segment.remotes(1), BTreeSet::from(["192.0.2.2".to_owned()]));
        output.stderr
    };
    assert_eq!(reload(), "");
    for (plugins, said) in [
        (
            overlay(&json!({"vni": 2, "remotes": ["192.0.2.3"]})),
            "is configured for lac 14789/2 with a list of remotes now",
        ),
        (overlay(&json!({"group": "239.0.0.1"})), "is configured for lac 14789/1 with group 239.0.0.1 now"),
        (overlay(&json!({"url": "vxvde://"})), "is configured for the LAC of url \"vxvde://\" now"),
        (overlay(&json!({"vni": "one", "remotes": ["192.0.2.3"]})), "is configured for no LAC now: vni is \"one\""),
        (overlay(&json!({"remotes": []})), "is configured for no LAC now: it has neither group nor url nor remotes"),
        (json!([{"type": "bridge"}]), "is configured without vxlan-overlay now"),
    ] {
        segment.lab.network("lan", &plugins);
        let told = reload();
        assert!(told.contains(&format!("lac 14789/1: network 'lan' {said}")), "{told}");
        assert!(told.contains("does not count") && told.lines().count() == 1, "{told}");
    }
    fs::write("/etc/cni/net.d/lan.conflist", "{").expect("written");
    let told = reload();
    let file = "/etc/cni/net.d/lan.conflist: ignored: it is not a JSON object";
    let says = "no file in /etc/cni/net.d that can be read configures network 'lan'";
    assert!(told.contains(file) && told.contains(says) && told.lines().count() == 2, "{told}");
    fs::remove_file("/etc/cni/net.d/lan.conflist").expect("it is there");
    let told = reload();
    assert!(told.contains(says) && told.lines().count() == 1, "{told}");
}

#[test]
fn another_group_is_not_read_anew_either() {
    let segment = Segment::attached(1, &json!({"group": "239.0.0.1"}));
    segment.lab.network("lan", &overlay(&json!({"group": "239.0.0.2", "vni": 1})));
    let output = segment.on(1, "lac reload");
    assert_eq!((output.status, output.stdout.trim()), (0, "lac 14789/1  nothing changed"), "{output:?}");
    assert!(output.stderr.contains("is configured for lac 14789/1 with group 239.0.0.2 now"), "{output:?}");
    assert_eq!(segment.ls(1)[0]["group"], "239.0.0.1");
}

#[test]
fn only_root_reloads() {
    let segment = Segment::attached(1, &json!({"group": "239.0.0.1"}));
    let anybody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let reload = || {
        let command = segment.lab.command("--cache-dir /var/lib/cni/h1 lac reload");
        segment.host(1).sh(&command.replacen("; ", &format!("; {anybody} "), 1))
    };
    let unmade = "cannot make /var/lib/cni/h1/results: Permission denied";
    assert_refused(&reload(), unmade);
    sh("chmod 755 /var/lib/cni/h1 /var/lib/cni/h1/results").ok();
    assert_refused(&reload(), "cannot lock the list of records in /var/lib/cni/h1/results");
    // The LAC is there although no record is.
    sh("rm -r /var/lib/cni/h1").ok();
    assert_refused(&reload(), unmade);
}

/// With twice as many LACs there is at most twice as much to read of the kernel.
#[test]
fn each_lac_is_looked_at_by_itself() {
    let segment = Segment::new(1);
    let mut attached = 0;
    let mut bytes_read = |count: usize| -> usize {
        for number in attached + 1..=count {
            segment.lab.network("lan", &overlay(&json!({"remotes": ["192.0.2.2"], "vni": number})));
            segment.lab.host.namespace(&format!("d{number}"));
            segment.on(1, &format!("attach d{number} lan --primary lan")).ok();
        }
        attached = count;
        let command = segment.lab.command("--cache-dir /var/lib/cni/h1 lac reload");
        let trace = "exec strace -qq -e trace=recvfrom,recvmsg -o /run/trace";
        let said = segment.host(1).sh(&command.replacen("; ", &format!("; {trace} "), 1)).ok();
        assert_eq!(said.matches("nothing changed").count(), count, "{said}");
        let trace = fs::read_to_string("/run/trace").expect("strace wrote");
        trace.lines().filter_map(|line| line.rsplit_once(" = ")?.1.parse::<usize>().ok()).sum()
    };
    let (few, twice) = (bytes_read(4), bytes_read(8));
    println!("{few} bytes for 4 LACs, {twice} bytes for 8");
    assert!(few > 4000 && twice <= 2 * few, "{few} bytes for 4 LACs, {twice} bytes for 8");
}

#[test]
fn a_member_whose_namespace_is_gone_is_passed_over() {
    let segment = Segment::new(1);
    list_hosts("192.0.2.2\n");
    segment.lab.network("lan", &overlay(&json!({"remotesFile": HOSTS_FILE, "nic": "tap"})));
    for name in ["c1", "c9"] {
        if name != "c1" {
            segment.lab.host.namespace(name);
        }
        segment.on(1, &format!("attach {name} lan --primary lan")).ok();
    }
    // The TAP device of its machine stays on the host.
    segment.container(1).delete();
    assert_eq!(segment.ls(1)[0]["members"].as_array().map(Vec::len), Some(2));
    list_hosts("192.0.2.3\n");
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  added 192.0.2.3; removed 192.0.2.2");
    sh("ip netns delete c9").ok();
    list_hosts("192.0.2.4\n");
    assert_refused(&segment.on(1, "lac reload"), "lac 14789/1: no member is left whose plugin could be asked: ");
    assert_eq!(segment.remotes(1), BTreeSet::from(["192.0.2.3".to_owned()]));
    sh("rm -r /var/lib/cni/h1/results").ok();
    let output = segment.on(1, "lac reload");
    assert_refused(&output, "no record tells which: there is none of eth0 on lan of c1, eth0 on lan of c9");
}

#[test]
fn members_with_several_lists() {
    let segment = Segment::new(1);
    segment.lab.network("one", &overlay(&json!({"remotes": ["192.0.2.2"]})));
    segment.lab.network("two", &overlay(&json!({"remotes": ["192.0.2.3"]})));
    segment.lab.host.namespace("c2");
    segment.on(1, "attach c1 one --primary one").ok();
    segment.on(1, "attach c2 two --primary two").ok();
    let before = segment.remotes(1);
    let output = segment.on(1, "lac reload");
    assert_refused(
        &output,
        "several lists of remotes: [\"192.0.2.2\"] (eth0 on one of c1), [\"192.0.2.3\"] (eth0 on two of c2)",
    );
    assert_eq!(segment.remotes(1), before);
    assert_eq!(segment.on(1, "lac reload one").ok(), "lac 14789/1  added 192.0.2.2; removed 192.0.2.3");
    assert_eq!(segment.on(1, "lac reload two").ok(), "lac 14789/1  added 192.0.2.3; removed 192.0.2.2");
}

/// Records without a key of ours, in a directory that is only read.
#[test]
fn members_of_other_runtimes_count() {
    let segment = Segment::with_file(1, "192.0.2.2\n");
    let path = "/var/lib/cni/h1/results/lan-c1-eth0";
    let mut record: Value = serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON");
    record.as_object_mut().expect("an object").remove("plugboard");
    fs::create_dir_all("/var/lib/cni/multus/results").expect("made");
    for directory in ["/var/lib/cni/h1", "/var/lib/cni/multus"] {
        sh("rm -f /var/lib/cni/h1/results/*").ok();
        fs::write(format!("{directory}/results/lan-c1-eth0"), record.to_string()).expect("written");
        list_hosts("192.0.2.3\n");
        assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  added 192.0.2.3; removed 192.0.2.2", "{directory}");
        list_hosts("192.0.2.2\n");
        assert_eq!(segment.on(1, "lac reload lan").ok(), "lac 14789/1  added 192.0.2.2; removed 192.0.2.3");
    }
}

#[test]
fn a_plugin_that_does_not_end_is_told_of() {
    let mut segment = Segment::new(1);
    sh(&format!(
        "mkdir /run/bin && cp {0}/* /run/bin/ 2>/dev/null; mv /run/bin/vxlan-overlay /run/bin/real",
        segment.lab.plugin_dir.display()
    ))
    .ok();
    segment.lab.plugin_dir = "/run/bin".into();
    segment.lab.file(
        "vxlan-overlay",
        "#!/bin/sh\n[ $CNI_COMMAND = UPDATE ] && [ -e /run/hang ] && exec sleep 60\nexec /run/bin/real",
    );
    list_hosts("192.0.2.2\n");
    segment.attach(&json!({"remotesFile": HOSTS_FILE}));
    fs::write("/run/hang", "").expect("written");
    list_hosts("192.0.2.3\n");
    let output = segment.on(1, "--plugin-timeout 1 lac reload");
    assert_refused(&output, "what it was to change may be as before, as wanted or both: reload again");
    fs::remove_file("/run/hang").expect("it is there");
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  added 192.0.2.3; removed 192.0.2.2");
}

#[test]
fn a_lac_without_its_device_cannot_be_reloaded() {
    let segment = Segment::new(1);
    list_hosts("192.0.2.2\n");
    segment.attach(&json!({"remotesFile": HOSTS_FILE, "if": "eth0"}));
    segment.host(1).sh("ip link delete vx14789-1").ok();
    assert_refused(&segment.on(1, "lac reload"), "VXLAN device vx14789-1 is gone");
    // And none is run where it would look at a container's links.
    let output = segment.container(1).sh(&segment.lab.command("--cache-dir /var/lib/cni/h1 lac reload"));
    assert_refused(&output, "run it in that of the host");
}

/// In every mode; a peer that stays loses nothing.
#[test]
fn peers_are_reloaded_in_every_mode() {
    for keys in [
        json!({"group": "239.0.0.1"}),
        json!({"url": "vxvde://239.0.0.1"}),
        json!({"remotes": ["192.0.2.1", "192.0.2.2"]}),
    ] {
        let segment = Segment::new(2);
        let with = |more: Value| {
            let mut keys = keys.clone();
            keys.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            keys
        };
        let file = "/etc/cni/lac-peers";
        fs::write(file, "192.0.2.1\n192.0.2.2\n").expect("written");
        segment.attach(&with(json!({"peersFile": file})));
        let heard = |host| json!([segment.ls(host)[0]["peers"], segment.ls(host)[0]["droppedPackets"]]);
        assert_eq!(heard(1), json!([["192.0.2.1", "192.0.2.2"], 0]), "{keys}");
        let pings = Stream::start(segment.container(1), "10.7.0.3");
        fs::write(file, "192.0.2.0/30\n198.51.100.7\n").expect("written");
        for host in [1, 2] {
            let words = "added peers 192.0.2.0/30, 198.51.100.7; removed peers 192.0.2.1, 192.0.2.2";
            assert_eq!(segment.on(host, "lac reload").ok(), format!("lac 14789/1  {words}"));
            assert_eq!(segment.on(host, "lac reload").ok(), "lac 14789/1  nothing changed");
        }
        pings.assert_nothing_lost();
        assert_eq!(heard(1), json!([["192.0.2.0/30", "198.51.100.7"], 0]), "{keys}");
        fs::write(file, "host2\n").expect("written");
        assert_refused(&segment.on(1, "lac reload"), "line 1: \"host2\" is none");
        // A list in the configuration, which the records get, too.
        segment.lab.network("lan", &overlay(&with(json!({"peers": ["192.0.2.2", "192.0.2.9"]}))));
        let words = "added peers 192.0.2.2, 192.0.2.9; removed peers 192.0.2.0/30, 198.51.100.7";
        assert_eq!(segment.on(1, "lac reload lan").ok(), format!("lac 14789/1  {words}"));
        segment.on(1, "check c1").ok();
        // What is closed stays so.
        segment.lab.network("lan", &overlay(&keys));
        assert_refused(&segment.on(1, "lac reload"), "lac 14789/1 hears its peers alone on this host");
        assert_eq!(heard(1), json!([["192.0.2.2", "192.0.2.9"], 0]), "{keys}");
        segment.on(1, "detach c1").ok();
        assert_eq!(segment.host(1).sh("nft list table inet plugboard-lacs").status, 1);
    }
}

#[test]
fn a_lac_is_closed_by_a_reload() {
    let segment = Segment::new(1);
    segment.lab.network("one", &overlay(&json!({"group": "239.0.0.1"})));
    segment.lab.network("two", &overlay(&json!({"group": "239.0.0.1"})));
    segment.lab.host.namespace("c2");
    segment.on(1, "attach c1 one --primary one").ok();
    segment.on(1, "attach c2 two --primary two").ok();
    segment.lab.network("one", &overlay(&json!({"group": "239.0.0.1", "peers": ["192.0.2.2"]})));
    assert_refused(
        &segment.on(1, "lac reload"),
        "several lists of peers: [\"192.0.2.2\"] (eth0 on one of c1), none (eth0 on two of c2)",
    );
    assert_eq!(segment.ls(1)[0]["peers"], json!([]));
    assert_eq!(segment.on(1, "lac reload one").ok(), "lac 14789/1  only peers are heard now, added peer 192.0.2.2");
    segment.on(1, "check c1").ok();
    segment.lab.network("two", &overlay(&json!({"group": "239.0.0.1", "peers": ["192.0.2.2"]})));
    assert_eq!(segment.on(1, "lac reload").ok(), "lac 14789/1  nothing changed");
    segment.on(1, "check c2").ok();
}
