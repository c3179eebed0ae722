//! VLANs of ports, beside containers that have VLAN devices: what reaches them, and what it looks like on the wire.

use std::time::{Duration, Instant};

use harness::{Background, Datapath, Namespace, soak, wait_until};
use integration::number;
use lab::{Feature, on_full_kernel};
use serde_json::{Value, json};

use super::site::{Attached, Site, bare};

const FEATURES: &[Feature] = &[Feature::OvsDatapath, Feature::Vlan];

#[test]
#[ignore = "soaks: every form of VLANs, with captures in an emulated machine, takes most of a minute"]
fn trunks_native_vlans_and_tunnels_carry_what_they_say() {
    on_full_kernel("M60", FEATURES, || {
        trunks_and_native_vlans(Datapath::System);
        a_tunnel_has_vlans_in_a_vlan(Datapath::System);
        if soak::is_on() {
            trunks_and_native_vlans(Datapath::Netdev);
            a_tunnel_has_vlans_in_a_vlan(Datapath::Netdev);
        }
    });
}

/// Gives a container's interface VLAN devices with the addresses 10.VLAN.0.LAST.
fn with_vlan_devices(ns: &Namespace, interface: &str, vlans: &[u16], last: u8) {
    for vlan in vlans {
        let device = format!("vlan{vlan}");
        ns.sh(&format!("ip link add link {interface} name {device} up type vlan id {vlan}")).ok();
        number(ns, &device, &format!("10.{vlan}.0.{last}/24"));
    }
}

/// Of two pings.
fn reaches(from: &Namespace, address: &str) -> bool {
    let ping = from.ping_with(address, "-c2 -i.05 -W.3");
    assert!([0, 2].contains(&ping.received), "all or none: {ping:?}");
    ping.received == 2
}

/// `tcpdump` on a container's interface.
struct Capture {
    tcpdump: Background,
    file: String,
}

impl Capture {
    fn start(ns: &Namespace, interface: &str) -> Self {
        let (file, log) = (format!("/run/capture-{}", ns.name), format!("/run/capture-{}.log", ns.name));
        // That of a capture before this one.
        let _ = std::fs::remove_file(&log);
        let tcpdump = ns.spawn(&format!("exec tcpdump --immediate-mode -lnei {interface} >{file} 2>{log}"));
        wait_until("tcpdump listens", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("listening on")));
        Self { tcpdump, file }
    }

    /// The lines that contain these words, of which there must be one.
    fn seen(&self, words: &str) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.file).unwrap_or_default();
            let lines: Vec<_> = text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect();
            if !lines.is_empty() {
                return lines;
            }
            assert!(begin.elapsed() < Duration::from_secs(3), "nobody sees {words}, but:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything, once nothing more can be on its way.
    fn end(mut self) -> String {
        std::thread::sleep(Duration::from_millis(100));
        let _ = self.tcpdump.child().kill();
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }
}

