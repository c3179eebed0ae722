//! What a frame costs: where it goes, and how fast.

use std::net::IpAddr;

use harness::chance::COMPARED;
use harness::{Namespace, VdeClient, assert_by_chance, row, soak};
use serde_json::{Value, json};
use tests::Capture;

use super::site::{Member, Site, carries_echo, network};

/// Containers of the first two hosts.
fn pair(site: &Site<2>, keys: &Value) -> [Member; 2] {
    [(0, "10.0.0.1/24"), (1, "10.0.0.2/24")].map(|(place, address)| {
        let container = site.container(&format!("c{place}"));
        Member::new(&site.hosts[place], &container, "lac0", &network(keys), address)
    })
}

/// The destinations of what carries so many pings of the first to the second and their answers.
fn destinations(site: &Site<2>, members: &[Member; 2], pings: u32) -> Vec<IpAddr> {
    assert_eq!(members[0].answered_by(&members[1]), 3, "each knows where the other is");
    let wire = Capture::start(&site.hosts[0], "eth0");
    let answers = members[0].ns.ping_with("10.0.0.2", &format!("-c{pings} -i.005 -W2"));
    assert_eq!(answers.received, pings, "{answers:?}");
    wire.take().iter().filter(|packet| carries_echo(packet)).map(|packet| packet.to).collect()
}

#[test]
fn what_is_for_one_member_goes_to_its_host_alone() {
    let _row = row("M28");
    let site = Site::<2>::new();
    let members = pair(&site, &json!({}));
    let hosts = [0, 1].map(|place| IpAddr::from(site.uplink(place).ipv4));
    let directly = destinations(&site, &members, 100);
    assert_eq!(directly.len(), 200);
    assert!(directly.iter().all(|to| hosts.contains(to)), "none to the group: {directly:?}");
    members.iter().for_each(Member::delete);
    members.iter().for_each(|member| member.ns.delete());

    // The control: clients of VDE would not hear it otherwise.
    let members = pair(&site, &json!({"compat": "vxvde"}));
    let flooded = destinations(&site, &members, 10);
    assert_eq!(flooded, [IpAddr::from([234, 0, 0, 1]); 20]);
    members.iter().for_each(Member::delete);
}

#[test]
fn a_cloud_is_nearly_as_fast_as_its_underlay_and_much_faster_than_one_in_user_space() {
    let _row = row("M28");
    let site = Site::<2>::new();
    let members = pair(&site, &json!({}));
    let [a, b] = &site.hosts;
    let underlay = site.uplink(1).ipv4.to_string();
    let url = "vxvde://234.0.0.1/port=15000";
    let _clients =
        [(a, "10.1.0.1/24"), (b, "10.1.0.2/24")].map(|(host, address)| VdeClient::tap(host, "tap0", url, address));
    let amount = format!("-t {}", soak::size(1, 5));
    COMPARED.repeated(|| {
        let gbit = |from: &Namespace, to: &Namespace, address: &str| {
            from.iperf3_from(to, address, &amount).received_bit_s / 1e9
        };
        let raw = gbit(a, b, &underlay);
        let ours = gbit(&members[0].ns, &members[1].ns, "10.0.0.2");
        let in_user_space = gbit(a, b, "10.1.0.2");
        let rates = format!("{ours:.2} Gbit/s, the underlay {raw:.2}, vde_plug {in_user_space:.3}");
        println!("{rates}");
        assert_by_chance!(ours >= 0.6 * raw, "{rates}");
        assert_by_chance!(ours >= 10.0 * in_user_space, "{rates}");
    });
    members.iter().for_each(Member::delete);
}
