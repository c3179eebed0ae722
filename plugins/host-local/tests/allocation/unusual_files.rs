//! Files that are not what they should be: open to others, of another kind, or not readable.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Invocation, Reply, bin, sh, wait_until};
use serde_json::{Value, json};

use crate::common::{BLUE, OURS, REFERENCE, Scene, addresses, blue, files, taken, with};

/// A script in the place of the plugin.
fn script(name: &str, body: &str) -> String {
    let path = PathBuf::from("/run").join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn dual() -> Value {
    blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}))
}

fn call(scene: &Scene, plugin: &str, verb: &str, config: &Value) -> Reply {
    let config = with(&with(config, "cni.dev/valid-attachments", json!([])), "cniVersion", json!("1.1.0"));
    match verb {
        "GC" => Invocation::new(plugin, verb).config(&config).run(),
        _ => scene.call(plugin, verb, "c1", &config).run(),
    }
}

#[test]
fn nothing_is_open_to_others_whatever_the_umask() {
    for mask in ["0", "077"] {
        let scene = Scene::new();
        let masked = script("masked", &format!("umask {mask}\nexec {}", bin(OURS).display()));
        // More than a map needs.
        for number in 0..40 {
            scene.call(&masked, "ADD", &format!("c{number}"), &dual()).run().ok();
        }
        assert!(files(BLUE).contains_key(".taken.10.1.0.0") || files(BLUE).len() > 80, "{:?}", files(BLUE));
        for entry in fs::read_dir(BLUE).unwrap().map(|entry| entry.unwrap().path()) {
            let found = entry.symlink_metadata().unwrap();
            let mode = found.mode() & 0o777;
            assert!(found.is_symlink() || mode == 0o600, "umask {mask}: {} has {mode:o}", entry.display());
        }
        for directory in Path::new(BLUE).ancestors().take(2) {
            let mode = directory.metadata().unwrap().mode() & 0o777;
            assert_eq!(mode & 0o022, 0, "umask {mask}: {} has {mode:o}", directory.display());
        }
        let anybody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
        assert_ne!(sh(&format!("{anybody} flock -n {BLUE}/lock true")).status, 0, "nobody else locks it");
        scene.add(REFERENCE, "theirs", &dual()).ok();
        scene.del(OURS, "theirs", &dual()).ok();
        assert_eq!(taken(BLUE).len(), 80);
    }
}

#[test]
fn what_an_older_release_left_open_is_closed() {
    let scene = Scene::new();
    scene.add(OURS, "c1", &dual()).ok();
    sh(&format!("chmod 777 {BLUE} && chmod 666 {BLUE}/lock {BLUE}/last_reserved_ip.0")).ok();
    scene.add(OURS, "c2", &dual()).ok();
    let mode = |path: &str| fs::metadata(path).unwrap().mode() & 0o7;
    for (path, others) in [(BLUE.to_owned(), 5), (format!("{BLUE}/lock"), 0), (format!("{BLUE}/last_reserved_ip.0"), 0)]
    {
        assert_eq!(mode(&path), others, "{path}");
    }
    // That of the reference is narrowed, and stays the same file: no other user can have it open.
    sh(&format!("chmod 750 {BLUE}/lock")).ok();
    let before = fs::metadata(format!("{BLUE}/lock")).unwrap().ino();
    scene.add(OURS, "c3", &dual()).ok();
    let found = fs::metadata(format!("{BLUE}/lock")).unwrap();
    assert_eq!((found.mode() & 0o777, found.ino()), (0o600, before));
    scene.add(REFERENCE, "c4", &dual()).ok();
}

/// To narrow the mode does not take it from those who have it open.
#[test]
fn a_lock_that_others_have_open_already_holds_nobody_up() {
    let scene = Scene::new();
    scene.add(OURS, "c1", &dual()).ok();
    for open in ["chmod 644", "chmod 666", "chown 65534"] {
        let old = fs::metadata(format!("{BLUE}/lock")).unwrap().ino();
        sh(&format!("{open} {BLUE}/lock; rm -f /run/held")).ok();
        let _holder = harness::spawn(&format!("exec 9< {BLUE}/lock; flock 9; touch /run/held; exec sleep 600"));
        wait_until("it is held", || fs::exists("/run/held").unwrap());
        // All at once, and no two of them in the directory at the same time.
        let begin = Instant::now();
        let id = |number| format!("{}-{number}", open.replace(' ', "-"));
        let calls: Vec<_> = (0..8).map(|number| scene.call(OURS, "ADD", &id(number), &dual())).collect();
        std::thread::scope(|scope| calls.into_iter().for_each(|call| drop(scope.spawn(|| call.run().ok()))));
        assert!(begin.elapsed() < Duration::from_secs(15), "{open}");
        let found = fs::metadata(format!("{BLUE}/lock")).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (0o600, 0), "{open}");
        assert_ne!(found.ino(), old, "{open}");
        assert!(!fs::exists(format!("{BLUE}/.lock")).unwrap(), "{open}");
    }
    scene.add(REFERENCE, "theirs", &dual()).ok();
    assert_eq!(taken(BLUE).len(), 2 * (1 + 3 * 8 + 1));
    scene.del(OURS, "c1", &dual()).ok();
}

