//! SIGKILL in the middle of a call, at many moments: the DEL or GC that follows leaves nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::chance::KILLED;
use harness::{assert_by_chance, sh, soak};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Process, Scene, State, cites, with};

/// The moments: from the start to beyond the end of ADD, which takes 1 to 3 ms.
const STEP: Duration = Duration::from_micros(10);
const MOMENTS: u32 = 300;

/// What may be left on the host at any moment between a call and the next, cheaply: names of links, and allocations.
fn leftovers() -> Vec<String> {
    let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let links = links.map(|link| link.file_name().to_string_lossy().into_owned()).filter(|name| name != "lo");
    links.chain(State::allocations().into_keys()).collect()
}

fn ports(bridge: &str) -> usize {
    std::fs::read_dir(format!("/sys/class/net/{bridge}/brif")).map_or(0, Iterator::count)
}

#[test]
fn del_after_a_kill_leaves_nothing() {
    cites!("DEL-8", "ADD-6");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let before = scene.state();
    KILLED.repeated(|| {
        let mut killed = 0;
        let mut half_done = 0;
        for moment in 0..MOMENTS {
            let add = Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
            killed += u32::from(add.kill_after(&config, STEP * moment));
            half_done += u32::from(!leftovers().is_empty());
            scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
            assert_eq!(leftovers(), Vec::<String>::new(), "killed after {:?}", STEP * moment);
        }
        assert_eq!(before, scene.state());
        assert_by_chance!(killed > MOMENTS / 10, "the kill came in the middle of ADD {killed} times");
        assert_by_chance!(half_done > MOMENTS / 10, "there was something to clean up {half_done} times");
    });
    let (_, config) = scene.added(Plugin::Bridge, &config);
    scene.call(Plugin::Bridge, "CHECK", config).run().ok();
}

