//! Members as runtimes ask for them: with limits chained behind, beside other networks, and many at once.

use std::collections::BTreeSet;

use harness::chance::RATE;
use harness::{Namespace, Reply, Snapshot, row, soak};
use integration::{all_at_once, call, links, with};
use serde_json::{Value, json};

use super::site::{Member, Site, all_reach_each_other, at, network, of_kind};

/// A chain as a runtime runs it: each plugin is given the result of the one before.
struct Chain<'a> {
    host: &'a Namespace,
    ns: &'a Namespace,
    plugins: [Value; 2],
}

impl Chain<'_> {
    /// The results, one for each plugin.
    fn add(&self) -> [Value; 2] {
        let made = self.call("ADD", &self.plugins[0], &Value::Null);
        let passed_on = self.call("ADD", &self.plugins[1], &made);
        [made, passed_on]
    }

    fn check(&self, result: &Value) {
        self.plugins.iter().for_each(|plugin| _ = self.call("CHECK", plugin, result));
    }

    fn delete(&self, result: &Value) {
        self.plugins.iter().rev().for_each(|plugin| _ = self.call("DEL", plugin, result));
    }

    fn call(&self, command: &str, plugin: &Value, previous: &Value) -> Value {
        let config = with(plugin, &json!({"prevResult": previous}));
        call(command, self.ns, "eth1", &config).on(self.host).run().ok()
    }
}

#[test]
fn limits_are_chained_after_a_member() {
    let _row = row("M69");
    let site = Site::<2>::new();
    let [host, far] = &site.hosts;
    let [c1, c2] = ["c1", "c2"].map(|name| site.container(name));
    let remote = Member::new(far, &c2, "eth1", &network(&json!({})), "10.0.0.2/24");
    let before = Snapshot::take::<&str>(&[host, &c1], &[]);
    let shaper = json!({"cniVersion": "1.1.0", "name": "lac", "type": "netem-shaper", "bw": "50Mbps",
        "upload": {"rate": "20Mbit"}});
    for nic in ["tap", "veth"] {
        let member = with(&network(&at("10.0.0.1/24")), &json!({"nic": nic}));
        let chain = Chain { host, ns: &c1, plugins: [member, shaper.clone()] };
        let [made, passed_on] = chain.add();
        let interfaces = |result: &Value| result["interfaces"].as_array().cloned().unwrap_or_default();
        assert!(
            interfaces(&passed_on).starts_with(&interfaces(&made)),
            "what the member is comes first: {passed_on:#}"
        );
        assert_eq!(made["ips"], passed_on["ips"]);
        let device = made["interfaces"][1]["name"].as_str().expect("a name");
        let queues = host.tc(&format!("qdisc show dev {device}"));
        assert_eq!(queues[0]["options"]["rate"], 50_000_000 / 8, "bytes per second on the host's end: {queues:#}");
        chain.check(&passed_on);
        if nic == "veth" {
            let mbit =
                |option: &str| c1.iperf3_from(&c2, &remote.address, &format!("{option} -t 2")).received_bit_s / 1e6;
            RATE.assert_within("download in Mbit/s", 46.0, 49.0, || mbit("-R"));
        }
        chain.delete(&passed_on);
        assert_eq!(before, Snapshot::take::<&str>(&[host, &c1], &[]), "{nic}");
        // A runtime that has no result any more.
        chain.add();
        chain.delete(&Value::Null);
        assert_eq!(before, Snapshot::take::<&str>(&[host, &c1], &[]), "{nic}");
    }
    remote.delete();
}

/// A network with a subnet of its own.
fn numbered(number: usize, keys: &Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": format!("net{number}"),
        "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]}});
    with(&config, keys)
}

#[test]
fn a_cloud_is_among_four_networks_of_a_pod_and_has_many_pods_at_once() {
    let _row = row("M70");
    let site = Site::<2>::new();
    four_networks(&site);
    many_at_once(&site);
}

