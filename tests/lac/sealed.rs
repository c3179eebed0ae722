//! Keys, and kernels that cannot encrypt: this one, as a rule. What is encrypted is in the scenarios.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use harness::{sh, soak};
use serde_json::{Value, json};
use tests::{State, cites};

use crate::site::{Site, network};

/// Two keys of 256 random bits, as somebody has thrown dice for them.
const KEY: &str = "q7Jm0Zt3pXv9bK2cLwYd4RsE8uHfGnA1iTzVx6oBCkM=";
const OTHER_KEY: &str = "5f0c9be1a48d73620e1fb7d9c86a2354f19d7e0b3c5a68421d0fe7b9a3c58642";

fn key_file(site: &Site, content: &str, mode: u32) -> PathBuf {
    let path = site.scene.directory("keys").join("lac.key");
    fs::write(&path, content).expect("a file on the host's /run");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the mode");
    path
}

/// Of three hosts, this one among them.
fn sealed(path: &PathBuf, keys: Value) -> Value {
    let sealed = json!({"peers": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "keyFile": path});
    tests::with(&network(sealed), keys)
}

/// Of the host, with its IPsec.
fn state(site: &Site) -> (State, String) {
    (site.state(), sh("ip xfrm policy; ip xfrm state").ok())
}

/// Whether states of ESP can be made on this kernel.
fn has_esp() -> bool {
    let key = "0x".to_owned() + &"42".repeat(32);
    let made = sh(&format!(
        "ip xfrm state add src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x4242 mode transport auth-trunc 'hmac(sha256)' {key} 128 \
         enc 'cbc(aes)' {key} && ip xfrm state delete src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x4242"
    ));
    made.status == 0
}

/// ADD says what is missing, with code 100, and there is nothing in its place; STATUS says it beforehand. With ESP both succeed.
#[test]
fn a_kernel_without_esp_is_refused_and_keeps_nothing() {
    cites!("ERR-2", "ADD-6", "STA-2");
    let site = Site::new();
    let config = sealed(&key_file(&site, KEY, 0o600), json!({}));
    let before = state(&site);
    if has_esp() {
        site.call(site.c1(), "eth1", "STATUS", &config).run().ok();
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
    } else {
        for (command, code) in [("ADD", 100), ("STATUS", 50)] {
            let words = site.refused(site.c1(), command, &config, code);
            assert!(words.contains("the kernel has no ESP"), "{words}");
            assert!(words.contains("modprobe") && words.contains("esp4"), "{words}");
        }
    }
    assert_eq!(before, state(&site));
}

#[test]
fn key_files_and_peers_that_cannot_serve() {
    cites!("ERR-2", "ADD-6");
    let site = Site::new();
    let before = state(&site);
    let refused = |content: &str, mode: u32, keys: Value, said: &str| {
        let config = sealed(&key_file(&site, content, mode), keys);
        for (command, code) in [("ADD", 7), ("STATUS", 7)] {
            let words = site.refused(site.c1(), command, &config, code);
            assert!(words.contains(said), "{config}: {words}");
            assert!(!words.contains(KEY) && !words.contains("secret"), "{words}");
        }
    };
    refused(KEY, 0o640, json!({}), "its mode is 0640: others than its owner can read or change it");
    refused(KEY, 0o604, json!({}), "its mode is 0604");
    refused("secret\n", 0o600, json!({}), "line 1: the key has 6 letters, and 43 are the fewest");
    refused(&format!("{KEY}\nsecret"), 0o600, json!({}), "line 2: the key has 6 letters");
    refused("# nothing\n", 0o600, json!({}), "there is no key in it");
    refused(KEY, 0o600, json!({"peers": null}), "keyFile needs the addresses of the hosts");
    refused(KEY, 0o600, json!({"peers": ["192.0.2.0/23"]}), "192.0.2.0/23 has more than 256 hosts");
    refused(KEY, 0o600, json!({"mode": "vxvde"}), "VDE's clients cannot encrypt");
    refused(KEY, 0o600, json!({"keyFile": "lac.key"}), "it must be the file's whole path");
    refused(KEY, 0o600, json!({"keyFile": "/run/nobody/lac.key"}), "No such file");
    let words = site.refused(site.c1(), "ADD", &sealed(&key_file(&site, KEY, 0o600), json!({"mtu": 1409})), 7);
    assert!(words.contains("mtu: 1409 bytes do not fit") && words.contains("at most 1408 do"), "{words}");
    assert_eq!(before, state(&site));
}

/// Whoever's the file is that others could have read or written.
#[test]
fn a_key_file_of_another_user() {
    let site = Site::new();
    let path = key_file(&site, KEY, 0o600);
    std::os::unix::fs::chown(&path, Some(65534), None).expect("root may do that");
    let words = site.refused(site.c1(), "ADD", &sealed(&path, json!({})), 7);
    assert!(words.contains("it belongs to user 65534"), "{words}");
}

