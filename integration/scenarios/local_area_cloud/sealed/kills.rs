//! SIGKILL at system calls of ADD, DEL and a change of keys: what is left goes with the next DEL or GC.

use harness::{Host, Namespace, Snapshot, sh, soak};
use integration::{call, with};
use serde_json::{Value, json};

use super::site::{new_key, write_keys};
use super::{KEY, sealed};

/// A host of the test's own thread, for calls that are traced.
struct Alone {
    container: Namespace,
    other: Namespace,
    config: Value,
    _host: Host,
}

impl Alone {
    fn new() -> Self {
        let host = Host::enter();
        sh("ip link add eth0 up type dummy && ip address add 192.168.7.1/24 dev eth0 && ip address add fd00:7::1/64 dev eth0 nodad").ok();
        sh("ip route add default via 192.168.7.254").ok();
        let [container, other] = ["c1", "c2"].map(|name| host.namespace(name));
        new_key(KEY);
        let peers: Vec<String> = (1..=4).map(|number| format!("192.168.7.{number}")).collect();
        let config = super::super::site::network(&json!({"peers": peers, "keyFile": KEY}));
        Self { container, other, config, _host: host }
    }

    /// What the host is made of, IPsec included.
    fn state(&self) -> (Snapshot, String) {
        (Snapshot::take::<&str>(&[&self.container, &self.other], &[]), sh("ip xfrm state && ip xfrm policy").ok())
    }

    /// The same in a moment.
    fn glance() -> String {
        sh("ls /sys/class/net && ip xfrm state && ip xfrm policy && nft --stateless list ruleset").ok()
    }

    fn add(&self) -> Value {
        let result = call("ADD", &self.container, "lac0", &self.config).run().ok();
        with(&self.config, &json!({"prevResult": result}))
    }

    fn delete(&self) {
        call("DEL", &self.container, "lac0", &self.config).run().ok();
    }

    fn collect(&self) {
        let valid = with(&self.config, &json!({"cni.dev/valid-attachments": []}));
        call("GC", &self.container, "lac0", &valid).run().ok();
    }

    /// Kills calls after every so many system calls: how many different things they left.
    fn killed(&self, command: &str, step: usize, prepare: impl Fn() -> Value, clean: impl Fn()) -> usize {
        let (before, at_a_glance) = (self.state(), Self::glance());
        let mut seen = std::collections::BTreeSet::new();
        for count in (0..).step_by(step) {
            let config = prepare();
            let was_killed = call(command, &self.container, "lac0", &config).kill_after_system_calls(count);
            seen.insert(Self::glance());
            // What is decrypted without a device that takes it is quoted to its sender, if no rule forbids it.
            let has_rules = sh("nft list table inet plugboard-lacs").status == 0;
            assert!(
                has_rules || sh("ip xfrm state").ok().is_empty(),
                "{command} was killed after {count} system calls"
            );
            clean();
            assert_eq!(at_a_glance, Self::glance(), "{command} was killed after {count} system calls");
            if !was_killed {
                println!("{command}: {count} system calls, {} states", seen.len());
                break;
            }
        }
        assert!(before == self.state(), "{command}");
        seen.len()
    }
}

#[test]
fn an_add_that_is_killed_leaves_nothing_to_del_or_gc() {
    sealed(|| {
        let alone = Alone::new();
        let cleaners: [&dyn Fn(); 2] = [&|| alone.delete(), &|| {
            alone.collect();
            // What is in the namespace goes with that: GC does not know it.
            alone.container.sh("ip link delete lac0");
        }];
        for clean in cleaners {
            let seen = alone.killed("ADD", soak::size(17, 1), || alone.config.clone(), clean);
            assert!(seen > 2, "{seen} states");
        }
        alone.add();
        alone.delete();
    });
}

#[test]
fn a_del_that_is_killed_leaves_nothing_to_the_next_or_gc() {
    sealed(|| {
        let alone = Alone::new();
        let cleaners: [&dyn Fn(); 2] = [&|| alone.delete(), &|| alone.collect()];
        for clean in cleaners {
            let seen = alone.killed("DEL", soak::size(13, 1), || alone.add(), clean);
            assert!(seen > 1, "{seen} states");
        }
    });
}

/// The next change of keys completes it, and DEL removes all.
#[test]
fn a_change_of_keys_that_is_killed_is_completed_by_the_next() {
    sealed(|| {
        let alone = Alone::new();
        let before = alone.state();
        let mut seen = std::collections::BTreeSet::new();
        for count in (0..).step_by(soak::size(11, 1)) {
            new_key(KEY);
            let attached = alone.add();
            let other = sh("head -c 32 /dev/urandom | base64").ok();
            write_keys(KEY, &[&other]);
            let change = with(&attached, &json!({"plugboard/rekey": 60}));
            let was_killed = call("UPDATE", &alone.container, "lac0", &change).kill_after_system_calls(count);
            seen.insert(sh("ip xfrm state").ok().lines().filter(|line| line.starts_with("src ")).count());
            call("UPDATE", &alone.container, "lac0", &change).run().ok();
            call("CHECK", &alone.container, "lac0", &attached).run().ok();
            let another = with(
                &alone.config,
                &json!({"prevResult": call("ADD", &alone.other, "lac0", &alone.config).run().ok()}),
            );
            call("DEL", &alone.other, "lac0", &another).run().ok();
            alone.delete();
            assert_eq!(sh("ip xfrm state && ip xfrm policy").ok(), "", "killed after {count} system calls");
            if !was_killed {
                println!("UPDATE: {count} system calls, {seen:?} states");
                break;
            }
        }
        assert!(seen.len() > 1, "{seen:?}");
        assert!(before == alone.state());
    });
}
