//! Whose NIC it is: what another attachment has is never touched, whatever the namespace leads to.

use std::path::Path;

use harness::{Invocation, Namespace};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, codes, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// Who makes the NICs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Ours,
    /// Nothing on its devices says whose they are.
    Reference,
    /// A NIC without another end on the host.
    Macvlan,
}

impl Maker {
    const ALL: [Self; 3] = [Self::Ours, Self::Reference, Self::Macvlan];

    fn call(self, ns: &Namespace, ifname: &str, command: &str) -> Invocation {
        let config = with(&Plugin::Bridge.config("1.0.0"), json!({"isGateway": true}));
        let call = match self {
            Self::Ours => Invocation::new("bridge", command).config(config),
            Self::Reference => Invocation::new(&format!("{REFERENCE}/bridge"), command).path(REFERENCE).config(config),
            Self::Macvlan => {
                let keys = json!({"type": "macvlan", "master": "up0", "bridge": null, "isGateway": null});
                Invocation::new(&format!("{REFERENCE}/macvlan"), command).path(REFERENCE).config(with(&config, keys))
            }
        };
        call.container(&ns.name).netns(&ns.path).ifname(ifname)
    }

    /// Makes a NIC, and returns a shaper's configuration for it.
    fn add(self, ns: &Namespace, ifname: &str) -> Value {
        assert!(
            Path::new(REFERENCE).join("bridge").is_file(),
            "Debian's containernetworking-plugins are not installed"
        );
        let made = self.call(ns, ifname, "ADD").run().ok();
        with(&limits("100Mbps"), json!({"cniVersion": "1.0.0", "prevResult": made}))
    }
}

fn limits(bw: &str) -> Value {
    with(&Plugin::Shaper.config(LATEST), json!({"bw": bw, "upload": {"rate": "10Mbit"}}))
}

fn shaper(ns: &Namespace, command: &str, config: &Value) -> Invocation {
    let call = Invocation::new("netem-shaper", command).config(config.clone());
    call.container(&ns.name).netns(&ns.path).ifname("eth0")
}

/// A host with two containers.
fn two() -> (Scene, Namespace) {
    let scene = Scene::new();
    harness::sh("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up").ok();
    let c2 = scene.host.namespace("c2");
    (scene, c2)
}

/// The limits of `a`'s NIC are gone with it; its namespace's path leads to `b` by now.
#[test]
fn a_later_call_for_one_that_is_gone_leaves_the_one_at_its_path_alone() {
    for maker in Maker::ALL {
        let (scene, b) = two();
        let of_a = maker.add(&scene.c1, "eth0");
        let several = with(&of_a, json!({"interfaces": ["eth0", "eth1"]}));
        shaper(&scene.c1, "ADD", &of_a).run().ok();
        shaper(&scene.c1, "DEL", &of_a).run().ok();
        maker.call(&scene.c1, "eth0", "DEL").run().ok();
        let of_b = maker.add(&b, "eth0");
        maker.add(&b, "eth1");
        let of_b = with(&of_b, json!({"interfaces": ["eth0", "eth1"]}));
        // The results tell of no more than they do for one NIC, and eth1 is found by its other end.
        shaper(&b, "ADD", &of_b).run().ok();
        let before = State::take(&[&b]);
        for config in [&of_a, &several] {
            for command in ["DEL", "UPDATE", "CHECK"] {
                let config = with(config, json!({"bw": "200Mbps"}));
                let reply = shaper(&b, command, &config).container("c1").run();
                assert_eq!(before, State::take(&[&b]), "{maker:?}: {command}\n{reply}");
                match command {
                    "DEL" => reply.ok(),
                    _ => json!(reply.error()),
                };
            }
            let config = with(config, json!({"prevResult": null}));
            shaper(&b, "DEL", &config).container("c1").run().ok();
            assert_eq!(before, State::take(&[&b]), "{maker:?}: DEL without a result");
        }
        shaper(&b, "CHECK", &with(&of_b, json!({"interfaces": null}))).run().ok();
    }
}

/// The same where a user has changed the alias by which ours are known.
#[test]
fn an_alias_that_a_user_has_changed_gives_nobody_a_right() {
    let (scene, b) = two();
    let of_a = Maker::Ours.add(&scene.c1, "eth0");
    Maker::Ours.call(&scene.c1, "eth0", "DEL").run().ok();
    let of_b = Maker::Ours.add(&b, "eth0");
    shaper(&b, "ADD", &of_b).run().ok();
    let port = of_b["prevResult"]["interfaces"][1]["name"].as_str().expect("a name");
    harness::sh(&format!("ip link set dev {port} alias 'the web server'")).ok();
    let before = State::take(&[&b]);
    for result in [&of_a["prevResult"], &Value::Null] {
        shaper(&b, "DEL", &with(&of_a, json!({"prevResult": result}))).container("c1").run().ok();
        assert_eq!(before, State::take(&[&b]), "{result}");
    }
    // Its own DEL still finds everything.
    shaper(&b, "DEL", &with(&of_b, json!({"prevResult": null}))).run().ok();
    let left = harness::sh(&format!("tc qdisc show dev {port}")).ok() + &harness::sh("ip link show type ifb").ok();
    assert!(!left.contains("tbf") && !left.contains("ingress") && !left.contains("pi"), "{left}");
    Maker::Ours.call(&b, "eth0", "DEL").run().ok();
    assert!(!harness::sh("ip link").ok().contains(port), "so does that of the bridge");
}