/// The commands have everything but the keys.
#[test]
fn what_is_printed_has_no_key() {
    let site = Site::new();
    let before = state(&site);
    let path = key_file(&site, &format!("{KEY}\n{OTHER_KEY}\n"), 0o400);
    let reply = site.call(site.c1(), "eth1", "PRINT", &sealed(&path, json!({}))).env("CNI_PRINT", "ADD").run();
    let printed = reply.ok();
    let commands: Vec<&str> =
        printed["commands"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let of = |begin: &str| commands.iter().filter(|command| command.starts_with(begin)).count();
    assert_eq!(of("ip xfrm policy add dir in") + of("ip xfrm policy add dir out src 192.0.2.1/32"), 2, "{reply}");
    // Two others, heard by this host and by the group with either key; sent to by three ways with the first.
    assert_eq!(of("ip xfrm state add src 192.0.2.1 dst "), 3, "{reply}");
    assert_eq!(of("ip xfrm state add src 192.0.2.2 dst ") + of("ip xfrm state add src 192.0.2.3 dst "), 8, "{reply}");
    assert!(commands.iter().filter(|command| command.contains("xfrm state")).all(|c| c.contains("SECRET 128")));
    let place = |part: &str| commands.iter().position(|command| command.contains(part)).expect("a command");
    assert!(place("plugboard-lacs") < place("type vxlan") && place("xfrm state") < place("type vxlan"), "{reply}");
    for secret in [KEY, OTHER_KEY] {
        assert!(!reply.stdout.contains(secret) && !reply.stderr.contains(secret));
    }
    assert_eq!(before, state(&site));
}

const POLICY: &str =
    "ip xfrm policy add dir in src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 14789 tmpl proto esp mode transport reqid ";

/// What a call has left that was killed. Others' policies stay.
#[test]
fn del_and_gc_find_policies_that_are_left() {
    cites!("DEL-8", "GC-1");
    let site = Site::new();
    let foreign = "ip xfrm policy add dir out src 192.0.2.1/32 dst 198.51.100.1/32 proto tcp dport 443 tmpl proto esp mode transport reqid";
    sh(&format!("{foreign} 7")).ok();
    let before = state(&site);
    // The file has gone, too.
    let config = sealed(&PathBuf::from("/run/nobody/lac.key"), json!({}));
    for by_gc in [false, true] {
        sh(&format!("{POLICY} 0x706c39c5")).ok();
        assert_ne!(before, state(&site));
        match by_gc {
            false => site.deleted(site.c1(), "eth1", &config),
            true => drop(site.collect(&network(json!({})), &[]).ok()),
        }
        assert_eq!(before, state(&site), "by GC: {by_gc}");
    }
    sh(&format!(
        "{} && {}",
        foreign.replace(" add ", " delete ").split(" tmpl").next().unwrap_or_default(),
        POLICY.replace("reqid", "reqid 9").trim_end()
    ))
    .ok();
    // Somebody else's policy for the same port is in the way, and stays.
    let config = sealed(&key_file(&site, KEY, 0o600), json!({}));
    let before = state(&site);
    let words = site.refused(site.c1(), "ADD", &config, 102);
    assert!(words.contains("the policy of IPsec dir in for UDP port 14789"), "{words}");
    assert_eq!(before, state(&site));
}

/// A call for an encrypted LAC was killed, and the next is for one in clear: its packets must pass.
#[test]
fn what_a_killed_call_has_left_is_not_in_the_way_of_a_lac_in_clear() {
    let site = Site::new();
    let before = state(&site);
    for keys in [json!({}), json!({"peers": ["192.0.2.2"]})] {
        // Whatever the kernel has: rules and a policy come first.
        sh(&format!("{POLICY} 0x706c39c5")).ok();
        let config = network(keys);
        let (_, attached) = site.added(site.c1(), "eth1", &network(json!({"peers": ["192.0.2.2"]})));
        site.deleted(site.c1(), "eth1", &attached);
        assert_ne!(sh("ip xfrm policy").ok(), "", "nothing says that it was this LAC's");
        let (_, attached) = site.added(site.c1(), "eth1", &with_rules(&site, &config));
        assert_eq!(sh("ip xfrm policy").ok(), "", "{config}");
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, state(&site), "{config}");
    }
}

/// The rules of an encrypted LAC without a member, as the call has left them.
fn with_rules(site: &Site, config: &Value) -> Value {
    let printed = site
        .call(site.c1(), "eth1", "PRINT", &sealed(&key_file(site, KEY, 0o600), json!({})))
        .env("CNI_PRINT", "ADD")
        .run()
        .ok();
    let commands = printed["commands"].as_array().expect("a list");
    for command in commands.iter().filter_map(Value::as_str).filter(|command| command.starts_with("nft")) {
        sh(command).ok();
    }
    config.clone()
}

/// On a kernel without ESP, too, ADD has made something at some moment.
#[test]
fn a_killed_add_leaves_nothing_that_del_and_gc_do_not_find() {
    cites!("DEL-8", "GC-1", "ADD-6");
    let site = Site::new();
    let config = sealed(&key_file(&site, KEY, 0o600), json!({}));
    let before = state(&site);
    let mut half_done = 0;
    for count in (0..).step_by(soak::size(7, 1)) {
        let was_killed = site.call(site.c1(), "eth1", "ADD", &config).kill_after_system_calls(count);
        half_done += u32::from(was_killed && before != state(&site));
        match count % 2 {
            0 => site.deleted(site.c1(), "eth1", &config),
            _ => drop(site.collect(&config, &[]).ok()),
        }
        if count % 2 == 1 {
            site.deleted(site.c1(), "eth1", &config); // GC does not know what is in the container's namespace alone
        }
        assert_eq!(before, state(&site), "killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 1, "there was something to clean up {half_done} times");
}
