//! Delegates that go on after their caller was killed: they must not meet what a later call has made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Invocation, wait_until};
use serde_json::{Value, json};
use tests::{Delegate, LATEST, Plugin, Scene, State, cites, codes, with};

/// How long a call has to go on beside an orphan if nothing keeps it from doing so. It decides how sure a fault is found.
const HEAD_START: Duration = Duration::from_millis(100);

/// The plugin `host-local` behind a script `slow`. The next call with a command waits until it is told to go on; others run through.
struct Slow<'a> {
    scene: &'a Scene,
    command: &'static str,
    directory: PathBuf,
}

impl<'a> Slow<'a> {
    fn new(scene: &'a Scene, command: &'static str) -> Self {
        let directory = scene.directory("slow");
        let script = format!(
            "#!/bin/sh\n\
             cd {}\n\
             if [ $CNI_COMMAND = {command} ] && mv armed taken 2> /dev/null; then\n\
             \x20   config=$(cat)\n\
             \x20   n=3000; until [ -e go ]; do sleep .01; n=$((n - 1)); [ $n -gt 0 ] || exit 1; done\n\
             \x20   echo \"$config\" | {1}; status=$?\n\
             \x20   touch done; exit $status\n\
             fi\n\
             exec {1}\n",
            directory.display(),
            harness::bin("host-local").display()
        );
        let path = directory.join("slow");
        fs::write(&path, script).expect("the script is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is made executable");
        Self { scene, command, directory }
    }

    fn config(&self) -> Value {
        let ipam = json!({"type": "slow", "ranges": [[{"subnet": "10.1.0.0/24"}]]});
        with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam, "delegateTimeoutSeconds": 1}))
    }

    fn call(&self, command: &str, config: &Value) -> Invocation {
        let path = format!("{}:{}", self.directory.display(), harness::bin_dir().display());
        self.scene.call(Plugin::Bridge, command, config.clone()).path(path)
    }

    fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    /// The next call waits.
    fn arm(&self) {
        for name in ["taken", "go", "done"] {
            let _ = fs::remove_file(self.directory.join(name));
        }
        fs::write(self.directory.join("armed"), "").expect("it is written");
    }

    fn disarm(&self) {
        let _ = fs::remove_file(self.directory.join("armed"));
    }

    /// The one that waits goes on.
    fn go(&self) {
        fs::write(self.directory.join("go"), "").expect("it is written");
    }

    /// Kills `call` after so many system calls, then makes the calls `next`, which must succeed, beside what it has left. False if
    /// it came to its end before; and what the last call has answered.
    fn survives(&self, call: Invocation, count: usize, next: Vec<Invocation>) -> (bool, Value) {
        self.arm();
        // Where it is not killed in time it waits for its delegate.
        let was_killed = self.with_head_start(move || call.kill_after_system_calls(count));
        let _ = fs::remove_file(self.directory.join("go"));
        let answer = self.with_head_start(move || next.into_iter().fold(Value::Null, |_, call| call.run().ok()));
        self.disarm();
        self.go();
        if self.has("taken") {
            wait_until(&format!("the {} that was left behind ends", self.command), || self.has("done"));
        }
        (was_killed, answer)
    }

    /// Does the work, and some time after it has begun lets the delegate go on.
    fn with_head_start<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let work = scope.spawn(work);
            let start = Instant::now();
            while !work.is_finished() && start.elapsed() < HEAD_START {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !work.is_finished() {
                self.go();
            }
            work.join().expect("the calls end")
        })
    }

    /// One container is attached, with this result.
    fn assert_attached(&self, what: &str, result: &Value) {
        let address = result["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address");
        let held: Vec<_> = State::allocations().into_keys().collect();
        assert_eq!(held, [format!("net/{address}")], "{what}");
        let attached = with(&self.config(), json!({"prevResult": result}));
        self.call("CHECK", &attached).run().ok();
    }
}

/// DEL is killed at each of its system calls. Then come DEL and ADD, and what the first DEL has left goes on.
#[test]
fn the_delegate_of_a_killed_del_releases_nothing_of_the_next_add() {
    cites!("DEL-8", "ADD-8", "DEL-3");
    let scene = Scene::new();
    let slow = Slow::new(&scene, "DEL");
    let config = slow.config();
    let before = scene.state();
    let mut left_behind = 0;
    for count in 0.. {
        let first = slow.call("ADD", &config).run().ok();
        let del = slow.call("DEL", &with(&config, json!({"prevResult": first})));
        let next = vec![slow.call("DEL", &config), slow.call("ADD", &config)];
        let (was_killed, second) = slow.survives(del, count, next);
        left_behind += u32::from(was_killed && slow.has("taken"));
        slow.assert_attached(&format!("DEL was killed after {count} system calls"), &second);
        slow.call("DEL", &config).run().ok();
        if !was_killed {
            break;
        }
    }
    assert!(left_behind > 3, "a delegate was left behind {left_behind} times");
    assert_eq!(before, scene.state());
}

/// The same for an ADD that fails, and whose undo is killed.
#[test]
fn the_delegate_of_a_killed_undo_releases_nothing_of_the_next_add() {
    cites!("DEL-8", "ADD-6", "DLG-6");
    let scene = Scene::new();
    let slow = Slow::new(&scene, "DEL");
    let config = slow.config();
    let refused = slow.call("ADD", &with(&config, json!({"mtu": 70_000})));
    let before = scene.state();
    let mut left_behind = 0;
    for count in (0..).step_by(harness::soak::size(5, 3)) {
        let next = vec![slow.call("DEL", &config), slow.call("ADD", &config)];
        let (was_killed, second) = slow.survives(refused.clone(), count, next);
        left_behind += u32::from(was_killed && slow.has("taken"));
        slow.assert_attached(&format!("ADD was killed after {count} system calls"), &second);
        slow.call("DEL", &config).run().ok();
        if !was_killed {
            break;
        }
    }
    assert!(left_behind > 0, "a delegate was left behind {left_behind} times");
    assert_eq!(before, scene.state());
}