/// A container may give its links any index, and the other end of a veth of its own too.
#[test]
fn a_container_cannot_pass_its_nic_off_as_the_other_end_of_anothers() {
    for maker in [Maker::Ours, Maker::Reference] {
        let (scene, b) = two();
        let of_a = maker.add(&scene.c1, "eth0");
        let of_b = maker.add(&b, "eth0");
        for (ns, config) in [(&scene.c1, &of_a), (&b, &of_b)] {
            shaper(ns, "ADD", config).run().ok();
        }
        let port = of_b["prevResult"]["interfaces"][1]["name"].as_str().expect("a name");
        let outside = harness::ip(&format!("link show dev {port}"))[0]["ifindex"].clone();
        let inside = b.ip("link show dev eth0")[0]["ifindex"].clone();
        // In c1: its NIC goes, and with it the limits. The new one has the numbers of b's, with its far end in a namespace within.
        let nested = scene.host.namespace("nested");
        scene.c1.sh("ip link del eth0").ok();
        let forged = format!("ip link add eth0 index {inside} type veth peer name x index {outside} netns nested");
        scene.c1.sh(&forged).ok();
        assert_eq!(scene.c1.ip("link show dev eth0")[0]["link_index"], outside);
        let before = State::take(&[&scene.c1, &b, &nested]);
        for command in ["UPDATE", "CHECK", "ADD", "DEL"] {
            let reply = shaper(&scene.c1, command, &with(&of_a, json!({"bw": "200Mbps"}))).run();
            match command {
                "DEL" => reply.ok(),
                _ => json!(reply.error()),
            };
            let after = State::take(&[&scene.c1, &b, &nested]);
            if command == "DEL" {
                shaper(&b, "CHECK", &of_b).run().ok();
            } else {
                assert_eq!(before, after, "{maker:?}: {command}\n{reply}");
            }
        }
        // Nor is it taken for the NIC that was made, by the bridge's CHECK.
        if maker == Maker::Ours {
            let config = with(&Plugin::Bridge.config("1.0.0"), json!({"isGateway": true}));
            let config = with(&config, json!({"prevResult": of_a["prevResult"]}));
            let (code, msg, _) = Invocation::new("bridge", "CHECK")
                .config(config)
                .container("c1")
                .netns(&scene.c1.path)
                .ifname("eth0")
                .run()
                .error();
            assert_eq!(code, codes::DIFFERENT, "{msg}");
        }
    }
}

/// Names are hashes of an attachment. Should two be the same, the alias tells whose a device is.
#[test]
fn an_ifb_of_the_same_name_with_anothers_alias_stays_as_it_is() {
    let scene = Scene::new();
    let config = with(&limits("100Mbps"), json!({"prevResult": scene.config(Plugin::Shaper, LATEST)["prevResult"]}));
    scene.call(Plugin::Shaper, "ADD", config.clone()).run().ok();
    let ifb = harness::ip("link show type ifb")[0]["ifname"].as_str().expect("a name").to_owned();
    scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
    harness::sh(&format!("ip link add {ifb} type ifb && ip link set {ifb} alias 'plugboard: eth0 on net of other'"))
        .ok();
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Shaper, "ADD", config.clone()).run().error();
    assert_eq!(code, codes::EXISTS, "{msg}");
    assert_eq!(before, scene.state());
    let no_uploads = with(&config, json!({"upload": null}));
    scene.call(Plugin::Shaper, "ADD", no_uploads).run().ok();
    assert_eq!(scene.call(Plugin::Shaper, "UPDATE", config.clone()).run().error().0, codes::EXISTS);
    scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
    scene.call(Plugin::Shaper, "DEL", with(&config, json!({"prevResult": null}))).unset("CNI_NETNS").run().ok();
    assert_eq!(before, scene.state());
}

/// A shaper may be for NICs of several networks: the result tells of those of its own.
#[test]
fn nics_of_other_networks_of_the_same_container_are_changed_and_given_back() {
    for maker in Maker::ALL {
        for (has_uploads, has_result) in [(true, true), (true, false), (false, true), (false, false)] {
            let (scene, _) = two();
            maker.add(&scene.c1, "eth1");
            let made = Maker::Ours.call(&scene.c1, "eth0", "ADD").config(second()).run().ok();
            let config = with(
                &limits("100Mbps"),
                json!({"cniVersion": "1.0.0", "name": "second", "interfaces": ["eth0", "eth1"], "prevResult": made}),
            );
            let config = if has_uploads { config } else { with(&config, json!({"upload": null})) };
            let before = queues(&scene);
            shaper(&scene.c1, "ADD", &config).run().ok();
            shaper(&scene.c1, "CHECK", &config).run().ok();
            shaper(&scene.c1, "UPDATE", &with(&config, json!({"bw": "200Mbps"}))).run().ok();
            let result = if has_result { made } else { Value::Null };
            shaper(&scene.c1, "DEL", &with(&config, json!({"prevResult": result}))).run().ok();
            assert_eq!(before, queues(&scene), "{maker:?} {has_uploads} {has_result}");
        }
    }
}

/// The queues of the host and of its container, without the links' numbers.
fn queues(scene: &Scene) -> String {
    let show = "for link in $(ls /sys/class/net); do echo $link; tc qdisc show dev $link; done";
    harness::sh(show).ok() + &scene.c1.sh(show).ok()
}

/// Another network.
fn second() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]});
    with(&Plugin::Bridge.config("1.0.0"), json!({"name": "second", "bridge": "br1", "ipam": ipam}))
}
