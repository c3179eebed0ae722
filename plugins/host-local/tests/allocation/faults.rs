//! Crashes, full and read-only disks, debris.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{BLUE, OURS, REFERENCE, Scene, address, assert_empty, blue, files, fill, taken, with};
use harness::{bin, sh};
use serde_json::{Value, json};

fn subnet() -> Value {
    blue(json!({"subnet": "10.1.2.0/24"}))
}

/// kill -9 at any moment of ADD; the DEL that follows leaves nothing, and nothing of others is lost (DEL-8).
#[test]
fn a_killed_add_leaves_nothing_that_del_does_not_remove() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}));
    scene.add(OURS, "neighbour", &config).ok();
    let neighbour = taken(BLUE);
    let text = config.to_string();
    let (mut killed_before, mut killed_within, mut finished) = (0, 0, 0);
    for round in 0..600u64 {
        let id = format!("c{round}");
        let mut child = Command::new(bin(OURS))
            .env_clear()
            .envs([
                ("CNI_COMMAND", "ADD"),
                ("CNI_CONTAINERID", &id),
                ("CNI_IFNAME", "eth0"),
                ("CNI_PATH", "/usr/lib/cni"),
            ])
            .env("CNI_NETNS", &scene.container.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        // The plugin starts to work when it has seen the end of stdin; 7 and 1009 have no common factor.
        std::thread::sleep(Duration::from_micros(round * 7 % 1009));
        child.kill().unwrap();
        let was_killed = child.wait().unwrap().code().is_none();
        match (was_killed, taken(BLUE).len() > neighbour.len() || files(BLUE).contains_key(".new")) {
            (true, false) => killed_before += 1,
            (true, true) => killed_within += 1,
            (false, _) => finished += 1,
        }
        for _ in 0..2 {
            scene.del(OURS, &id, &config).ok();
            assert_eq!(taken(BLUE), neighbour, "round {round}");
        }
        assert!(!files(BLUE).contains_key(".new"), "round {round}");
    }
    println!("killed before the first file: {killed_before}, within: {killed_within}, finished: {finished}");
    scene.del(OURS, "neighbour", &config).ok();
    assert_empty(BLUE);
}

/// The states between the system calls of ADD, made by hand: each is cleaned up by DEL, and harms no other's ADD.
#[test]
fn every_state_in_the_middle_of_add() {
    let scene = Scene::new();
    let config = subnet();
    let path = |name: &str| format!("{BLUE}/{name}");
    let write_half = || fs::write(path(".new"), "c1").unwrap();
    let write = || fs::write(path(".new"), "c1\r\neth0").unwrap();
    let link = || fs::hard_link(path(".new"), path("10.1.2.2")).unwrap();
    let index = || symlink("10.1.2.2", path(".c1:eth0:0")).unwrap();
    let unlink = || fs::remove_file(path(".new")).unwrap();
    let states: [&[&dyn Fn()]; 5] =
        [&[&write_half], &[&write], &[&write, &link], &[&write, &link, &index], &[&write, &link, &index, &unlink]];
    for (number, steps) in states.iter().enumerate() {
        for next in ["DEL", "ADD"] {
            // A pool that was in use, with its index complete.
            scene.add(OURS, "c0", &config).ok();
            scene.del(OURS, "c0", &config).ok();
            fs::remove_file(path("last_reserved_ip.0")).unwrap();
            steps.iter().for_each(|step| step());
            if next == "ADD" {
                let expected = if number < 2 { "10.1.2.2" } else { "10.1.2.3" };
                assert_eq!(address(&scene.add(OURS, "c2", &config).ok()), expected, "state {number}");
                assert_eq!(taken(BLUE)[expected], "c2\r\neth0", "state {number}");
                scene.del(OURS, "c2", &config).ok();
            }
            scene.del(OURS, "c1", &config).ok();
            assert_empty(BLUE);
        }
    }
}

