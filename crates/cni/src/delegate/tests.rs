//! Delegates that are real processes: shell scripts, each in a directory of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::{Args, Call, Code, Command, Config, Delegate, End, Environment, Error, Failed, Success};

const RESULT: &str = r#"{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}],"dns":{}}"#;

/// A directory for executables, removed with everything in it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cni-delegate-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a script. A shell does it: were the file open for writing here, another test's child could inherit it, and
    /// nobody could execute it (ETXTBSY).
    fn script(&self, name: &str, body: &str, mode: &str) -> PathBuf {
        let path = self.0.join(name);
        let mut shell = process::Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod \"$1\" \"$0\""])
            .arg(&path)
            .arg(mode)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        write!(shell.stdin.take().unwrap(), "#!/bin/sh\n{body}\n").unwrap();
        assert!(shell.wait().unwrap().success());
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn call(path: &[&Path], padding: usize) -> Call {
    let padding = " ".repeat(padding);
    let text = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"bridge","ipam":{{"type":"ipam"}}{padding}}}"#);
    Call {
        environment: Environment {
            command: Command::Add,
            is_printed: false,
            container_id: "c1".into(),
            netns: None,
            if_name: "eth0".into(),
            args: Args::default(),
            path: path.iter().map(|path| path.to_path_buf()).collect(),
            netns_override: false,
            delegated_by: None,
            args_objection: None,
        },
        config: Config::read(text.into_bytes(), Command::Add).unwrap(),
    }
}

/// Runs a script with a configuration that is longer by `padding`, and a limit of ten seconds.
fn run_padded(body: &str, command: Command, padding: usize) -> Result<Option<Success>, Error> {
    let directory = Directory::new();
    directory.script("ipam", body, "755");
    let call = call(&[&directory.0], padding);
    let mut delegate = Delegate::find("ipam", &call).unwrap();
    delegate.limit = Duration::from_secs(10);
    delegate.run(command, &call).map_err(Error::from)
}

fn run(body: &str, command: Command) -> Result<Option<Success>, Error> {
    run_padded(body, command, 0)
}

fn is_gone(pid: &str) -> bool {
    !Path::new(&format!("/proc/{}", pid.trim())).exists()
}

#[test]
fn add_returns_the_result() {
    let success = run(&format!("cat >/dev/null; echo '{RESULT}'"), Command::Add).unwrap().unwrap();
    assert_eq!(success.ips[0].address.to_string(), "10.1.0.5/24");
}

#[test]
fn the_delegate_gets_the_command_and_the_configuration_byte_by_byte() {
    let directory = Directory::new();
    let seen = directory.0.join("seen");
    directory.script("ipam", &format!("{{ echo $CNI_COMMAND; cat; }} > {}", seen.display()), "755");
    let call = call(&[&directory.0], 300_000);
    for command in [Command::Del, Command::Check, Command::Gc, Command::Status] {
        assert_eq!(Delegate::find("ipam", &call).unwrap().run(command, &call), Ok(None));
        let expected = [command.as_str().as_bytes(), b"\n", &call.config.text].concat();
        assert!(fs::read(&seen).unwrap() == expected, "{command:?}");
    }
}

#[test]
fn a_delegate_that_writes_before_it_reads_does_not_deadlock() {
    let body = format!("printf '%300000s' ''; cat >/dev/null; echo '{RESULT}'");
    assert!(run_padded(&body, Command::Add, 300_000).unwrap().is_some());
}

#[test]
fn a_delegate_may_ignore_its_stdin() {
    for padding in [0, 300_000] {
        assert!(run_padded(&format!("echo '{RESULT}'"), Command::Add, padding).unwrap().is_some());
        assert!(run_padded(&format!("exec <&-; sleep 0.1; echo '{RESULT}'"), Command::Add, padding).unwrap().is_some());
    }
}

#[test]
fn other_verbs_succeed_whatever_they_print() {
    for body in ["true", "echo noise", "echo '{}'"] {
        assert_eq!(run(body, Command::Del), Ok(None));
        assert_eq!(run(body, Command::Check), Ok(None));
    }
}

#[test]
fn its_error_is_ours_with_its_name_before_it() {
    let body = r#"echo '{"cniVersion":"1.1.0","code":11,"msg":"pool is busy","details":"d"}'; exit 1"#;
    for command in [Command::Add, Command::Del, Command::Check, Command::Gc, Command::Status] {
        let error = run(body, command).unwrap_err();
        assert_eq!(error, Error::new(Code::TryAgainLater, "ipam: pool is busy").with_details("d"));
    }
}

