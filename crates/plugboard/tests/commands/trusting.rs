//! Programs and configurations that others can change are not used.

use crate::support::{Lab, assert_refused};
use harness::sh;
use serde_json::json;

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
