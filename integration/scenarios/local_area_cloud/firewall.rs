//! Hosts whose firewall drops what they forward, as Docker leaves them: frames of a bridge pass it, too.

use harness::{Namespace, row};
use serde_json::json;

use super::site::{Member, Site, all_reach_each_other, network};

const TOOLS: [&str; 2] = ["iptables", "ip6tables"];

/// Policies and rules, without counters and dates.
fn saved(host: &Namespace) -> Vec<String> {
    let text: String = TOOLS.iter().map(|tool| host.sh(&format!("{tool}-save")).ok() + "\n").collect();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split(" [").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn members_reach_each_other_on_hosts_that_drop_what_they_forward() {
    let _row = row("M19");
    let site = Site::<2>::new();
    let [here, there] = &site.hosts;
    for host in &site.hosts {
        host.sh("for file in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo 1 > $file; done").ok();
        for tool in TOOLS {
            host.sh(&format!(
                "{tool} -P FORWARD DROP && {tool} -N DOCKER-USER && {tool} -A FORWARD -j DOCKER-USER && \
                 {tool} -A DOCKER-USER -m comment --comment 'of the operator' -j RETURN"
            ))
            .ok();
        }
    }
    let before = [here, there].map(saved);
    let config = network(&json!({}));
    let members: Vec<Member> = (1..)
        .zip([here, here, there])
        .map(|(number, host)| {
            let container = site.container(&format!("c{number}"));
            Member::new(host, &container, "lac0", &config, &format!("10.0.0.{number}/24"))
        })
        .collect();
    all_reach_each_other(&members.iter().collect::<Vec<_>>());
    let rule =
        "FORWARD -i lac14789-1 -o lac14789-1 -m comment --comment \"plugboard: members of lac14789-1\" -j ACCEPT";
    for (host, before) in site.hosts.iter().zip(&before) {
        let (ours, others): (Vec<_>, Vec<_>) = saved(host).into_iter().partition(|line| line.contains(rule));
        assert_eq!((ours.len(), &others), (TOOLS.len(), before), "policies and rules of others stay");
    }
    // The control. Another member brings the rule back.
    let [one, two, three] = members.as_slice() else { panic!("three members") };
    here.sh(&format!("iptables -D {rule}")).ok();
    assert_eq!((one.soon_answered_by(two), one.soon_answered_by(three)), (0, 0), "without the rule");
    let another = Member::new(here, &site.container("c4"), "lac0", &config, "10.0.0.4/24");
    all_reach_each_other(&[one, two, three, &another]);
    another.delete();
    members.iter().for_each(Member::delete);
    assert_eq!([here, there].map(saved), before, "the rule goes with the last member");
}