fn trunks_and_native_vlans(datapath: Datapath) {
    let site = Site::new(datapath);
    let [trunk, two, three, four] = site.containers(["trunk", "two", "three", "four"]);
    let all = [&trunk, &two, &three, &four];
    let before = site.state(&all);
    let access: Vec<Attached> = [(&two, 2), (&three, 3), (&four, 4)]
        .into_iter()
        .map(|(ns, vlan)| {
            let nic = Attached::new(ns, "eth1", &bare(json!({"vlan": vlan})));
            number(ns, "eth1", &format!("10.{vlan}.0.2/24"));
            nic
        })
        .collect();
    let list = json!([{"id": 3}, {"minID": 20, "maxID": 30}]);

    // The keys, which of VLANs 2 to 4 pass with tags, and whether VLAN 2 comes and goes without.
    let cases = [
        (json!({"trunk": [{"minID": 2, "maxID": 3}]}), [true, true, false], false),
        (json!({}), [true, true, true], false),
        (json!({"vlan": 2, "trunk": list}), [false, true, false], true),
        (json!({"vlan": 2, "trunk": list, "vlan_mode": "native-tagged"}), [true, true, false], false),
    ];
    for (kind, (keys, tagged, untagged)) in ["internal", "veth"].into_iter().flat_map(|kind| {
        // What the database says is the same for both.
        cases.iter().filter(move |(_, _, native)| kind == "internal" || *native).map(move |case| (kind, case.clone()))
    }) {
        println!("{kind} {keys}");
        let nic = Attached::new(&trunk, "vnic-1", &integration::with(&bare(keys), &json!({"nic": kind})));
        with_vlan_devices(&trunk, "vnic-1", &[2, 3, 4], 1);
        for (vlan, passes) in [2, 3, 4].into_iter().zip(tagged) {
            assert_eq!(reaches(&trunk, &format!("10.{vlan}.0.2")), passes, "VLAN {vlan}");
        }
        trunk.sh("ip link delete vlan2").ok();
        number(&trunk, "vnic-1", "10.2.0.1/24");
        assert_eq!(reaches(&trunk, "10.2.0.2"), untagged, "without a tag");
        nic.delete();
    }

    // What of the native VLAN leaves with a tag, although what comes needs none.
    let keys = json!({"nic": "internal", "vlan": 2, "trunk": list, "vlan_mode": "native-tagged"});
    let nic = Attached::new(&trunk, "vnic-1", &bare(keys));
    number(&trunk, "vnic-1", "10.2.0.7/24");
    let capture = Capture::start(&trunk, "vnic-1");
    assert!(!reaches(&two, "10.2.0.7"), "it asks with a tag that the container does not know");
    let asked = capture.seen("who-has 10.2.0.7 tell 10.2.0.2");
    assert!(asked.iter().all(|line| line.contains("802.1Q (0x8100)") && line.contains("vlan 2,")), "{asked:?}");
    capture.end();
    nic.delete();
    access.iter().for_each(Attached::delete);
    assert_eq!(before, site.state(&all));
}

fn a_tunnel_has_vlans_in_a_vlan(datapath: Datapath) {
    let site = Site::new(datapath);
    let [customer1, customer2, provider] = site.containers(["customer1", "customer2", "provider"]);
    let all = [&customer1, &customer2, &provider];
    let before = site.state(&all);
    for (ethertype, shown) in [(json!(null), "(0x88a8)"), (json!("802.1q"), "(0x8100)")] {
        let tunnel = |kind: &str| -> Value {
            let keys = json!({"nic": kind, "vlan": 100, "vlan_mode": "dot1q-tunnel", "cvlans": [{"id": 5}]});
            integration::with(&bare(keys), &json!({"qinq_ethtype": ethertype}))
        };
        let nics = [
            Attached::new(&customer1, "vnic-1", &tunnel("internal")),
            Attached::new(&customer2, "vnic-2", &tunnel("veth")),
            Attached::new(&provider, "eth1", &bare(json!({"trunk": [{"id": 100}]}))),
        ];
        with_vlan_devices(&customer1, "vnic-1", &[5, 6], 1);
        with_vlan_devices(&customer2, "vnic-2", &[5, 6], 2);
        let capture = Capture::start(&provider, "eth1");
        assert!(reaches(&customer1, "10.5.0.2"), "{ethertype}: an inner VLAN that passes");
        assert!(!reaches(&customer1, "10.6.0.2"), "{ethertype}: one that does not");
        let asked = capture.seen("who-has 10.5.0.2 tell 10.5.0.1");
        let is_wrapped = |line: &String| {
            let outer = line.find(shown).zip(line.find("vlan 100,"));
            outer
                .is_some_and(|(kind, number)| kind < number && line.find("vlan 5,").is_some_and(|inner| number < inner))
        };
        println!("{}", asked.join("\n"));
        assert!(asked.iter().all(is_wrapped), "{ethertype}: {asked:?}");
        let text = capture.end();
        assert!(!text.contains("10.6.0."), "{text}");
        nics.iter().for_each(Attached::delete);
        for (ns, device) in [(&customer1, "vnic-1"), (&customer2, "vnic-2")] {
            assert!(!ns.sh("ip -br link").ok().contains(device));
        }
    }
    assert_eq!(before, site.state(&all));
}
