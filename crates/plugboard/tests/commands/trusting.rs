//! Programs, configurations and records that others can change are not used.

use std::fs;

use crate::support::{Lab, assert_refused};
use harness::sh;
use serde_json::{Value, json};

fn lab() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab
}

#[test]
fn a_plugin_that_others_can_change_is_not_executed() {
    let lab = lab();
    for (change, back, named) in [
        ("chmod 777 /run/plugins", "chmod 755 /run/plugins", "/run/plugins (mode 0777)"),
        ("chmod 1777 /run/plugins", "chmod 755 /run/plugins", "/run/plugins (mode 1777)"),
        ("chmod 775 /run/plugins", "chmod 755 /run/plugins", "/run/plugins (mode 0775)"),
        ("chown 1234 /run/plugins", "chown 0 /run/plugins", "user 1234 can change /run/plugins"),
        ("chmod 757 /run/plugins/wire", "chmod 755 /run/plugins/wire", "/run/plugins/wire (mode 0757)"),
        ("chown 1234 /run/plugins/wire", "chown 0 /run/plugins/wire", "user 1234 can change /run/plugins/wire"),
        ("chmod 777 /run", "chmod 755 /run", "/run (mode 0777)"),
        (
            "mkdir -m 777 /run/open && mv /run/plugins/wire /run/open && ln -s /run/open/wire /run/plugins/wire",
            "rm /run/plugins/wire && mv /run/open/wire /run/plugins && rmdir /run/open",
            "/run/open (mode 0777)",
        ),
    ] {
        sh(change).ok();
        let refused = lab.plugboard("attach c1 walt-net");
        assert_refused(&refused, named);
        assert_refused(&refused, "no plugin is executed from /run/plugins");
        assert_refused(&refused, "--trust-dirs");
        assert_eq!(lab.calls_in_short(), Vec::<String>::new(), "{change}");
        lab.plugboard("--trust-dirs attach c1 walt-net").ok();
        lab.plugboard("--trust-dirs detach c1").ok();
        lab.calls();
        sh(back).ok();
    }
    // Nobody can replace what is not his in a sticky directory; and the other directories are for plugins of plugins.
    sh("chmod 1777 /run").ok();
    lab.plugboard("attach c1 walt-net").ok();
    sh("mkdir -m 777 /run/other").ok();
    assert_refused(&lab.plugboard("--plugin-dir /run/plugins:/run/other detach c1"), "/run/other (mode 0777)");
    assert_refused(&lab.plugboard("--plugin-dir /run/plugins:/run/missing detach c1"), "/run (mode 1777)");
    lab.plugboard("detach c1").ok();
}

#[test]
fn a_configuration_that_others_can_change_is_not_read() {
    let lab = lab();
    let file = "/etc/cni/net.d/walt-net.conflist";
    for (change, back, named) in [
        (format!("chmod 666 {file}"), format!("chmod 644 {file}"), "walt-net.conflist (mode 0666)"),
        (format!("chown 1234 {file}"), format!("chown 0 {file}"), "user 1234 can change"),
        ("chmod 777 /etc/cni/net.d".to_owned(), "chmod 755 /etc/cni/net.d".to_owned(), "/etc/cni/net.d (mode 0777)"),
    ] {
        sh(&change).ok();
        let refused = lab.plugboard("attach c1 walt-net");
        assert_refused(&refused, named);
        assert_refused(&refused, "--trust-dirs");
        lab.plugboard("--trust-dirs attach c1 walt-net").ok();
        lab.plugboard("detach c1").ok();
        sh(&back).ok();
    }
}

