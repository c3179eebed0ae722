//! A part of the report.

use bench::goal::Goal;
use bench::table::Table;

/// What was measured of one subject.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) table: Table,
    pub(crate) goals: Vec<Goal>,
}
