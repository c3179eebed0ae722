//! The kernel's answers: however many there are, and whichever is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::{Reply, bin_dir};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, with};

/// Makes a call that does not get the n-th datagram of the kernel's; `None` if it receives fewer.
fn without_answer(scene: &Scene, plugin: Plugin, config: &Value, number: usize) -> Option<Reply> {
    let directory = scene.directory("strace");
    let (log, traced) = (directory.join("log"), directory.join(plugin.name()));
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/strace -qq -o {} -e trace=recvfrom -e inject=recvfrom:error=ENOBUFS:when={number} {}\n",
        log.display(),
        bin_dir().join(plugin.name()).display()
    );
    fs::write(&traced, script).expect("the script is written");
    fs::set_permissions(&traced, fs::Permissions::from_mode(0o755)).expect("it is made executable");
    let call = harness::Invocation::new(&traced.display().to_string(), "ADD").config(config.clone());
    let reply = call.path(bin_dir()).container(&scene.c1.name).netns(&scene.c1.path).ifname("eth0").run();
    fs::read_to_string(log).expect("strace wrote").contains("INJECTED").then_some(reply)
}

/// Whatever answer an ADD loses: it fails and has left nothing, or did not need it.
fn nothing_is_left(scene: &Scene, plugin: Plugin, config: &Value) {
    let before = scene.state();
    let mut failed = 0;
    for number in 1.. {
        let Some(reply) = without_answer(scene, plugin, config, number) else { break };
        if reply.status == 0 {
            let attached = with(config, json!({"prevResult": reply.ok()}));
            scene.call(plugin, "CHECK", attached.clone()).run().ok();
            scene.call(plugin, "DEL", attached).run().ok();
        } else {
            let (_, msg, details) = reply.error();
            assert!(!details.contains("cannot"), "answer {number}: {msg}: {details}");
            failed += 1;
        }
        assert_eq!(before, scene.state(), "answer {number} is lost\n{reply}");
    }
    assert!(failed > 3, "{failed} answers were needed");
    scene.call(plugin, "DEL", config.clone()).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn an_add_that_loses_an_answer_leaves_nothing() {
    cites!("ADD-6");
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let all = json!({"ipam": ipam, "isGateway": true, "ipMasq": true, "macspoofchk": true, "ipspoofchk": true});
    let fixed = json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}});
    for keys in [
        all,
        json!({"ipam": null}),
        with(&fixed, json!({"nic": "tap"})),
        with(&fixed, json!({"nic": "tap", "tapNamespace": "container"})),
    ] {
        let scene = Scene::new();
        harness::sh("sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1").ok();
        nothing_is_left(&scene, Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), keys));
        assert_eq!(State::allocations().len(), 0);
    }
}

#[test]
fn a_shaper_that_loses_an_answer_leaves_nothing() {
    cites!("ADD-6");
    let scene = Scene::new();
    let config = scene.config(Plugin::Shaper, LATEST);
    nothing_is_left(&scene, Plugin::Shaper, &with(&config, json!({"upload": {"rate": "10Mbit"}})));
}

#[test]
fn a_port_that_loses_an_answer_is_not_published() {
    cites!("ADD-6");
    let scene = Scene::new();
    // Hairpin of its port would stay until the NIC goes.
    harness::sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true").ok();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let nic = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipam": ipam}));
    let result = scene.call(Plugin::Bridge, "ADD", nic).run().ok();
    let keys = json!({"prevResult": result, "conditionsV4": ["!", "-d", "192.0.2.0/24"]});
    nothing_is_left(&scene, Plugin::Portmap, &with(&Plugin::Portmap.config(LATEST), keys));
}

/// The kernel refuses all but the first of the routes, in one send.
#[test]
fn refusals_that_no_buffer_holds_hang_nobody() {
    cites!("ADD-9", "ADD-1");
    let scene = Scene::new();
    let before = scene.state();
    let addresses = json!([{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00:1::5/64"}]);
    for count in [290, 3000] {
        let routes: Value = (0..count).map(|_| json!({"dst": "10.9.0.0/16"})).collect();
        let ipam = json!({"type": "static", "addresses": addresses.clone(), "routes": routes});
        let (_, attached) = scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam})));
        assert_eq!(scene.c1.sh("ip route show 10.9.0.0/16 | wc -l").ok(), "1");
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(before, scene.state());
    }
}