/// The reference creates the file and writes it afterwards; what it leaves when it dies in between is free.
#[test]
fn empty_files_are_free() {
    let scene = Scene::new();
    let config = blue(json!({"subnet": "10.1.2.0/30", "rangeStart": "10.1.2.2"}));
    fs::create_dir_all(BLUE).unwrap();
    fs::write(format!("{BLUE}/10.1.2.2"), "").unwrap();
    assert!(scene.add(REFERENCE, "c1", &config).error().1.contains("no IP addresses available"));
    assert_eq!(address(&scene.add(OURS, "c1", &config).ok()), "10.1.2.2");
}

/// A power failure keeps what the file system has in its journal: names and links, not contents.
#[test]
fn contents_lost_to_a_power_failure() {
    let scene = Scene::new();
    let config = subnet();
    let given = address(&scene.add(OURS, "c1", &config).ok());
    fs::write(format!("{BLUE}/{given}"), "").unwrap();
    scene.del(OURS, "c1", &config).ok();
    assert_empty(BLUE);

    let given = address(&scene.add(OURS, "c1", &config).ok());
    scene.add(OURS, "c2", &config).ok();
    fs::write(format!("{BLUE}/{given}"), "").unwrap();
    let list = json!([{"containerID": "c2", "ifname": "eth0"}]);
    let config = with(&config, "cniVersion", json!("1.1.0"));
    scene.network_verb("GC", &with(&config, "cni.dev/valid-attachments", list)).ok();
    scene.add(OURS, "c1", &config).ok();
    assert_eq!(taken(BLUE).len(), 2);
    assert_eq!(scene.add(OURS, "c1", &config).error().0, 110);
}

/// What else a power failure leaves: files cut short, and files of zeros. Nothing is lost for ever, and no call stops at it.
#[test]
fn files_cut_short_by_a_power_failure() {
    let scene = Scene::new();
    let pool = json!({"ranges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.10", "rangeEnd": "10.1.2.17"}]]});
    let config = with(&blue(pool), "cniVersion", json!("1.1.0"));
    for is_indexed in [true, false] {
        for (number, content) in
            ["", "\0\0\0\0\0\0\0\0\0\0", "dead1", "dead12\r\n", "dead123\r\net", "d"].iter().enumerate()
        {
            fs::create_dir_all(BLUE).unwrap();
            let path = format!("{BLUE}/10.1.2.{}", 10 + number);
            if is_indexed {
                // The name and the index have reached the disk, the content has not.
                scene.call(OURS, "ADD", &format!("dead{number}"), &config).run().ok();
            }
            fs::write(path, content).unwrap();
        }
        fs::write(format!("{BLUE}/last_reserved_ip.0"), "10.1.2").unwrap();
        scene.network_verb("STATUS", &config).ok();
        let given = address(&scene.add(OURS, "alive", &config).ok());
        let list = json!([{"containerID": "alive", "ifname": "eth0"}]);
        scene.network_verb("GC", &with(&config, "cni.dev/valid-attachments", list)).ok();
        assert_eq!(taken(BLUE).into_keys().collect::<Vec<_>>(), [given]);
        for number in 0..7 {
            scene.add(OURS, &format!("c{number}"), &config).ok();
        }
        assert_eq!(scene.network_verb("STATUS", &config).error().0, 50);
        fs::remove_dir_all(BLUE).unwrap();
    }
}

/// The maps are hints: a bit too many or too few, a map that is cut short or cannot be written costs time, no address.
#[test]
fn a_map_that_is_wrong_hides_no_address() {
    let scene = Scene::new();
    let config = with(&blue(json!({"subnet": "10.1.0.0/24"})), "cniVersion", json!("1.1.0"));
    let map = format!("{BLUE}/.taken.10.1.0.0");
    let contents: [&[u8]; 5] = [&[0xff; 8192], &[0; 8192], &[0xff; 100], b"", &[0xff; 9000]];
    for content in contents {
        fill(BLUE, (2..255).filter(|last| *last != 200).map(|last| format!("10.1.0.{last}")), "10.1.0.201");
        scene.del(OURS, "nobody", &config).ok();
        assert_eq!(fs::metadata(&map).unwrap().len(), 8192);
        fs::write(&map, content).unwrap();
        scene.network_verb("STATUS", &config).ok();
        assert_eq!(address(&scene.add(OURS, "c1", &config).ok()), "10.1.0.200");
        assert_eq!(scene.network_verb("STATUS", &config).error().0, 50);
        assert_eq!(scene.add(OURS, "c2", &config).error().0, 11);
        scene.del(OURS, "c1", &config).ok();
        assert_eq!(address(&scene.add(OURS, "c2", &config).ok()), "10.1.0.200");
        fs::remove_dir_all(BLUE).unwrap();
    }
}