#[test]
fn a_plugin_of_a_plugin_that_others_can_change_is_not_executed() {
    let mut lab = Lab::with_own_plugins();
    let from = lab.plugin_dir.display();
    sh(&format!("mkdir -p /run/bin && cp {from}/bridge {from}/host-local {from}/netem-shaper /run/bin/")).ok();
    lab.plugin_dir = "/run/bin".into();
    let bridge =
        json!({"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.5.0.0/24", "dataDir": "/run/ipam"}});
    lab.network("walt-net", &json!([bridge]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    sh("mv /run/bin/host-local /run/host-local").ok();
    lab.file("host-local", "#!/bin/sh\necho $CNI_COMMAND >> /run/executed\nexec /run/host-local\n");
    sh("chmod 777 /run/bin/host-local").ok();
    for command in ["check c1", "detach --dry-run c1", "detach c1", "gc", "status", "attach c1 walt-net"] {
        let output = lab.plugboard(command);
        assert_ne!(output.status, 0, "{command}: {output:?}");
        assert_eq!(fs::read_to_string("/run/executed").unwrap_or_default(), "", "{command}");
        if command != "attach c1 walt-net" {
            let told = output.stdout.clone() + &output.stderr;
            assert!(told.contains("/run/bin/host-local (mode 0777)"), "{command}: {output:?}");
            assert!(told.contains("--trust-dirs"), "{command}: {output:?}");
        }
    }
    // Nothing is lost.
    assert_eq!(sh("ls /run/ipam/walt-net/10.5.0.*").ok(), "/run/ipam/walt-net/10.5.0.2");
    lab.plugboard("--trust-dirs detach c1").ok();
    assert!(fs::read_to_string("/run/executed").unwrap().contains("DEL"));
    lab.assert_nothing_remembered();
    // Whatever key leads there.
    lab.recorders(&["meta"]);
    lab.network(
        "meta-net",
        &json!([{"type": "meta", "delegates": [{"type": "bridge", "ipam": {"type": "host-local"}}]}]),
    );
    assert_refused(&lab.plugboard("attach --primary meta-net c1 meta-net"), "/run/bin/host-local (mode 0777)");
}

#[test]
fn a_record_that_others_could_have_written_is_not_believed() {
    let lab = lab();
    lab.recorders(&["evil"]);
    let file = "/var/lib/cni/results/walt-net-c1-eth0";
    let configuration = "/etc/cni/net.d/walt-net.conflist";
    for (change, named) in [
        (format!("chown 1234 {file}"), format!("user 1234 can change {file}")),
        (format!("chmod 666 {file}"), format!("others than its owner can write {file} (mode 0666)")),
        (format!("chmod 660 {file}"), format!("others than its owner can write {file} (mode 0660)")),
        (
            format!(
                "mkdir -p /run/open && chmod 777 /run/open && mv {file} /run/open && ln -s /run/open/walt-net-c1-eth0 {file}"
            ),
            "others than its owner can write /run/open (mode 0777)".to_owned(),
        ),
    ] {
        lab.plugboard("attach c1 walt-net").ok();
        // In the usual modes of libcni it is believed.
        for modes in ["chmod 700 /var/lib/cni/results", "chmod 755 /var/lib/cni/results", &format!("chmod 644 {file}")]
        {
            sh(modes).ok();
            lab.plugboard("check c1").ok();
        }
        let mut record: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        // {"cniVersion":"1.1.0","name":"walt-net","plugins":[{"type":"evil"}]}
        record["config"] =
            json!("eyJjbmlWZXJzaW9uIjoiMS4xLjAiLCJuYW1lIjoid2FsdC1uZXQiLCJwbHVnaW5zIjpbeyJ0eXBlIjoiZXZpbCJ9XX0=");
        fs::write(file, record.to_string()).unwrap();
        sh(&change).ok();
        lab.calls();
        let gc = lab.plugboard("gc");
        assert_refused(&gc, &named);
        assert!(gc.stderr.contains("nothing is collected of network walt-net"), "{gc:?}");
        sh(&format!("mv {configuration} /run/conflist")).ok();
        let detach = lab.plugboard("detach c1");
        assert_refused(&detach, &named);
        assert_refused(&detach, "--trust-dirs");
        assert_eq!(lab.calls_in_short(), Vec::<String>::new(), "{change}");
        // Its name may still say what it is about: that is taken down as it is configured.
        sh(&format!("mv /run/conflist {configuration}")).ok();
        sh(&format!("cp -dp {file} /run/copy")).ok();
        lab.plugboard("detach c1").ok();
        assert_eq!(lab.calls_in_short(), ["DEL wire eth0"], "{change}");
        sh(&format!("cp -dp /run/copy {file}")).ok();
        lab.plugboard("--trust-dirs detach c1").ok();
        assert_eq!(lab.calls_in_short(), ["DEL evil eth0"], "{change}");
        lab.assert_nothing_remembered();
    }
}