#[test]
fn a_lock_is_not_waited_for_without_end() {
    let scene = Scene::new();
    scene.add(OURS, "c1", &dual()).ok();
    let mut holder = harness::spawn(&format!("exec 9< {BLUE}/lock; flock 9; touch /run/held; exec sleep 600"));
    wait_until("it is held", || fs::exists("/run/held").unwrap());
    let (code, msg, _) = scene.add(OURS, "c2", &dual()).error();
    assert_eq!(code, 11, "{msg}");
    assert!(msg.contains("has been locked by process"), "{msg}");
    let _ = holder.child().kill();
    scene.add(OURS, "c2", &dual()).ok();
}

/// Makes something at a path.
type Put = Box<dyn Fn(&str)>;

/// What is no regular file, or has no end: what an error says of it, and how it comes to a path.
fn others() -> Vec<(&'static str, Put)> {
    let run = |command: &'static str| move |path: &str| _ = sh(&format!("{command} '{path}'")).ok();
    vec![
        ("a FIFO", Box::new(run("mkfifo"))),
        ("a directory", Box::new(run("mkdir"))),
        ("a device", Box::new(|path: &str| symlink("/dev/zero", path).unwrap())),
        (
            "a FIFO",
            Box::new(|path: &str| {
                sh(&format!("mkfifo '{path}.fifo'")).ok();
                symlink(format!("{path}.fifo"), path).unwrap();
            }),
        ),
        ("a socket", Box::new(|path: &str| drop(UnixListener::bind(path).unwrap()))),
        ("longer than", Box::new(run("truncate -s 1T"))),
    ]
}

/// The plugin, which must end by itself.
fn limited() -> String {
    script("limited", &format!("exec timeout -s KILL 10 {}", bin(OURS).display()))
}

#[test]
fn files_of_a_configuration_are_regular() {
    for (number, (what, put)) in others().into_iter().enumerate() {
        let scene = Scene::new();
        let limited = limited();
        let path = format!("/run/other{number}");
        put(&path);
        for key in ["resolvConf", "rangeFromFile"] {
            let mut ipam = json!({key: path});
            if key == "resolvConf" {
                ipam["subnet"] = json!("10.1.2.0/24");
            }
            let (code, msg, _) = call(&scene, &limited, "ADD", &blue(ipam.clone())).error();
            assert!(code == 5 && msg.contains(&path) && msg.contains(what), "{key}, {what}: {code} {msg}");
            call(&scene, &limited, "DEL", &blue(ipam.clone())).ok();
            call(&scene, &limited, "GC", &blue(ipam)).ok();
        }
        assert_eq!(taken(BLUE).len(), 0);
    }
}

#[test]
fn files_of_the_directory_are_regular() {
    for name in ["lock", "last_reserved_ip.0", ".taken.10.1.0.0", ".c1:eth0:0", ".new", "10.1.2.2", "10.1.2.9"] {
        for (what, put) in others() {
            let scene = Scene::new();
            let limited = limited();
            let path = format!("{BLUE}/{name}");
            scene.add(OURS, "c0", &dual()).ok();
            scene.del(OURS, "c0", &dual()).ok();
            let _ = fs::remove_file(&path);
            put(&path);
            for verb in ["ADD", "CHECK", "DEL", "GC"] {
                let reply = call(&scene, &limited, verb, &dual());
                assert!(reply.status < 128, "{verb} with {name} as {what} ends by itself\n{reply}");
                if reply.status != 0 && verb != "CHECK" {
                    let (_, msg, _) = reply.error();
                    assert!(msg.contains(&path), "{verb} with {name} as {what}: {msg}");
                }
            }
            sh(&format!("rm -rf '{path}' '{path}.fifo'")).ok();
            // What could not be released then is now.
            call(&scene, OURS, "DEL", &dual()).ok();
            call(&scene, OURS, "GC", &dual()).ok();
            assert_eq!(taken(BLUE).len(), 0, "{name} as {what}");
            scene.add(OURS, "c1", &dual()).ok();
        }
    }
}

/// Makes a call whose n-th system call of a kind fails; `None` if there are fewer.
fn failing(scene: &Scene, verb: &str, calls: &str, number: usize) -> Option<Reply> {
    let log = "/run/strace.log";
    let traced = script(
        "traced",
        &format!(
            "exec /usr/bin/strace -qq -o {log} -e trace={calls} -e inject={calls}:error=EIO:when={number} {}",
            bin(OURS).display()
        ),
    );
    let reply = call(scene, &traced, verb, &dual());
    fs::read_to_string(log).unwrap().contains("INJECTED").then_some(reply)
}

/// Whichever system call on the files fails in DEL or GC: a DEL that follows releases all that is left.
#[test]
fn one_failure_hides_no_address_from_del() {
    for verb in ["GC", "DEL"] {
        for calls in [
            "?open,?openat",
            "?read,?pread64",
            "?unlink,?unlinkat",
            "?readlink,?readlinkat",
            "?getdents64",
            "?write,?pwrite64",
        ] {
            let scene = Scene::new();
            let mut failed = 0;
            for number in 1.. {
                let given = scene.add(OURS, "c1", &dual()).ok();
                assert_eq!(addresses(&given).len(), 2);
                let Some(reply) = failing(&scene, verb, calls, number) else { break };
                failed += usize::from(reply.status != 0);
                call(&scene, OURS, "DEL", &dual()).ok();
                assert_eq!(taken(BLUE).len(), 0, "{verb}, failure {number} of {calls}\n{reply}");
            }
            println!("{verb} failed {failed} times by {calls}");
            call(&scene, OURS, "DEL", &dual()).ok();
        }
    }
}
