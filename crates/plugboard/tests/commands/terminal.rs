//! What is shown on a terminal only.

use harness::sh;
use serde_json::json;

use crate::support::Lab;

/// The shell's words for a command whose stderr is a terminal, with what it shows there as the output.
fn on_terminal(command: &str) -> String {
    format!("script -qec '{command} > /run/stdout' /dev/null < /dev/null")
}

#[test]
fn there_are_colours_on_a_terminal_only_and_nowhere_where_they_are_not_wanted() {
    let lab = Lab::new();
    lab.configuration("broken.conflist", "{");
    // A warning, and an error of the command line.
    for args in ["status", "nonsense"] {
        let command = lab.command(args);
        let shown =
            |environment: &str| sh(&format!("export TERM=xterm; {environment}; {}", on_terminal(&command))).stdout;
        assert!(shown("unset NO_COLOR").contains('\u{1b}'), "{args}");
        assert!(!shown("export NO_COLOR=1").contains('\u{1b}'), "{args}");
        let output = lab.plugboard(args);
        assert!(!output.stderr.is_empty() && !output.stderr.contains('\u{1b}'), "{output:?}");
    }
}

#[test]
fn verify_shows_that_it_is_at_work_on_a_terminal_only() {
    let lab = Lab::with_own_plugins();
    lab.network("lan", &json!([{"type": "bridge", "bridge": "lan-br"}]));
    for container in ["c1", "c2"] {
        lab.host.namespace(container);
        lab.plugboard(&format!("attach --primary lan {container} lan")).ok();
    }
    let verify = |container: &str| {
        let command = lab.command(&format!("verify --json --seconds 1 {container} eth0")).replacen("; ", "; exec ", 1);
        format!("echo $$ > /run/pid-{container}; {command}")
    };
    // Both at once, and ended when the second step has begun.
    let output = sh(&format!(
        "sh -c '{}' > /run/unseen 2>&1 & {} > /run/shown & \
         for i in $(seq 200); do grep -q 'measuring 2 of 7' /run/shown && break; sleep 0.05; done; \
         kill -INT $(cat /run/pid-c1 /run/pid-c2); wait; cat /run/shown",
        verify("c2"),
        on_terminal(&verify("c1"))
    ));
    for shown in [
        "verify: attaching two containers to network 'lan'",
        "verify: measuring 1 of 7: there and back: delay",
        "verify: measuring 2 of 7: download: delay, jitter and loss",
    ] {
        assert!(output.stdout.contains(shown), "{shown}: {output:?}");
    }
    assert_eq!(sh("cat /run/unseen").ok(), "");
}
