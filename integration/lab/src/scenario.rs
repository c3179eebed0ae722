#![expect(clippy::panic, reason = "a test that can run nowhere fails")]

use crate::{Ending, Feature, Guest, IN_LAB, default_cache, uml};
use std::any::type_name;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the executables under test are in the guest.
const BIN_DIR: &str = "/plugboard/bin";

/// How long a test may take in the guest, on this machine's clock: ten times as long as any does on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(600);

/// Printed by a test that ran to its end in the lab. Its status alone would not tell it from no test at all.
const COMPLETED: &str = "lab: ran to its end:";

/// [`with_features`] for a test that observes all that a feature promises. `row` is its id, see [`harness::row`].
pub fn on_full_kernel<F: FnOnce()>(row: &str, features: &[Feature], body: F) {
    run::<F>(features, || {
        let _row = harness::row(row);
        body();
    });
}

/// Runs a test's body on a kernel that has all of `features`: this machine's if it has them, else the lab's.
///
/// In the lab runs the calling test executable, asked for the one test that makes this call, with the executables under
/// test in `PLUGBOARD_BIN_DIR` and the repository's `conf-examples` where they are here. Which kernel it was is printed.
///
/// Panics when the body does, and when neither kernel will do.
pub fn with_features<F: FnOnce()>(features: &[Feature], body: F) {
    run::<F>(features, body);
}

/// Runs a test's body in the lab whatever this machine's kernel has: for figures that only a virtual clock makes exact.
///
/// Panics when the body does, and when there is no lab.
pub fn on_virtual_clock<F: FnOnce()>(body: F) {
    let test = test_name::<F>();
    if std::env::var_os(IN_LAB).is_some() {
        body();
        println!("{COMPLETED} {test}");
    } else {
        in_guest(&test, &[]);
    }
}

/// [`on_virtual_clock`] for a test that boots a [`Vm`](crate::Vm): the lab brings what that needs.
///
/// Panics when the body does, when there is no lab, and when User-mode Linux cannot be had.
pub fn with_guests_on_virtual_clock<F: FnOnce()>(body: F) {
    let test = test_name::<F>();
    if std::env::var_os(IN_LAB).is_some() {
        body();
        println!("{COMPLETED} {test}");
    } else {
        let files = uml::files().unwrap_or_else(|error| panic!("{test} has no virtual machine: {error:#}"));
        in_guest(&test, &files);
    }
}

/// `F` is the test's own body, by which the test is known.
fn run<F>(features: &[Feature], body: impl FnOnce()) {
    let test = test_name::<F>();
    let missing: Vec<_> = features.iter().filter(|feature| !feature.is_present()).collect();
    let in_lab = std::env::var_os(IN_LAB).is_some();
    if missing.is_empty() {
        if !in_lab {
            println!("kernel: this machine's ({})", running_version());
        }
        body();
        if in_lab {
            println!("{COMPLETED} {test}");
        }
    } else if in_lab {
        panic!("the lab's kernel ({}) lacks {missing:?}", running_version());
    } else {
        println!("this machine's kernel ({}) lacks {missing:?}", running_version());
        in_guest(&test, &[]);
    }
}

/// Runs the test in the lab with further files, by their places there.
fn in_guest(test: &str, files: &[(PathBuf, PathBuf)]) {
    let mut guest = guest(test).unwrap_or_else(|error| panic!("{test} cannot be taken to the lab: {error}"));
    guest.files.extend(files.iter().cloned());
    let version = guest.kernel_version().unwrap_or_else(|error| panic!("there is no lab for {test}: {error:#}"));
    println!("kernel: the lab's ({version})");
    let mut stdout = Shown::default();
    let (ending, effort) = guest
        .run(&mut stdout, &mut Shown::default())
        .unwrap_or_else(|error| panic!("{test} cannot be run in the lab: {error:#}"));
    if let Some(effort) = effort {
        println!("lab: worked {:?} of {:?}", effort.worked, effort.ran);
    }
    let completed = stdout.text.lines().any(|line| line.ends_with(&format!("{COMPLETED} {test}")));
    match ending {
        Ending::Died(how) => panic!("{test} in the lab: {how}"),
        Ending::Status(0) if completed => {}
        Ending::Status(0) => panic!("{test} did not run in the lab: the test executable knows no test of that name"),
        Ending::Status(status) => panic!("{test} failed in the lab with status {status}; its output is above"),
    }
}

