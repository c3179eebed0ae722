//! Completion, typed into a shell on a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::sh;
use serde_json::json;

use crate::support::Lab;

/// What `plugboard` is called with after each of these was typed into bash, with its tabs. Whatever is printed besides is left out.
fn typed(lab: &Lab, lines: &[&str]) -> Vec<String> {
    // It says how it is called, unless a completion asks.
    let (real, plugins) = (env!("CARGO_BIN_EXE_plugboard"), lab.plugin_dir.display());
    let stand_in = format!(
        "#!/bin/sh\n[ -z \"$_PLUGBOARD_COMPLETE\" ] || exec {real} \"$@\"\necho \"called: $*.\"\n{real} --plugin-dir {plugins} ls > /dev/null\n"
    );
    fs::create_dir_all("/run/path").unwrap();
    fs::write("/run/path/plugboard", stand_in).unwrap();
    fs::set_permissions("/run/path/plugboard", fs::Permissions::from_mode(0o755)).unwrap();
    fs::write("/run/completion", sh(&format!("{real} completions bash")).ok()).unwrap();
    let mut typed = ". /run/completion\n".to_owned();
    lines.iter().for_each(|line| typed += &format!("{line}\n"));
    fs::write("/run/typed", typed + "exit\n").unwrap();
    let output = sh("unset CNI_CONF_DIR NETCONFPATH; export TERM=dumb HISTFILE= PATH=/run/path:$PATH; \
        script -qec 'bash --norc --noprofile -i' /dev/null < /run/typed")
    .stdout;
    let called = |line: &str| Some(line.trim_end().strip_prefix("called: ")?.strip_suffix('.')?.to_owned());
    output.lines().filter_map(called).collect()
}

#[test]
fn bash_knows_the_networks_and_the_containers_of_the_host() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    for network in ["walt-net", "home-net", "office"] {
        lab.network(network, &json!([{"type": "wire"}]));
    }
    fs::create_dir_all("/run/other").unwrap();
    fs::write(
        "/run/other/a.conflist",
        r#"{"name": "elsewhere", "cniVersion": "1.0.0", "plugins": [{"type": "wire"}]}"#,
    )
    .unwrap();
    lab.host.namespace("vn1");
    lab.host.namespace("spare");
    lab.plugboard("attach vn1 walt-net,office").ok();
    let expected = [
        ("plugboard ls\t", "ls"),
        ("plugboard lac rel\t", "lac reload"),
        ("plugboard lac fr\twa\t", "lac frr walt-net"),
        ("plugboard det\tv\t", "detach vn1"),
        ("plugboard attach sp\two\tx", "attach spare wox"),
        ("plugboard attach sp\twa\t", "attach spare walt-net"),
        ("plugboard attach spare walt-net,ho\t", "attach spare walt-net,home-net"),
        ("plugboard attach spare 'walt-net,ho\t", "attach spare walt-net,home-net"),
        ("plugboard attach pid:42 walt-net,ho\t", "attach pid:42 walt-net,home-net"),
        ("plugboard attach spare walt-net[b\t1Mbps],of\t", "attach spare walt-net[bw=1Mbps],office"),
        ("plugboard attach /run/netns/sp\t", "attach /run/netns/spare"),
        ("plugboard --conf-dir=/run/other attach spare el\t", "--conf-dir=/run/other attach spare elsewhere"),
        ("plugboard attach --primary of\tspare office", "attach --primary office spare office"),
        ("plugboard attach spare office --pub\t8080:80/u\t", "attach spare office --publish 8080:80/udp"),
        ("plugboard attach spare office -p [::1]:8080:80/s\t", "attach spare office -p [::1]:8080:80/sctp"),
        ("plugboard check v\t", "check vn1"),
        ("plugboard shape v\teth1 b\t1Mbps", "shape vn1 eth1 bw=1Mbps"),
        ("plugboard verify v\teth\t0 --str\t", "verify vn1 eth0 --strict"),
        ("plugboard status ho\t", "status home-net"),
        ("plugboard gc of\t--js\t", "gc office --json"),
        ("plugboard detach sp\t", "detach sp"),
    ];
    let lines = expected.map(|(line, _)| line);
    assert_eq!(typed(&lab, &lines), expected.map(|(_, called)| called));
}
