//! A row is printed by a test that has passed, and by no other.

use std::process::Command;

use harness::row;

#[test]
fn passes() {
    let _row = row("of-a-test-that-passes");
}

#[test]
#[should_panic(expected = "as it should")]
fn fails() {
    let _row = row("of-a-test-that-fails");
    panic!("as it should");
}

/// All that this executable's test of that name prints.
fn printed_by(test: &str) -> String {
    let executable = std::env::current_exe().expect("the test knows its executable");
    let output = Command::new(executable).args(["--exact", test, "--nocapture"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
    text
}

#[test]
fn a_row_is_printed_by_a_test_that_passed() {
    assert!(printed_by("passes").contains("row of-a-test-that-passes\n"));
    assert!(!printed_by("fails").contains("row of-a-test"));
}
