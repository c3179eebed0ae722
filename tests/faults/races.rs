//! Calls for one attachment at the same time: a runtime that gave up on the first may make the next while it still runs.

use std::time::Duration;

use harness::{Reply, wait_until};
use serde_json::{Value, json};
use tests::{Delegate, LATEST, Plugin, Scene, State, cites, codes, with};

/// Chances for a race to show.
const ROUNDS: usize = 8;

/// Makes the same call several times at once.
fn at_once(count: usize, scene: &Scene, command: &str, config: &Value) -> Vec<Reply> {
    let call = scene.call(Plugin::Bridge, command, config.clone());
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..count).map(|_| call.clone()).map(|call| scope.spawn(move || call.run())).collect();
        running.into_iter().map(|call| call.join().expect("the call ends")).collect()
    })
}

/// Adds one attachment `count` times at once: one succeeds, and that one is whole.
fn one_wins(count: usize, ipam: &Value, allocations: usize) {
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipam": ipam}));
    let before = scene.state();
    for round in 0..ROUNDS {
        let replies = at_once(count, &scene, "ADD", &config);
        let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 0);
        assert_eq!(won.len(), 1, "round {round}: one of {count} succeeds; the others: {lost:?}");
        for reply in &lost {
            assert_eq!(reply.error().0, codes::EXISTS, "round {round}: {reply}");
        }
        let attached = with(&config, json!({"prevResult": won[0].ok()}));
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        assert_eq!(harness::sh("ls /sys/class/net/br0/brif | wc -l").ok(), "1", "round {round}: the port");
        assert_eq!(State::allocations().len(), allocations, "round {round}: {:?}", State::allocations());
        assert!(scene.c1.ping("10.1.0.1", 1).all_answered(), "round {round}");
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(before, scene.state(), "round {round}");
    }
}

#[test]
fn of_parallel_adds_of_one_attachment_one_wins_with_host_local() {
    cites!("ADD-7", "ADD-3", "ADD-8");
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]});
    one_wins(2, &ipam, 1);
    one_wins(8, &ipam, 1);
}

#[test]
fn of_parallel_adds_of_one_attachment_one_wins_with_static() {
    cites!("ADD-7", "ADD-3", "ADD-8");
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]});
    one_wins(2, &ipam, 0);
    one_wins(8, &ipam, 0);
}

/// Of containers that publish the same port at the same time, one does.
#[test]
fn of_parallel_adds_that_publish_one_port_one_wins() {
    cites!("ADD-8", "ADD-6");
    let scene = Scene::new();
    // Hairpin of their ports would stay until the NICs go.
    harness::sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true").ok();
    let containers: Vec<_> = (0..6).map(|number| scene.host.namespace(&format!("p{number}"))).collect();
    let gateway = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true}));
    let configs: Vec<Value> = containers
        .iter()
        .map(|ns| {
            let result = scene.call_for(ns, "eth0", Plugin::Bridge, "ADD", gateway.clone()).run().ok();
            with(&Plugin::Portmap.config(LATEST), json!({"prevResult": result}))
        })
        .collect();
    let before = scene.state();
    let all = |command: &str| -> Vec<Reply> {
        let calls = containers.iter().zip(&configs);
        let calls: Vec<_> =
            calls.map(|(ns, config)| scene.call_for(ns, "eth0", Plugin::Portmap, command, config.clone())).collect();
        std::thread::scope(|scope| {
            let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(move || call.run())).collect();
            running.into_iter().map(|call| call.join().expect("the call ends")).collect()
        })
    };
    for round in 0..ROUNDS {
        let replies = all("ADD");
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().enumerate().partition(|(_, reply)| reply.status == 0);
        assert_eq!(won.len(), 1, "round {round}: one of them succeeds; the others: {lost:?}");
        let (winner, _) = won[0];
        for (_, reply) in lost {
            let (code, msg, _) = reply.error();
            assert!(code == codes::CONFLICT && msg.contains(&format!("of p{winner}")), "round {round}: {reply}");
        }
        let checked = scene.call_for(&containers[winner], "eth0", Plugin::Portmap, "CHECK", configs[winner].clone());
        checked.run().ok();
        all("DEL").iter().for_each(|reply| _ = reply.ok());
        assert_eq!(before, scene.state(), "round {round}");
    }
}

#[test]
fn parallel_dels_of_one_attachment_all_succeed() {
    cites!("DEL-3");
    let scene = Scene::new();
    let before = scene.state();
    let config = Plugin::Bridge.config(LATEST);
    for _ in 0..ROUNDS {
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        for reply in at_once(8, &scene, "DEL", &config) {
            reply.ok();
        }
        assert_eq!(before, scene.state());
    }
}

/// How long the delegate of the next test takes for ADD.
const SLOW: Duration = Duration::from_millis(300);