#[test]
fn add_after_a_kill_and_del_succeeds_beside_others() {
    cites!("DEL-8", "ADD-8");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let c2 = scene.host.namespace("c2");
    let other = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
    let before = State::take(&[&scene.c1, &c2]);
    let (mut count, mut half_done) = (0, 0);
    while scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(count) {
        half_done += u32::from(ports("br0") > 1);
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        count += 5;
    }
    assert!(half_done > 2, "of {} kills there was something to clean up after {half_done}", count / 5);
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    assert_eq!(before, State::take(&[&scene.c1, &c2]), "the other container is as it was");
    let config = with(&config, json!({"prevResult": other}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", config).run().ok();
}

#[test]
fn gc_after_a_kill_leaves_nothing() {
    cites!("GC-1", "DEL-8");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    let mut half_done = 0;
    for count in (0..).step_by(3) {
        let was_killed = scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && !leftovers().is_empty());
        scene.call(Plugin::Bridge, "GC", config.clone()).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 5, "there was something to clean up {half_done} times");
    assert_eq!(before, scene.state());
}

#[test]
fn del_after_a_killed_del_leaves_nothing() {
    cites!("DEL-3", "DEL-8");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    let before = scene.state();
    let mut half_done = 0;
    for count in (0..).step_by(3) {
        let (_, config) = scene.added(Plugin::Bridge, &config);
        let whole = leftovers();
        let was_killed = scene.call(Plugin::Bridge, "DEL", config.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && !leftovers().is_empty() && leftovers() != whole);
        scene.call(Plugin::Bridge, "DEL", config).run().ok();
        assert_eq!(leftovers(), Vec::<String>::new(), "killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 0, "a part was left {half_done} times");
    assert_eq!(before, scene.state());
}

#[test]
fn shaping_that_was_killed_goes_with_del() {
    cites!("DEL-8", "ADD-6");
    let scene = Scene::new();
    let config = scene.config(Plugin::Shaper, LATEST);
    let before = scene.state();
    let queues = || [harness::tc("qdisc show"), scene.c1.tc("qdisc show")].map(|list| list.to_string()).concat();
    let mut half_done = 0;
    for count in 0.. {
        let was_killed = scene.call(Plugin::Shaper, "ADD", config.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && queues().contains("tbf"));
        scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
        assert!(!queues().contains("tbf"), "killed after {count} system calls: {}", queues());
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 0, "a queue was left {half_done} times");
    assert_eq!(before, scene.state());
}

/// A container with published ports behind a gateway, on a host whose firewall drops what it does not know.
struct Publishing {
    scene: Scene,
    config: Value,
    before: State,
}

impl Publishing {
    fn new() -> Self {
        let scene = Scene::new();
        sh("nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'").ok();
        // Hairpin of its port would stay until the NIC goes.
        sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true").ok();
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
        let nic = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipam": ipam}));
        let result = scene.call(Plugin::Bridge, "ADD", nic).run().ok();
        let ports = json!([{"hostPort": 8080, "containerPort": 80},
            {"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"}]);
        let keys = json!({"prevResult": result, "runtimeConfig": {"portMappings": ports},
            "conditionsV4": ["!", "-d", "192.0.2.0/24"], "cni.dev/valid-attachments": []});
        let config = with(&Plugin::Portmap.config(LATEST), keys);
        let before = scene.state();
        Self { scene, config, before }
    }

    fn call(&self, command: &str) -> harness::Invocation {
        self.scene.call(Plugin::Portmap, command, self.config.clone())
    }

    /// What published ports change on the host: the rules, and the setting by which 127.0.0.1 reaches containers.
    fn traces() -> String {
        sh("nft list ruleset; cat /proc/sys/net/ipv4/conf/br0/route_localnet").ok()
    }

    /// Removes what is left, by DEL with nothing but the identity of the attachment, or by GC.
    fn clean(&self, command: &str) {
        let bare = with(&self.config, json!({"prevResult": null, "runtimeConfig": null, "conditionsV4": null}));
        let call = self.scene.call(Plugin::Portmap, command, bare);
        if command == "DEL" { call.unset("CNI_NETNS") } else { call }.run().ok();
    }

    /// Kills calls after every so many system calls, and cleans up by `cleaner`. Returns the different states in which it was found.
    fn killed(&self, command: &str, cleaner: &str, step: usize, prepare: impl Fn()) -> BTreeSet<String> {
        let untouched = Self::traces();
        let mut seen = BTreeSet::new();
        for count in (0..).step_by(step) {
            prepare();
            let was_killed = self.call(command).kill_after_system_calls(count);
            seen.insert(Self::traces());
            self.clean(cleaner);
            assert_eq!(
                untouched,
                Self::traces(),
                "{command} was killed after {count} system calls, then came {cleaner}"
            );
            if !was_killed {
                break;
            }
        }
        assert_eq!(self.before, self.scene.state(), "{command}, {cleaner}");
        seen
    }
}

#[test]
fn ports_that_were_half_published_go_with_del_or_gc() {
    cites!("DEL-8", "ADD-6", "GC-1");
    let publishing = Publishing::new();
    for cleaner in ["DEL", "GC"] {
        let seen = publishing.killed("ADD", cleaner, soak::size(3, 1), || ());
        println!("{cleaner} met {} states", seen.len());
        assert!(seen.len() > 4, "there was something half done: {seen:#?}");
    }
    publishing.call("ADD").run().ok();
    publishing.call("CHECK").run().ok();
}

#[test]
fn ports_that_were_half_withdrawn_go_with_the_next_del_or_gc() {
    cites!("DEL-8", "DEL-3", "GC-1");
    let publishing = Publishing::new();
    for killed in ["DEL", "GC"] {
        // By the other one, and at length by either.
        for cleaner in ["DEL", "GC"].into_iter().filter(|cleaner| soak::is_on() || *cleaner != killed) {
            let seen = publishing.killed(killed, cleaner, soak::size(7, 1), || _ = publishing.call("ADD").run().ok());
            println!("{cleaner} after {killed} met {} states", seen.len());
            assert!(seen.len() > 2, "there was something half done: {seen:#?}");
        }
    }
}
