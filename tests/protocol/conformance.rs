//! The checklist is covered: every row that a plugin can be held to is cited by a test that runs.

use std::process::Command;

#[test]
fn every_row_of_the_checklist_has_a_test() {
    let output = Command::new(env!("CARGO_BIN_EXE_uncited")).output().expect("the command runs");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "rows without a test:\n{report}");
}
