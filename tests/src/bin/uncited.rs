//! Lists the rows of the checklist that no test cites. Exits with 1 if there are any.

use std::path::Path;
use std::process::ExitCode;

use tests::checklist;

fn main() -> ExitCode {
    let gaps = match checklist::gaps(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Ok(gaps) => gaps,
        Err(error) => {
            eprintln!("uncited: {error}");
            return ExitCode::FAILURE;
        }
    };
    let complaints = [
        (&gaps.uncited, "no test cites it"),
        (&gaps.contradictory, "is declared not applicable, and a test cites it"),
        (&gaps.unknown, "is no row of the checklist"),
        (&gaps.unreasoned, "is declared not applicable without a reason"),
    ];
    for (ids, complaint) in complaints {
        for id in ids {
            println!("{id}: {complaint}");
        }
    }
    for (id, reason) in checklist::not_applicable() {
        println!("{id} does not apply: {reason}");
    }
    let complete = gaps == checklist::Gaps::default();
    if complete {
        let exempt = checklist::not_applicable().len();
        println!("{} rows, {exempt} not applicable, each other one cited by a test", checklist::ids().len());
    }
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