/// `net1` to `net4`, with what the pod asks for by `runtimeConfig` or by `CNI_ARGS`. Peers of the clouds are on another host.
fn four_networks(site: &Site<2>) {
    let [host, far] = &site.hosts;
    let [pod, peer] = ["pod", "peer"].map(|name| site.container(name));
    let before = site.state(&[&pod, &peer]);
    let lac = |vni: u8| json!({"type": "vxlan-overlay", "group": "234.0.0.1", "vni": vni});
    let nics = [
        json!({"type": "bridge", "bridge": "br1", "isGateway": true}),
        lac(1),
        lac(2),
        json!({"type": "veth-secondary", "bridge": "br4", "isGateway": true}),
    ];
    let mut attached = Vec::new();
    for (number, keys) in (1..).zip(&nics) {
        let interface = format!("net{number}");
        let (mac, address) = (format!("02:00:00:00:00:0{number}"), format!("10.{number}.0.4{number}"));
        let plain = numbered(number, keys);
        let (config, args) = if number % 2 == 1 {
            (with(&plain, &json!({"runtimeConfig": {"mac": mac, "ips": [address]}})), String::new())
        } else {
            (plain.clone(), format!("IgnoreUnknown=1;MAC={mac};IP={address}"))
        };
        let result = call("ADD", &pod, &interface, &config).args(&args).on(host).run().ok();
        let link = pod.ip(&format!("address show dev {interface}"));
        assert_eq!(link[0]["address"], mac.as_str(), "{interface}");
        assert_eq!(link[0]["addr_info"][0]["local"], address.as_str(), "{interface}");
        if keys["isGateway"] == true {
            assert_eq!(pod.ping(&format!("10.{number}.0.1"), 3).received, 3, "{interface}");
        } else {
            let found = call("ADD", &peer, &interface, &plain).on(far).run().ok();
            let own = found["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address");
            assert_eq!(pod.ping(own, 3).received, 3, "{interface}");
            attached.push((far, &peer, interface.clone(), plain));
        }
        let config = with(&config, &json!({"prevResult": result}));
        call("CHECK", &pod, &interface, &config).args(&args).on(host).run().ok();
        attached.push((host, &pod, interface, config));
    }
    let made: Vec<_> = links(&pod).into_iter().filter(|name| name.starts_with("net")).collect();
    assert_eq!(made, ["net1", "net2", "net3", "net4"]);
    for (host, ns, interface, config) in attached {
        call("DEL", ns, &interface, &config).on(host).run().ok();
    }
    for host in &site.hosts {
        host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
    }
    assert_eq!(before, site.state(&[&pod, &peer]));
}

/// On both hosts at the same time.
fn many_at_once(site: &Site<2>) {
    let pods: Vec<_> = (0..soak::size(20, 50)).map(|number| site.container(&format!("p{number}"))).collect();
    let config = numbered(9, &json!({"type": "vxlan-overlay", "group": "234.0.0.1", "vni": 9}));
    let placed: Vec<_> = pods.iter().zip(site.hosts.iter().cycle()).collect();
    let calls = |command: &'static str| {
        all_at_once(placed.iter().map(|(ns, host)| call(command, ns, "net1", &config).on(host)).collect())
    };
    let replies = calls("ADD");
    assert!(replies.iter().all(|reply| !reply.to_string().contains("exists")), "{replies:?}");
    let addresses: BTreeSet<_> =
        replies.iter().map(Reply::ok).map(|result| result["ips"][0]["address"].to_string()).collect();
    assert_eq!(addresses.len(), pods.len(), "each has an address of its own");
    for host in &site.hosts {
        assert_eq!((of_kind(host, "vxlan").len(), of_kind(host, "bridge").len()), (1, 1), "{}", host.name);
    }
    let members: Vec<Member> = placed
        .iter()
        .zip(&replies)
        .map(|((ns, host), reply)| {
            let result = reply.ok();
            let address = result["ips"][0]["address"].as_str().and_then(|text| text.split('/').next());
            let address = address.expect("an address").to_owned();
            Member {
                host: (*host).clone(),
                ns: (*ns).clone(),
                interface: "net1".to_owned(),
                config: config.clone(),
                result,
                address,
            }
        })
        .collect();
    let [first, second, .., last] = members.as_slice() else { panic!("there are many") };
    all_reach_each_other(&[first, second, last]);
    calls("DEL").iter().for_each(|reply| _ = reply.ok());
    for host in &site.hosts {
        assert_eq!((of_kind(host, "vxlan").len(), of_kind(host, "bridge").len()), (0, 0), "{}", host.name);
    }
}
