//! `make install` and `make uninstall`, with the executables under test in the place of a release build.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::{Output, bin_dir, sh};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What `make` passes on to what it calls, this test among it.
const SETTINGS: &str = "DESTDIR PREFIX prefix CNIBINDIR bindir mandir docdir bashcompdir zshcompdir fishcompdir BUILT";

/// The plugins that there are.
fn plugins() -> Vec<String> {
    sh(&format!("ls {REPOSITORY}/plugins")).ok().lines().map(str::to_owned).collect()
}

/// Runs `make` in the repository, where nothing can be compiled.
fn make(args: &str) -> Output {
    sh(&format!("unset MAKEFLAGS MAKELEVEL {SETTINGS}; PATH=/usr/sbin:/usr/bin:/sbin:/bin make -C {REPOSITORY} {args}"))
}

/// The files below a directory, by their paths there, with their modes.
fn files(root: &Path) -> BTreeSet<(String, String)> {
    let listed = sh(&format!("cd {} && find . -not -type d -printf '%P %m\\n'", root.display())).ok();
    let split = |line: &str| line.split_once(' ').map(|(path, mode)| (path.to_owned(), mode.to_owned()));
    listed.lines().filter_map(split).collect()
}

#[test]
fn what_is_installed_is_where_everybody_has_it_and_is_removed_again() {
    harness::bin("plugboard");
    let root = std::env::temp_dir().join(format!("plugboard-install-{}", std::process::id()));
    fs::create_dir_all(root.join("opt/cni/bin")).unwrap();
    fs::write(root.join("opt/cni/bin/firewall"), "").unwrap();
    let before = files(&root);
    let built = bin_dir();
    for (args, cni, prefix) in
        [("", "opt/cni/bin", "usr/local"), ("PREFIX=/usr CNIBINDIR=/usr/lib/cni", "usr/lib/cni", "usr")]
    {
        let args = format!("DESTDIR={} {args}", root.display());
        make(&format!("install BUILT={} {args}", built.display())).ok();
        let all = files(&root);
        let (documents, others): (BTreeSet<_>, BTreeSet<_>) =
            all.difference(&before).cloned().partition(|(path, _)| path.contains("share/doc/plugboard/"));
        let share = |path: &str| (format!("{prefix}/share/{path}"), "644".to_owned());
        let pages =
            sh(&format!("d=$(mktemp -d) && {}/plugboard man --dir $d && ls $d && rm -r $d", built.display())).ok();
        let mut expected: BTreeSet<_> = pages.lines().map(|page| share(&format!("man/man1/{page}"))).collect();
        expected.extend(plugins().iter().map(|plugin| share(&format!("man/man7/plugboard-{plugin}.7"))));
        expected.extend(plugins().iter().map(|plugin| (format!("{cni}/{plugin}"), "755".to_owned())));
        expected.insert((format!("{prefix}/bin/plugboard"), "755".to_owned()));
        expected.extend(
            [
                "bash-completion/completions/plugboard",
                "zsh/site-functions/_plugboard",
                "fish/vendor_completions.d/plugboard.fish",
            ]
            .map(share),
        );
        assert_eq!(others, expected, "{args}");
        for document in ["LICENSE", "README.md", "docs/plugboard.md", "docs/plugins/bridge.md"] {
            assert!(documents.contains(&share(&format!("doc/plugboard/{document}"))), "{args}: {document}");
        }
        let bridge = (fs::read(built.join("bridge")), fs::read(root.join(cni).join("bridge")));
        assert!(bridge.0.unwrap() == bridge.1.unwrap(), "it is the executable");
        make(&format!("uninstall {args}")).ok();
        assert_eq!(files(&root), before, "{args}");
    }
    // Plugins of other projects have the same names: what was not installed, or has been replaced since, stays.
    let args = format!("DESTDIR={}", root.display());
    let theirs = root.join("opt/cni/bin/bridge");
    fs::write(&theirs, "theirs").unwrap();
    let nothing = make(&format!("uninstall {args}"));
    assert!(nothing.status != 0 && nothing.stderr.contains("nothing is installed"), "{nothing:?}");
    let replacing = make(&format!("install BUILT={} {args}", built.display()));
    assert!(replacing.stderr.contains("opt/cni/bin/bridge is replaced"), "{replacing:?}");
    let again = make(&format!("install BUILT={} {args}", built.display()));
    assert!(!again.stderr.contains("is replaced"), "{again:?}");
    fs::write(&theirs, "theirs again").unwrap();
    assert!(make(&format!("uninstall {args}")).stderr.contains("opt/cni/bin/bridge stays"));
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs again");
    fs::remove_file(&theirs).unwrap();
    assert_eq!(files(&root), before);
    assert!(!root.join("usr/local/share/doc/plugboard").exists(), "a directory of ours goes, too");
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn what_is_built_is_installed_without_a_compiler() {
    let plan = make("--dry-run install TARGET=none BUILT=/nowhere").ok();
    assert!(plan.contains("scripts/installed put") && !plan.contains("cargo"), "{plan}");
    let plan = make("--dry-run install TARGET=none").ok();
    assert!(plan.contains("cargo build"), "nothing is built for it: {plan}");
}