#[test]
fn an_answer_that_cannot_be_understood_is_code_6_and_quoted() {
    for (body, parts) in [
        ("true", ["not JSON", "it printed nothing"]),
        ("echo garbage", ["not JSON", "\"garbage\""]),
        ("echo '[]'", ["the result is []", "an object"]),
        (r#"echo '{"cniVersion":"0.2.0"}'"#, ["0.2.0", "1.1.0"]),
        (r#"echo '{"ips":[{"address":"10.1.0.5"}]}'"#, ["ips[0].address", "\"10.1.0.5\""]),
        (r#"echo '{"ips":[{"address":"10.1.0.5/24","interface":7}]}'"#, ["interface 7", "0 entries"]),
        (r#"echo '{"code":7,"msg":"x"}'"#, ["error", "status 0"]),
        ("exit 3", ["exit status 3", "it printed nothing"]),
        ("echo oh dear; exit 3", ["exit status 3", "\"oh dear\""]),
        ("head -c 5000000 /dev/zero", ["more than 4 MiB", "/ipam"]),
        ("echo '['; yes '[],' | head -n 200000; echo '7]'", ["more than 131072 values", "["]),
    ] {
        let error = run(body, Command::Add).unwrap_err();
        assert_eq!(error.code, Code::Decode, "{body}: {}", error.msg);
        assert!(error.msg.starts_with("ipam: "), "{}", error.msg);
        assert!(parts.iter().all(|part| error.msg.contains(part)), "{}", error.msg);
    }
}

#[test]
fn the_signal_that_killed_it_is_named() {
    for command in [Command::Add, Command::Del] {
        let error = run("kill -SEGV $$", command).unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (Code::Decode, "ipam: killed by signal 11 (SIGSEGV)"));
    }
}

#[test]
fn it_is_killed_at_the_limit_even_with_stdout_closed() {
    for (body, padding) in [("exec sleep 60", 0), ("exec sleep 60 >&-", 0), ("exec sleep 60", 300_000)] {
        let directory = Directory::new();
        let pid = directory.0.join("pid");
        directory.script("ipam", &format!("echo $$ > {}; {body}", pid.display()), "755");
        let call = call(&[&directory.0], padding);
        let mut delegate = Delegate::find("ipam", &call).unwrap();
        delegate.limit = Duration::from_millis(300);
        let started = Instant::now();
        let Failed { error, end } = delegate.run(Command::Add, &call).unwrap_err();
        assert_eq!(end, End::Killed);
        let elapsed = started.elapsed();
        assert_eq!(error.code, Code::TryAgainLater);
        assert!(error.msg.starts_with("ipam: still running after 300ms"), "{}", error.msg);
        assert!(elapsed >= delegate.limit && elapsed < Duration::from_secs(5), "{elapsed:?}");
        assert!(is_gone(&fs::read_to_string(pid).unwrap()));
    }
}

#[test]
fn a_grandchild_that_keeps_stdout_does_not_hold_us_up() {
    let started = Instant::now();
    assert!(run(&format!("sleep 5 & echo '{RESULT}'"), Command::Add).unwrap().is_some());
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn dropping_kills_it_and_its_children_and_reaps() {
    let directory = Directory::new();
    let pids = directory.0.join("pids");
    // Renamed when it is whole.
    let body = format!("sleep 60 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", pids.display());
    directory.script("ipam", &body, "755");
    let call = call(&[&directory.0], 0);
    let running = Delegate::find("ipam", &call).unwrap().start(Command::Add, &call).unwrap();
    while !pids.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(running);
    let pids = fs::read_to_string(&pids).unwrap();
    let (own, child) = pids.trim().split_once(' ').unwrap();
    assert!(is_gone(own));
    // Its parent is gone; another process reaps it in its own time.
    let dead = || fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
    let started = Instant::now();
    while !dead() {
        assert!(started.elapsed() < Duration::from_secs(5), "{child} lives");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_first_executable_file_in_the_path_counts() {
    let (first, second) = (Directory::new(), Directory::new());
    first.script("plain", "true", "644");
    fs::create_dir(first.0.join("folder")).unwrap();
    let both = call(&[Path::new("/no/such"), &first.0, &second.0], 0);
    for kind in ["plain", "folder"] {
        let error = Delegate::find(kind, &both).unwrap_err();
        assert_eq!(error.code, Code::InvalidEnvironment);
        let parts = [
            "CNI_PATH",
            kind,
            "/no/such",
            first.0.to_str().unwrap(),
            second.0.to_str().unwrap(),
            "not an executable file",
        ];
        assert!(parts.iter().all(|part| error.msg.contains(part)), "{}", error.msg);
        let found = second.script(kind, "true", "755");
        assert_eq!(Delegate::find(kind, &both).unwrap().executable, found);
    }
    let error = Delegate::find("absent", &both).unwrap_err();
    assert!(error.msg.contains("\"absent\"") && !error.msg.contains("not an executable file"), "{}", error.msg);
    assert!(Delegate::find("plain", &call(&[], 0)).unwrap_err().msg.contains("CNI_PATH"));
    for kind in ["", "..", "../ipam", "/bin/true"] {
        assert_eq!(Delegate::find(kind, &both).unwrap_err().code, Code::InvalidConfig);
    }
}

#[test]
fn what_cannot_be_started_is_code_5() {
    let directory = Directory::new();
    let executable = directory.script("ipam", "true", "755");
    let call = call(&[&directory.0], 0);
    let delegate = Delegate::find("ipam", &call).unwrap();
    fs::remove_file(&executable).unwrap();
    let Failed { error, end } = delegate.run(Command::Add, &call).unwrap_err();
    assert_eq!((error.code, end), (Code::Io, End::NotStarted));
    assert!(error.msg.contains(executable.to_str().unwrap()) && error.msg.contains("No such file"), "{}", error.msg);
}