#[test]
fn del_waits_for_an_add_that_is_under_way() {
    cites!("DEL-8", "DEL-2");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
    let body = format!("[ $CNI_COMMAND != ADD ] || {{ sleep {}; echo '{answer}'; }}", SLOW.as_secs_f32());
    let slow = Delegate::new(&scene, "slow", "slow", &body);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "slow"}}));
    let call = |command| scene.call(Plugin::Bridge, command, config.clone()).path(slow.path());
    let before = scene.state();
    let add = call("ADD");
    let add = std::thread::scope(|scope| {
        let add = scope.spawn(move || add.run());
        wait_until("ADD runs its delegate", || !slow.calls().is_empty());
        call("DEL").run().ok();
        assert_eq!(before, scene.state(), "nothing is left when DEL returns");
        add.join().expect("ADD ends")
    });
    assert_eq!(before, scene.state(), "nor when ADD has");
    add.ok();
    assert_eq!(slow.calls(), ["ADD", "DEL"], "DEL came after ADD was done");
}

#[test]
fn attachments_do_not_wait_for_each_other() {
    cites!("ADD-8");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
    let go = scene.directory("slow").join("go");
    let waits =
        format!("n=3000; until [ -e {0} ]; do sleep .01; n=$((n - 1)); [ $n -gt 0 ] || exit 1; done", go.display());
    let body = format!("[ $CNI_COMMAND != ADD ] || {{ {waits}; echo '{answer}'; }}");
    let slow = Delegate::new(&scene, "slow", "slow", &body);
    let c2 = scene.host.namespace("c2");
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "slow"}}));
    let add = scene.call(Plugin::Bridge, "ADD", config).path(slow.path());
    std::thread::scope(|scope| {
        let add = scope.spawn(move || add.run());
        wait_until("ADD runs its delegate", || !slow.calls().is_empty());
        scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
        // Its delegate ends when it is told to, or after half a minute without an answer.
        assert!(!add.is_finished(), "the other ADD is under way still");
        std::fs::write(&go, "").expect("it is written");
        add.join().expect("ADD ends").ok();
    });
}

/// A delegate that does not end before it is told to, for one command, and at the latest after half a minute.
struct Held<'a> {
    delegate: Delegate,
    go: std::path::PathBuf,
    command: &'a str,
}

impl<'a> Held<'a> {
    fn new(scene: &Scene, command: &'a str) -> Self {
        let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
        let go = scene.directory("slow").join("go");
        let waits =
            format!("n=3000; until [ -e {0} ]; do sleep .01; n=$((n - 1)); [ $n -gt 0 ] || exit 1; done", go.display());
        let body =
            format!("[ $CNI_COMMAND != {command} ] || {{ {waits}; }}; [ $CNI_COMMAND != ADD ] || echo '{answer}'");
        Self { delegate: Delegate::new(scene, "slow", "slow", &body), go, command }
    }

    /// While the delegate of `call` works, `meanwhile` runs to its end.
    fn during(&self, call: harness::Invocation, meanwhile: impl FnOnce()) {
        std::thread::scope(|scope| {
            let call = scope.spawn(move || call.run());
            wait_until("the delegate works", || self.delegate.calls().iter().any(|known| known == self.command));
            meanwhile();
            assert!(!call.is_finished(), "{} is under way still", self.command);
            std::fs::write(&self.go, "").expect("it is written");
            call.join().expect("the call ends").ok();
        });
    }
}

/// The lock of what the host's attachments share is not held while a delegate is waited for: the first attachment of another
/// network, which makes a bridge, and its last, which removes it, need that lock for themselves.
#[test]
fn a_slow_delegate_holds_up_no_other_network() {
    cites!("ADD-8");
    for command in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
        let scene = Scene::new();
        let c2 = scene.host.namespace("c2");
        let held = Held::new(&scene, command);
        // Without an MTU of its own the network takes that of its path.
        let config = with(
            &Plugin::Bridge.config(LATEST),
            json!({"isGateway": true, "mtu": null, "ipam": {"type": "slow"}, "cni.dev/valid-attachments": []}),
        );
        let call =
            |command, config: &Value| scene.call(Plugin::Bridge, command, config.clone()).path(held.delegate.path());
        let attached = match command {
            "ADD" | "STATUS" => config.clone(),
            _ => with(&config, json!({"prevResult": call("ADD", &config).run().ok()})),
        };
        held.during(call(command, &attached), || {
            let other = with(&Plugin::Bridge.config(LATEST), json!({"name": "other", "bridge": "br-other"}));
            for verb in ["ADD", "DEL"] {
                scene.call_for(&c2, "eth0", Plugin::Bridge, verb, other.clone()).run().ok();
            }
        });
    }
}