/// GC is killed, and what it has left goes on with a list that does not know of the container that came since.
#[test]
fn the_delegate_of_a_killed_gc_releases_nothing_of_the_next_add() {
    cites!("GC-7", "ADD-8");
    let scene = Scene::new();
    let slow = Slow::new(&scene, "GC");
    let config = with(&slow.config(), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    // What GC releases is in the directory of the network.
    slow.call("ADD", &config).run().ok();
    slow.call("DEL", &config).run().ok();
    let mut left_behind = 0;
    for count in 0.. {
        let (was_killed, result) = slow.survives(slow.call("GC", &config), count, vec![slow.call("ADD", &config)]);
        left_behind += u32::from(was_killed && slow.has("taken"));
        slow.assert_attached(&format!("GC was killed after {count} system calls"), &result);
        slow.call("DEL", &config).run().ok();
        if !was_killed {
            break;
        }
    }
    assert!(left_behind > 3, "a delegate was left behind {left_behind} times");
    assert_eq!(before, scene.state());
}

/// Whoever waits for a delegate that does not end says for which, and gives up.
#[test]
fn a_delegate_that_never_ends_is_named() {
    cites!("ERR-4", "DEL-8");
    let scene = Scene::new();
    let slow = Slow::new(&scene, "DEL");
    let config = slow.config();
    let before = scene.state();
    slow.call("ADD", &config).run().ok();
    let mut count = 0;
    while !slow.has("taken") {
        slow.arm();
        assert!(slow.call("DEL", &config).kill_after_system_calls(count), "DEL is killed before its end");
        // The delegate may have been started just now.
        std::thread::sleep(Duration::from_millis(20));
        count += 5;
    }
    slow.disarm();
    for command in ["DEL", "ADD"] {
        let (code, msg, _) = slow.call(command, &config).run().error();
        assert_eq!(code, 11, "{command}: {msg}");
        assert!(
            msg.contains("eth0 of c1 on net") && msg.contains("the lock is held by process") && msg.contains("(slow)"),
            "{command}: {msg}"
        );
    }
    let lock = fs::metadata("/run/plugboard/lock").expect("the lock is a file");
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    slow.go();
    slow.call("DEL", &config).run().ok();
    assert_eq!(before, scene.state());
}

/// A process that a delegate has started, and that keeps everything open, holds up nobody after the delegate's end.
#[test]
fn a_daemon_that_a_delegate_has_started_holds_up_nobody() {
    cites!("DLG-4", "ADD-8");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
    let pids = scene.directory("made-up").join("pids");
    let body = format!(
        "sleep 300 < /dev/null > /dev/null 2>&1 & echo $! >> {}; [ $CNI_COMMAND != ADD ] || echo '{answer}'",
        pids.display()
    );
    let delegate = Delegate::new(&scene, "made-up", "made-up", &body);
    let config = with(
        &Plugin::Bridge.config(LATEST),
        json!({"ipam": {"type": "made-up"}, "delegateTimeoutSeconds": 1, "cni.dev/valid-attachments": []}),
    );
    let before = scene.state();
    for command in ["ADD", "DEL", "GC", "ADD", "DEL"] {
        scene.call(Plugin::Bridge, command, config.clone()).path(delegate.path()).run().ok();
    }
    assert_eq!(before, scene.state());
    let pids = fs::read_to_string(pids).expect("there are daemons");
    assert_eq!(pids.lines().count(), 5);
    harness::sh(&format!("kill {}", pids.replace('\n', " "))).ok();
}

/// The address is of another attachment by the same name, such as one in another namespace that a plugin of another party
/// has made.
#[test]
fn an_add_that_gets_no_address_leaves_the_one_of_an_earlier_add() {
    cites!("ADD-7", "DLG-6");
    let scene = Scene::new();
    let config = Plugin::Bridge.config(LATEST);
    scene.call(Plugin::HostLocal, "ADD", config.clone()).run().ok();
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config.clone()).run().error();
    assert_eq!(code, codes::DUPLICATE, "{msg}");
    assert_eq!(before, scene.state());
    // Nor does one of other ranges.
    let others = json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/30"}]]}});
    let full = fs::File::options().write(true).open("/dev/full").expect("it is there");
    let add = tests::Process::new(Plugin::HostLocal, "ADD").attachment(&scene.c1, "eth0");
    assert!(!add.output_to(full, &with(&config, others)).success(), "the result cannot be written");
    assert_eq!(before, scene.state());
    scene.call(Plugin::HostLocal, "DEL", config).run().ok();
    assert_eq!(State::allocations().len(), 0, "the index is right");
}

#[test]
fn a_delegate_that_was_never_called_is_not_told_to_undo() {
    cites!("DLG-6");
    let scene = Scene::new();
    let delegate = Delegate::new(&scene, "dhcp", "dhcp", "exit 1");
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "dhcp"}, "mtu": 70_000}));
    let before = scene.state();
    scene.call(Plugin::Bridge, "ADD", config).path(delegate.path()).run().error();
    assert_eq!(delegate.calls(), [""; 0]);
    assert_eq!(before, scene.state());
}
