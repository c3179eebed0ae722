//! Sequence numbers that come to their end.

use harness::Namespace;

use super::super::site::{Member, Site, all_reach_each_other};
use super::site::{Way, members, new_key};
use super::{KEY, sealed};

/// Makes all states of a host anew, just before the last number, each as `ip -s xfrm state` shows it.
fn bring_to_the_end(host: &Namespace) {
    let shown = host.sh("ip -s xfrm state").ok();
    let states: Vec<Vec<&str>> = shown.split("\nsrc ").map(|state| state.split_whitespace().collect()).collect();
    let batch: Vec<String> = states.iter().map(|words| anew(words)).collect();
    host.sh(&format!("ip -force -batch - <<'END'\n{}\nEND", batch.join("\n"))).ok();
    let numbers = host.sh("ip xfrm state | grep -c 'oseq 0xfffffff'").ok();
    assert_eq!(numbers, states.len().to_string(), "{}", host.sh("ip xfrm state").stdout);
}

fn anew(words: &[&str]) -> String {
    let after = |name: &str| {
        let found = words.iter().position(|word| *word == name).and_then(|place| words.get(place + 1));
        found.map(|word| word.split('(').next().unwrap_or_default()).unwrap_or_else(|| panic!("no {name} in {words:?}"))
    };
    let place =
        |name: &str| words.iter().position(|word| *word == name).unwrap_or_else(|| panic!("no {name} in {words:?}"));
    let (source, destination) = (words.iter().find(|word| **word != "src").expect("a source"), after("dst"));
    let (cipher, authentication) = (words[place("enc") + 2], words[place("auth-trunc") + 2]);
    let (spi, request_id) = (after("spi"), after("reqid"));
    let selector = words[place("sel")..].iter().take(5).copied().collect::<Vec<_>>().join(" ");
    let may_wrap = if words.contains(&"oseq-may-wrap") { "extra-flag oseq-may-wrap" } else { "" };
    format!(
        "xfrm state delete src {source} dst {destination} proto esp spi {spi}\n\
         xfrm state add src {source} dst {destination} proto esp spi {spi} mode transport replay-window 0 reqid {request_id} {may_wrap} \
         replay-oseq 0xfffffff0 auth-trunc hmac(sha256) {authentication} 128 enc cbc(aes) {cipher} {selector}"
    )
}

#[test]
fn numbers_come_to_their_end_and_begin_anew_and_nothing_is_lost() {
    sealed(|| {
        for way in Way::ALL {
            println!("{way:?}");
            let site = Site::<3>::new();
            new_key(KEY);
            let members = members(&site, &way.sealed(&site, 3, KEY));
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            site.hosts.iter().for_each(bring_to_the_end);
            let [one, two, _] = members.as_slice() else { panic!("three members") };
            let directly = one.ns.ping_with(&two.address, "-c100 -i.002 -W2");
            assert_eq!(directly.received, 100, "{directly:?}");
            // Whom nobody has heard of is asked for by all.
            let to_all = one.ns.sh("for n in $(seq 100 140); do ping -c1 -W.01 10.0.0.$n; done; ip neighbour flush all; ping -q -c1 -W2 10.0.0.3");
            assert_eq!(to_all.status, 0, "{to_all:?}");
            let numbers = site.hosts[0].sh("ip xfrm state").ok();
            println!("{}", numbers.lines().filter(|line| line.contains("oseq")).collect::<Vec<_>>().join("\n"));
            all_reach_each_other(&members.iter().collect::<Vec<_>>());
            members.iter().for_each(Member::delete);
        }
    });
}