fn guest(test: &str) -> io::Result<Guest> {
    let executable = std::env::current_exe()?;
    let mut command: Vec<OsString> = vec![executable.clone().into(), "--exact".into(), test.into()];
    // With one thread the test's name would stand before the first line of its output.
    command.extend(["--nocapture", "--include-ignored", "--test-threads=2"].map(OsString::from));
    let mut guest = Guest::new(command, default_cache());
    guest.kept_as = place_in_the_run();
    guest.limit = LIMIT;
    guest.directory = std::env::current_dir()?;
    guest.files.insert(executable.clone(), executable);
    if let Some(directory) = harness::find_bin_dir() {
        harness::assert_newer_than_sources(&directory);
        for program in executables_in(&directory)? {
            let place = Path::new(BIN_DIR).join(program.file_name().unwrap_or_default());
            guest.files.insert(place, program);
        }
        guest.environment.insert("PLUGBOARD_BIN_DIR".into(), BIN_DIR.into());
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples");
    if let Ok(examples) = examples.canonicalize() {
        guest.files.insert(examples.clone(), examples);
    }
    for passed_on in ["RUST_BACKTRACE", harness::soak::SOAK] {
        if let Ok(value) = std::env::var(passed_on) {
            guest.environment.insert(passed_on.into(), value);
        }
    }
    Ok(guest)
}

/// Where this test is among those of its run that nextest runs at the same time, of its group if it has one: those that have the place
/// one after another have a machine of the lab in common.
fn place_in_the_run() -> Option<String> {
    let [run, group, of_group, of_all] = ["RUN_ID", "TEST_GROUP", "TEST_GROUP_SLOT", "TEST_GLOBAL_SLOT"]
        .map(|name| std::env::var(format!("NEXTEST_{name}")).ok());
    let (run, group) = (run?, group?);
    let place = if group == "@global" { of_all? } else { of_group? };
    Some(format!("{run}-{}-{place}", group.trim_start_matches('@')))
}

fn executables_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut executables = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        let about = path.metadata()?;
        if about.is_file() && about.permissions().mode() & 0o111 != 0 {
            executables.push(path);
        }
    }
    Ok(executables)
}

/// The name by which the test executable knows the test that is running. Its thread is called so; a test that moved to
/// another thread is found by the type of its body, `crate::module::test::{{closure}}`.
fn test_name<F>() -> String {
    match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => {
            let function = type_name::<F>().split("::{{closure}}").next().unwrap_or_default();
            function.split_once("::").map_or(function, |(_crate, path)| path).to_owned()
        }
    }
}

fn running_version() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// Prints what it is given, whole lines at a time, so that it appears with the test's own output, and keeps it.
#[derive(Default)]
struct Shown {
    text: String,
    bytes: Vec<u8>,
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.bytes.drain(..end).collect();
        let lines = String::from_utf8_lossy(&lines);
        print!("{lines}");
        self.text += &lines;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.bytes);
        let rest = String::from_utf8_lossy(&rest);
        print!("{rest}");
        self.text += &rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name for a body that a test gives to [`on_full_kernel`].
    fn name_for<F: FnOnce()>(_body: F) -> String {
        test_name::<F>()
    }

    #[test]
    fn a_test_knows_its_name_on_its_own_thread_and_on_another() {
        let expected = "scenario::tests::a_test_knows_its_name_on_its_own_thread_and_on_another";
        assert_eq!(name_for(|| ()), expected);
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| name_for(|| ())).join().unwrap());
        assert_eq!(elsewhere, expected);
    }

    #[test]
    fn lines_are_shown_whole_and_nothing_is_lost() {
        let mut shown = Shown::default();
        for piece in ["a", "b\nc", "\nd"] {
            shown.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(shown.text, "ab\nc\n");
        shown.flush().unwrap();
        assert_eq!(shown.text, "ab\nc\nd");
    }
}