#[test]
fn garbage_costs_an_address_at_most() {
    let scene = Scene::new();
    let config = subnet();
    fs::create_dir_all(format!("{BLUE}/10.1.2.3")).unwrap();
    fs::create_dir_all(format!("{BLUE}/old/deep")).unwrap();
    fs::write(format!("{BLUE}/10.1.2.2"), b"\xff\0\xff").unwrap();
    fs::write(format!("{BLUE}/last_reserved_ip.0"), b"\xff").unwrap();
    fs::write(format!("{BLUE}/notes.txt"), "c1\r\neth0").unwrap();
    symlink("nowhere", format!("{BLUE}/.c1:eth0:0")).unwrap();
    symlink("10.1.2.2", format!("{BLUE}/.c9:eth0:0")).unwrap();
    assert_eq!(address(&scene.add(OURS, "c1", &config).ok()), "10.1.2.4");
    assert_eq!(fs::read_link(format!("{BLUE}/.c1:eth0:0")).unwrap().to_str(), Some("10.1.2.4"));
    assert!(!files_exist(".c9:eth0:0"));
    scene.del(OURS, "c1", &config).ok();
    assert!(fs::exists(format!("{BLUE}/notes.txt")).unwrap(), "only files of addresses are ours to remove");
    assert!(fs::exists(format!("{BLUE}/10.1.2.2")).unwrap());
}

fn files_exist(name: &str) -> bool {
    fs::symlink_metadata(format!("{BLUE}/{name}")).is_ok()
}

#[test]
fn a_full_disk_loses_nothing() {
    let scene = Scene::new();
    let config = subnet();
    sh(&format!("mkdir -p {BLUE} && mount -t tmpfs -o size=64k none {BLUE}")).ok();
    scene.add(OURS, "c1", &config).ok();
    assert_ne!(sh(&format!("head -c 1M /dev/zero > {BLUE}/fill")).status, 0, "the disk is full");
    let before = files(BLUE);
    let (code, msg, _) = scene.add(OURS, "c2", &config).error();
    assert_eq!(code, 5);
    assert!(msg.contains(BLUE) && msg.contains("No space left on device"), "{msg}");
    assert_eq!(files(BLUE), before);

    scene.del(OURS, "c1", &config).ok();
    assert!(taken(BLUE).is_empty(), "releasing needs no space");
    fs::remove_file(format!("{BLUE}/fill")).unwrap();
    assert_eq!(address(&scene.add(OURS, "c2", &config).ok()), "10.1.2.3", "the order goes on");
}

/// A disk that runs out of inodes at any step of ADD: no address without a holder, none that nobody knows of.
#[test]
fn a_disk_without_inodes_loses_nothing() {
    let scene = Scene::new();
    let config = blue(json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}));
    let mut refused = 0;
    for inodes in 2..14 {
        sh(&format!("mkdir -p {BLUE} && mount -t tmpfs -o nr_inodes={inodes} none {BLUE}")).ok();
        let reply = scene.add(OURS, "c1", &config);
        if reply.status == 0 {
            assert_eq!(taken(BLUE).len(), 2, "{inodes} inodes");
        } else {
            refused += 1;
            let (code, msg, _) = reply.error();
            assert_eq!((code, msg.contains("No space left on device")), (5, true), "{inodes} inodes: {msg}");
            assert_empty(BLUE);
        }
        scene.del(OURS, "c1", &config).ok();
        assert_empty(BLUE);
        sh(&format!("umount {BLUE}")).ok();
    }
    assert!((2..11).contains(&refused), "{refused} of 12 were refused");
}

