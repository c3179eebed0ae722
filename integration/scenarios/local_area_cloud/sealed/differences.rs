//! CHECK of what somebody has changed.

use harness::Namespace;
use tests::codes;

use super::super::site::{Member, Site, all_reach_each_other};
use super::site::{Way, members, new_key};
use super::{KEY, sealed};

/// The first state of a host that comes after words of `ip xfrm state list`, as what names it in a command.
fn named(host: &Namespace, which: &str) -> String {
    let shown = host.sh(&format!("ip xfrm state list {which}")).ok();
    let words: Vec<&str> = shown.split_whitespace().take(9).collect();
    let ["src", source, "dst", destination, "proto", "esp", "spi", spi, ..] = words.as_slice() else {
        panic!("{which}: {shown}")
    };
    format!("src {source} dst {destination} proto esp spi {spi}")
}

#[test]
fn check_reports_what_is_missing_or_changed_and_update_makes_it_again() {
    sealed(|| {
        for way in Way::first(1) {
            println!("{way:?}");
            let site = Site::<3>::new();
            new_key(KEY);
            let members = members(&site, &way.sealed(&site, 3, KEY));
            let (host, one) = (&site.hosts[0], &members[0]);
            let [own, other] = [0, 1].map(|place| way.host(&site, place));
            let port = one.config["port"].as_u64().unwrap_or(14789);
            let family = if own.is_ipv4() { "" } else { "-6" };
            let (any, prefix) = if own.is_ipv4() { ("0.0.0.0/0", 32) } else { ("::/0", 128) };
            let out = format!("dir out src {own}/{prefix} dst {any} proto udp dport {port}");
            let into = format!("dir in src {any} dst {any} proto udp dport {port}");
            let heard = named(host, &format!("src {other} dst {own}"));
            let sent = named(host, &format!("src {own} dst {other}"));
            let keys = "auth-trunc hmac(sha256) 0x$(printf %064d 1) 128 enc cbc(aes) 0x$(printf %064d 2)";
            let mut changes = vec![
                (format!("ip xfrm state delete {heard}"), vec!["state", "missing"]),
                (format!("ip xfrm state delete {sent}"), vec!["state", "missing"]),
                (format!("ip {family} xfrm policy delete {out}"), vec!["policy", "dir out"]),
                (format!("ip {family} xfrm policy delete {into}"), vec!["policy", "dir in"]),
                (format!("ip {family} xfrm policy update {out} priority 0 action allow"), vec!["policy", "dir out"]),
                (
                    format!(
                        "ip {family} xfrm policy update {out} priority 7 tmpl proto esp mode transport reqid {:#x}",
                        0x706c_0000 + port
                    ),
                    vec!["policy", "dir out"],
                ),
                (
                    format!(
                        "id=$(ip xfrm state list {heard} | grep -o 'reqid [0-9]*') && ip xfrm state delete {heard} && \
                         ip xfrm state add {heard} $id mode transport replay-window 32 {}",
                        keys.replace('(', "\\(")
                            .replace(')', "\\)")
                            .replace("$\\(", "$(")
                            .replace("1\\)", "1)")
                            .replace("2\\)", "2)")
                    ),
                    vec!["state"],
                ),
            ];
            changes.extend(way.group().map(|group| {
                let to_all = named(host, &format!("src {other} dst {group}"));
                (format!("ip xfrm state delete {to_all}"), vec!["state", "missing"])
            }));
            changes.push(("nft flush table inet plugboard-lacs".to_owned(), vec!["plugboard-lacs"]));
            changes.push(("nft delete table inet plugboard-lacs".to_owned(), vec![]));
            for (command, words) in changes {
                host.sh(&command).ok();
                let reply = one.call("CHECK").run();
                let (code, message, details) = reply.error();
                let told = format!("{message}; {details}");
                println!("{command}: {code} {told}");
                assert!(words.iter().all(|word| told.contains(word)), "{command}: {told}");
                if command.contains("policy update") {
                    // It is not ours any more.
                    let (code, message, _) = one.call("UPDATE").run().error();
                    assert!(code == codes::CONFLICT && message.contains("policy"), "{code}: {message}");
                    host.sh(&format!("ip {family} xfrm policy delete {out}")).ok();
                }
                one.call("UPDATE").run().ok();
                one.call("CHECK").run().ok();
                all_reach_each_other(&members.iter().collect::<Vec<_>>());
            }
            members.iter().for_each(Member::delete);
        }
    });
}
