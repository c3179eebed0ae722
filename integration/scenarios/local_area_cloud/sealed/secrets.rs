//! Where keys do not appear.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use harness::{Namespace, bin, bin_dir, sh};
use integration::{call, with};
use serde_json::{Value, json};
use tests::udp::Repeated;

use super::super::site::Site;
use super::site::{Way, new_key, write_keys};
use super::{KEY, sealed};

/// The forms in which somebody could use a key.
fn forms(key: &str) -> Vec<Vec<u8>> {
    let raw = sh(&format!("echo {key} | base64 -d | od -An -v -tx1 | tr -d ' \\n'")).ok();
    let bytes: Vec<u8> = raw
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    assert_eq!(bytes.len(), 32, "{key}");
    let listed = format!("{:?}", key.as_bytes());
    // A part would be enough to tell that it was there.
    [key.as_bytes(), raw.as_bytes(), raw.to_uppercase().as_bytes(), &bytes, listed.trim_matches(['[', ']']).as_bytes()]
        .iter()
        .flat_map(|form| [form[..form.len() / 2].to_vec(), form[form.len() / 2..].to_vec()])
        .collect()
}

/// The command lines and environments of all processes, again and again, each once.
fn processes(seen: &Arc<Mutex<BTreeSet<Vec<u8>>>>) -> Repeated {
    let seen = Arc::clone(seen);
    Repeated::start(move || {
        let found = fs::read_dir("/proc").into_iter().flatten().flatten();
        let files = found.flat_map(|process| ["cmdline", "environ"].map(|name| process.path().join(name)));
        let texts: Vec<Vec<u8>> = files.filter_map(|file| fs::read(file).ok()).collect();
        seen.lock().unwrap_or_else(PoisonError::into_inner).extend(texts);
        std::thread::sleep(std::time::Duration::from_micros(500));
    })
}

#[test]
fn no_output_record_or_process_shows_a_key() {
    sealed(|| {
        let site = Site::<2>::new();
        let [host, _] = &site.hosts;
        let key = new_key(KEY);
        let next = sh("head -c 32 /dev/urandom | base64").ok();
        let forms: Vec<Vec<u8>> = [&key, &next].iter().flat_map(|key| self::forms(key)).collect();
        let container = site.container("c1");
        let config = Way::Group.sealed(&site, 2, KEY);
        let list = json!({"cniVersion": "1.1.0", "name": "lac", "plugins": [config]});
        sh("mkdir -p /etc/cni/net.d").ok();
        fs::write("/etc/cni/net.d/lac.conflist", list.to_string()).expect("a file");
        let seen: Arc<Mutex<BTreeSet<Vec<u8>>>> = Arc::default();
        let watching = processes(&seen);
        let mut said: Vec<(String, String)> = Vec::new();
        let mut plugin = |command: &str, config: &Value| {
            let reply = call(command, &container, "lac0", config).env("RUST_BACKTRACE", "1").on(host).run();
            said.push((format!("{command}, status {}", reply.status), format!("{}{}", reply.stdout, reply.stderr)));
            reply
        };
        let result = plugin("ADD", &config).ok();
        let attached = with(&config, &json!({"prevResult": result}));
        let rekeyed = with(&attached, &json!({"plugboard/rekey": 60}));
        plugin("CHECK", &attached).ok();
        plugin("STATUS", &config);
        host.sh("ip xfrm policy flush").ok();
        assert_ne!(plugin("CHECK", &attached).status, 0);
        plugin("UPDATE", &attached).ok();
        write_keys(KEY, &[&next, &key]);
        assert_ne!(plugin("UPDATE", &attached).status, 0, "the file has another first key");
        assert_ne!(plugin("CHECK", &attached).status, 0);
        assert_ne!(call("ADD", &container, "lac1", &config).on(host).run().status, 0);
        plugin("UPDATE", &rekeyed).ok();
        // Files that are refused, with keys in them.
        for text in [format!("{key} {next}\n"), format!("{key}\n{key}\n"), format!("{next}\n{}\n", &key[..40])] {
            fs::write(KEY, &text).expect("the file is written");
            for command in ["ADD", "CHECK", "STATUS"] {
                assert_ne!(plugin(command, &attached).status, 0, "{command}");
            }
        }
        write_keys(KEY, &[&next, &key]);
        plugin("GC", &with(&config, &json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "lac0"}]})))
            .ok();
        plugin("DEL", &attached).ok();

        let mut commands = |words: &str| {
            let output = plugboard(host, words);
            said.push((format!("plugboard {words}"), format!("{}{}", output.stdout, output.stderr)));
            output
        };
        let printed = commands("attach --dry-run --primary lac c1 lac").ok();
        assert!(printed.contains("xfrm"), "{printed}");
        commands("attach --primary lac c1 lac").ok();
        commands("attach --dry-run --primary lac c1 lac");
        for words in ["ls", "ls --json", "lac ls", "lac ls --json", "lac reload", "check", "--help"] {
            commands(words);
        }
        write_keys(KEY, &[&next]);
        for words in ["lac reload", "check", "lac rekey", "lac ls", "detach --dry-run c1 lac"] {
            commands(words);
        }
        let records = sh(
            "find /var/lib/cni /run /tmp /etc/cni/net.d -xdev -type f -size -64k ! -path '/run/netns/*' -exec cat {} +",
        )
        .stdout;
        assert!(records.contains("lac0") || records.contains("\"lac\""), "there are records");
        commands("detach --force c1 lac");
        said.push(("files".to_owned(), records));
        drop(watching);
        for (what, text) in &said {
            println!("{what}: {} bytes", text.len());
            assert!(!shows(text.as_bytes(), &forms), "{what} shows a key");
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let seen: Vec<u8> = seen.into_iter().flatten().collect();
        println!("processes: {} bytes", seen.len());
        assert!(shows(&seen, &[b"CNI_COMMAND=ADD".to_vec()]), "calls were seen");
        assert!(!shows(&seen, &forms), "a process shows a key");
        // The control.
        assert!(shows(&fs::read(KEY).expect("the file is there"), &forms));
    });
}

fn plugboard(host: &Namespace, words: &str) -> harness::Output {
    host.sh(&format!("CNI_PATH={} {} {words}", bin_dir().display(), bin("plugboard").display()))
}

fn shows(text: &[u8], forms: &[Vec<u8>]) -> bool {
    // Each begins with some byte: few places are worth a look.
    forms.iter().any(|form| {
        form.first().is_some_and(|first| {
            text.iter()
                .enumerate()
                .any(|(place, byte)| byte == first && text.get(place..).is_some_and(|rest| rest.starts_with(form)))
        })
    })
}