/// The first bytes of a file can be written and the others cannot, as on a disk that fills up or with a quota: the call
/// fails and is undone. Where the kernel ends the process instead, DEL cleans up.
#[test]
fn a_write_that_fails_in_the_middle() {
    let scene = Scene::new();
    let config =
        blue(json!({"ranges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.100"}], [{"subnet": "fd00::/64"}]]}));
    scene.add(OURS, "c1", &config).ok();
    let before = taken(BLUE);
    // `c2`, CR, LF, `eth0` are 8 bytes, `10.1.2.101` 10.
    for (bytes, path) in [(0, ".new"), (3, ".new"), (7, ".new"), (8, "last_reserved_ip.0"), (9, "last_reserved_ip.0")] {
        for (signal, is_killed) in [("trap '' XFSZ", false), (":", true)] {
            let limited = format!("#!/bin/sh\n{signal}\nexec prlimit --fsize={bytes} -- {}\n", bin(OURS).display());
            fs::write("/run/limited", limited).unwrap();
            sh("chmod 755 /run/limited").ok();
            let reply = scene.add("/run/limited", "c2", &config);
            if is_killed {
                assert_eq!(reply.status, 128 + 25, "SIGXFSZ: {reply}");
                scene.del(OURS, "c2", &config).ok();
            } else {
                let (code, msg, _) = reply.error();
                let expected = format!("{BLUE}/{path}: ");
                assert!(
                    code == 5 && msg.contains(&expected) && msg.contains("File too large"),
                    "{bytes}: {code} {msg}"
                );
            }
            assert_eq!(taken(BLUE), before, "{bytes} bytes, killed: {is_killed}");
            assert!(!files(BLUE).contains_key(".new"));
            // Whatever the half-written note of the last address says, the next one is free and in the range.
            let given = address(&scene.add(OURS, "c3", &config).ok());
            assert!(!before.contains_key(&given) && given.starts_with("10.1.2.1"), "{given}");
            scene.del(OURS, "c3", &config).ok();
        }
    }
    assert_eq!(taken(BLUE), before);
}

#[test]
fn a_read_only_disk_loses_nothing() {
    let scene = Scene::new();
    let config = subnet();
    sh(&format!("mkdir -p {BLUE} && mount -t tmpfs none {BLUE}")).ok();
    let result = scene.add(OURS, "c1", &config).ok();
    sh(&format!("mount -o remount,ro {BLUE}")).ok();
    let before = files(BLUE);
    let list = with(&with(&config, "cniVersion", json!("1.1.0")), "cni.dev/valid-attachments", json!([]));
    let gc = scene.network_verb("GC", &list);
    for reply in [scene.add(OURS, "c2", &config), scene.del(OURS, "c1", &config), gc] {
        let (code, msg, _) = reply.error();
        assert_eq!(code, 5);
        assert!(msg.contains(BLUE) && msg.contains("Read-only file system"), "{msg}");
    }
    scene.del(OURS, "c2", &config).ok();
    scene.call(OURS, "CHECK", "c1", &with(&config, "prevResult", result)).run().ok();
    assert_eq!(files(BLUE), before);
    sh(&format!("mount -o remount,rw {BLUE}")).ok();
    assert_eq!(address(&scene.add(OURS, "c2", &config).ok()), "10.1.2.3");
    scene.network_verb("GC", &list).ok();
    assert_empty(BLUE);
}

/// Names of links have an end at 255 bytes; container IDs have none.
#[test]
fn container_ids_too_long_for_the_index() {
    let scene = Scene::new();
    let config = subnet();
    let long = "c".repeat(250);
    let first = address(&scene.add(OURS, &long, &config).ok());
    assert_eq!(scene.add(OURS, &long, &config).error().0, 110);
    assert_ne!(address(&scene.add(OURS, "c1", &config).ok()), first);
    assert_eq!(scene.add(OURS, "c1", &config).error().0, 110);
    scene.del(OURS, &long, &config).ok();
    scene.del(OURS, "c1", &config).ok();
    assert_empty(BLUE);
}
